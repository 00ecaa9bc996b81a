"""rtnetlink answers as values: links, addresses, routes. Pure."""

from __future__ import annotations

import errno
from _socket import AF_INET, AF_INET6, inet_ntop
from sys import byteorder

from netkit.errors import KernelError
from netkit.kernel.messages import (
    IFA_ADDRESS,
    IFA_BROADCAST,
    IFA_CACHEINFO,
    IFA_FLAGS,
    IFA_LABEL,
    IFA_LOCAL,
    IFA_PROTO,
    IFA_RT_PRIORITY,
    IFADDR,
    IFF_ALLMULTI,
    IFF_PROMISC,
    IFF_UP,
    IFINFO,
    IFLA_ADDRESS,
    IFLA_CARRIER,
    IFLA_GROUP,
    IFLA_IFALIAS,
    IFLA_IFNAME,
    IFLA_INFO_DATA,
    IFLA_INFO_KIND,
    IFLA_LINK,
    IFLA_LINK_NETNSID,
    IFLA_LINKINFO,
    IFLA_MASTER,
    IFLA_MTU,
    IFLA_TXQLEN,
    LIFETIMES,
    RTA_CACHEINFO,
    RTA_DST,
    RTA_ENCAP,
    RTA_FLOW,
    RTA_GATEWAY,
    RTA_METRICS,
    RTA_MULTIPATH,
    RTA_NH_ID,
    RTA_OIF,
    RTA_PREF,
    RTA_PREFSRC,
    RTA_PRIORITY,
    RTA_SRC,
    RTA_TABLE,
    RTA_VIA,
    RTMSG,
    RTN_UNICAST,
    RTNH_F_ONLINK,
)
from netkit.kernel.wire import attributes, number
from netkit.plan.host import Address, Link, Route

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from struct import Struct

RT_TABLE_LOCAL = 255
RTM_F_CLONED = 0x200
_RTAX_MTU, _RTAX_CC_ALGO = 2, 16
_FRA_IIFNAME, _FRA_OIFNAME = 3, 17
#: Clock ticks of a second in what the kernel tells (USER_HZ).
_TICKS = 100
#: IFLA_VXLAN_LINK: a VXLAN link does not tell by IFLA_LINK what it is built on.
_VXLAN_LINK = 3
#: IFLA_INFO_SLAVE_KIND, IFLA_INFO_SLAVE_DATA, IFLA_BRPORT_STATE.
_SLAVE_KIND, _SLAVE_DATA, _BRPORT_STATE = 4, 5, 1
_NEXTHOP_SIZE = 8
_FAMILIES = {AF_INET: 4, AF_INET6: 6}
_NOTHING = b""


def port_state(payload: bytes) -> int:
    """The state (BR_STATE_*) of a link as a port of a bridge, -1 when it is none."""
    info = attributes(attributes(payload, IFINFO.size).get(IFLA_LINKINFO, _NOTHING))
    if _text(info.get(_SLAVE_KIND, _NOTHING)) != "bridge":
        return -1
    return number(attributes(info.get(_SLAVE_DATA, _NOTHING)).get(_BRPORT_STATE, _NOTHING))


def link(payload: bytes) -> tuple[Link, int]:
    """A link and its master's ifindex, 0 when it has none."""
    _, hardware, index, flags, _ = _head(IFINFO, payload)
    found = attributes(payload, IFINFO.size)
    info = attributes(found.get(IFLA_LINKINFO, _NOTHING))
    kind = _text(info.get(IFLA_INFO_KIND, _NOTHING))
    shown = Link(
        name=_text(found.get(IFLA_IFNAME, _NOTHING)),
        index=index,
        kind=kind,
        mac=found.get(IFLA_ADDRESS, _NOTHING).hex(":"),
        mtu=number(found.get(IFLA_MTU, _NOTHING)),
        up=bool(flags & IFF_UP),
        group=number(found.get(IFLA_GROUP, _NOTHING)),
        carrier=bool(number(found.get(IFLA_CARRIER, _NOTHING))),
        hardware=hardware,
        below=_below(kind, found, info),
        alias=_text(found.get(IFLA_IFALIAS, _NOTHING)),
        promisc=bool(flags & IFF_PROMISC),
        allmulti=bool(flags & IFF_ALLMULTI),
        txqlen=number(found.get(IFLA_TXQLEN, _NOTHING)),
    )
    return shown, number(found.get(IFLA_MASTER, _NOTHING))


def _below(kind: str, found: dict[int, bytes], info: dict[int, bytes]) -> int:
    """The ifindex of the link that this one is built on; not that of a veth's other end, or in another namespace."""
    if kind == "vxlan":
        return number(attributes(info.get(IFLA_INFO_DATA, _NOTHING)).get(_VXLAN_LINK, _NOTHING))
    return 0 if kind == "veth" or IFLA_LINK_NETNSID in found else number(found.get(IFLA_LINK, _NOTHING))


def address(payload: bytes) -> tuple[int, str]:
    """The ifindex that an address is on, and the address with its prefix length."""
    family, length, _, _, index = _head(IFADDR, payload)
    found = attributes(payload, IFADDR.size)
    packed = found.get(IFA_LOCAL) or found.get(IFA_ADDRESS, _NOTHING)
    return index, f"{inet_ntop(family, packed)}/{length}"


def addressing(payload: bytes) -> tuple[int, Address]:
    """The ifindex that an address is on, and all about it."""
    family, _, flags, scope, _ = _head(IFADDR, payload)
    index, shown = address(payload)
    found = attributes(payload, IFADDR.size)

    def ip(kind: int) -> str:
        return inet_ntop(family, found[kind]) if kind in found else ""

    preferred, valid, _, _ = LIFETIMES.unpack_from(found.get(IFA_CACHEINFO, bytes([255] * LIFETIMES.size)))
    peer = ip(IFA_ADDRESS) if IFA_LOCAL in found else ""
    return index, Address(
        shown,
        peer=peer if peer != shown.partition("/")[0] else "",
        broadcast=ip(IFA_BROADCAST),
        label=_text(found.get(IFA_LABEL, _NOTHING)),
        scope=scope,
        metric=number(found.get(IFA_RT_PRIORITY, _NOTHING)),
        protocol=number(found.get(IFA_PROTO, _NOTHING)),
        flags=number(found[IFA_FLAGS]) if IFA_FLAGS in found else flags,
        valid=valid,
        preferred=preferred,
    )


def routes(payload: bytes, name: Callable[[int], str]) -> Iterator[Route]:
    """The unicast route outside the `local` table that a message holds: one for each of its next hops."""
    family, length, _, tos, table, protocol, scope, kind, flags = _head(RTMSG, payload)
    found = attributes(payload, RTMSG.size)
    table = number(found[RTA_TABLE]) if RTA_TABLE in found else table
    if kind != RTN_UNICAST or table == RT_TABLE_LOCAL or flags & RTM_F_CLONED:
        return
    dst = f"{inet_ntop(family, found[RTA_DST])}/{length}" if RTA_DST in found else "default"
    metrics = attributes(found.get(RTA_METRICS, _NOTHING))
    mtu = number(metrics.pop(_RTAX_MTU, _NOTHING))
    for index, hop in _next_hops(found):
        yield Route(
            dst=dst,
            family=_FAMILIES[family],
            via=_via(family, hop),
            dev=name(index) if index else "",
            protocol=protocol,
            metric=number(found.get(RTA_PRIORITY, _NOTHING)),
            table=table,
            mtu=mtu,
            scope=scope,
            src=inet_ntop(family, found[RTA_PREFSRC]) if RTA_PREFSRC in found else "",
            tos=tos,
            onlink=bool(flags & RTNH_F_ONLINK),
            metrics=tuple((kind, number(value)) for kind, value in sorted(metrics.items()) if kind != _RTAX_CC_ALGO),
            pref=number(found.get(RTA_PREF, _NOTHING)),
            expires=_expires(found),
            odd=_odd(found, metrics),
        )


def _expires(found: dict[int, bytes]) -> int:
    """Seconds until an IPv6 route ends, at least one; 0 when it stays. The third word of struct rta_cacheinfo."""
    ticks = int.from_bytes(found.get(RTA_CACHEINFO, _NOTHING)[8:12], byteorder, signed=True)
    return max(ticks // _TICKS, 1) if ticks else 0


def _odd(found: dict[int, bytes], metrics: dict[int, bytes]) -> str:
    """What a route has that our own messages cannot say."""
    strange = {
        RTA_MULTIPATH: "several next hops",
        RTA_NH_ID: "a next hop object",
        RTA_ENCAP: "an encapsulation",
        RTA_FLOW: "a realm",
        RTA_SRC: "a source prefix",
    }
    named = [what for kind, what in strange.items() if kind in found]
    return ", ".join([*named, *(["a congestion control"] if _RTAX_CC_ALGO in metrics else [])])


def local_to(payload: bytes) -> tuple[bytes, int]:
    """The packed address that a local route is for, and the ifindex that has it."""
    found = attributes(payload, RTMSG.size)
    return found.get(RTA_DST, _NOTHING), number(found.get(RTA_OIF, _NOTHING))


def policy_links(payload: bytes) -> set[str]:
    """The links that a policy routing rule names, as the way in or out. Its header has the size of a route's."""
    found = attributes(payload, RTMSG.size)
    return {_text(found[kind]) for kind in (_FRA_IIFNAME, _FRA_OIFNAME) if kind in found}


def route_type(payload: bytes) -> int:
    """The type of a route: 1 unicast, 2 local..."""
    kind: int = _head(RTMSG, payload)[7]
    return kind


def _next_hops(found: dict[int, bytes]) -> Iterator[tuple[int, dict[int, bytes]]]:
    """(ifindex, attributes) of each; struct rtnexthop is length u16, flags u8, hops u8, ifindex i32, attributes."""
    if RTA_MULTIPATH not in found:
        yield number(found.get(RTA_OIF, _NOTHING)), found
        return
    data, offset = found[RTA_MULTIPATH], 0
    while offset + _NEXTHOP_SIZE <= len(data):
        length = number(data[offset : offset + 2])
        if length < _NEXTHOP_SIZE:
            raise KernelError("the kernel sent a malformed next hop", errno.EBADMSG)
        yield number(data[offset + 4 : offset + 8]), attributes(data[offset : offset + length], _NEXTHOP_SIZE)
        offset += (length + 3) & ~3


def _via(family: int, hop: dict[int, bytes]) -> str:
    if RTA_GATEWAY in hop:
        return inet_ntop(family, hop[RTA_GATEWAY])
    if RTA_VIA in hop:
        return inet_ntop(number(hop[RTA_VIA][:2]), hop[RTA_VIA][2:])
    return ""


def _text(data: bytes) -> str:
    return data.partition(b"\0")[0].decode("utf-8", "surrogateescape")


def _head(struct: Struct, payload: bytes) -> tuple[int, ...]:
    if len(payload) < struct.size:
        raise KernelError("the kernel sent a short netlink message", errno.EBADMSG)
    return struct.unpack_from(payload)
