"""rtnetlink answers as values: links, addresses, routes. Pure."""

from __future__ import annotations

import errno
from _socket import AF_INET, AF_INET6, inet_ntop

from netkit.errors import KernelError
from netkit.kernel.messages import (
    IFA_ADDRESS,
    IFA_LOCAL,
    IFADDR,
    IFF_UP,
    IFINFO,
    IFLA_ADDRESS,
    IFLA_GROUP,
    IFLA_IFNAME,
    IFLA_INFO_KIND,
    IFLA_LINKINFO,
    IFLA_MASTER,
    IFLA_MTU,
    RTA_DST,
    RTA_GATEWAY,
    RTA_METRICS,
    RTA_MULTIPATH,
    RTA_OIF,
    RTA_PRIORITY,
    RTA_TABLE,
    RTA_VIA,
    RTMSG,
    RTN_UNICAST,
)
from netkit.kernel.wire import attributes, number
from netkit.plan.host import Link, Route

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from struct import Struct

RT_TABLE_LOCAL = 255
RTM_F_CLONED = 0x200
_RTAX_MTU = 2
_NEXTHOP_SIZE = 8
_FAMILIES = {AF_INET: 4, AF_INET6: 6}
_NOTHING = b""


def link(payload: bytes) -> tuple[Link, int]:
    """A link and its master's ifindex, 0 when it has none."""
    _, _, index, flags, _ = _head(IFINFO, payload)
    found = attributes(payload, IFINFO.size)
    kind = attributes(found.get(IFLA_LINKINFO, _NOTHING)).get(IFLA_INFO_KIND, _NOTHING)
    shown = Link(
        name=_text(found.get(IFLA_IFNAME, _NOTHING)),
        index=index,
        kind=_text(kind),
        mac=found.get(IFLA_ADDRESS, _NOTHING).hex(":"),
        mtu=number(found.get(IFLA_MTU, _NOTHING)),
        up=bool(flags & IFF_UP),
        group=number(found.get(IFLA_GROUP, _NOTHING)),
    )
    return shown, number(found.get(IFLA_MASTER, _NOTHING))


def address(payload: bytes) -> tuple[int, str]:
    """The ifindex that an address is on, and the address with its prefix length."""
    family, length, _, _, index = _head(IFADDR, payload)
    found = attributes(payload, IFADDR.size)
    packed = found.get(IFA_LOCAL) or found.get(IFA_ADDRESS, _NOTHING)
    return index, f"{inet_ntop(family, packed)}/{length}"


def routes(payload: bytes, name: Callable[[int], str]) -> Iterator[Route]:
    """The unicast route outside the `local` table that a message holds: one for each of its next hops."""
    family, length, _, _, table, protocol, _, kind, flags = _head(RTMSG, payload)
    found = attributes(payload, RTMSG.size)
    table = number(found[RTA_TABLE]) if RTA_TABLE in found else table
    if kind != RTN_UNICAST or table == RT_TABLE_LOCAL or flags & RTM_F_CLONED:
        return
    dst = f"{inet_ntop(family, found[RTA_DST])}/{length}" if RTA_DST in found else "default"
    metrics = attributes(found.get(RTA_METRICS, _NOTHING))
    for index, hop in _next_hops(found):
        yield Route(
            dst=dst,
            family=_FAMILIES[family],
            via=_via(family, hop),
            dev=name(index) if index else "",
            protocol=protocol,
            metric=number(found.get(RTA_PRIORITY, _NOTHING)),
            table=table,
            mtu=number(metrics.get(_RTAX_MTU, _NOTHING)),
        )


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
