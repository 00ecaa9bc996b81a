"""What a driver may ask about the host, and nothing more.

Drivers and ops are pure: they see the machine through this protocol only. `kernel.observe` answers from the kernel and
keeps each answer for one transaction; tests answer from a dict.
"""

from __future__ import annotations

from netkit.value import Value

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Collection, Sequence
    from typing import Protocol

    from netkit.model import NsRef
    from netkit.plan.rare.fastpath import FastPath
    from netkit.plan.rare.shaping import Queueing
    from netkit.plan.rare.udppath import UdpPath
    from netkit.plan.rare.vlan import Vlans
    from netkit.plan.rare.vxlan import FdbEntry, Neighbour
    from netkit.plan.rare.wireguard import Tunnel
    from netkit.plan.rules import Rule
else:
    Protocol = object


#: An address's lifetime that never ends.
FOREVER = 0xFFFFFFFF
#: What a link of Ethernet frames is called (ARPHRD_ETHER).
ETHERNET = 1


class Link(Value):
    """A network interface as the kernel shows it; `master` is a name, "" when it has none.

    `hardware` is its ARPHRD type; `below` the ifindex of the link that it is built on, as far as the kernel tells.
    """

    name: str
    index: int
    kind: str = ""
    mac: str = ""
    mtu: int = 0
    up: bool = False
    master: str = ""
    group: int = 0
    carrier: bool = False
    hardware: int = ETHERNET
    below: int = 0
    alias: str = ""
    promisc: bool = False
    allmulti: bool = False
    txqlen: int = 0


class Address(Value):
    """An address on a link, with all that tells it from another with the same digits.

    `address` has its prefix length; `peer` is the other end where that is another; lifetimes are seconds; `scope`,
    `protocol` and `flags` (IFA_F_*) are the kernel's numbers.
    """

    address: str
    peer: str = ""
    broadcast: str = ""
    label: str = ""
    scope: int = 0
    metric: int = 0
    protocol: int = 0
    flags: int = 0
    valid: int = FOREVER
    preferred: int = FOREVER


class Route(Value):
    """A unicast route of a main-type table; `dst` is `default` or a prefix, `via` is "" for a direct route.

    `metrics` are the kernel's numbers (RTAX_*) with their values, the MTU left out; `expires` is in seconds, 0 for
    never; `odd` names what netkit could not put back: several next hops, an encapsulation.
    """

    dst: str
    family: int
    via: str = ""
    dev: str = ""
    protocol: int = 0
    metric: int = 0
    table: int = 254
    mtu: int = 0
    scope: int = 0
    src: str = ""
    tos: int = 0
    onlink: bool = False
    metrics: tuple[tuple[int, int], ...] = ()
    pref: int = 0
    expires: int = 0
    odd: str = ""


class Host(Protocol):
    """One observation of a host. Every `netns` is None for the host's own namespace."""

    @property
    def firewall(self) -> str:
        """The backend that new rules are written with: `nftables`, `iptables` or `iptables-legacy`."""

    def link(self, name: str, netns: NsRef | None = None) -> Link | None:
        """The link of that name, or None."""

    def addresses(self, dev: str, netns: NsRef | None = None) -> tuple[str, ...]:
        """The addresses on a link, with prefix length, canonical; link-local ones included."""

    def addressing(self, dev: str) -> tuple[Address, ...]:
        """The addresses on a link of the host with everything about them, in the kernel's order, IPv4 first."""

    def built_on(self, dev: str) -> tuple[Link, ...]:
        """The links of the host that are built on this one: macvlan, VLAN, VXLAN..."""

    def is_wireless(self, dev: str) -> bool:
        """Whether a link of the host is a Wi-Fi station."""

    def mentions(self, dev: str) -> tuple[str, ...]:
        """Where rules of others, in firewalls and policy routing, name this link of the host."""

    def routes(self, family: int, netns: NsRef | None = None) -> tuple[Route, ...]:
        """The routes of one family (4 or 6), the `local` table left out."""

    def ways(self, family: int, netns: NsRef | None = None) -> frozenset[tuple[str, str, str, int]]:
        """The same routes by what tells them apart: destination, next hop, link and table."""

    def way_to(self, address: str) -> Route | None:
        """The route of the host that the kernel chooses for an address, None where there is none."""

    def sysctl(self, key: str, netns: NsRef | None = None) -> str | None:
        """The value of `net/ipv4/ip_forward` (slashes, as interface names may hold dots), None for no such key."""

    def makes(self, kind: str) -> bool:
        """Whether this kernel has links of a kind that stand on another (`macvlan`), or what else one may need."""

    def queueing(self, dev: str, netns: NsRef | None = None) -> Queueing:
        """How a link's packets wait; nothing of it for no such link."""

    def vlans(self, dev: str, netns: NsRef | None = None) -> Vlans:
        """Whether a bridge looks at VLANs, and which ones it or a port is in; nothing of it for no such link."""

    def filters_vlans(self) -> bool:
        """Whether this kernel's bridges filter VLANs."""

    def forwards(self, dev: str, netns: NsRef | None = None) -> frozenset[FdbEntry]:
        """The forwarding entries that lead through a link."""

    def neighbours(self, dev: str, netns: NsRef | None = None) -> frozenset[Neighbour]:
        """The neighbours that a link has for good."""

    def port_flags(self, dev: str, netns: NsRef | None = None) -> dict[str, bool]:
        """What is flooded to a port of a bridge, learned from it and answered for it; {} when it is none."""

    def wireguard(self, dev: str) -> Tunnel:
        """A WireGuard link of the host: its end and its peers; nothing of it for any other link."""

    def fast_path(self, dev: str, program: str = "") -> FastPath:
        """Our program at a link of the host, or that one, and what it knows; nothing of it where there is none."""

    def udp_path(self, dev: str) -> UdpPath:
        """Our program of backend `udp` at a link of the host, and what it knows; nothing of it where there is none."""

    def holds(self, rule: Rule, backend: str) -> bool:
        """Whether that firewall backend still holds this rule."""

    def held(self, rules: Sequence[Rule], backend: str) -> Collection[Rule]:
        """Those of many rules that it still holds, in far fewer questions."""

    def foreign_drops(self) -> tuple[str, ...]:
        """Other tools' forward chains that would drop our packets, as `Admit.where` names them."""
