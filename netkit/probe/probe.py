"""One packet that is sent to be followed: a TCP SYN, a UDP datagram or an ICMP echo, and what its sender hears of it.

It forbids fragmentation, and a UDP or ICMP probe carries a token: NAT changes addresses and ports, never the token.
"""

from __future__ import annotations

import _socket
import errno
import os
import struct

from netkit.errors import HostError
from netkit.model import family
from netkit.probe.packet import ICMP, ICMP6, TCP, UDP
from netkit.value import Value

TYPE_CHECKING = False
if TYPE_CHECKING:
    from netkit.kernel.namespaces import Handle

TOKEN = 16
_FAMILIES = {4: _socket.AF_INET, 6: _socket.AF_INET6}
_IPPROTO_IPV6 = 41
_IP_MTU_DISCOVER, _IPV6_MTU_DISCOVER, _IPV6_DONTFRAG, _PMTUDISC_PROBE = 10, 23, 62, 3
#: Types of an ICMP echo request and its reply.
_ECHO = {4: (8, 0), 6: (128, 129)}
_UNDER_WAY = (0, errno.EINPROGRESS, errno.EAGAIN)
_RECEIVE = 1 << 16


class Probe(Value):
    """What is sent. `port` 0 is an ICMP echo; `sport` its source port or identifier; `size` its payload in bytes."""

    protocol: str
    dst: str
    port: int = 0
    sport: int = 0
    token: bytes = b""
    size: int = TOKEN

    @property
    def family(self) -> int:
        """4 or 6."""
        return family(self.dst)

    @property
    def number(self) -> int:
        """The protocol's number."""
        return {"tcp": TCP, "udp": UDP, "icmp": ICMP if self.family == 4 else ICMP6}[self.protocol]

    def __str__(self) -> str:
        name = {"tcp": "TCP SYN", "udp": "UDP datagram", "icmp": "ICMP echo"}[self.protocol]
        where = f"port {self.port} of {self.dst}" if self.port else self.dst
        return f"{name} to {where}"


class Result(Value):
    """What the sender's socket heard: `answered`, `refused`, `silent`, or `error` with the kernel's reason."""

    kind: str = "silent"
    errno: int = 0

    @property
    def reason(self) -> str:
        """The kernel's reason in words, "" when it gave none."""
        return os.strerror(self.errno) if self.errno else ""


class Sender:
    """A probe's socket in its namespace; the source port is known before anything is sent. Close it."""

    def __init__(self, handle: Handle, wanted: Probe) -> None:
        self._socket = handle.call(lambda: _open(wanted))
        ident = os.getpid() & 0xFFFF
        sport = ident if wanted.protocol == "icmp" else self._socket.getsockname()[1]
        self.probe = wanted.replace(sport=sport, token=os.urandom(TOKEN))
        self.result: Result | None = None

    def fileno(self) -> int:
        """The descriptor to wait on: readable, or for TCP writable, when there is news."""
        return self._socket.fileno()

    def send(self) -> None:
        """Send the probe."""
        probe = self.probe
        code = self._socket.connect_ex((probe.dst, probe.port))
        if code in _UNDER_WAY and probe.protocol != "tcp":
            try:
                self._socket.send(_datagram(probe))
            except OSError as error:
                code = error.errno or errno.EIO
        if code not in _UNDER_WAY:
            self.result = _failure(code)

    def listen(self) -> bool:
        """Whether the outcome is known by now."""
        if self.result is None:
            self.result = self._connected() if self.probe.protocol == "tcp" else self._heard()
        return self.result is not None

    def close(self) -> None:
        """Close the socket."""
        self._socket.close()

    def _connected(self) -> Result | None:
        if code := self._socket.getsockopt(_socket.SOL_SOCKET, _socket.SO_ERROR):
            return _failure(code)
        try:
            self._socket.getpeername()
        except OSError:
            return None
        return Result("answered")

    def _heard(self) -> Result | None:
        while True:
            try:
                data = self._socket.recv(_RECEIVE)
            except BlockingIOError:
                return None
            except OSError as error:
                return _failure(error.errno or errno.EIO)
            if self.probe.protocol == "udp" or _is_reply(data, self.probe):
                return Result("answered")


def _open(probe: Probe) -> _socket.socket:
    kinds = {"tcp": _socket.SOCK_STREAM, "udp": _socket.SOCK_DGRAM, "icmp": _socket.SOCK_RAW}
    kind = kinds[probe.protocol] | _socket.SOCK_CLOEXEC | _socket.SOCK_NONBLOCK
    try:
        sock = _socket.socket(_FAMILIES[probe.family], kind, probe.number)
    except OSError as error:
        raise HostError(f"cannot open a socket for the probe: {error.strerror}", "this takes CAP_NET_RAW") from error
    if probe.family == 4:
        sock.setsockopt(_socket.IPPROTO_IP, _IP_MTU_DISCOVER, _PMTUDISC_PROBE)
    else:
        sock.setsockopt(_IPPROTO_IPV6, _IPV6_MTU_DISCOVER, _PMTUDISC_PROBE)
        sock.setsockopt(_IPPROTO_IPV6, _IPV6_DONTFRAG, 1)
    if probe.protocol != "icmp":
        sock.bind(("" if probe.family == 4 else "::", 0))
    return sock


def _datagram(probe: Probe) -> bytes:
    payload = probe.token.ljust(probe.size, b"\0")
    if probe.protocol == "udp":
        return payload
    head = struct.pack(">BBHHH", _ECHO[probe.family][0], 0, 0, probe.sport, 1)
    sum_ = _checksum(head + payload) if probe.family == 4 else 0  # ICMPv6's is the kernel's to fill in
    return head[:2] + sum_.to_bytes(2, "big") + head[4:] + payload


def _is_reply(data: bytes, probe: Probe) -> bool:
    """Raw IPv4 sockets get the IP header too, raw IPv6 ones do not."""
    at = (data[0] & 15) * 4 if probe.family == 4 and data else 0
    return data[at : at + 1] == bytes([_ECHO[probe.family][1]]) and data[at + 8 :].startswith(probe.token)


def _checksum(data: bytes) -> int:
    total: int = sum(struct.unpack(f">{len(data) // 2}H", data[: len(data) & ~1]))
    total += data[-1] << 8 if len(data) & 1 else 0
    while total >> 16:
        total = (total & 0xFFFF) + (total >> 16)
    return ~total & 0xFFFF


def _failure(code: int) -> Result:
    return Result("refused" if code == errno.ECONNREFUSED else "error", code)
