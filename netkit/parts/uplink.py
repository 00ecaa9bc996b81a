"""The uplink: a NIC becomes a port of a bridge, and what made it the host's moves to the bridge.

Everything is prepared first, then one send to the kernel does it: the NIC into the bridge, that up, routes and
addresses off the NIC and onto the bridge. So the gap is that of one system call and of one question for the router's
MAC, and no kill can leave the host in between. The way back is the same, from the bridge to the NIC.

    the bridge     goes up when it has the port: one that is up before gets its carrier later, in the kernel's own time,
                   and loses the question for the router's MAC, which is repeated after a second only
    v4 addresses   go off last to first (a primary takes its secondaries along) and come on first to last
    v6 addresses   come on last to first, the link-local one last: the kernel puts each new one in front of its scope
    routes         those that the kernel makes for an address come with it; direct ones before those by a gateway
    RA default     comes on for half a minute, one metric behind: the kernel learns the real one by its own question,
                   which it asks when the link-local address comes; one put in its place would keep it from learning
    a DHCP lease   (IPv4, with a lifetime) stays for good on the bridge, where nobody renews it; back on the NIC it runs
"""

from __future__ import annotations

from netkit.ipam.pool import span, text
from netkit.model import bare, family
from netkit.naming import GROUP
from netkit.plan.host import FOREVER, Route
from netkit.plan.ops import AddrAdd, AddrDel, Heard, LinkAdd, LinkSet, RouteAdd, RouteDel, SysctlSet, Together
from netkit.plan.steps import Plan
from netkit.value import Value

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from netkit.plan.host import Address, Host, Link
    from netkit.plan.ops import Op

#: Protocols and a scope of routes, and flags of addresses, as the kernel numbers them.
KERNEL, BY_RA, LINK = 2, 9, 253
SECONDARY, NO_ROUTE = 0x01, 0x200
#: How long the default route that a router advertised is kept for it, in seconds.
STOPGAP = 30
#: Settings of a link that its traffic follows wherever it enters; the bridge gets those that are not the default ones.
SETTINGS = {
    "ipv4": (
        *("accept_local", "accept_redirects", "accept_source_route", "arp_accept", "arp_announce", "arp_filter"),
        *("arp_ignore", "arp_notify", "bc_forwarding", "drop_gratuitous_arp", "drop_unicast_in_l2_multicast"),
        *("forwarding", "log_martians", "promote_secondaries", "proxy_arp", "proxy_arp_pvlan", "route_localnet"),
        *("rp_filter", "secure_redirects", "send_redirects", "shared_media", "src_valid_mark"),
    ),
    "ipv6": (
        *("disable_ipv6", "accept_ra", "accept_ra_defrtr", "accept_ra_min_hop_limit", "accept_ra_mtu"),
        *("accept_ra_pinfo", "accept_ra_rt_info_max_plen", "accept_ra_rt_info_min_plen", "accept_ra_rtr_pref"),
        *("accept_redirects", "accept_source_route", "autoconf", "dad_transmits", "drop_unsolicited_na", "forwarding"),
        *("hop_limit", "keep_addr_on_down", "max_addresses", "ndisc_notify", "proxy_ndp", "ra_defrtr_metric"),
        *("router_solicitations", "temp_prefered_lft", "temp_valid_lft", "use_oif_addrs_only", "use_tempaddr"),
    ),
}


class Belongings(Value):
    """What makes a link the host's: its addresses and routes, as the kernel orders them."""

    addresses: tuple[Address, ...]
    routes: tuple[Route, ...]


def belongings(dev: str, host: Host) -> Belongings:
    """What a link of the host has now."""
    routes = tuple(route for version in (4, 6) for route in host.routes(version) if route.dev == dev)
    return Belongings(host.addressing(dev), routes)


def uplink(device: str, nic: Link, host: Host) -> Plan:
    """Make `device` a bridge with the NIC as its port, which has what the NIC had."""
    own = belongings(nic.name, host)
    given = own.replace(routes=_without_learned(own.routes))
    kept = given.replace(addresses=tuple(_kept(address, nic.name, device) for address in own.addresses))
    learned = tuple(route for route in own.routes if route.protocol == BY_RA)
    later = kept.replace(routes=kept.routes + learned)  # by then the kernel has learned them anew
    move = Together(
        (LinkSet(nic.name, master=device), LinkSet(device, up=True), *_take(own, nic.name), *give(kept, device)),
        (LinkSet(nic.name, master=""), *_take(later, device), *give(given, nic.name, again=True)),
    )
    why = f"{nic.name} becomes a port of {device}, which takes over its addresses and routes, in one send"
    quiet, loud = _silence(device, nic, host)
    prepared = _switch(device, nic) + _settings(device, nic.name, host) + quiet
    first, last = _twofold(own, device, nic.name)
    return prepared + first + Plan.of((move, why)) + loud + last


def _twofold(own: Belongings, device: str, nic: str) -> tuple[Plan, Plan]:
    """IPv6 addresses stay on the one link until they are heard on the other.

    Otherwise an answer to the first question for a neighbour's MAC may be lost, and it is asked again after a second.
    """
    six = tuple(address.address for address in own.addresses if family(address.address) == 6)
    if not six:
        return Plan(), Plan()
    before = Heard((), nic, back=Heard(six, nic))
    after = Heard(six, device)
    gone = [(AddrDel(address, nic), "it is on the bridge") for address in six]
    first = Plan.of((before, f"on the way back: what {nic} has again is heard before the bridge goes"))
    return first, Plan.of((after, f"what {device} has is heard before it leaves {nic}"), *gone)


def _switch(device: str, nic: Link) -> Plan:
    bridge = LinkAdd(device, "bridge", GROUP, mac=nic.mac, mtu=nic.mtu - 1)
    return Plan.of(
        (bridge, f"the switch between {nic.name} and the containers; its MAC is the NIC's, so the LAN notices nothing"),
        (LinkSet(device, mtu=nic.mtu), "pin its MTU: a bridge fits it to its ports until someone changes it"),
    )


def _settings(device: str, nic: str, host: Host) -> Plan:
    """What differs from the default on the NIC differs on the bridge."""
    return Plan.of(
        *(
            (SysctlSet(f"net/{proto}/conf/{device}/{name}", value, default, dev=device), f"as on {nic}")
            for proto, name, value, default in unusual(nic, host)
        )
    )


def unusual(dev: str, host: Host) -> Iterator[tuple[str, str, str, str]]:
    """(protocol, name, value, default value) of a link's settings that are not the default ones."""
    for proto, names in SETTINGS.items():
        for name in names:
            value, default = (host.sysctl(f"net/{proto}/conf/{link}/{name}") for link in (dev, "default"))
            if value is not None and default is not None and value != default:
                yield proto, name, value, default


def _silence(device: str, nic: Link, host: Host) -> tuple[Plan, Plan]:
    """While addresses move the kernel makes none by itself; then the bridge does as the NIC did before."""
    key, why = "net/ipv6/conf/{}/addr_gen_mode", "its link-local address comes and goes with the others"
    default, was = (host.sysctl(key.format(link)) for link in ("default", nic.name))
    if default is None or was is None:
        return Plan(), Plan()
    quiet = [
        (SysctlSet(key.format(link), "1", before, dev=link), why)
        for link, before in ((device, default), (nic.name, was))
        if before != "1"
    ]
    loud = [(SysctlSet(key.format(device), was, "1", dev=device), f"as on {nic.name} before")] if was != "1" else []
    return Plan.of(*quiet), Plan.of(*loud)


def _kept(address: Address, nic: str, device: str) -> Address:
    """An address as it is on the bridge: an IPv4 one for good, and its label with the bridge's name."""
    if family(address.address) == 6:
        return address
    label = address.label.replace(nic, device, 1) if address.label.startswith(nic) else address.label
    return address.replace(label=label if len(label) < 16 else device, valid=FOREVER, preferred=FOREVER)


def _without_learned(routes: Sequence[Route]) -> tuple[Route, ...]:
    """The routes, those that a router advertised by short-lived ones that stand behind them."""
    found: list[Route] = []
    for route in routes:
        if route.protocol == BY_RA:
            taken = {(other.dst, other.family, other.metric) for other in (*routes, *found)}
            steps = range(route.metric + 1, route.metric + len(routes) + 2)
            metric = next(step for step in steps if (route.dst, route.family, step) not in taken)
            route = route.replace(metric=metric, expires=min(route.expires or STOPGAP, STOPGAP))
        found.append(route)
    return tuple(found)


def _take(own: Belongings, dev: str) -> Iterator[Op]:
    """Routes, then IPv4 addresses, off a link; an IPv6 one may be on two links, and goes later, or with the bridge."""
    for route in _brought_by_none(own):
        where = (route.dst, dev, route.via, None, route.family, route.protocol, route.metric, route.table)
        yield RouteDel(*where, scope=_scope(route), tos=route.tos)
    for route in _made(own):
        yield RouteDel(route.dst, dev, "", None, route.family, KERNEL, route.metric)
    for address in reversed(own.addresses):
        if family(address.address) == 4:
            yield AddrDel(address.address, dev, peer=address.peer)


def give(own: Belongings, dev: str, again: bool = False) -> Iterator[Op]:
    """Addresses, then routes, onto a link that is up.

    `again`: IPv6 addresses may still be there, and their routes not.
    """
    for address in _ordered(own.addresses):
        yield AddrAdd(address.address, dev, nodad=False, like=address)
    for route in _expected(own.addresses):
        if not _among(route, own.routes):
            yield RouteDel(route.dst, dev, "", None, route.family, KERNEL, route.metric)
    if again:
        yield from (_route_add(route, dev).replace(again=True) for route in _made(own) if route.family == 6)
    for route in sorted(_brought_by_none(own), key=lambda route: bool(route.via)):
        yield _route_add(route, dev)


def _ordered(addresses: Sequence[Address]) -> list[Address]:
    """As they are to be added; the link-local one is last, for with it the kernel asks for routers."""
    four = [address for address in addresses if family(address.address) == 4]
    six = [address for address in reversed(addresses) if family(address.address) == 6]
    return four + sorted(six, key=lambda address: address.scope == LINK)


def _route_add(route: Route, dev: str) -> RouteAdd:
    return RouteAdd(
        *(route.dst, dev, route.via, None, route.family, route.protocol, route.metric, route.table),
        scope=_scope(route),
        mtu=route.mtu,
        src=route.src,
        tos=route.tos,
        onlink=route.onlink,
        metrics=route.metrics,
        pref=route.pref,
        expires=route.expires,
    )


def _scope(route: Route) -> int:
    """-1 where it is the usual one."""
    usual = LINK if route.family == 4 and not route.via else 0
    return -1 if route.family == 6 or route.scope == usual else route.scope


def _brought_by_none(own: Belongings) -> list[Route]:
    """The routes that no address brings along."""
    made = _expected(own.addresses)
    return [route for route in own.routes if not _among(route, made)]


def _made(own: Belongings) -> list[Route]:
    """The routes that came with the addresses and are there, as they are there."""
    made = _expected(own.addresses)
    return [route for route in own.routes if _among(route, made)]


def _among(route: Route, routes: Sequence[Route]) -> bool:
    key = (route.dst, route.family, route.via, route.protocol, route.metric, route.table)
    return any((r.dst, r.family, r.via, r.protocol, r.metric, r.table) == key for r in routes)


def _expected(addresses: Sequence[Address]) -> list[Route]:
    """The routes that the kernel makes of addresses: to the subnet of each, of IPv4 for the primary one alone."""
    found: list[Route] = []
    for address in addresses:
        version = family(address.address)
        subnet = _subnet(address)
        alone = version == 4 and subnet == f"{bare(address.address)}/32"
        if address.flags & NO_ROUTE or alone or (version == 4 and address.flags & SECONDARY):
            continue
        metric = address.metric or (256 if version == 6 else 0)
        route = Route(subnet, version, protocol=KERNEL, metric=metric)
        if not _among(route, found):
            found.append(route)
    return found


def _subnet(address: Address) -> str:
    """The subnet that an address, or the other end of its line, lies in."""
    length = address.address.partition("/")[2]
    whole = f"{address.peer or bare(address.address)}/{length}"
    return f"{text(span(whole)[0], family(whole))}/{length}"
