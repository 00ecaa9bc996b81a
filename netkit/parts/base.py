"""What every network that forwards needs of the host, made once and taken back with the last of them."""

from __future__ import annotations

from netkit.model import family
from netkit.plan.ops import RulesAdd, SysctlSet
from netkit.plan.rules import BaseRules, ClosedTransit
from netkit.plan.steps import Plan

TYPE_CHECKING = False
if TYPE_CHECKING:
    from netkit.model import Network
    from netkit.plan.host import Host
    from netkit.plan.ops import Op

_SWITCH = {4: "net/ipv4/ip_forward", 6: "net/ipv6/conf/all/forwarding"}


def forwards(net: Network, routed: bool) -> bool:
    """Whether packets of a network are forwarded: of an internal one none, unless its containers are `routed`."""
    return not net.internal or (routed and net.icc)


def base(net: Network, host: Host, routed: bool = False) -> Plan:
    """The rule frame, and forwarding for the network's families; only what is not there yet. `routed` as `forwards`."""
    plan = frame(host)
    if not forwards(net, routed):
        return plan
    for version in sorted({family(subnet.cidr) for subnet in net.subnets}):
        plan += forwarding(version, host)
    return plan


def frame(host: Host) -> Plan:
    """The rule frame, if it is not there yet."""
    rules = BaseRules()
    if host.holds(rules, host.firewall):
        return Plan()
    return Plan.of((RulesAdd((rules,), host.firewall), "netkit's own table: it drops first, and touches no other"))


def forwarding(version: int, host: Host) -> Plan:
    """Forward packets of one family without turning the host into a router for everybody."""
    key = _SWITCH[version]
    was = host.sysctl(key)
    if was is None or was != "0":
        return Plan()
    closed = RulesAdd((ClosedTransit(version, _routers(version, host)),), host.firewall)
    steps: list[tuple[Op, str]] = [(closed, f"IPv{version} transit that is not ours stays as dead as it was")]
    if version == 6:
        steps += _keep_accepting_ra(host)
    switch = SysctlSet(key, "1", was, along=_along(version, host))
    steps.append((switch, "packets between containers and the world pass through this host"))
    return Plan.of(*steps)


def _routers(version: int, host: Host) -> tuple[str, ...]:
    """Links that forward what comes in by them while the family's switch is off; for IPv6 since Linux 6.17."""
    key = {4: "net/ipv4/conf/{}/forwarding", 6: "net/ipv6/conf/{}/force_forwarding"}[version]
    return tuple(device for device in _devices(version, host) if host.sysctl(key.format(device)) == "1")


def _devices(version: int, host: Host) -> list[str]:
    """The links that a route of this family leads to."""
    return sorted({route.dev for route in host.routes(version) if route.dev})


def _along(version: int, host: Host) -> tuple[tuple[str, str, str], ...]:
    """What the kernel changes when forwarding goes off again (inet_forward_change, addrconf_forward_change).

    It takes to believing ICMPv4 redirects, which a hardened host had switched off, and no link forwards by itself.
    """
    devices = [*_devices(version, host), "default"]
    fates = [(f"net/ipv{version}/conf/{device}/forwarding", "1", "0") for device in devices]
    if version == 4:
        fates.append(("net/ipv4/conf/all/accept_redirects", "0", "1"))
    else:
        fates += [(f"net/ipv6/conf/{device}/force_forwarding", "1", "0") for device in devices]
    return tuple(fate for fate in fates if host.sysctl(fate[0]) == fate[1])


def _keep_accepting_ra(host: Host) -> list[tuple[Op, str]]:
    """A forwarding host ignores router advertisements, and would lose its own default route, unless accept_ra is 2."""
    devices = sorted({route.dev for route in host.routes(6) if route.dst == "default" and route.dev})
    keys = [f"net/ipv6/conf/{device}/accept_ra" for device in devices]
    return [
        (SysctlSet(key, "2", "1"), "the host goes on learning its own default route")
        for key in keys
        if host.sysctl(key) == "1"
    ]
