"""From a container's id or name to the PID of its first process, without a daemon where that can be.

Runtimes keep a container's PID in files that a reboot clears; they are read first. Where they tell nothing, the cgroup
paths of the running processes do. Only names (Docker's, podman's) need their engine's own client.

A PID in a file may be old: where the file also tells when that process started, both must match.
"""

from __future__ import annotations

import json
import os

from netkit.errors import ConflictError, NotFoundError
from netkit.kernel import spawn
from netkit.naming import check_name
from netkit.value import Value

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

#: Folders with one folder a container, and the file in it that holds the PID; `*` is any folder.
LAYOUTS = (
    ("run/containerd/io.containerd.runtime.v2.task/*", "init.pid"),
    ("run/docker/containerd/daemon/io.containerd.runtime.v2.task/*", "init.pid"),
    ("run/k3s/containerd/io.containerd.runtime.v2.task/*", "init.pid"),
    ("run/docker/runtime-runc/*", "state.json"),
    ("run/containerd/runc/*", "state.json"),
    ("run/runc", "state.json"),
    ("run/crun", "status"),
    ("run/containers/storage/*", "userdata/pidfile"),
)
#: Clients that know containers by name.
CLIENTS = ("docker", "podman")
#: From this many digits on, the start of an id is taken for one; a shorter one may be a name that only a client knows.
SHORT_ID = 12

_HEX = frozenset("0123456789abcdef")
_FULL_ID = 64


class Init(Value):
    """A container's first process: when it started, in ticks since boot, is 0 where the runtime does not tell."""

    container: str
    pid: int
    started: int = 0


def pid_of(container: str, top: str = "/") -> tuple[str, int]:
    """The full id of a running container and the PID of its first process; `top` is where /run and /proc are.

    Takes an id, the unique start of one, or a name. NotFoundError when there is none or it is stopped, ConflictError
    when several fit, ConfigError for what can be no id.
    """
    check_name(container, "container", "container id")
    found = list(from_files(container, top)) or list(from_cgroups(container, top))
    exact = [init for init in found if init.container == container]
    if exact or (found and len(container) >= SHORT_ID):
        return _choose(container, exact or found, top)
    answer = _ask(container)
    if answer:
        return _running(container, answer)
    return _choose(container, found, top)


def from_files(container: str, top: str) -> Iterator[Init]:
    """The containers whose id starts so, by the files of their runtimes."""
    for pattern, file in LAYOUTS:
        for folder in _folders(f"{top.rstrip('/')}/{pattern}"):
            for name in _names(folder):
                if name.startswith(container) and (init := _read(name, f"{folder}/{name}/{file}")):
                    yield init


def from_cgroups(container: str, top: str) -> Iterator[Init]:
    """The containers whose id starts so, by the cgroup paths of processes: the oldest is the first."""
    if not _HEX.issuperset(container):
        return
    oldest: dict[str, Init] = {}
    for name in _names(f"{top}/proc"):
        if name.isdigit() and (ident := _cgroup_id(_text(f"{top}/proc/{name}/cgroup"))).startswith(container):
            init = Init(ident, int(name), _started(int(name), top))
            if ident and (ident not in oldest or (init.started, init.pid) < (oldest[ident].started, oldest[ident].pid)):
                oldest[ident] = init
    yield from oldest.values()


def _choose(container: str, found: Iterable[Init], top: str) -> tuple[str, int]:
    """The one that fits; the same process told by two files is one."""
    found = list(found)
    running = {(init.container, init.pid) for init in found if _is_running(init, top)}
    if len(running) == 1:
        return running.pop()
    if running:
        shown = ", ".join(f"{ident} (PID {pid})" for ident, pid in sorted(running))
        raise ConflictError(f"several containers fit {container}: {shown}", "give more of the id, or use --pid")
    if found:
        raise _stopped(found[0].container)
    raise NotFoundError(
        f"there is no running container {container}",
        f"searched the files of containerd, Docker, podman, CRI-O, runc and crun in {top.rstrip('/')}/run, the cgroups"
        f" of all processes, and asked {' and '.join(CLIENTS)}; --pid and --netns work with any other tool",
    )


def _ask(container: str) -> list[tuple[str, int]]:
    """What the installed clients answer; nothing where they do not know it or their daemon is not there."""
    answers: list[tuple[str, int]] = []
    for client in CLIENTS:
        path = spawn.find(client)
        if path is None:
            continue
        words = ["inspect", "--type", "container", "--format", "{{.Id}} {{.State.Pid}}", container]
        ident, _, pid = spawn.run([path, *words], timeout=10.0).text.strip().partition(" ")
        if ident and pid.isdigit():
            answers.append((ident, int(pid)))
    return answers


def _running(container: str, answers: list[tuple[str, int]]) -> tuple[str, int]:
    running = [answer for answer in answers if answer[1]]
    if not running:
        raise _stopped(container)
    if len(running) > 1:
        raise ConflictError(f"both {' and '.join(CLIENTS)} have a container {container}", "give its id, or use --pid")
    return running[0]


def _stopped(container: str) -> NotFoundError:
    return NotFoundError(f"container {container} is not running", "start it: a network needs a living namespace")


def _read(ident: str, path: str) -> Init | None:
    """The process that a runtime's file tells, None for a file that is not there or not what we know."""
    text = _text(path).strip()
    if text.isdigit():
        return Init(ident, int(text))
    try:
        state = json.loads(text)
        pid = state.get("init_process_pid") or state["pid"]
        started = state.get("init_process_start") or state.get("process-start-time") or 0
        return Init(ident, int(pid), int(started))
    except (ValueError, LookupError, TypeError, AttributeError):
        return None


def _is_running(init: Init, top: str) -> bool:
    started = _started(init.pid, top)
    return started > 0 and init.started in (0, started)


def _started(pid: int, top: str) -> int:
    """When a process started, in ticks since boot; 0 when it has ended, a zombie too."""
    fields = _text(f"{top}/proc/{pid}/stat").rpartition(")")[2].split()
    return int(fields[19]) if len(fields) > 19 and fields[0] not in "ZX" else 0


def _cgroup_id(text: str) -> str:
    """The container id in /proc/PID/cgroup: a 64-digit part of a path, bare or as `docker-ID.scope`; "" without one.

    conmon's own scope bears its container's id, but conmon is no part of the container.
    """
    for line in text.splitlines():
        for part in reversed(line.split("/")):
            ident = part.removesuffix(".scope").rpartition("-")[2]
            if len(ident) == _FULL_ID and _HEX.issuperset(ident) and "conmon" not in part:
                return ident
    return ""


def _folders(pattern: str) -> list[str]:
    above, star, _ = pattern.partition("/*")
    return [f"{above}/{name}" for name in _names(above)] if star else [above]


def _names(folder: str) -> list[str]:
    try:
        return sorted(os.listdir(folder))
    except OSError:
        return []


def _text(path: str) -> str:
    try:
        with open(path, encoding="utf-8", errors="replace") as file:
            return file.read()
    except OSError:
        return ""
