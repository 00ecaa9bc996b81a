"""Make the kernel forget tracked connections: NAT rules are asked for a connection's first packet only.

So a flow that was tracked before a port was published, or after it was withdrawn, keeps its old way until its entry
goes. Numbers are from linux/netfilter/nfnetlink{,_conntrack}.h.
"""

from __future__ import annotations

import errno
from _socket import AF_INET, AF_INET6, IPPROTO_TCP, IPPROTO_UDP, inet_ntop

from netkit.errors import HostError, KernelError, UsageError
from netkit.kernel import sysctl
from netkit.kernel.messages import address_bytes
from netkit.kernel.netlink import Netlink
from netkit.kernel.rtnl import Rtnl
from netkit.kernel.wire import NLA_F_NESTED, attr, attributes, u32
from netkit.model import ANY, family

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Sequence

    #: protocol, host address, first and last port
    Target = tuple[str, str, int, int]

_COUNT = "net/netfilter/nf_conntrack_count"
_NETLINK_NETFILTER = 12
_CT_GET, _CT_DELETE = 0x0101, 0x0102
_CTA_TUPLE_ORIG, _CTA_ID, _CTA_ZONE, _CTA_FILTER = 1, 12, 18, 25
_CTA_TUPLE_IP, _CTA_TUPLE_PROTO = 1, 2
_CTA_TUPLE_REPLY = 2
_CTA_IP_SRC = {AF_INET: 1, AF_INET6: 3}
_CTA_IP_DST = {AF_INET: 2, AF_INET6: 4}
_CTA_PROTO_NUM, _CTA_PROTO_SRC_PORT, _CTA_PROTO_DST_PORT = 1, 2, 3
_CTA_FILTER_ORIG_FLAGS, _CTA_FILTER_REPLY_FLAGS = 1, 2
_FILTER_IP_DST, _FILTER_PROTO_NUM, _FILTER_DST_PORT = 1 << 1, 1 << 3, 1 << 5
_PROTOCOLS = {"tcp": IPPROTO_TCP, "udp": IPPROTO_UDP, "sctp": 132}
_FAMILIES = {4: AF_INET, 6: AF_INET6}


def flush(protocol: str, host_ip: str, first_port: int, last_port: int) -> int:
    """Forget the connections to these host ports; returns how many there were."""
    return flush_all([(protocol, host_ip, first_port, last_port)])


def flush_all(targets: Sequence[Target]) -> int:
    """Forget every connection whose original destination is one of the targets; all others stay.

    A target of any address (0.0.0.0, ::) means the host's own ones: a connection that only passes through to that port
    of some other machine is none of ours. Returns how many there were, 0 where the kernel tracks no connections.
    """
    groups: dict[tuple[int, int], list[Target]] = {}
    for target in targets:
        groups.setdefault((_FAMILIES[family(target[1])], _number(target[0])), []).append(target)
    if not groups or sysctl.read(_COUNT) == "0":
        return 0  # a dump walks the whole table of the machine, 5 ms and more
    try:
        netlink = Netlink(_NETLINK_NETFILTER)
    except HostError:
        return 0
    local = _Local()
    try:
        return sum(_flush_group(netlink, af, group, local) for (af, _), group in groups.items())
    finally:
        local.close()
        netlink.close()


def translated(source: str, port: int) -> bool:
    """Whether NAT has changed who sends a flow that this host sends from `source` to a UDP port of others."""
    if sysctl.read(_COUNT) in (None, "0"):
        return False
    af = _FAMILIES[family(source)]
    netlink = Netlink(_NETLINK_NETFILTER)
    try:
        entries = _entries(netlink, af, [("udp", ANY[family(source)], port, port)])
    finally:
        netlink.close()
    for entry in entries:
        found = attributes(entry, 4)
        original, reply = found.get(_CTA_TUPLE_ORIG, b""), found.get(_CTA_TUPLE_REPLY, b"")
        sent = _source(af, original)
        if (
            sent[0] == source
            and _destination(af, original, "udp")[1] == port
            and _destination(af, reply, "udp") != sent
        ):
            return True
    return False


def _source(af: int, original: bytes) -> tuple[str, int]:
    parts = attributes(original)
    packed = attributes(parts.get(_CTA_TUPLE_IP, b"")).get(_CTA_IP_SRC[af], b"")
    number = attributes(parts.get(_CTA_TUPLE_PROTO, b"")).get(_CTA_PROTO_SRC_PORT, b"")
    return inet_ntop(af, packed) if packed else "", int.from_bytes(number, "big")


def _flush_group(netlink: Netlink, af: int, targets: Sequence[Target], local: _Local) -> int:
    """One dump for all targets of one family and protocol."""
    doomed = []
    for entry in _entries(netlink, af, targets):
        found = attributes(entry, 4)
        address, port = _destination(af, found.get(_CTA_TUPLE_ORIG, b""), targets[0][0])
        if any(_concerns(target, address, port, local) for target in targets):
            doomed.append(_head(af) + b"".join(_same(found, kind) for kind in (_CTA_TUPLE_ORIG, _CTA_ZONE, _CTA_ID)))
    gone = 0
    for outcome in netlink.batch([(_CT_DELETE, 0, payload) for payload in doomed]):
        if outcome is not None and outcome.errno != errno.ENOENT:
            raise KernelError(f"conntrack: {outcome}", outcome.errno, "`conntrack -D` removes stale entries by hand")
        gone += outcome is None
    return gone


def _entries(netlink: Netlink, af: int, targets: Sequence[Target]) -> list[bytes]:
    """What the kernel tracks, narrowed by it as far as it can; all of a family before Linux 5.8."""
    for narrowing in (_narrowing(af, targets), b""):
        try:
            return netlink.dump((_CT_GET, 0, _head(af) + narrowing))
        except KernelError as error:
            if error.errno not in (errno.EINVAL, errno.EOPNOTSUPP):
                raise
    return []


def _narrowing(af: int, targets: Sequence[Target]) -> bytes:
    """A CTA_FILTER and the tuple that it reads: protocol, and for a single target its address and port."""
    protocol, host_ip, first, last = targets[0]
    flags, address = _FILTER_PROTO_NUM, b""
    port = attr(_CTA_PROTO_NUM, bytes([_number(protocol)]))
    if len(targets) == 1 and host_ip not in ANY.values():
        flags |= _FILTER_IP_DST
        address = attr(_CTA_TUPLE_IP | NLA_F_NESTED, attr(_CTA_IP_DST[af], address_bytes(host_ip)))
    if len(targets) == 1 and first == last:
        flags |= _FILTER_DST_PORT
        port += attr(_CTA_PROTO_DST_PORT, first.to_bytes(2, "big"))
    wanted = attr(_CTA_FILTER_ORIG_FLAGS, u32(flags)) + attr(_CTA_FILTER_REPLY_FLAGS, u32(0))
    original = address + attr(_CTA_TUPLE_PROTO | NLA_F_NESTED, port)
    return attr(_CTA_TUPLE_ORIG | NLA_F_NESTED, original) + attr(_CTA_FILTER | NLA_F_NESTED, wanted)


def _destination(af: int, original: bytes, protocol: str) -> tuple[str, int]:
    """The address and port that a connection's first packet was sent to; ("", 0) for another protocol."""
    parts = attributes(original)
    transport = attributes(parts.get(_CTA_TUPLE_PROTO, b""))
    packed = attributes(parts.get(_CTA_TUPLE_IP, b"")).get(_CTA_IP_DST[af])
    if packed is None or transport.get(_CTA_PROTO_NUM) != bytes([_number(protocol)]):
        return "", 0
    return inet_ntop(af, packed), int.from_bytes(transport.get(_CTA_PROTO_DST_PORT, b""), "big")


class _Local:
    """Which addresses are the host's own; the socket to ask by is opened for the first question."""

    def __init__(self) -> None:
        self._rtnl: Rtnl | None = None

    def has(self, address: str) -> bool:
        self._rtnl = self._rtnl or Rtnl()
        return self._rtnl.is_local(address)

    def close(self) -> None:
        if self._rtnl is not None:
            self._rtnl.close()


def _concerns(target: Target, address: str, port: int, local: _Local) -> bool:
    _, host_ip, first, last = target
    if not address or not first <= port <= last:
        return False
    return local.has(address) if host_ip in ANY.values() else address == host_ip


def _head(af: int) -> bytes:
    """struct nfgenmsg: family, version, resource."""
    return bytes([af, 0, 0, 0])


def _same(found: dict[int, bytes], kind: int) -> bytes:
    if kind not in found:
        return b""
    return attr(kind | NLA_F_NESTED if kind == _CTA_TUPLE_ORIG else kind, found[kind])


def _number(protocol: str) -> int:
    try:
        return _PROTOCOLS[protocol]
    except KeyError as error:
        raise UsageError(f"{protocol!r} is no protocol with ports", "use tcp, udp or sctp") from error
