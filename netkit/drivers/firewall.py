"""The firewall driver: who may reach the containers of a bridge that another tool has made.

open         the bridge's transit is let through
same-bridge  but not to and from other such bridges
isolated     and its containers do not reach each other
"""

from __future__ import annotations

from netkit.drivers.options import only
from netkit.drivers.protocols import Attachment, Options
from netkit.errors import ConfigError
from netkit.naming import check_ifname
from netkit.parts.base import base
from netkit.parts.endpoint import endpoint
from netkit.parts.isolation import admit
from netkit.plan.ops import LinkSet, RulesAdd
from netkit.plan.rules import Neighbour
from netkit.plan.steps import Plan

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from netkit.model import AttachRequest, Lease, Network
    from netkit.plan.host import Host

POLICIES = ("open", "same-bridge", "isolated")


class FirewallOptions(Options):
    """`link` is the bridge, `policy` one of POLICIES."""

    link: str
    policy: str = "open"


class Firewall:
    """Rules for a whole bridge, which come with its first container."""

    name = "firewall"

    def parse_options(self, raw: Mapping[str, object], at: str) -> FirewallOptions:
        only(raw, ("link", "policy"), self.name, at)
        policy = str(raw.get("policy", "open"))
        if policy not in POLICIES:
            raise ConfigError(f"{at}.policy", f"{policy!r} is not known", f"known: {', '.join(POLICIES)}")
        return FirewallOptions(check_ifname(str(raw.get("link", "")), f"{at}.link"), policy)

    def host_up(self, net: Network, host: Host) -> Plan:
        return base(net, host)

    def network_up(self, net: Network, host: Host) -> Plan:
        options = self._options(net)
        rule = Neighbour(options.link, walled=options.policy != "open")
        plan = Plan.of((RulesAdd((rule,), host.firewall), f"transit through {options.link}: {options.policy}"))
        return plan + admit(net.replace(device=options.link), host)

    def attach(self, net: Network, req: AttachRequest, leases: Sequence[Lease], host: Host) -> Attachment:
        ep = endpoint(net, req, leases, req.mtu).replace(host_ifname="", mac="")
        return Attachment(_isolated(req.link) if self._options(net).policy == "isolated" else Plan(), ep)

    def _options(self, net: Network) -> FirewallOptions:
        return self.parse_options(dict(net.options), f"networks.{net.name}.options")


def _isolated(port: str) -> Plan:
    if not port:
        raise ConfigError(
            "ingressPolicy", "no port of a bridge to isolate", "put firewall behind a plugin that tells one"
        )
    alone = LinkSet(port, isolated=True, was=LinkSet(port, isolated=False))
    return Plan.of((alone, "the bridge switches nothing from here to other such ports"))
