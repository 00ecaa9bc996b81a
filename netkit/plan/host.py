"""What a driver may ask about the host, and nothing more.

Drivers and ops are pure: they see the machine through this protocol only. `kernel.observe` answers from the kernel and
keeps each answer for one transaction; tests answer from a dict.
"""

from __future__ import annotations

from netkit.value import Value

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Protocol

    from netkit.model import NsRef
    from netkit.plan.rules import Rule
else:
    Protocol = object


class Link(Value):
    """A network interface as the kernel shows it; `master` is a name, "" when it has none."""

    name: str
    index: int
    kind: str = ""
    mac: str = ""
    mtu: int = 0
    up: bool = False
    master: str = ""
    group: int = 0


class Route(Value):
    """A unicast route of a main-type table; `dst` is `default` or a prefix, `via` is "" for a direct route."""

    dst: str
    family: int
    via: str = ""
    dev: str = ""
    protocol: int = 0
    metric: int = 0
    table: int = 254
    mtu: int = 0


class Host(Protocol):
    """One observation of a host. Every `netns` is None for the host's own namespace."""

    @property
    def firewall(self) -> str:
        """The backend that new rules are written with: `nftables`, `iptables` or `iptables-legacy`."""

    def link(self, name: str, netns: NsRef | None = None) -> Link | None:
        """The link of that name, or None."""

    def addresses(self, dev: str, netns: NsRef | None = None) -> tuple[str, ...]:
        """The addresses on a link, with prefix length, canonical; link-local ones included."""

    def routes(self, family: int, netns: NsRef | None = None) -> tuple[Route, ...]:
        """The routes of one family (4 or 6), the `local` table left out."""

    def sysctl(self, key: str, netns: NsRef | None = None) -> str | None:
        """The value of `net/ipv4/ip_forward` (slashes, as interface names may hold dots), None for no such key."""

    def makes(self, kind: str) -> bool:
        """Whether this kernel has links of a kind that stand on another: `macvlan`, `ipvlan`."""

    def holds(self, rule: Rule, backend: str) -> bool:
        """Whether that firewall backend still holds this rule."""

    def foreign_drops(self) -> tuple[str, ...]:
        """Other tools' forward chains that would drop our packets, as `Admit.where` names them."""
