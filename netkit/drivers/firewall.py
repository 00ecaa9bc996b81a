"""The firewall driver: who may reach the containers of a bridge that another tool has made.

open         the bridge's transit is let through
same-bridge  but not to and from other such bridges
isolated     and its containers do not reach each other

Where firewalld runs, its addresses are put into a zone besides. An administrator's own iptables chain goes before all.
"""

from __future__ import annotations

from netkit.drivers.options import iptables_chain, only
from netkit.drivers.protocols import Attachment, Options
from netkit.errors import ConfigError
from netkit.model import bare, family
from netkit.naming import check_ifname
from netkit.parts.base import base
from netkit.parts.endpoint import endpoint
from netkit.parts.isolation import admin_chain, admit
from netkit.plan import checked
from netkit.plan.ops import LinkSet, RulesAdd
from netkit.plan.rules import Neighbour, ZoneSource
from netkit.plan.steps import Plan

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from netkit.model import AttachRequest, Endpoint, Lease, Network
    from netkit.plan.host import Host

POLICIES = ("open", "same-bridge", "isolated")


class FirewallOptions(Options):
    """`link` is the bridge, `policy` one of POLICIES, `zone` a firewalld zone, `chain` an administrator's own chain."""

    link: str
    policy: str = "open"
    zone: str = ""
    chain: str = ""


class Firewall:
    """Rules for a whole bridge, which come with its first container."""

    name = "firewall"
    per_attachment = ("firewalldZone",)

    def parse_options(self, raw: Mapping[str, object], at: str) -> FirewallOptions:
        only(raw, ("link", "policy", "firewalldZone", "iptablesAdminChainName"), self.name, at)
        policy = str(raw.get("policy", "open"))
        if policy not in POLICIES:
            raise ConfigError(f"{at}.policy", f"{policy!r} is not known", f"known: {', '.join(POLICIES)}")
        zone = str(raw.get("firewalldZone", ""))
        if zone and not checked.is_zone(zone):
            hint = "use 1 to 17 letters, digits, '_' and '-'"
            raise ConfigError(f"{at}.firewalldZone", f"{zone!a} is no name of a zone", hint)
        chain = iptables_chain(raw, "iptablesAdminChainName", at)
        return FirewallOptions(check_ifname(str(raw.get("link", "")), f"{at}.link"), policy, zone, chain)

    def host_up(self, net: Network, host: Host) -> Plan:
        return base(net, host)

    def network_up(self, net: Network, host: Host) -> Plan:
        options = self._options(net)
        rule = Neighbour(options.link, walled=options.policy != "open")
        plan = Plan.of((RulesAdd((rule,), host.firewall), f"transit through {options.link}: {options.policy}"))
        plan += admin_chain(net, options.chain, host)
        return plan + admit(net.replace(device=options.link), host, but="firewalld" if options.zone else "")

    def attach(self, net: Network, req: AttachRequest, leases: Sequence[Lease], host: Host) -> Attachment:
        ep = endpoint(net, req, leases, req.mtu).replace(host_ifname="", mac="")
        options = self._options(net)
        plan = _isolated(req.link) if options.policy == "isolated" else Plan()
        return Attachment(plan + _in_zone(ep, options.zone), ep)

    def _options(self, net: Network) -> FirewallOptions:
        return self.parse_options(dict(net.options), f"networks.{net.name}.options")


def _isolated(port: str) -> Plan:
    if not port:
        raise ConfigError(
            "ingressPolicy", "no port of a bridge to isolate", "put firewall behind a plugin that tells one"
        )
    alone = LinkSet(port, isolated=True, was=LinkSet(port, isolated=False))
    return Plan.of((alone, "the bridge switches nothing from here to other such ports"))


def _in_zone(ep: Endpoint, zone: str) -> Plan:
    if not zone:
        return Plan()
    sources = (f"{bare(address)}/{128 if family(address) == 6 else 32}" for address in ep.addresses)
    rules = tuple(ZoneSource(zone, source) for source in sources)
    return Plan.of((RulesAdd(rules, "firewalld"), f"firewalld lets its addresses through: they are of the zone {zone}"))
