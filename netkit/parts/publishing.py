"""Ports published in other ways than the usual one: under conditions, and with other sources than the true ones.

A way is what the reference's portmap plugin can be told. Nothing of this is loaded without one.
"""

from __future__ import annotations

from netkit.errors import ConfigError
from netkit.ipam.pool import subnet_of
from netkit.model import bare, family
from netkit.parts.addresses import EVERYWHERE
from netkit.parts.ports import publish_all, rules
from netkit.plan.conditions import in_words_of
from netkit.plan.rules import Hairpin, KeepSource, PublishIf
from netkit.value import Value

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator

    from netkit.model import Endpoint
    from netkit.plan.host import Host
    from netkit.plan.rules import Publish, Rule
    from netkit.plan.steps import Plan

_LOCALHOST = "127.0.0.1/32"


class Way(Value):
    """How ports are published.

    `snat` off: nobody is masqueraded; `masquerade_all`: everybody is, and not the own subnet and the host's loopback
    alone. `conditions` are matches for IPv4 and for IPv6, in nft's or iptables' words. `mark_chain` is another tool's
    iptables chain that is asked to masquerade instead of us.
    """

    snat: bool = True
    masquerade_all: bool = False
    conditions: tuple[tuple[str, ...], tuple[str, ...]] = ((), ())
    mark_chain: str = ""

    @property
    def usual_sources(self) -> bool:
        """Whether those are masqueraded who must be, and by us."""
        return self.snat and not self.masquerade_all and not self.mark_chain

    def publish(self, ep: Endpoint, device: str, host: Host) -> Plan:
        """All of an endpoint's port maps, and who is masqueraded, in one transaction."""
        if self.mark_chain and host.firewall == "nftables":
            raise ConfigError(
                "externalSetMarkChain",
                f"{self.mark_chain} is a chain of iptables, and this host's rules are written with nftables",
                'leave it out: netkit masquerades without marks; or say "backend": "iptables" in the whole list',
            )
        published = {family(port.host_ip) for port in ep.ports}
        known = [address for address in ep.addresses if family(address) in published]
        sources = [rule for address in known for rule in self._sources(address)]
        return publish_all(ep, [*sources, *(self._under(rule, ep, host) for rule in rules(ep, device))], host)

    def _sources(self, address: str) -> Iterator[Rule]:
        if not self.snat or self.mark_chain:
            yield KeepSource(bare(address))
        elif self.masquerade_all:
            yield Hairpin(bare(address), EVERYWHERE[family(address) == 6])

    def _under(self, rule: Publish, ep: Endpoint, host: Host) -> Publish:
        number = family(rule.address)
        conditions = in_words_of(host.firewall, number, self.conditions[number == 6])
        if not conditions and not self.mark_chain:
            return rule
        return PublishIf(
            **rule.__dict__, conditions=conditions, mark_chain=self.mark_chain, sources=self._marked(rule, ep)
        )

    def _marked(self, rule: Publish, ep: Endpoint) -> tuple[str, ...]:
        """Whose connections go by the mark chain."""
        number = family(rule.address)
        if not self.mark_chain or not self.snat:
            return ()
        if self.masquerade_all:
            return (EVERYWHERE[number == 6],)
        own = next(subnet_of(address) for address in ep.addresses if bare(address) == rule.address)
        return (own, _LOCALHOST) if number == 4 else (own,)
