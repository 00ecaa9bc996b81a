"""The host-device driver: a link of the host itself is the container's, for as long as that lives.

    eth0 (was enp3s0 of the host) ==wire== whatever it was plugged into

The host gives it away whole: its addresses and routes there go, and come back with it. While it is away its alias is
the name that it had. A physical link whose container dies is brought back by the kernel, under another name perhaps;
one that exists in software only (a veth end) dies with the container.
"""

from __future__ import annotations

from netkit.drivers.options import only, switch
from netkit.drivers.protocols import Attachment, Options
from netkit.errors import ConfigError, ConflictError, NotFoundError
from netkit.naming import GROUP
from netkit.parts.addresses import addresses, loopback, routes
from netkit.parts.endpoint import endpoint, free_ifname
from netkit.parts.inside import inside
from netkit.parts.nic import refuse_routes
from netkit.parts.uplink import belongings, give, unusual
from netkit.plan.ops import LinkMove, LinkSet
from netkit.plan.steps import Plan

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from netkit.model import AttachRequest, Lease, Network
    from netkit.plan.host import Host, Link
    from netkit.plan.ops import Op


#: What net/ipv6/conf/*/addr_gen_mode says of a link that gets no link-local address by itself.
NO_ADDRGEN = "1"


class DeviceOptions(Options):
    """`addresses` off: a link and no more."""

    addresses: bool = True


class HostDevice:
    """A link of the host, moved."""

    name = "host-device"

    def parse_options(self, raw: Mapping[str, object], at: str) -> DeviceOptions:
        only(raw, ("addresses",), self.name, at)
        return DeviceOptions(switch(raw, "addresses", True, at))

    def device(self, net: Network) -> str:
        return ""

    def needs_subnet(self, net: Network) -> bool:
        return self.parse_options(dict(net.options), f"networks.{net.name}.options").addresses

    def network_up(self, net: Network, host: Host) -> Plan:
        return Plan()

    def attach(self, net: Network, req: AttachRequest, leases: Sequence[Lease], host: Host) -> Attachment:
        link = _movable(req.link, host)
        if req.ports:
            raise ConfigError("publish", "no packet to a link of its own passes this host", "leave --publish out")
        for at, limit in (("rate_in", req.rate_in), ("rate_out", req.rate_out)):
            if limit:
                raise ConfigError(at, f"{link.name} would come back with its limit on it", "use a macvlan link of it")
        refuse_routes(link.name, host)
        free_ifname(req, host)
        ep = endpoint(net, req, leases, link.mtu).replace(host_ifname="", mac=link.mac)
        move = LinkMove(link.name, ep.ifname, ep.netns, link.alias, _restores(link, host), _settings(link, host))
        plan = Plan.of((move, f"the host's {link.name} is the container's from here on"))
        plan += inside(ep, host) + loopback(req.netns, host) + addresses(ep) + routes(ep)
        return Attachment(plan, ep)


def _movable(name: str, host: Host) -> Link:
    link = host.link(name)
    if link is None:
        raise NotFoundError(f"this host has no link {name}", "`ip link` lists them")
    if link.name == "lo" or link.group == GROUP:
        raise ConflictError(f"{name} is not to be given away: it is this host's own", "choose another device")
    if link.master:
        raise ConflictError(f"{name} is a port of {link.master}", f"take it out: ip link set dev {name} nomaster")
    if any(route.dst == "default" and route.dev == name for version in (4, 6) for route in host.routes(version)):
        raise ConflictError(f"{name} is this host's way out", "choose another device, or give the host another route")
    return link


def _restores(link: Link, host: Host) -> tuple[Op, ...]:
    """What a link has on the host and loses: it is up, it has addresses, routes lead through it."""
    quiet = host.sysctl(f"net/ipv6/conf/{link.name}/addr_gen_mode") == NO_ADDRGEN
    first = LinkSet(link.name, up=link.up or None, no_addrgen=quiet)
    return (first, *give(belongings(link.name, host), link.name))


def _settings(link: Link, host: Host) -> tuple[tuple[str, str, str], ...]:
    """Its sysctls that are not the default ones, which it has when it comes back."""
    return tuple(
        (f"net/{proto}/conf/{link.name}/{name}", was, default) for proto, name, was, default in unusual(link.name, host)
    )
