"""A host made of dicts: what pure code sees in unit and golden tests."""

from __future__ import annotations

from netkit.ipam.pool import overlaps
from netkit.model import NsRef
from netkit.plan.host import Address, Link, Route
from netkit.plan.rare.fastpath import FastPath
from netkit.plan.rare.shaping import Queueing
from netkit.plan.rare.udppath import UdpPath
from netkit.plan.rare.vlan import Vlans
from netkit.plan.rare.vxlan import FdbEntry, Neighbour
from netkit.plan.rare.wireguard import Tunnel
from netkit.plan.rules import Rule

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Collection, Sequence

_DEFAULTS = {
    "net/ipv4/ip_forward": "0",
    "net/ipv6/conf/all/forwarding": "0",
    "net/ipv6/conf/default/accept_ra": "1",
    "net/ipv6/conf/default/disable_ipv6": "0",
    "net/ipv6/conf/lo/disable_ipv6": "0",
}


class FakeHost:
    """Answers from what it was given; every namespace starts with a loopback that is down."""

    def __init__(
        self,
        links: tuple[Link, ...] = (),
        addresses: dict[str, tuple[str, ...]] | None = None,
        routes: tuple[Route, ...] = (),
        sysctls: dict[str, str] | None = None,
        firewall: str = "nftables",
        rules: tuple[Rule, ...] = (),
        foreign: tuple[str, ...] = (),
        inside: tuple[Link, ...] = (Link("lo", 1),),
        inside_routes: tuple[Route, ...] = (),
        lacks: tuple[str, ...] = (),
        addressing: dict[str, tuple[Address, ...]] | None = None,
        wireless: tuple[str, ...] = (),
        mentioned: dict[str, tuple[str, ...]] | None = None,
        vlans: dict[str, Vlans] | None = None,
        tunnels: dict[str, Tunnel] | None = None,
        udp_paths: dict[str, UdpPath] | None = None,
    ) -> None:
        self.links = {link.name: link for link in links}
        self.inside = {link.name: link for link in inside}
        self.present = addresses or {}
        self.host_routes = routes
        self.inside_routes = inside_routes
        self.sysctls = _DEFAULTS | (sysctls or {})
        self.firewall = firewall
        self.rules = rules
        self.foreign = foreign
        self.lacks = lacks
        self.of_link = addressing or {}
        self.wireless = wireless
        self.mentioned = mentioned or {}
        self.in_vlans = vlans or {}
        self.tunnels = tunnels or {}
        self.udp_paths = udp_paths or {}

    def link(self, name: str, netns: NsRef | None = None) -> Link | None:
        return (self.inside if netns else self.links).get(name)

    def addresses(self, dev: str, netns: NsRef | None = None) -> tuple[str, ...]:
        return () if netns else self.present.get(dev, ())

    def addressing(self, dev: str) -> tuple[Address, ...]:
        return self.of_link.get(dev, ())

    def built_on(self, dev: str) -> tuple[Link, ...]:
        return tuple(link for link in self.links.values() if link.below == self.links[dev].index)

    def is_wireless(self, dev: str) -> bool:
        return dev in self.wireless

    def mentions(self, dev: str) -> tuple[str, ...]:
        return self.mentioned.get(dev, ())

    def routes(self, family: int, netns: NsRef | None = None) -> tuple[Route, ...]:
        return tuple(r for r in (self.inside_routes if netns else self.host_routes) if r.family == family)

    def ways(self, family: int, netns: NsRef | None = None) -> frozenset[tuple[str, str, str, int]]:
        return frozenset((r.dst, r.via, r.dev, r.table) for r in self.routes(family, netns))

    def way_to(self, address: str) -> Route | None:
        known = [r for r in self.routes(6 if ":" in address else 4) if r.table == 254]
        near = [
            r for r in known if r.dst != "default" and overlaps(r.dst, f"{address}/{128 if ':' in address else 32}")
        ]
        defaults = [r for r in known if r.dst == "default"]
        return min(near or defaults, key=lambda route: route.metric, default=None)

    def sysctl(self, key: str, netns: NsRef | None = None) -> str | None:
        return self.sysctls.get(key)

    def makes(self, kind: str) -> bool:
        return kind not in self.lacks

    def queueing(self, dev: str, netns: NsRef | None = None) -> Queueing:
        return Queueing()

    def forwards(self, dev: str, netns: NsRef | None = None) -> frozenset[FdbEntry]:
        return frozenset()

    def neighbours(self, dev: str, netns: NsRef | None = None) -> frozenset[Neighbour]:
        return frozenset()

    def port_flags(self, dev: str, netns: NsRef | None = None) -> dict[str, bool]:
        return {}

    def vlans(self, dev: str, netns: NsRef | None = None) -> Vlans:
        return self.in_vlans.get(dev, Vlans())

    def filters_vlans(self) -> bool:
        return "vlan-filtering" not in self.lacks

    def wireguard(self, dev: str) -> Tunnel:
        return self.tunnels.get(dev, Tunnel())

    def fast_path(self, dev: str, program: str = "") -> FastPath:
        return FastPath()

    def udp_path(self, dev: str) -> UdpPath:
        return self.udp_paths.get(dev, UdpPath())

    def holds(self, rule: Rule, backend: str) -> bool:
        return rule in self.rules

    def held(self, rules: Sequence[Rule], backend: str) -> Collection[Rule]:
        return [rule for rule in rules if rule in self.rules]

    def foreign_drops(self) -> tuple[str, ...]:
        return self.foreign
