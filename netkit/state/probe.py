"""Does anything listen on a host port? Asked of the kernel, by binding the port for an instant."""

from __future__ import annotations

import _socket
import errno

from netkit.errors import ConflictError, HostError
from netkit.model import ANY, family

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Container, Sequence

    from netkit.model import PortMap
    from netkit.state.ports import Ledger

_TRIES = 200
_SCTP = 132
# linux/in.h, linux/in6.h: bind an address that the host does not have (yet).
_FREEBIND = {4: (0, 15), 6: (41, 78)}
_KINDS = {
    "tcp": (_socket.SOCK_STREAM, 0),
    "udp": (_socket.SOCK_DGRAM, 0),
    "sctp": (_socket.SOCK_STREAM, _SCTP),
}
#: The state of a socket that waits, as /proc/net/tcp and /proc/net/udp write it: TCP_LISTEN, and TCP_CLOSE of UDP.
_WAITING = {"tcp": "0A", "udp": "07"}
#: The kernel has no such protocol or family: nothing can listen there.
_ABSENT = (errno.EPROTONOSUPPORT, errno.ESOCKTNOSUPPORT, errno.EAFNOSUPPORT, errno.EADDRNOTAVAIL)


def listening(protocol: str, host_ip: str, port: int) -> bool:
    """Whether a process holds this port at this address, or at all of them; connections in TIME_WAIT do not count."""
    try:
        _bind(protocol, host_ip, port)
    except OSError as error:
        if error.errno == errno.EADDRINUSE:
            return True
        if error.errno in _ABSENT:
            return False
        raise HostError(f"cannot try port {port}/{protocol} at {host_ip}: {error.strerror}", "run as root") from error
    return False


def served(protocol: str) -> set[int]:
    """The ports at which a socket waits for anybody; one that is connected holds its port, and takes nobody in.

    Of SCTP, for which the kernel has no such table, all ports.
    """
    if protocol not in _WAITING:
        return set(range(1, 1 << 16))
    found: set[int] = set()
    for version in ("", "6"):
        try:
            with open(f"/proc/thread-self/net/{protocol}{version}", encoding="ascii") as table:
                words = [line.split(maxsplit=4) for line in table]
        except FileNotFoundError:  # a host without IPv6
            continue
        found |= {int(word[1].rpartition(":")[2], 16) for word in words if word[3] == _WAITING[protocol]}
    return found


def free_port(
    ledger: Ledger, port: PortMap, chosen: Sequence[PortMap] = (), reserved: Container[int] = frozenset()
) -> int:
    """A host port at which this port map, its whole range, gets in nobody's way; `chosen` are others of one request.

    From the kernel's ephemeral range, without what is `reserved` there: giving that back would take it from others. A
    map for all addresses of one family gets a port that is free in both families, so that the same can serve both.
    ConflictError when none is found.
    """
    host_ips = tuple(ANY.values()) if port.host_ip in ANY.values() else (port.host_ip,)
    for _ in range(_TRIES):
        first = _suggestion(port.protocol, port.host_ip)
        wanted = range(first, first + port.count)
        if wanted[-1] > 65535 or any(number in reserved for number in wanted):
            continue
        if any(_shares(wanted, other) for other in chosen if other.protocol == port.protocol):
            continue
        if all(_is_free(ledger, port.protocol, host_ip, wanted) for host_ip in host_ips):
            return first
    many = f"no {port.count} free host ports in a row" if port.count > 1 else "no free host port"
    raise ConflictError(f"{many} found for {port.protocol}", "name the host port")


def _shares(wanted: range, other: PortMap) -> bool:
    return wanted[0] < other.host_port + other.count and other.host_port <= wanted[-1]


def _is_free(ledger: Ledger, protocol: str, host_ip: str, ports: range) -> bool:
    return ledger.taken(protocol, host_ip, ports[0], ports[-1]) is None and not any(
        listening(protocol, host_ip, number) for number in ports
    )


def _suggestion(protocol: str, host_ip: str) -> int:
    """A free port as the kernel picks one."""
    for candidate in (protocol, "tcp"):
        try:
            return _bind(candidate, host_ip, 0)
        except OSError as error:
            if error.errno not in _ABSENT:
                raise HostError(f"the kernel gives no free port at {host_ip}: {error.strerror}") from error
    return _bind("tcp", "0.0.0.0", 0)  # no address of that family exists: any free port will do


def _bind(protocol: str, host_ip: str, port: int) -> int:
    version = family(host_ip)
    kind, number = _KINDS[protocol]
    socket = _socket.socket(_socket.AF_INET6 if version == 6 else _socket.AF_INET, kind | _socket.SOCK_CLOEXEC, number)
    try:
        if version == 6:
            socket.setsockopt(_socket.IPPROTO_IPV6, _socket.IPV6_V6ONLY, 1)
        if protocol == "tcp":
            socket.setsockopt(_socket.SOL_SOCKET, _socket.SO_REUSEADDR, 1)
        socket.setsockopt(*_FREEBIND[version], 1)
        socket.bind((host_ip, port))
        return int(socket.getsockname()[1])
    finally:
        socket.close()
