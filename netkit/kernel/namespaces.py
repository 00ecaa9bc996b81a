"""The namespaces of one transaction: each entered once, known again by inode and cookie, and let go at the end.

A path is followed once, when the namespace is entered; from then on everything goes through its descriptor, so what
the path leads to later (PID reuse, a swapped link) does not matter.
"""

from __future__ import annotations

import errno
import os
import sys
from _socket import SOL_SOCKET

from netkit.errors import HostError, KernelError, NetkitError, NotFoundError
from netkit.kernel.rtnl import Rtnl
from netkit.kernel.seek import paths_to
from netkit.kernel.threads import run_inside
from netkit.model import NsRef

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import Self, TypeVar

    T = TypeVar("T")

#: The namespace that netkit itself is in: "the host".
OWN = "/proc/self/ns/net"
_SO_NETNS_COOKIE = 71
_RELEASE = "detach or gc releases what it held"


class Handle:
    """One namespace, held open until `close`; None stands for the host's own, which no helper thread is needed for."""

    def __init__(self, fd: int, ref: NsRef | None = None, rtnl: Rtnl | None = None) -> None:
        self.fd = fd
        self._ref = ref
        self._rtnl = rtnl

    def call(self, work: Callable[[], T]) -> T:
        """What `work` returns or raises, run inside the namespace."""
        return work() if self._ref is None else _enter(self.fd, work, self._ref.path)

    def socket(self) -> Rtnl:
        """The rtnetlink socket that lives in the namespace."""
        if self._rtnl is None:
            self._rtnl = self.call(Rtnl)
        return self._rtnl

    def close(self) -> None:
        """Let the namespace go: a socket or descriptor left behind would keep it from dying."""
        if self._rtnl is not None:
            self._rtnl.close()
            self._rtnl = None
        if self.fd >= 0:
            os.close(self.fd)
            self.fd = -1


class Namespaces:
    """The handles of one transaction, by reference; a context manager that closes them all."""

    def __init__(self) -> None:
        self._handles: dict[NsRef | None, Handle] = {}

    def enter(self, ref: NsRef | None) -> Handle:
        """The handle of that namespace, None for the host's own.

        NotFoundError when the path leads nowhere, or to another namespace than the one that the reference saw.
        """
        handle = self._handles.get(ref)
        if handle is None:
            handle = self._handles[ref] = _open_own() if ref is None else _open(ref)
        return handle

    def alive(self, ref: NsRef) -> bool:
        """Whether the reference still leads to the namespace that it was made for."""
        try:
            _open(ref).close()
        except NotFoundError:
            return False
        return True

    def close(self) -> None:
        """Let go of every namespace; they can be entered again."""
        handles, self._handles = self._handles, {}
        for handle in handles.values():
            handle.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()


def look_inside(fd: int, where: str) -> tuple[int, int, Rtnl]:
    """The inode and cookie of a namespace, and a socket in it, with one helper thread.

    `fd` may be a pidfd. The cookie is 0 before kernel 5.14.
    """

    def look() -> tuple[int, int, Rtnl]:
        rtnl = Rtnl()
        return os.stat("/proc/thread-self/ns/net").st_ino, cookie(rtnl), rtnl

    return _enter(fd, look, where)


def cookie(rtnl: Rtnl) -> int:
    """The number of a socket's namespace, never used twice in one boot; 0 when the kernel knows no such thing."""
    try:
        return int.from_bytes(rtnl.getsockopt(SOL_SOCKET, _SO_NETNS_COOKIE, 8), sys.byteorder)
    except OSError:
        return 0


def _enter(fd: int, work: Callable[[], T], where: str) -> T:
    try:
        return run_inside(fd, work)
    except OSError as error:
        raise refused(error, where) from error


def _open_own() -> Handle:
    try:
        return Handle(os.open(OWN, os.O_RDONLY | os.O_CLOEXEC))
    except OSError as error:
        raise HostError(f"cannot open {OWN}: {error.strerror}", "mount /proc") from error


def _open(ref: NsRef) -> Handle:
    """By its path, or, once that has died, through another process in it; only the cookie tells that it is the same."""
    try:
        return _open_path(ref, ref.path)
    except NotFoundError:
        for path in paths_to(ref.inode) if ref.cookie else ():
            try:
                return _open_path(ref, path)
            except NotFoundError:
                continue
        raise


def _open_path(ref: NsRef, path: str) -> Handle:
    try:
        fd = os.open(path, os.O_RDONLY | os.O_CLOEXEC | os.O_NONBLOCK)
    except (FileNotFoundError, ProcessLookupError, NotADirectoryError) as error:
        raise NotFoundError(f"the network namespace {path} is gone", "detach or gc releases what it held") from error
    except OSError as error:
        raise refused(error, path) from error
    try:
        if ref.inode and os.fstat(fd).st_ino != ref.inode:
            raise _another(path)
        _, seen, rtnl = look_inside(fd, path)
        handle = Handle(fd, ref, rtnl)
    except BaseException:
        os.close(fd)
        raise
    if ref.cookie and seen and seen != ref.cookie:
        handle.close()
        raise _another(path)
    return handle


def _another(path: str) -> NotFoundError:
    return NotFoundError(f"{path} is another network namespace now", _RELEASE)


def refused(error: OSError, where: str) -> NetkitError:
    """Why a namespace could not be entered, as an error for people."""
    if error.errno in (errno.EPERM, errno.EACCES):
        return HostError(
            f"no permission to enter the network namespace {where}",
            "run as root; in a container this takes CAP_SYS_ADMIN, and CAP_SYS_PTRACE for another's process",
        )
    if error.errno == errno.ESRCH:
        return NotFoundError(f"the process of {where} is gone", "start it again, or give another PID")
    if error.errno == errno.EINVAL:
        return NotFoundError(f"{where} is no network namespace any more", _RELEASE)
    return KernelError(f"cannot enter the network namespace {where}: {error.strerror}", error.errno or 0)
