"""rtnetlink: what one network namespace answers about its links, addresses and routes.

A link is asked for by name or number. Where only a dump will do, its answers are filtered again here: kernels before
4.20 send all, whatever filter is named.
"""

from __future__ import annotations

import errno
from _socket import AF_INET, AF_INET6

from netkit.errors import KernelError
from netkit.kernel import decode
from netkit.kernel.messages import (
    IFADDR,
    IFINFO,
    IFLA_EXT_MASK,
    IFLA_IFNAME,
    IFLA_INFO_KIND,
    IFLA_LINKINFO,
    RTA_DST,
    RTM_GETADDR,
    RTM_GETLINK,
    RTM_GETROUTE,
    RTM_GETRULE,
    RTM_NEWLINK,
    RTM_NEWNSID,
    RTMSG,
    RTN_UNICAST,
    address_bytes,
    text,
)
from netkit.kernel.netlink import Netlink
from netkit.kernel.wire import NLM_F_CREATE, NLM_F_EXCL, attr, u32
from netkit.model import family

TYPE_CHECKING = False
if TYPE_CHECKING:
    from netkit.kernel.wire import Message
    from netkit.plan.host import Address, Link, Route

_NETLINK_ROUTE = 0
#: The entry that decided is told, not the way that was made of it.
_RTM_F_FIB_MATCH = 0x2000
_NO_WAY = (errno.ENETUNREACH, errno.EHOSTUNREACH, errno.EACCES, errno.EINVAL, errno.EAFNOSUPPORT, errno.EOPNOTSUPP)
_RTN_LOCAL = 2
_FORWARDING = 3
_NETNSA_NSID, _NETNSA_FD = 1, 3
_FAMILIES = {4: AF_INET, 6: AF_INET6}
#: RTEXT_FILTER_SKIP_STATS: no counters.
_EXTENT = attr(IFLA_EXT_MASK, u32(1 << 3))
#: By family, the links' names and the routes of the last dump, message by message: most come again as they were.
_dumped: dict[int, tuple[dict[int, str], dict[bytes, tuple[Route, ...]]]] = {}
_REMEMBERED = 8192


class Rtnl(Netlink):
    """An rtnetlink socket of the namespace that the creating thread is in."""

    def __init__(self) -> None:
        super().__init__(_NETLINK_ROUTE)

    def link(self, name: str) -> Link | None:
        """The link of that name, or None."""
        try:
            payload = self.get(_get_link(0, attr(IFLA_IFNAME, text(name))))
        except KernelError as error:
            if error.errno == errno.ENODEV:
                return None
            raise
        found, master = decode.link(payload)
        return found.replace(master=self.name(master)) if master else found

    def links(self) -> list[Link]:
        """Every link, without its master."""
        return [decode.link(payload)[0] for payload in self.dump(_get_link(0))]

    def index(self, name: str) -> int:
        """The ifindex of a link; KernelError (ENODEV) when there is none of that name."""
        return decode.link(self.get(_get_link(0, attr(IFLA_IFNAME, text(name)))))[0].index

    def name(self, index: int) -> str:
        """The name of a link, "" when it went in the meantime."""
        try:
            return decode.link(self.get(_get_link(index)))[0].name
        except KernelError as error:
            if error.errno == errno.ENODEV:
                return ""
            raise

    def addresses(self, index: int) -> tuple[str, ...]:
        """The addresses of one link, IPv4 first, as the kernel orders them.

        Of Linux 6.18: a change that cuts through a dump of one ifindex, or of both families, is not flagged, and an
        address is left out without a word; so all links' are asked for, family by family. Even then the flag comes
        late now and then, so an answer in several pieces has to come twice.
        """
        found: list[str] = []
        for af in (AF_INET, AF_INET6):
            payloads = self.dump((RTM_GETADDR, 0, IFADDR.pack(af, 0, 0, 0, 0)), agree=_addresses)
            found += [shown for family_of, on, shown in _addresses(payloads) if (family_of, on) == (af, index)]
        return tuple(found)

    def addressing(self, index: int) -> tuple[Address, ...]:
        """The addresses of one link with everything about them, IPv4 first, as the kernel orders them."""
        found: list[Address] = []
        for af in (AF_INET, AF_INET6):
            payloads = self.dump((RTM_GETADDR, 0, IFADDR.pack(af, 0, 0, 0, 0)), agree=_addresses)
            shown = [decode.addressing(payload) for payload in payloads if payload[0] == af]
            found += [address for on, address in shown if on == index]
        return tuple(found)

    def built_on(self, index: int) -> tuple[Link, ...]:
        """The links that are built on one: macvlan, VLAN, VXLAN..."""
        return tuple(link for link in self.links() if link.below == index)

    def forwards(self, name: str) -> bool:
        """Whether frames pass a link of that name: not while it is a port of a bridge that is shut."""
        try:
            payload = self.get(_get_link(0, attr(IFLA_IFNAME, text(name))))
        except KernelError as error:
            if error.errno == errno.ENODEV:
                return True
            raise
        return decode.port_state(payload) in (-1, _FORWARDING)

    def hears(self, address: str, index: int) -> bool:
        """Whether packets for an IPv6 address of a link end on this host."""
        head = RTMSG.pack(AF_INET6, 0, 0, 0, decode.RT_TABLE_LOCAL, 0, 0, _RTN_LOCAL, 0)
        wanted = (address_bytes(address), index)
        return any(decode.local_to(payload) == wanted for payload in self.dump((RTM_GETROUTE, 0, head)))

    def policies(self, dev: str) -> int:
        """How many policy routing rules are for what comes from or goes out by a link."""
        payloads = [
            each for af in (AF_INET, AF_INET6) for each in self.dump((RTM_GETRULE, 0, RTMSG.pack(af, *[0] * 8)))
        ]
        return sum(dev in decode.policy_links(payload) for payload in payloads)

    def way_to(self, address: str) -> Route | None:
        """The route that an address is looked up to, None where there is none."""
        payload = self._looked_up(address, _RTM_F_FIB_MATCH)
        return next(decode.routes(payload, self.name), None) if payload else None

    def routes(self, ip_family: int) -> tuple[Route, ...]:
        """The unicast routes of one family (4 or 6), of all tables but `local`."""
        head = RTMSG.pack(_FAMILIES[ip_family], 0, 0, 0, 0, 0, 0, RTN_UNICAST, 0)
        payloads = self.dump((RTM_GETROUTE, 0, head))
        names, before = _dumped.pop(ip_family, ({}, {}))
        if any(self.name(index) != name for index, name in names.items()):
            names, before = {}, {}

        def name(index: int) -> str:
            if index not in names:
                names[index] = self.name(index)
            return names[index]

        found = {each: before[each] if each in before else tuple(decode.routes(each, name)) for each in payloads}
        if len(found) <= _REMEMBERED:
            _dumped[ip_family] = names, found
        return tuple(route for each in payloads for route in found[each])

    def is_local(self, address: str) -> bool:
        """Whether packets to this address end on this host."""
        payload = self._looked_up(address)
        return payload is not None and decode.route_type(payload) == _RTN_LOCAL

    def _looked_up(self, address: str, flags: int = 0) -> bytes | None:
        """What the routing tables say of an address, None when that is a refusal."""
        packed = address_bytes(address)
        head = RTMSG.pack(_FAMILIES[family(address)], len(packed) * 8, 0, 0, 0, 0, 0, 0, flags)
        try:
            return self.get((RTM_GETROUTE, 0, head + attr(RTA_DST, packed)))
        except KernelError as error:
            if error.errno in _NO_WAY:
                return None
            raise

    def number(self, netns_fd: int) -> None:
        """Give another namespace a number here, unless it has one: from then on its end is told (RTM_DELNSID)."""
        whichever = attr(_NETNSA_NSID, b"\xff" * 4)
        (refused,) = self.batch([(RTM_NEWNSID, 0, bytes(4) + whichever + attr(_NETNSA_FD, u32(netns_fd)))])
        if refused is not None and refused.errno != errno.EEXIST:
            raise refused

    def makes(self, kind: str) -> bool:
        """Whether the kernel knows links of a kind that stand on another.

        It is asked to make one that stands on nothing, which it refuses in any case: as impossible, or as unknown.
        """
        info = attr(IFLA_LINKINFO, attr(IFLA_INFO_KIND, kind.encode()))
        (refused,) = self.batch([(RTM_NEWLINK, NLM_F_CREATE | NLM_F_EXCL, IFINFO.pack(0, 0, 0, 0, 0) + info)])
        return refused is None or refused.errno != errno.EOPNOTSUPP


def _addresses(payloads: list[bytes]) -> list[tuple[int, int, str]]:
    """(family, ifindex, address) of each."""
    return [(payload[0], *decode.address(payload)) for payload in payloads]


def _get_link(index: int, which: bytes = b"") -> Message:
    return RTM_GETLINK, 0, IFINFO.pack(0, 0, index, 0, 0) + which + _EXTENT
