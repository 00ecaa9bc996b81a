"""Kernel settings under /proc/sys, by keys with slashes (`net/ipv4/conf/eth0.100/rp_filter`: names may hold dots).

/proc/sys/net shows the namespace of whoever looks, so inside a namespace these run through `Handle.call`.
"""

from __future__ import annotations

import errno
import os

from netkit.errors import HostError, KernelError, UsageError

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Iterable
    from typing import Any

    Ranges = Iterable[tuple[int, int]]

#: Ports that the kernel does not give out as ephemeral ones.
RESERVED_PORTS = "net/ipv4/ip_local_reserved_ports"

_ROOT = "/proc/sys"
_PAGE = 4096
#: A value comes in one read or not at all; every other port of 65,536 is what this one can hold at most.
_LONGEST = {RESERVED_PORTS: 1 << 18}
_SAFE = frozenset("abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789_.-")
_GONE = (errno.ENOENT, errno.ENOTDIR)


def read(key: str, call: Callable[[Callable[[], Any]], Any] | None = None) -> str | None:
    """The value of a key, None when there is no such key; `call` is the `Handle.call` of another namespace."""
    if call is not None:
        found: str | None = call(lambda: read(key))
        return found
    try:
        fd = os.open(_path(key), os.O_RDONLY | os.O_CLOEXEC)
        try:
            return os.read(fd, _LONGEST.get(key, _PAGE)).decode().strip().replace("\t", " ")
        finally:
            os.close(fd)
    except OSError as error:
        if error.errno in _GONE:
            return None
        raise _failed("read", key, error) from error


def write(key: str, value: str, call: Callable[[Callable[[], Any]], Any] | None = None) -> None:
    """Set a key; KernelError (ENOENT) when there is no such key, HostError when it may not be written.

    Where /proc/sys is read-only, as in many containers, a value that is right already is fine.
    """
    if call is not None:
        call(lambda: write(key, value))
        return
    try:
        fd = os.open(_path(key), os.O_WRONLY | os.O_CLOEXEC)
        try:
            _write_all(fd, f"{value}\n".encode())
        finally:
            os.close(fd)
    except OSError as error:
        if error.errno in (errno.EROFS, errno.EACCES, errno.EPERM) and read(key) == value:
            return
        raise _failed(f"set to {value!r}", key, error) from error


def restore(key: str, value: str, expected: str) -> None:
    """Write a former value back, if the key still has the expected one."""
    if read(key) == expected:
        write(key, value)


def reserve_ports(ranges: Ranges) -> None:
    """Add these inclusive (first, last) ranges to the ports that the kernel keeps from ephemeral use."""
    current = reserved_ports()
    _write_ports(current | _ports(ranges))


def free_ports(ranges: Ranges) -> None:
    """Take exactly these out; the rest stays."""
    _write_ports(reserved_ports() - _ports(ranges))


def reserved_ports() -> set[int]:
    """The ports that are kept from ephemeral use."""
    words = (read(RESERVED_PORTS) or "").split(",")
    bounds = (word.partition("-") for word in words if word)
    return _ports((int(first), int(last or first)) for first, _, last in bounds)


def _ports(ranges: Ranges) -> set[int]:
    return {port for first, last in ranges for port in range(first, last + 1)}


def _write_ports(ports: set[int]) -> None:
    """As few ranges as say the same, since the kernel reads a page at a time."""
    words: list[str] = []
    for port in sorted(ports):
        if port - 1 not in ports:
            words.append(str(port))
        elif port + 1 not in ports:
            words[-1] += f"-{port}"
    write(RESERVED_PORTS, ",".join(words))


def _path(key: str) -> str:
    """UsageError unless every part is a plain name: a key never leads out of /proc/sys."""
    parts = key.split("/")
    if all(part and _SAFE.issuperset(part) and part.strip(".") for part in parts):
        return f"{_ROOT}/{key}"
    raise UsageError(f"{key!r} is no sysctl key", "write it with slashes, for example net/ipv4/ip_forward")


def _write_all(fd: int, data: bytes) -> None:
    """A list longer than a page is taken in several writes, which the kernel joins while the file stays open."""
    while data:
        data = data[os.write(fd, data) :]


def _failed(action: str, key: str, error: OSError) -> HostError | KernelError:
    message = f"sysctl {key} cannot be {action}: {error.strerror}"
    if error.errno == errno.EROFS:
        return HostError(message, "/proc/sys is mounted read-only here; mount it writable, or set the value beforehand")
    if error.errno in (errno.EACCES, errno.EPERM):
        return HostError(message, "run as root, with CAP_NET_ADMIN over that namespace")
    return KernelError(message, error.errno or 0)
