"""What macvlan and ipvlan have in common: a link inside the namespace that stands on one of the host's."""

from __future__ import annotations

from abc import ABC, abstractmethod

from netkit.drivers.options import only, switches
from netkit.drivers.protocols import Attachment, Options
from netkit.errors import ConfigError, HostError
from netkit.ipam.pool import overlaps
from netkit.model import bare
from netkit.naming import GROUP
from netkit.parts.addresses import addresses, default_routes, loopback, routes
from netkit.parts.endpoint import endpoint, free_ifname
from netkit.parts.inside import inside
from netkit.parts.parent import parent
from netkit.plan.ops import LinkAdd
from netkit.plan.steps import Plan

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from typing import Any, ClassVar

    from netkit.model import AttachRequest, Endpoint, Lease, Network, NsRef
    from netkit.plan.host import Host
    from netkit.plan.kinds import Stacked

#: On/off options, what each is without a word, and what it says.
SWITCHES = {
    "addresses": True,  # off: a link and no more
    "default_route": True,  # containers get a default route by the gateway
    "dad": False,  # IPv6 duplicate detection in the containers
    "inside": False,  # the parent is a link of the container's own namespace
}


def taken_on(dev: str, net: Network, host: Host) -> tuple[str, ...]:
    """Addresses of the network's subnets that are known on a link: the host's own, and its routers'."""
    routers = [route.via for version in (4, 6) for route in host.routes(version) if route.dev == dev]
    return in_subnets(net, (*host.addresses(dev), *routers))


def in_subnets(net: Network, found: Sequence[str]) -> tuple[str, ...]:
    """Those of these addresses, bare, that lie in a subnet of the network and are not its gateway."""
    gateways = {subnet.gateway for subnet in net.subnets}
    known = dict.fromkeys(bare(each) for each in found if each)
    return tuple(
        each for each in known if each not in gateways and any(overlaps(subnet.cidr, each) for subnet in net.subnets)
    )


class ParentOptions(Options):
    """`mode` is a word of the kind of link; the rest are `SWITCHES`."""

    mode: str
    addresses: bool = True
    default_route: bool = True
    dad: bool = False
    inside: bool = False


class OnParent(ABC):
    """A link that stands on another; a subclass says of what kind, and what is special about it."""

    name: ClassVar[str]
    takes_parent = True
    #: The kind's own modes, the default first, and the driver's own options besides the common ones.
    modes: ClassVar[tuple[str, ...]]
    further: ClassVar[tuple[str, ...]] = ()

    def common(self, raw: Mapping[str, object], at: str) -> dict[str, Any]:
        """The options that both drivers know, checked."""
        only(raw, ("mode", *SWITCHES, *self.further), self.name, at)
        mode = str(raw.get("mode", self.modes[0]))
        if mode not in self.modes:
            raise ConfigError(
                f"{at}.mode", f"{self.name} has no mode {mode[:40]!r}", f"there are {', '.join(self.modes)}"
            )
        return {"mode": mode, **switches(raw, SWITCHES, at)}

    def parse_options(self, raw: Mapping[str, object], at: str) -> ParentOptions:
        """Check the options."""
        return ParentOptions(**self.common(raw, at))

    @abstractmethod
    def info(self, net: Network, options: ParentOptions, ns: NsRef | None) -> Stacked:
        """What the link has of its own; `ns` is where the parent is."""

    @abstractmethod
    def shares_mac(self, options: ParentOptions) -> bool:
        """Whether the link has the parent's MAC address."""

    def device(self, net: Network) -> str:
        """The parent: whatever its subnets are, they are of the LAN that it leads to."""
        return "" if self._options(net).inside else net.parent

    def needs_subnet(self, net: Network) -> bool:
        return self._options(net).addresses

    def taken(self, net: Network, host: Host) -> tuple[str, ...]:
        """The host's own addresses on the parent, and the routers that it knows there."""
        if self._options(net).inside:
            return ()
        return taken_on(net.parent, net, host)

    def network_up(self, net: Network, host: Host) -> Plan:
        """Nothing of the host is changed."""
        self.ready(net, host)
        return Plan()

    def ready(self, net: Network, host: Host) -> None:
        """Raise what would make every attachment fail."""
        if not net.icc:
            raise ConfigError("icc", f"{self.name} links are kept apart by their mode", "see its option -o mode=")
        if not host.makes(self.name):
            raise HostError(f"this kernel has no {self.name} links", f"load or build that driver: modprobe {self.name}")
        if not self._options(net).inside:
            parent(net, host)

    def attach(self, net: Network, req: AttachRequest, leases: Sequence[Lease], host: Host) -> Attachment:
        options = self._options(net)
        self._refuse(req, options)
        ns = req.netns if options.inside else None
        below = parent(net, host, ns)
        free_ifname(req, host)
        ep = endpoint(net, req, leases, net.mtu or below.mtu).replace(host_ifname="")
        given = "" if self.shares_mac(options) else ep.mac
        link = LinkAdd(ep.ifname, self.name, GROUP, ep.netns, given, ep.mtu, info=self.info(net, options, ns))
        ep = ep.replace(mac=given or below.mac)
        plan = (
            Plan.of((link, f"its interface, on {net.parent}: {self.words(options)}"))
            + inside(ep, host, options.dad)
            + loopback(req.netns, host)
            + addresses(ep, options.dad)
            + (self.way_out(ep, options, host) if options.default_route else Plan())
            + routes(ep)
        )
        return Attachment(plan, ep)

    @abstractmethod
    def words(self, options: ParentOptions) -> str:
        """A mode in a few words."""

    def way_out(self, ep: Endpoint, options: ParentOptions, host: Host) -> Plan:
        """The default routes."""
        return default_routes(ep, host)

    def _refuse(self, req: AttachRequest, options: ParentOptions) -> None:
        if req.ports:
            raise ConfigError(
                "publish",
                f"a container on {self.name} is on the LAN itself: no packet to it passes this host's rules",
                "connect to its own address, or use --mode bridge",
            )
        if req.mac and self.shares_mac(options):
            raise ConfigError("mac", f"{self.name} in mode {options.mode} has its parent's MAC", "leave --mac out")

    def _options(self, net: Network) -> ParentOptions:
        return self.parse_options(dict(net.options), f"networks.{net.name}.options")
