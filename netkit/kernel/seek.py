"""Another way to a namespace whose path has died: through any process that is still in it.

A container's first process may end while others live on, and /proc/PID/ns/net of the first is how it was named.
"""

from __future__ import annotations

import os

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator


def paths_to(inode: int) -> Iterator[str]:
    """The paths under /proc that lead to the network namespace of that inode number, one for each process in it.

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


def _inode(path: str) -> int:
    try:
        return os.stat(path).st_ino
    except OSError:  # ended, or another's that we may not look at
        return 0
