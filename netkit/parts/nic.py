"""The NIC that a network takes over: which ones it can be, and what would break if it were."""

from __future__ import annotations

from netkit.errors import ConfigError, ConflictError, HostError, UsageError
from netkit.ipam.pool import overlaps
from netkit.model import family
from netkit.parts.parent import parent
from netkit.plan.host import ETHERNET

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable

    from netkit.model import Network
    from netkit.plan.host import Host, Link, Route

#: Kinds that carry frames for their own MAC alone, so that nobody could live behind them.
_ONE_MAC = ("macvlan", "macvtap", "ipvlan", "ipvtap")
#: Kinds that stop working when what they are built on becomes a port of a bridge. (VLANs get their frames before it.)
_BREAK = (*_ONE_MAC, "vxlan", "geneve", "gre", "gretap", "ipip", "sit", "ip6tnl", "ip6gre", "ip6gretap", "vti", "vti6")
_ELSEWHERE = "choose another --parent, or --mode bridge, which leaves it alone"


def nic(net: Network, host: Host) -> Link:
    """A network's parent, if a bridge can have it for a port and nothing else of the host is in the way."""
    link = parent(net, host)
    _refuse_kind(link, host)
    if not link.carrier:
        raise HostError(f"{link.name} has no carrier, so nobody is there", "plug it in, or choose another --parent")
    broken = [each.name for each in host.built_on(link.name) if each.kind in _BREAK]
    if broken:
        raise ConflictError(
            f"{', '.join(broken)} would stop working: built on {link.name}, which would be a port of a bridge",
            "remove what is built on it, or choose another --parent",
        )
    return link


def _refuse_kind(link: Link, host: Host) -> None:
    name = link.name
    if link.hardware != ETHERNET:
        raise ConflictError(f"{name} carries no Ethernet frames, so no bridge can have it for a port", _ELSEWHERE)
    if link.kind == "bridge":
        raise ConflictError(f"{name} is a bridge itself", f"say --mode bridge -o bridge={name}, or name its NIC")
    if link.kind in _ONE_MAC:
        raise ConflictError(f"{name} is a {link.kind} link: it gets frames for its own MAC address only", _ELSEWHERE)
    if host.is_wireless(name):
        raise HostError(
            f"{name} is a Wi-Fi link: an access point takes frames from one MAC address only", "choose --mode bridge"
        )


def refuse_mentions(name: str, device: str, host: Host) -> None:
    """Rules that name the NIC would miss its packets, which come in by the bridge: unless that is named, too."""
    found = host.mentions(name)
    if found and not host.mentions(device):
        raise ConflictError(
            f"rules name {name} and would miss its packets, which then come and go by {device}: {', '.join(found)}",
            f"let them name {device} as well (it need not be there yet), and try again",
        )


def refuse_routes(name: str, host: Host) -> None:
    """Routes that could not be put back exactly: unknown here, impossible by now, or one of several equals."""
    own = [route for version in (4, 6) for route in host.routes(version) if route.dev == name]
    direct = [route.dst for route in own if not route.via]
    for route in own:
        if route.odd:
            raise ConflictError(
                f"the route to {route.dst} by {name} has {route.odd}, which netkit cannot move",
                "replace it by a plain one",
            )
        if route.via and not (route.onlink or _leads_to(route.via, direct)):
            raise ConflictError(
                f"the route to {route.dst} by {name} goes by {route.via}, to which no other route leads any more",
                "the kernel would not take it again: mend or delete it",
            )
        if twin := _twin(route, host.routes(route.family)):
            raise ConflictError(
                f"routes to {route.dst} by {name} and {twin.via or twin.dev} are equal, and their order would be lost",
                "give one of them another metric",
            )


def _leads_to(gateway: str, direct: Iterable[str]) -> bool:
    """Whether a gateway is on the link."""
    near = [dst for dst in direct if dst != "default" and family(dst) == family(gateway)]
    return gateway.startswith("fe80:") or "default" in direct or any(overlaps(dst, gateway) for dst in near)


def _twin(route: Route, others: Iterable[Route]) -> Route | None:
    """Another route with the same claim; link-local ones, which every link has, go by the link that is asked for."""
    key = (route.dst, route.table, route.metric, route.tos)
    equal = [each for each in others if (each.dst, each.table, each.metric, each.tos) == key and each != route]
    return equal[0] if equal and not route.dst.startswith("fe80:") and not route.expires else None


def refuse_only_way(name: str, host: Host) -> None:
    """Without a word the host's only way out is not touched: a host far away might be lost."""
    out = [route.dev for version in (4, 6) for route in host.routes(version) if route.dst == "default"]
    if name in out or (not any(out) and any(address.scope == 0 for address in host.addressing(name))):
        raise UsageError(
            f"{name} is the way to this host; its addresses and routes would move to a bridge",
            "connections survive that; say --yes if you can reach the host in another way, should it go wrong",
        )


def refuse_whole(net: Network) -> None:
    """A LAN has others on it: which of its addresses netkit may give out must be said."""
    for at, subnet in enumerate(() if net.ipam else net.subnets):
        if not all(each.ip_range for each in (subnet, *subnet.also)):
            raise ConfigError(
                f"subnets[{at}]",
                f"{subnet.cidr} is a LAN with others on it, and no part of it is named for containers",
                "name one that nobody else gives out: --ip-range FIRST-LAST",
            )
