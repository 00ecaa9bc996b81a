"""The way out: which link the host's default route uses, and how large its packets may be."""

from __future__ import annotations

from netkit.errors import ConfigError

TYPE_CHECKING = False
if TYPE_CHECKING:
    from netkit.model import Network
    from netkit.plan.host import Host, Route

#: What a link carries when nothing says otherwise.
ETHERNET = 1500
#: Addresses of the world, to ask the way to. Nothing is ever sent there.
_WORLD = ("1.1.1.1", "2606:4700:4700::1111")


def egress(host: Host, family: int) -> Route | None:
    """The default route of the main table with the lowest metric, if the host has one."""
    defaults = [r for r in host.routes(family) if r.dst == "default" and r.dev and r.table == 254]
    return min(defaults, key=lambda route: route.metric, default=None)


def default_parent(host: Host) -> str:
    """The link of the way out, IPv4's before IPv6's: what a network stands on that names no parent."""
    found = [route.dev for version in (4, 6) if (route := egress(host, version))]
    if not found:
        raise ConfigError("parent", "this host has no default route that would say which link", "give --parent IF")
    return found[0]


def egress_mtu(host: Host) -> int:
    """The MTU of the way out, the smaller one where IPv4 and IPv6 leave by different links; 1500 with none."""
    found = [_route_mtu(host, route) for address in _WORLD if (route := host.way_to(address))]
    return min(found, default=ETHERNET)


def network_mtu(net: Network, host: Host) -> int:
    """What a network's links carry: its own MTU, or that of its device if it stands, or that of the way out."""
    if net.mtu:
        return net.mtu
    device = host.link(net.device)
    return device.mtu if device and device.mtu else egress_mtu(host)


def _route_mtu(host: Host, route: Route) -> int:
    link = host.link(route.dev)
    return min(mtu for mtu in (route.mtu, link.mtu if link else 0, 65535) if mtu)
