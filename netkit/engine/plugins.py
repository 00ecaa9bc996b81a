"""Running CNI plugins: theirs is a cable, ours is the account of it."""

from __future__ import annotations

import os

from netkit.errors import HostError, NetkitError, NotFoundError
from netkit.jsontext import loads
from netkit.kernel import spawn

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

    from netkit.engine.session import Session
    from netkit.model import NsRef
    from netkit.plan.rare.plugins import Plugin

#: How long a plugin may take, in seconds; one that hangs is killed.
PATIENCE = 60.0
#: How much of its answer is read, in bytes.
LARGEST = 1 << 20


def add(session: Session, op: Plugin) -> dict[str, Any]:
    """ADD; the plugin's result. When it fails, hangs, or answers with junk, DEL is sent after it."""
    find(op.type, op.directories)  # one that is not there has done nothing that its DEL could undo
    try:
        return _result(op, _run(op, "ADD", op.ns.path))
    except NetkitError as error:
        _take_back(session, op, error)
        raise


def delete(session: Session, op: Plugin) -> None:
    """DEL; a namespace that has gone is told as an empty one."""
    _run(op, "DEL", _way_in(session, op.ns))


def _way_in(session: Session, ns: NsRef) -> str:
    """A path to a namespace, also when its own died with the process that it was named by; "" for one that is gone."""
    try:
        handle = session.namespaces.enter(ns)
    except NotFoundError:
        return ""
    try:
        if os.stat(ns.path).st_ino == ns.inode:
            return ns.path
    except OSError:
        pass
    return f"/proc/{os.getpid()}/fd/{handle.fd}"


def _take_back(session: Session, op: Plugin, first: NetkitError) -> None:
    try:
        delete(session, op)
    except NetkitError as error:
        first.hint = f"{first.hint}\nand its DEL failed, too: {error.message}".strip()


def _result(op: Plugin, output: bytes) -> dict[str, Any]:
    try:
        found = loads(output.decode())
    except (ValueError, RecursionError) as error:
        raise NetkitError(f"the CNI plugin {op.type} answered with what is no JSON: {error}") from error
    if not isinstance(found, dict):
        raise NetkitError(f"the CNI plugin {op.type} answered with what is no result")
    return found


def _run(op: Plugin, command: str, netns: str) -> bytes:
    path = find(op.type, op.directories)
    environment = {
        "CNI_COMMAND": command,
        "CNI_CONTAINERID": op.container,
        "CNI_NETNS": netns,
        "CNI_IFNAME": op.ifname,
        "CNI_PATH": ":".join(op.directories),
        "PATH": ":".join(spawn.DIRECTORIES),
    }
    done = spawn.run([path], op.configuration.encode(), PATIENCE, environment)
    if len(done.stdout) > LARGEST:
        raise NetkitError(f"the CNI plugin {op.type} answered with more than {LARGEST} bytes")
    if done.status:
        raise NetkitError(f"the CNI plugin {op.type} refused: {_complaint(done)}", f"it was told to {command}")
    return done.stdout


def _complaint(done: spawn.Finished) -> str:
    """What it says in CNI's form of an error; else what it wrote, or how it ended."""
    try:
        told = loads(done.stdout.decode())
        words = [str(told[key]) for key in ("msg", "details") if told.get(key)]
    except (ValueError, RecursionError, AttributeError):
        words = []
    return ": ".join(words)[:2000] or done.complaint[:2000] or f"status {done.status}"


def find(kind: str, directories: tuple[str, ...]) -> str:
    """The executable of a plugin, or HostError."""
    if path := spawn.find_in(directories, kind):
        return path
    raise HostError(
        f"there is no CNI plugin {kind}", f"looked in {', '.join(directories)}; -o bin-dir=DIR names another place"
    )
