"""Who may talk to whom: a network's rules, and what a container's port may send."""

from __future__ import annotations

from netkit.model import ANY, bare, family
from netkit.naming import link_local
from netkit.parts.base import forwards
from netkit.plan.ops import RulesAdd, SysctlSet
from netkit.plan.rules import AdminChain, Admit, NetworkRules, PortGuard, Switched
from netkit.plan.steps import Plan

TYPE_CHECKING = False
if TYPE_CHECKING:
    from netkit.model import Endpoint, Network
    from netkit.plan.host import Host


def network_rules(net: Network, host: Host, masquerade: bool = True, routed: bool = False) -> Plan:
    """Isolation and masquerade of a network; they stand before its bridge does.

    A `routed` network may be reached by its containers' own addresses, as if the host were a router.
    """
    rules = NetworkRules(
        net.name,
        net.device,
        tuple(dict.fromkeys(subnet.cidr for subnet in net.subnets)),
        internal=net.internal,
        icc=net.icc,
        masquerade=masquerade and not net.internal,
        routed=routed and not net.internal,
    )
    out, way_in = ("masqueraded" if masquerade else "open"), ("open" if routed else "closed")
    why = "nothing leaves or enters" if net.internal else f"the way out is {out}, the way in is {way_in}"
    return Plan.of((RulesAdd((rules,), host.firewall), why))


def admit(net: Network, host: Host, but: str = "", routed: bool = False) -> Plan:
    """Accepts in other tools' forward chains that would drop this network's packets, `but` that of one table."""
    rules = tuple(Admit(where, net.device) for where in host.foreign_drops() if not but or f" {but} " not in where)
    if not rules or not forwards(net, routed):
        return Plan()
    shown = ", ".join(rule.where for rule in rules)
    return Plan.of((RulesAdd(rules, host.firewall), f"be heard in the host's own forward chain, which drops: {shown}"))


def switched(device: str, host: Host) -> Plan:
    """What the bridge switches is switched, whatever firewalls drop of what is routed."""
    rules = (Switched(device), *(Admit(where, device, switched=True) for where in host.foreign_drops()))
    return Plan.of((RulesAdd(rules, host.firewall), "IP firewalls see frames, with br_netfilter: let them through"))


def admin_chain(net: Network, chain: str, host: Host) -> Plan:
    """An administrator's own chain is asked before anything of this network is let through."""
    if not chain:
        return Plan()
    own = host.firewall != "nftables"
    rule = AdminChain(chain, net.name, "NETKIT-ADMIN" if own else "FORWARD")
    return Plan.of(
        (RulesAdd((rule,), host.firewall if own else "iptables"), f"the administrator's chain {chain} is asked")
    )


def localhost(net: Network, host: Host) -> Plan:
    """Let published ports be reached by 127.0.0.1; the base rules already drop loopback addresses from any wire."""
    if net.internal or not any(family(subnet.cidr) == 4 for subnet in net.subnets):
        return Plan()
    return by_loopback(net.device, host)


def by_loopback(device: str, host: Host) -> Plan:
    """A link takes packets that come from 127.0.0.1."""
    key = f"net/ipv4/conf/{device}/route_localnet"
    was = host.sysctl(key) or "0"
    if was == "1":
        return Plan()
    return Plan.of((SysctlSet(key, "1", was, dev=device), "localhost:PORT on the host reaches published ports"))


def guarded(ep: Endpoint, net: Network, host: Host) -> Plan:
    """The guard of a port: of one that has yet to ask a DHCP server, that it may do that and nothing else."""
    if ep.addresses:
        return port_guard(ep, host)
    if net.ipam != "dhcp" or host.firewall != "nftables":
        return Plan()
    guard = PortGuard(ep.host_ifname, ep.mac, (ANY[4],))
    return Plan.of((RulesAdd((guard,), host.firewall), "until it has a lease, it can ask for one and do nothing else"))


def port_guard(ep: Endpoint, host: Host) -> Plan:
    """The port carries the container's own MAC and addresses and no others; before the link is there."""
    if host.firewall != "nftables":
        return Plan()
    known = tuple(bare(address) for address in ep.addresses)
    if any(family(address) == 6 for address in known):
        known += (link_local(ep.mac),)
    guard = PortGuard(ep.host_ifname, ep.mac, known)
    return Plan.of(
        (RulesAdd((guard,), host.firewall), "it can speak for itself only: no spoofed MAC, ARP, address or RA")
    )
