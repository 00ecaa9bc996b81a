"""Published ports: host ports that lead to a container."""

from __future__ import annotations

from netkit.errors import ConfigError
from netkit.ipam.pool import subnet_of
from netkit.model import bare, family
from netkit.plan.ops import LinkSet, RulesAdd
from netkit.plan.rules import Hairpin, Publish
from netkit.plan.steps import Plan

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Sequence

    from netkit.model import Endpoint, PortMap
    from netkit.plan.host import Host
    from netkit.plan.rules import Rule


def comes_back(ep: Endpoint, host: Host) -> Plan:
    """A container reaches its own published ports.

    Where br_netfilter is on, its packet is translated while it is still a frame, and then switched, not routed: it must
    leave by the port that it came from, which a bridge does for hairpin ports only.
    """
    keys = {f"net/bridge/bridge-nf-call-{'ip6' if family(port.host_ip) == 6 else 'ip'}tables" for port in ep.ports}
    if not any(host.sysctl(key) == "1" for key in keys):
        return Plan()
    port = LinkSet(ep.host_ifname, hairpin=True)
    return Plan.of((port, "this host's bridges are firewalled: its own published ports lead back by the same port"))


def publish(ep: Endpoint, device: str, host: Host) -> Plan:
    """All of an endpoint's port maps in one transaction, last of all: who connects finds a container that answers."""
    return publish_all(ep, rules(ep, device), host)


def publish_all(ep: Endpoint, rules: Sequence[Rule], host: Host) -> Plan:
    """The rules of an endpoint's port maps as a plan."""
    if not rules:
        return Plan()
    shown = ", ".join(f"{p.host_port}{f'-{p.host_port + p.count - 1}' if p.count > 1 else ''}" for p in ep.ports)
    return Plan.of(
        (RulesAdd(tuple(rules), host.firewall), f"host port {shown} of every matching local address leads here")
    )


def rules(ep: Endpoint, device: str) -> list[Publish]:
    """A rule a port map."""
    return [_rule(ep, port, device, at) for at, port in enumerate(ep.ports)]


def hairpin(address: str) -> Hairpin:
    """Connections to published ports from the address's own subnet and from the host's loopback are masqueraded."""
    return Hairpin(bare(address), subnet_of(address))


def _rule(ep: Endpoint, port: PortMap, device: str, at: int) -> Publish:
    if port.host_ip == "::1":
        raise ConfigError(
            f"ports[{at}]", "the kernel cannot translate ::1", "publish on 127.0.0.1, or on another IPv6 address"
        )
    for address in ep.addresses:
        if family(address) == family(port.host_ip):
            return Publish(
                ep.id,
                port.protocol,
                port.host_ip,
                port.host_port,
                bare(address),
                port.container_port,
                device,
                port.count,
            )
    raise ConfigError(
        f"ports[{at}]",
        f"{port.host_ip} is IPv{family(port.host_ip)} and the container has no IPv{family(port.host_ip)} address",
        "give the network a --subnet of that family, or publish on an address of the other",
    )
