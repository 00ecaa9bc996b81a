"""TARGET: whose network namespace is meant. Exactly one of --pid, --netns and --container.

A namespace that is named by PID, path or name counts as one container, whichever way it is named: its id is made from
the boot and the namespace's cookie. One that is named by --container has that container's own id.
"""

from __future__ import annotations

import os

import click

from netkit.cli.command import options
from netkit.errors import NotFoundError, UsageError
from netkit.model import NsRef
from netkit.naming import short_id
from netkit.value import Value

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable

    from netkit.engine.service import Engine
    from netkit.model import Endpoint
    from netkit.state.records import Record

target_options = options(
    click.option("--pid", type=int, metavar="N", help="The namespace of process N."),
    click.option("--netns", metavar="PATH|NAME", help="A path such as /proc/N/ns/net, or a name of `ip netns`."),
    click.option(
        "--container",
        metavar="ID",
        help="A running container of Docker, podman, containerd, CRI-O, runc or crun: id or name.",
    ),
)


class Target(Value):
    """A target as it was named; `pid` 0 and "" are what was not given."""

    pid: int = 0
    netns: str = ""
    container: str = ""

    def __str__(self) -> str:
        return f"process {self.pid}" if self.pid else self.netns or f"container {self.container}"


class Found(Value):
    """A target that was found: its namespace, the id that its attachments go by, and a PID, 0 if none is known."""

    container: str
    netns: NsRef
    pid: int = 0


def chosen(pid: int | None, netns: str | None, container: str | None) -> Target | None:
    """The one target that was named, None when none was; UsageError for two of them, or an empty one."""
    given = [name for name, value in (("pid", pid), ("netns", netns), ("container", container)) if value is not None]
    if len(given) > 1:
        raise UsageError(f"--{given[0]} and --{given[1]} both name a target", "give one of them")
    if pid is not None and pid <= 0:
        raise UsageError(f"--pid: {pid} is no PID", "give the PID of a process in a container")
    if netns == "" or container == "":
        raise UsageError(f"--{given[0]} is empty", "a shell variable may not be set")
    return Target(pid or 0, netns or "", container or "") if given else None


def required(target: Target | None, *others: str) -> Target:
    """The target, or UsageError when none was named."""
    if target is None:
        ways = ("--pid N", "--netns PATH|NAME", "--container ID", *others)
        raise UsageError("whose network namespace?", f"give {', '.join(ways[:-1])} or {ways[-1]}")
    return target


def find(target: Target, boot_id: str) -> Found:
    """The namespace of a target, checked to be one and not the host's own."""
    from netkit.kernel.netns import resolve_name, resolve_path, resolve_pid

    if target.container:
        from netkit.engine.containers import pid_of

        ident, pid = pid_of(target.container)
        return Found(ident, resolve_pid(pid), pid)
    if target.pid:
        return _of_namespace(resolve_pid(target.pid), boot_id, target.pid)
    by_path = "/" in target.netns
    return _of_namespace(resolve_path(target.netns) if by_path else resolve_name(target.netns), boot_id)


def records_of(engine: Engine, target: Target) -> list[Record]:
    """The attachments of a target, also of one that has died since: they are known by the words that named it.

    The error of a target that cannot be resolved is raised only when nothing is recorded under its words, and never
    when it is simply gone.
    """
    try:
        ref: NsRef | None = find(target, engine.root.boot_id()).netns
        failure = None
    except NotFoundError:
        ref = failure = None
    except UsageError as error:
        ref, failure = None, error
    if ref is not None and (found := engine.of_namespace(ref)):
        return found
    records = [
        record
        for record, alive in engine.attachments()
        if _same(record.endpoint.netns, ref) or ((ref is None or not alive) and _was_named(record.endpoint, target))
    ]
    if failure and not records:
        raise failure
    return records


def listed(records: Iterable[Record]) -> str:
    """Attachments in a line for people."""
    return ", ".join(f"{record.id} ({record.endpoint.ifname} on {record.endpoint.network})" for record in records)


def _of_namespace(ref: NsRef, boot_id: str, pid: int = 0) -> Found:
    return Found(short_id("netns", boot_id, str(ref.cookie or ref.inode)), ref, pid)


def _same(one: NsRef, other: NsRef | None) -> bool:
    if other is None or one.inode != other.inode:
        return False
    return not one.cookie or not other.cookie or one.cookie == other.cookie


def _was_named(ep: Endpoint, target: Target) -> bool:
    if target.pid:
        return ep.pid == target.pid
    if target.container:
        return ep.container.startswith(target.container)
    from netkit.kernel.netns import NAMED

    path = os.path.abspath(target.netns) if "/" in target.netns else f"{NAMED}/{target.netns}"
    return ep.netns.path == path
