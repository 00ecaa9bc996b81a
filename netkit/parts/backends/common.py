"""What backends share: routes that are nobody else's, and neighbours on the underlay."""

from __future__ import annotations

from netkit.errors import ConflictError
from netkit.model import alone, family
from netkit.naming import PROTOCOL
from netkit.plan.ops import MAIN, RouteAdd, RulesAdd
from netkit.plan.rules import Road
from netkit.plan.steps import Plan

TYPE_CHECKING = False
if TYPE_CHECKING:
    from netkit.model import PeerHost
    from netkit.parts.backends import Realm
    from netkit.plan.host import Host


def address_of(peer: PeerHost, version: int, own: str) -> str:
    """Where a host is on the underlay, for its subnets of one family: by the family of `own`, our address there."""
    found = peer.address6 if version == 6 and peer.address6 else peer.address
    if family(found) != family(own):
        raise ConflictError(f"host {peer.node} is at {found}, of another family than {own}", "see --public-ip there")
    return found


def by_gateway(realm: Realm, subnet: str, address: str, dev: str, host: Host) -> Plan:
    """A subnet behind a host that is a neighbour: an ordinary route, and the firewall lets it through."""
    return road(realm, subnet, dev, host, address) + Plan.of(
        (route(subnet, dev, address, host), f"{subnet} is behind the neighbour {address}")
    )


def road(realm: Realm, subnet: str, dev: str, host: Host, itself: str = "") -> Plan:
    """Packets between a peer's subnet and ours pass untranslated, and those of the peer `itself`, by its address."""
    ours = [each for each in realm.leased if family(each) == family(subnet)]
    theirs = (subnet, alone(itself)) if itself else (subnet,)
    rules = tuple(Road(dev, each, own) for each in theirs for own in ours)
    return Plan.of((RulesAdd(rules, host.firewall), f"{subnet} and our containers talk without translation"))


def whole(realm: Realm, version: int, dev: str, host: Host) -> Plan:
    """What comes by a link of ours, from wherever in the network, is for our containers, and the other way round."""
    net = next(each for each in realm.whole if family(each) == version)
    return road(realm, net, dev, host)


def route(subnet: str, dev: str, via: str, host: Host, onlink: bool = False) -> RouteAdd:
    """A route to a peer's subnet; ConflictError where another's route leads there already."""
    if (subnet, via, dev, MAIN) in host.ways(family(subnet)):
        return RouteAdd(subnet, dev, via, family=family(subnet), onlink=onlink)  # it stands, or another's is the same
    for other in host.routes(family(subnet)):
        if (other.dst, other.table) == (subnet, MAIN) and other.protocol != PROTOCOL:
            hint = f"see who made it: ip route show {subnet}"
            raise ConflictError(f"another's route leads to {subnet} by {other.dev}", hint)
    return RouteAdd(subnet, dev, via, family=family(subnet), onlink=onlink)


def neighbour_link(address: str, host: Host) -> str:
    """The link on which a host is a neighbour, "" when a router lies between."""
    way = host.way_to(address)
    return way.dev if way and not way.via else ""
