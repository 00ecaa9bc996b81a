"""Who answers, and to how large a packet? ICMP echo requests that nobody may cut up, to many hosts at once.

What the kernel has learned of a way's MTU does not count (IP_PMTUDISC_PROBE): where the ICMP that tells of it is
filtered, it has learned nothing.
"""

from __future__ import annotations

import _socket
import os
import time
from struct import Struct

from netkit.errors import HostError
from netkit.model import family

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

#: Type, code, checksum, identifier, sequence number.
_ECHO = Struct("!BBHHH")
#: By family: socket family, protocol, request, reply, IP header, and the option that sends whole packets or none.
_KINDS = {
    4: (_socket.AF_INET, 1, 8, 0, 20, (0, 10)),
    6: (_socket.AF_INET6, 58, 128, 129, 40, (41, 23)),
}
_PMTUDISC_PROBE = 3
#: Seconds between two requests to one who has not answered.
_AGAIN = 0.3
#: SO_RCVBUFFORCE, and room for the answers of hundreds of hosts.
_ROOM = (_socket.SOL_SOCKET, 33, 1 << 22)


def answered(local: str, sizes: Mapping[str, Sequence[int]], patience: float = 0.9) -> dict[str, set[int]]:
    """To which of these sizes, in bytes with their IP headers, each address answers `local`, within so many seconds."""
    version = family(local)
    kind, protocol, _, _, _, option = _KINDS[version]
    try:
        sock = _socket.socket(kind, _socket.SOCK_RAW | _socket.SOCK_CLOEXEC, protocol)
    except OSError as error:
        raise HostError(f"no socket for ICMP: {error.strerror}", "run as root") from error
    try:
        sock.setsockopt(*option, _PMTUDISC_PROBE)
        sock.setsockopt(*_ROOM)
        sock.bind((local, 0))
        return _Asking(sock, version, sizes).within(patience)
    except OSError as error:
        raise HostError(
            f"nobody can be asked from {local}: {error.strerror}", f"see: ip addr show to {local}"
        ) from error
    finally:
        sock.close()


class _Asking:
    def __init__(self, sock: _socket.socket, version: int, sizes: Mapping[str, Sequence[int]]) -> None:
        self._sock, self._version, self._sizes = sock, version, sizes
        self._mark = int.from_bytes(os.urandom(2), "big")
        self._heard: dict[str, set[int]] = {address: set() for address in sizes}

    def within(self, patience: float) -> dict[str, set[int]]:
        """Ask, and ask again whoever has not answered, until all have or the time is over."""
        now = time.monotonic()
        end = now + patience
        while now < end and (missing := list(self._missing())):
            for address, size in missing:
                self._ask(address, size)
            self._hear(min(now + _AGAIN, end))
            now = time.monotonic()
        return self._heard

    def _missing(self) -> Iterable[tuple[str, int]]:
        return ((to, size) for to, sizes in self._sizes.items() for size in sizes if size not in self._heard[to])

    def _ask(self, address: str, size: int) -> None:
        _, _, request, _, header, _ = _KINDS[self._version]
        body = bytes(size - header - _ECHO.size)
        bare = _ECHO.pack(request, 0, 0, self._mark, size) + body
        packet = bare if self._version == 6 else _ECHO.pack(request, 0, _sum(bare), self._mark, size) + body
        try:
            self._sock.sendto(packet, (address, 0))
        except OSError:
            return  # no way there, or larger than the link: it counts as not answered

    def _hear(self, until: float) -> None:
        reply = _KINDS[self._version][3]
        while (left := until - time.monotonic()) > 0 and any(self._missing()):
            self._sock.settimeout(left)
            try:
                data, source = self._sock.recvfrom(1 << 16)
            except OSError:
                continue  # nobody answered meanwhile, or the kernel tells of a packet that was too large
            start = (data[0] & 15) * 4 if self._version == 4 else 0
            if len(data) < start + _ECHO.size:
                continue
            kind, _, _, mark, size = _ECHO.unpack_from(data, start)
            if (kind, mark) == (reply, self._mark) and size in self._sizes.get(source[0], ()):
                self._heard[source[0]].add(size)


def _sum(data: bytes) -> int:
    """The Internet checksum (RFC 1071)."""
    total = sum(int.from_bytes(data[at : at + 2].ljust(2, b"\0"), "big") for at in range(0, len(data), 2))
    while total >> 16:
        total = (total & 0xFFFF) + (total >> 16)
    return ~total & 0xFFFF
