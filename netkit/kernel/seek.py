"""Another way to a namespace whose path has died: through any process that is still in it, or where it is mounted.

A container's first process may end while others live on, and /proc/PID/ns/net of the first is how it was named. A mount
(`ip netns`, a runtime's pause) keeps a namespace alive without any process.
"""

from __future__ import annotations

import os

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator


def paths_to(inode: int) -> Iterator[str]:
    """The paths that lead to the network namespace of that inode number: of processes in it, mounts, and what we hold.

    Whoever opens one must look again: the process may end, and the number be given to another namespace, meanwhile.
    """
    try:
        names = os.listdir("/proc")
    except OSError:
        return
    for name in names:
        path = f"/proc/{name}/ns/net"
        if name.isdigit() and _inode(path) == inode:
            yield path
    yield from _mounts(f"net:[{inode}]")
    yield from _held(f"net:[{inode}]")


def _mounts(what: str) -> Iterator[str]:
    """Where that namespace is mounted, as far as our own mount namespace shows it."""
    try:
        with open("/proc/self/mountinfo", encoding="utf-8", errors="surrogateescape") as file:
            lines = [line.split() for line in file]
    except OSError:
        return
    for fields in lines:  # id, parent, device, root, mount point with \040 for a space...
        if fields[3] == what:
            yield fields[4].replace("\\040", " ")


def _held(what: str) -> Iterator[str]:
    """Our own descriptors of that namespace, by paths that others can follow as long as we live."""
    me = f"/proc/{os.getpid()}/fd"
    for number in os.listdir(me):
        try:
            if os.readlink(f"{me}/{number}") == what:
                yield f"{me}/{number}"
        except OSError:
            continue


def _inode(path: str) -> int:
    try:
        return os.stat(path).st_ino
    except OSError:  # ended, or another's that we may not look at
        return 0
