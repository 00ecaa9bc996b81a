"""Ops as rtnetlink messages. Every attribute is in the op; the numbers are from linux/{rtnetlink,if_link,if_addr}.h.

Pure but for one thing: the kernel takes some links and namespaces by number only, and `Numbers` finds those.
"""

from __future__ import annotations

from _socket import AF_INET, AF_INET6, inet_pton
from struct import Struct
from sys import byteorder

from netkit.kernel.wire import NLA_F_NESTED, NLM_F_CREATE, NLM_F_EXCL, NLM_F_REPLACE, attr, u32
from netkit.model import family
from netkit.plan.announce import Announce
from netkit.plan.host import FOREVER
from netkit.plan.kinds import Ipvlan, Macvlan, Stacked
from netkit.plan.ops import (
    AddrAdd,
    AddrDel,
    LinkAdd,
    LinkMove,
    LinkSet,
    LoopbackUp,
    RouteAdd,
    RouteDel,
)

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Mapping
    from typing import Any, Protocol

    from netkit.kernel.wire import Message
    from netkit.model import NsRef
    from netkit.plan.host import Address
    from netkit.plan.ops import Op
else:
    Protocol = object

RTM_NEWLINK, RTM_DELLINK, RTM_GETLINK, RTM_SETLINK = 16, 17, 18, 19
RTM_NEWADDR, RTM_DELADDR, RTM_GETADDR = 20, 21, 22
RTM_NEWROUTE, RTM_DELROUTE, RTM_GETROUTE = 24, 25, 26
RTM_GETRULE = 34
RTM_NEWNSID = 88

IFLA_ADDRESS, IFLA_IFNAME, IFLA_MTU, IFLA_LINK, IFLA_MASTER, IFLA_PROTINFO = 1, 3, 4, 5, 10, 12
IFLA_TXQLEN, IFLA_CARRIER, IFLA_LINK_NETNSID = 13, 33, 37
IFLA_LINKINFO, IFLA_IFALIAS, IFLA_AF_SPEC, IFLA_GROUP, IFLA_NET_NS_FD, IFLA_EXT_MASK = 18, 20, 26, 27, 28, 29
IFLA_INFO_KIND, IFLA_INFO_DATA = 1, 2
IFA_ADDRESS, IFA_LOCAL, IFA_LABEL, IFA_BROADCAST, IFA_CACHEINFO, IFA_FLAGS = 1, 2, 3, 4, 6, 8
IFA_RT_PRIORITY, IFA_PROTO = 9, 11
RTA_DST, RTA_OIF, RTA_GATEWAY, RTA_PRIORITY, RTA_METRICS, RTA_MULTIPATH, RTA_TABLE, RTA_VIA = 1, 4, 5, 6, 8, 9, 15, 18
RTA_SRC, RTA_PREFSRC, RTA_FLOW, RTA_CACHEINFO, RTA_PREF, RTA_ENCAP, RTA_EXPIRES, RTA_NH_ID = (
    2,
    7,
    11,
    12,
    20,
    22,
    23,
    30,
)
RTNH_F_ONLINK = 4
IFF_UP, IFF_PROMISC, IFF_ALLMULTI = 1, 0x100, 0x200
RTN_UNICAST = 1

#: struct ifinfomsg: family, device type, index, flags, mask of the flags to change.
IFINFO = Struct("=BxHiII")
#: struct ifaddrmsg: family, prefix length, flags, scope, index.
IFADDR = Struct("=BBBBI")
#: struct rtmsg: family, destination and source prefix length, tos, table, protocol, scope, type, flags.
RTMSG = Struct("=BBBBBBBBI")
#: struct ifa_cacheinfo: preferred and valid lifetime, when made, when changed.
LIFETIMES = Struct("=IIII")

_AF_BRIDGE = 7
_VETH_INFO_PEER = 1
_IFLA_MACVLAN_MODE, _IFLA_MACVLAN_BC_QUEUE_LEN = 1, 7
_MACVLAN_MODES = {"private": 1, "vepa": 2, "bridge": 4, "passthru": 8}
_IFLA_IPVLAN_MODE = 1
_IPVLAN_MODES = {"l2": 0, "l3": 1, "l3s": 2}
_IFLA_BRPORT_MODE, _IFLA_BRPORT_ISOLATED = 4, 33
_RTAX_MTU, _RTAX_ADVMSS = 2, 8
_IFLA_INET6_ADDR_GEN_MODE, _IN6_ADDR_GEN_MODE_NONE = 8, 1
IFA_F_SECONDARY, IFA_F_NODAD, IFA_F_DADFAILED, IFA_F_TENTATIVE = 0x01, 0x02, 0x08, 0x40
IFA_F_NOPREFIXROUTE = 0x200
#: What the kernel lets others say of an address: no duplicate detection, home, temporary ones made from it, no route,
#: its multicast group joined.
_IFA_F_GIVEN = IFA_F_NODAD | 0x10 | 0x100 | IFA_F_NOPREFIXROUTE | 0x400
_SCOPE_GLOBAL, _SCOPE_LINK, _SCOPE_HOST = 0, 253, 254
_LOOPBACK_INDEX = 1
_FAMILIES = {4: AF_INET, 6: AF_INET6}
_CREATE = NLM_F_CREATE | NLM_F_EXCL
#: What may run out may also have been made anew by the kernel meanwhile, which a router's advertisement tells to.
_REPLACE = NLM_F_CREATE | NLM_F_REPLACE


class Numbers(Protocol):
    """What stands behind a name: in the namespace that the message goes to."""

    def index(self, name: str) -> int:
        """The ifindex of a link; KernelError (ENODEV) when there is none."""

    def netns_fd(self, ref: NsRef | None) -> int:
        """A descriptor of that namespace, open until the message is sent."""


def encode(op: Op, numbers: Numbers) -> list[Message]:
    """The messages that do what this op does, to be sent in order."""
    encoder = _ENCODERS.get(type(op)) or _rare(op)
    return encoder(op, numbers)


def delete_link(index: int) -> Message:
    """Delete the link of that number; a veth's other end goes with it."""
    return RTM_DELLINK, 0, IFINFO.pack(0, 0, index, 0, 0)


def move_link(index: int, name: str, alias: str, netns_fd: int = -1) -> Message:
    """Rename the link of that number, and move it first if a namespace is given.

    A name that is taken where it goes is the kernel's fallback already while it moves; an empty alias takes one away.
    """
    payload = IFINFO.pack(0, 0, index, 0, 0) + attr(IFLA_IFNAME, text(name)) + attr(IFLA_IFALIAS, alias.encode())
    return RTM_SETLINK, 0, payload + (attr(IFLA_NET_NS_FD, u32(netns_fd)) if netns_fd >= 0 else b"")


def text(value: str) -> bytes:
    """A name as the kernel reads it: with a final zero."""
    return value.encode() + b"\0"


def address_bytes(address: str) -> bytes:
    """An address without prefix length, in network order."""
    return inet_pton(_FAMILIES[family(address)], address)


def _rare(op: Op) -> Callable[[Any, Numbers], list[Message]]:
    """The encoder of an op that few plans hold; its module is loaded when it is asked for."""
    module = RARE[type(op).__module__]
    found: Callable[[Any, Numbers], list[Message]] = __import__(module, fromlist=["ENCODERS"]).ENCODERS[type(op)]
    return found


def _link_add(op: LinkAdd, numbers: Numbers) -> list[Message]:
    encoder = LINK_KINDS.get(op.kind)
    data = encoder(op, numbers) if encoder else b""
    info = attr(IFLA_INFO_KIND, op.kind.encode()) + (attr(IFLA_INFO_DATA, data) if data else b"")
    payload = _link_head(op.name, op.mac, op.mtu) + attr(IFLA_GROUP, u32(op.group)) + attr(IFLA_LINKINFO, info)
    return [(RTM_NEWLINK, _CREATE, payload + _parent(op, numbers))]


def _parent(op: LinkAdd, numbers: Numbers) -> bytes:
    """What a link stands on, by its number in the namespace that the message goes to, and where it is to be itself."""
    if not isinstance(op.info, Stacked):
        return b""
    found = attr(IFLA_LINK, u32(numbers.index(op.info.parent)))
    return found + attr(IFLA_NET_NS_FD, u32(numbers.netns_fd(op.ns))) if op.ns != op.netns else found


def _link_head(name: str, mac: str, mtu: int) -> bytes:
    payload = IFINFO.pack(0, 0, 0, 0, 0) + attr(IFLA_IFNAME, text(name))
    if mac:
        payload += attr(IFLA_ADDRESS, bytes.fromhex(mac.replace(":", "")))
    if mtu:
        payload += attr(IFLA_MTU, u32(mtu))
    return payload


def _veth(op: LinkAdd, numbers: Numbers) -> bytes:
    """The whole peer rides in the message that makes the pair, so it is born where it belongs, under its final name."""
    peer = op.peer
    if peer is None:
        return b""
    payload = _link_head(peer.name, peer.mac, peer.mtu)
    if peer.ns != op.ns:
        payload += attr(IFLA_NET_NS_FD, u32(numbers.netns_fd(peer.ns)))
    return attr(_VETH_INFO_PEER, payload)


def _macvlan(op: LinkAdd, numbers: Numbers) -> bytes:
    if not isinstance(op.info, Macvlan):
        return b""
    mode = attr(_IFLA_MACVLAN_MODE, u32(_MACVLAN_MODES[op.info.mode]))
    queue = op.info.bcqueuelen
    return mode + attr(_IFLA_MACVLAN_BC_QUEUE_LEN, u32(queue)) if queue else mode


def _ipvlan(op: LinkAdd, numbers: Numbers) -> bytes:
    if not isinstance(op.info, Ipvlan):
        return b""
    return attr(_IFLA_IPVLAN_MODE, _IPVLAN_MODES[op.info.mode].to_bytes(2, byteorder))


def _vxlan(op: LinkAdd, numbers: Numbers) -> bytes:
    from netkit.kernel.vxlan import info  # only an overlay has one

    return info(op.info, numbers)


def set_link(name: str, attributes: bytes = b"", flags: int = 0, mask: int = 0) -> Message:
    """A change of the link of that name."""
    return RTM_SETLINK, 0, IFINFO.pack(0, 0, 0, flags, mask) + attr(IFLA_IFNAME, text(name)) + attributes


def _link_move(op: LinkMove, numbers: Numbers) -> list[Message]:
    return [move_link(numbers.index(op.dev), op.name, op.dev, numbers.netns_fd(op.ns))]


def link_set(op: LinkSet, numbers: Numbers) -> list[Message]:
    """Several messages where order matters: within one the kernel has its own, with up ahead of what up should find.

    No link-local address, and isolated (which needs the master), come before up: no packet sees it otherwise.
    """
    settings = attr(IFLA_MTU, u32(op.mtu)) if op.mtu else b""
    if op.master is not None:
        settings += attr(IFLA_MASTER, u32(numbers.index(op.master) if op.master else 0))
    messages = [set_link(op.dev, _no_addrgen())] if op.no_addrgen else []
    if settings:
        messages.append(set_link(op.dev, settings))
    for flag, on in ((_IFLA_BRPORT_ISOLATED, op.isolated), (_IFLA_BRPORT_MODE, op.hairpin)):
        if on is not None:
            messages.append(_port_flag(numbers.index(op.dev), flag, on))
    for mask, on in ((IFF_PROMISC, op.promisc), (IFF_UP, op.up)):
        if on is not None:
            messages.append(set_link(op.dev, flags=mask if on else 0, mask=mask))
    return messages


def _no_addrgen() -> bytes:
    mode = attr(_IFLA_INET6_ADDR_GEN_MODE, bytes([_IN6_ADDR_GEN_MODE_NONE]))
    return attr(IFLA_AF_SPEC, attr(AF_INET6, mode))


def _port_flag(index: int, flag: int, on: bool) -> Message:
    """Bridge port flags go by ifindex only, and the kernel reads them only where NLA_F_NESTED is set."""
    port = attr(flag, bytes([on]))
    return RTM_SETLINK, 0, IFINFO.pack(_AF_BRIDGE, 0, index, 0, 0) + attr(IFLA_PROTINFO | NLA_F_NESTED, port)


def _loopback_up(op: LoopbackUp, numbers: Numbers) -> list[Message]:
    """`lo` has the same ifindex in every namespace."""
    return [(RTM_SETLINK, 0, IFINFO.pack(0, 0, _LOOPBACK_INDEX, IFF_UP, IFF_UP))]


def _address(op: AddrAdd | AddrDel, numbers: Numbers, flags: int, scope: int, peer: str = "") -> bytes:
    address, _, length = op.address.partition("/")
    packed = address_bytes(address)
    head = IFADDR.pack(_FAMILIES[family(address)], int(length), flags, scope, numbers.index(op.dev))
    return head + attr(IFA_LOCAL, packed) + attr(IFA_ADDRESS, address_bytes(peer) if peer else packed)


def _addr_add(op: AddrAdd, numbers: Numbers) -> list[Message]:
    flags = IFA_F_NODAD if op.nodad and family(op.address) == 6 else 0
    if op.like is None:
        scope = _SCOPE_HOST if op.address.startswith("127.") else _SCOPE_GLOBAL
        return [(RTM_NEWADDR, _CREATE, _address(op, numbers, flags, scope))]
    flags |= op.like.flags & _IFA_F_GIVEN
    head = _address(op, numbers, 0, op.like.scope, op.like.peer)
    how = _CREATE if op.exclusive else _REPLACE
    if family(op.address) == 4 or flags & IFA_F_NODAD:
        return [(RTM_NEWADDR, how, head + _likeness(op.like, flags))]
    # it was in use before: the kernel is not to look for duplicates, nor to remember that it did not
    unseen = (RTM_NEWADDR, how, head + _likeness(op.like, flags | IFA_F_NODAD))
    return [unseen, (RTM_NEWADDR, NLM_F_REPLACE, head + _likeness(op.like, flags))]


def _likeness(like: Address, flags: int) -> bytes:
    """All that an address has besides its digits."""
    payload = attr(IFA_FLAGS, u32(flags))
    if like.broadcast:
        payload += attr(IFA_BROADCAST, address_bytes(like.broadcast))
    if like.label:
        payload += attr(IFA_LABEL, text(like.label))
    if like.metric:
        payload += attr(IFA_RT_PRIORITY, u32(like.metric))
    if like.protocol:
        payload += attr(IFA_PROTO, bytes([like.protocol]))
    if like.valid != FOREVER:
        payload += attr(IFA_CACHEINFO, LIFETIMES.pack(like.preferred, like.valid, 0, 0))
    return payload


def _addr_del(op: AddrDel, numbers: Numbers) -> list[Message]:
    return [(RTM_DELADDR, 0, _address(op, numbers, 0, _SCOPE_GLOBAL, op.peer))]


def _route(op: RouteAdd | RouteDel, numbers: Numbers, flags: int = 0) -> bytes:
    """Scope as iproute2 gives it: link for a direct IPv4 route, global for one by a gateway and for all of IPv6."""
    network, _, length = ("", "", "0") if op.dst == "default" else op.dst.partition("/")
    scope = op.scope
    if scope < 0:
        scope = _SCOPE_LINK if op.family == 4 and not op.via else _SCOPE_GLOBAL
    prefix = int(length) if length else (32 if op.family == 4 else 128)
    table = op.table if op.table < 256 else 0
    payload = RTMSG.pack(_FAMILIES[op.family], prefix, 0, op.tos, table, op.protocol, scope, RTN_UNICAST, flags)
    if not table:
        payload += attr(RTA_TABLE, u32(op.table))
    if network:
        payload += attr(RTA_DST, address_bytes(network))
    if op.via:
        payload += _gateway(op.via, op.family)
    payload += attr(RTA_OIF, u32(numbers.index(op.dev)))
    return payload + (attr(RTA_PRIORITY, u32(op.metric)) if op.metric else b"")


def _gateway(via: str, route_family: int) -> bytes:
    """An IPv4 route may have an IPv6 gateway; it then travels with its own family."""
    packed = address_bytes(via)
    if family(via) == route_family:
        return attr(RTA_GATEWAY, packed)
    return attr(RTA_VIA, Struct("=H").pack(_FAMILIES[family(via)]) + packed)


def _route_add(op: RouteAdd, numbers: Numbers) -> list[Message]:
    given = ((_RTAX_MTU, op.mtu), (_RTAX_ADVMSS, op.advmss), *op.metrics)
    metrics = b"".join(attr(kind, u32(n)) for kind, n in given if n)
    payload = _route(op, numbers, RTNH_F_ONLINK if op.onlink else 0)
    payload += attr(RTA_METRICS, metrics) if metrics else b""
    payload += attr(RTA_PREFSRC, address_bytes(op.src)) if op.src else b""
    payload += attr(RTA_PREF, bytes([op.pref])) if op.pref else b""
    payload += attr(RTA_EXPIRES, u32(op.expires)) if op.expires else b""
    how = NLM_F_CREATE if op.again else _REPLACE if op.expires else _CREATE
    return [(RTM_NEWROUTE, how, payload)]


def _route_del(op: RouteDel, numbers: Numbers) -> list[Message]:
    return [(RTM_DELROUTE, 0, _route(op, numbers))]


def _announce(op: Announce, numbers: Numbers) -> list[Message]:
    address = attr(IFLA_ADDRESS, bytes.fromhex(op.mac.replace(":", "")))
    return [(RTM_SETLINK, 0, IFINFO.pack(0, 0, numbers.index(op.dev), 0, 0) + address)]


#: kind -> its IFLA_INFO_DATA: what it has beyond name, MAC, MTU and group. A new kind is a new line.
LINK_KINDS: Mapping[str, Callable[[LinkAdd, Numbers], bytes]] = {
    "veth": _veth,
    "macvlan": _macvlan,
    "ipvlan": _ipvlan,
    "vxlan": _vxlan,
}

#: Modules of ops that few plans hold, and where each has its ENCODERS.
RARE = {
    "netkit.plan.rare.shaping": "netkit.kernel.tc",
    "netkit.plan.rare.tuning": "netkit.kernel.tune",
    "netkit.plan.rare.vlan": "netkit.kernel.vlans",
    "netkit.plan.rare.vxlan": "netkit.kernel.vxlan",
}

_ENCODERS: dict[type[Op], Callable[[Any, Numbers], list[Message]]] = {
    LinkAdd: _link_add,
    LinkMove: _link_move,
    LinkSet: link_set,
    LoopbackUp: _loopback_up,
    AddrAdd: _addr_add,
    AddrDel: _addr_del,
    Announce: _announce,
    RouteAdd: _route_add,
    RouteDel: _route_del,
}
