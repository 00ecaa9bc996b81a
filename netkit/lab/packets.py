"""Echo requests and traceroutes with our own sockets, so that a lab needs no tools; IPv4 and IPv6.

Everything here runs inside a member's namespace: the sockets are made by a thread that is in there.
"""

from __future__ import annotations

import errno
import os
import select
import socket
import struct
import time

from netkit.model import family

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator

#: Header sizes: an echo request of N bytes on the wire carries N - IP - ICMP bytes.
_HEADERS = {4: 28, 6: 48}
_ECHO, _REPLY = {4: 8, 6: 128}, {4: 0, 6: 129}
_IP_RECVERR, _IPV6_RECVERR, _IPV6_MTU_DISCOVER, _IP_MTU_DISCOVER = 11, 25, 23, 10
_PROBE = 3  # IP_PMTUDISC_PROBE: never fragment, and believe no path MTU that was learned before
_FIRST_PORT = 33434
_FARTHEST = 16
_ERR = struct.Struct("=IBBBBII")


def ping(target: str, size: int = 84, wait: float = 1.0, tries: int = 2) -> str:
    """Send an echo request of `size` bytes (IP header and all, unfragmented); "" when it was answered, else why not."""
    said = ""
    for number in range(tries):
        said = _ping(target, size, wait, number)
        if not said:
            return ""
    return said


def _ping(target: str, size: int, wait: float, number: int) -> str:
    version = family(target)
    with _raw(version) as raw:
        head = struct.pack("!BBHHH", _ECHO[version], 0, 0, os.getpid() & 0xFFFF, id(raw) + number & 0xFFFF)
        ident = head[4:]
        body = bytes(max(0, size - _HEADERS[version]))
        if version == 4:
            head = head[:2] + _checksum(head + body) + head[4:]
        try:
            raw.sendto(head + body, (target, 0))
        except OSError as error:
            return "it is larger than the link carries" if error.errno == errno.EMSGSIZE else _reason(error)
        return _wait_for_reply(raw, version, target, ident, time.monotonic() + wait, wait)


def _wait_for_reply(raw: socket.socket, version: int, target: str, ident: bytes, until: float, wait: float) -> str:
    while (left := until - time.monotonic()) > 0:
        if not select.select([raw], [], [], left)[0]:
            break
        try:
            data, sender = raw.recvfrom(65535)
        except OSError as error:
            return _reason(error)
        packet = data[(data[0] & 15) * 4 :] if version == 4 else data
        if packet[0] == _REPLY[version] and packet[4:8] == ident and sender[0] == target:
            return ""
    return f"no answer within {wait:g} s"


def _raw(version: int) -> socket.socket:
    if version == 4:
        raw = socket.socket(socket.AF_INET, socket.SOCK_RAW, socket.IPPROTO_ICMP)
        raw.setsockopt(socket.IPPROTO_IP, _IP_MTU_DISCOVER, _PROBE)
        raw.setsockopt(socket.IPPROTO_IP, _IP_RECVERR, 1)
    else:
        raw = socket.socket(socket.AF_INET6, socket.SOCK_RAW, socket.IPPROTO_ICMPV6)
        raw.setsockopt(socket.IPPROTO_IPV6, _IPV6_MTU_DISCOVER, _PROBE)
        raw.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_DONTFRAG, 1)
        raw.setsockopt(socket.IPPROTO_IPV6, _IPV6_RECVERR, 1)
    return raw


def _checksum(data: bytes) -> bytes:
    padded = data + bytes(len(data) % 2)
    total = sum(struct.unpack(f"!{len(padded) // 2}H", padded))
    while total >> 16:
        total = (total & 0xFFFF) + (total >> 16)
    return struct.pack("!H", ~total & 0xFFFF)


def route(target: str, wait: float = 1.0) -> list[str]:
    """The routers on the way to a target, and the target itself if it answers; `*` where nobody said a word.

    Datagrams to ports where nobody listens, with a hop limit of 1, 2, 3...: whoever drops one says so by ICMP.
    """
    return list(_hops(target, wait))


def _hops(target: str, wait: float) -> Iterator[str]:
    silent = 0
    for limit in range(1, _FARTHEST + 1):
        hop = next((hop for _ in range(2) if (hop := _hop(target, limit, wait))), "*")
        yield hop
        silent = silent + 1 if hop == "*" else 0
        if hop == target or silent == 3:
            return


def _hop(target: str, limit: int, wait: float) -> str:
    version = family(target)
    with socket.socket(socket.AF_INET6 if version == 6 else socket.AF_INET, socket.SOCK_DGRAM) as probe:
        if version == 4:
            probe.setsockopt(socket.IPPROTO_IP, socket.IP_TTL, limit)
            probe.setsockopt(socket.IPPROTO_IP, _IP_RECVERR, 1)
        else:
            probe.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_UNICAST_HOPS, limit)
            probe.setsockopt(socket.IPPROTO_IPV6, _IPV6_RECVERR, 1)
        try:
            probe.sendto(b"netkit", (target, _FIRST_PORT + limit))
        except OSError:
            return ""
        poll = select.poll()
        poll.register(probe, 0)  # errors only
        if not poll.poll(wait * 1000):
            return ""
        return _offender(probe)


def _offender(probe: socket.socket) -> str:
    """Who sent the ICMP error: the address behind `struct sock_extended_err`."""
    try:
        _, ancillary, _, _ = probe.recvmsg(512, 512, socket.MSG_ERRQUEUE)
    except OSError:
        return ""
    for _level, _kind, data in ancillary:
        if len(data) < _ERR.size + 8:
            continue
        address = data[_ERR.size :]
        if int.from_bytes(address[:2], "little") == socket.AF_INET:
            return socket.inet_ntop(socket.AF_INET, address[4:8])
        if len(address) >= 24:
            return socket.inet_ntop(socket.AF_INET6, address[8:24])
    return ""


def _reason(error: OSError) -> str:
    return (error.strerror or str(error)).lower()
