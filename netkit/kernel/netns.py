"""From what people name (a PID, a path, a name) to a network namespace that is surely the one they mean.

Whatever is named is opened first, and all questions are then asked of the descriptor: between a check and an action a
PID can be given to another process and a path can be swapped.
"""

from __future__ import annotations

import errno
import fcntl
import os
import select
import stat

from netkit.errors import HostError, NetkitError, NotFoundError, UsageError
from netkit.kernel.namespaces import OWN, Handle, Namespaces, look_inside
from netkit.kernel.threads import CLONE_NEWNET
from netkit.model import NsRef
from netkit.naming import check_name

__all__ = ["NAMED", "Handle", "Namespaces", "resolve_name", "resolve_path", "resolve_pid"]

#: Where `ip netns add NAME` keeps its namespaces.
NAMED = "/run/netns"

_NS_GET_NSTYPE = 0xB703
_KINDS = {
    0x00020000: "mount",
    0x02000000: "cgroup",
    0x04000000: "UTS",
    0x08000000: "IPC",
    0x10000000: "user",
    0x20000000: "PID",
    0x00000080: "time",
}
_PF_KTHREAD = 0x00200000


def resolve_pid(pid: int, *, allow_host: bool = False) -> NsRef:
    """The network namespace of a process.

    NotFoundError when there is no such process or it has ended; UsageError for a kernel thread, and for a process in
    the host's own namespace unless `allow_host`; HostError without the privilege to enter.
    """
    pidfd = _open_process(pid)
    try:
        state, flags = _stat(pid)
        _check_alive(pidfd, pid, state)
        if flags & _PF_KTHREAD:
            # they live in the initial namespace: entering it would configure the machine itself
            raise UsageError(f"process {pid} is a kernel thread", "give the PID of a process in a container")
        ref = _reference(pidfd, f"/proc/{pid}/ns/net")
        _check_alive(pidfd, pid)
    finally:
        os.close(pidfd)
    return _check_foreign(ref, f"process {pid}", allow_host)


def resolve_path(path: str, *, allow_host: bool = False) -> NsRef:
    """The network namespace that a path leads to: `/run/netns/NAME`, `/proc/PID/ns/net`, a bind mount anywhere.

    NotFoundError when it leads nowhere, UsageError when it leads to anything else or to the host's own namespace
    (unless `allow_host`).
    """
    fd = _open_path(path)
    try:
        _check_kind(fd, path)
        ref = _reference(fd, os.path.abspath(path))
    finally:
        os.close(fd)
    return _check_foreign(ref, path, allow_host)


def resolve_name(name: str, *, allow_host: bool = False) -> NsRef:
    """The network namespace that `ip netns` knows under this name; ConfigError for what is no name."""
    return resolve_path(f"{NAMED}/{check_name(name, 'netns', 'namespace name')}", allow_host=allow_host)


def _reference(fd: int, path: str) -> NsRef:
    inode, cookie, rtnl = look_inside(fd, path)
    rtnl.close()
    return NsRef(path, inode, cookie)


def _check_foreign(ref: NsRef, what: str, allow_host: bool) -> NsRef:
    """The kernel keeps one inode number for one living namespace, and ours is living."""
    if not allow_host and ref.inode == os.stat(OWN).st_ino:
        raise UsageError(
            f"{what} is in the host's own network namespace",
            "start it in its own (unshare --net, or your container tool's default)",
        )
    return ref


def _open_process(pid: int) -> int:
    if pid <= 0:
        raise UsageError(f"{pid} is no PID", "give the PID of a process in a container")
    try:
        return os.pidfd_open(pid)
    except (OSError, OverflowError) as error:
        code = error.errno if isinstance(error, OSError) else errno.ESRCH
        if code == errno.ESRCH:
            raise NotFoundError(f"there is no process {pid}", "list processes with `ps -e`") from error
        if code in (errno.EINVAL, errno.ENOENT):
            raise UsageError(f"{pid} is a thread of a process", "give the PID of the process") from error
        raise HostError(f"cannot open process {pid}: {error}", "netkit needs Linux 5.8 or newer") from error


def _check_alive(pidfd: int, pid: int, state: bytes = b"") -> None:
    """A pidfd becomes readable when its process ends, zombie or not; `state` is its letter in /proc/PID/stat."""
    poll = select.poll()
    poll.register(pidfd, select.POLLIN)
    if poll.poll(0):
        zombie = ": it is a zombie, its parent has not collected it" if state == b"Z" else ""
        raise NotFoundError(f"process {pid} has ended{zombie}", "give the PID of a running process")


def _stat(pid: int) -> tuple[bytes, int]:
    """A process's state letter and flags, nothing when it has gone."""
    try:
        with open(f"/proc/{pid}/stat", "rb") as file:
            fields = file.read().rpartition(b")")[2].split()
    except (FileNotFoundError, ProcessLookupError):
        return b"", 0
    except OSError as error:
        raise HostError(f"cannot read /proc/{pid}/stat: {error.strerror}", "mount /proc") from error
    return fields[0], int(fields[6])


def _open_path(path: str) -> int:
    """O_NONBLOCK, so that opening a FIFO does not wait for a writer."""
    try:
        return os.open(path, os.O_RDONLY | os.O_CLOEXEC | os.O_NONBLOCK | os.O_NOCTTY)
    except ValueError as error:
        raise UsageError(f"{path!r} is no path", "give the path of a network namespace") from error
    except OSError as error:
        raise _not_opened(error, path) from error


def _not_opened(error: OSError, path: str) -> NetkitError:
    if error.errno in (errno.EACCES, errno.EPERM):
        return HostError(f"no permission to open {path}", "run as root")
    if error.errno in (errno.ENOENT, errno.ENOTDIR):
        if os.path.islink(path):
            return NotFoundError(f"{path} is a symbolic link to {os.readlink(path)}, which does not exist", _LIST)
        return NotFoundError(f"there is no network namespace {path}", _LIST)
    return UsageError(f"cannot open {path} as a network namespace: {error.strerror}", _LIST)


_LIST = "`lsns -t net` and `ip netns` list network namespaces"


def _check_kind(fd: int, path: str) -> None:
    """UsageError unless the descriptor is a network namespace.

    All namespaces are files of one file system, so its device number tells them from anything else (and keeps the
    ioctl from reaching a driver to which it means something).
    """
    seen = os.fstat(fd)
    if seen.st_dev != os.stat(OWN).st_dev:
        raise UsageError(f"{path} is {_file_kind(seen.st_mode)}, not a network namespace", _LIST)
    kind = fcntl.ioctl(fd, _NS_GET_NSTYPE)
    if kind != CLONE_NEWNET:
        raise UsageError(f"{path} is a {_KINDS.get(kind, 'different')} namespace, not a network namespace", _LIST)


def _file_kind(mode: int) -> str:
    kinds = {stat.S_IFDIR: "a directory", stat.S_IFIFO: "a FIFO", stat.S_IFSOCK: "a socket", stat.S_IFREG: "a file"}
    return kinds.get(stat.S_IFMT(mode), "a device")
