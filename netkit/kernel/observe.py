"""The host as drivers and ops see it, answered by the kernel; each answer is kept for one transaction."""

from __future__ import annotations

import os

from netkit.errors import NotFoundError
from netkit.kernel import sysctl

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Hashable, Sequence
    from typing import Any, TypeVar

    from netkit.kernel.namespaces import Handle, Namespaces
    from netkit.model import NsRef
    from netkit.plan.host import Address, Link, Route
    from netkit.plan.rare.fastpath import FastPath
    from netkit.plan.rare.shaping import Queueing
    from netkit.plan.rare.udppath import UdpPath
    from netkit.plan.rare.vlan import Vlans
    from netkit.plan.rare.vxlan import FdbEntry, Neighbour
    from netkit.plan.rare.wireguard import Tunnel
    from netkit.plan.rules import Rule

    T = TypeVar("T")


class KernelHost:
    """A `plan.host.Host`. In a namespace that is gone there is nothing: no link, no address, no route, no sysctl.

    `firewall` chooses the backend for new rules, asked only when rules are needed; `rules_held` tells which of
    some rules a backend still holds.
    """

    def __init__(
        self,
        namespaces: Namespaces,
        firewall: Callable[[], str],
        rules_held: Callable[[Sequence[Rule], str], Collection[Rule]],
        foreign_drops: Callable[[], tuple[str, ...]],
    ) -> None:
        self._firewall = firewall
        self._namespaces = namespaces
        self._rules_held = rules_held
        self._foreign_drops = foreign_drops
        self._known: dict[Hashable, Any] = {}

    @property
    def firewall(self) -> str:
        """The backend for new rules; HostError when the host has none."""
        return self._once("firewall", self._firewall)

    def link(self, name: str, netns: NsRef | None = None) -> Link | None:
        """The link of that name, or None."""
        return self._once(("link", name, netns), lambda: self._inside(netns, lambda it: it.socket().link(name), None))

    def addresses(self, dev: str, netns: NsRef | None = None) -> tuple[str, ...]:
        """The addresses on a link, with prefix length, canonical; link-local ones included."""
        link = self.link(dev, netns)
        if link is None:
            return ()
        index = link.index
        nothing: tuple[str, ...] = ()
        return self._once(
            ("addresses", index, netns),
            lambda: self._inside(netns, lambda it: it.socket().addresses(index), nothing),
        )

    def addressing(self, dev: str) -> tuple[Address, ...]:
        """The addresses on a link of the host with everything about them, in the kernel's order, IPv4 first."""
        link = self.link(dev)
        return () if link is None else self._namespaces.enter(None).socket().addressing(link.index)

    def built_on(self, dev: str) -> tuple[Link, ...]:
        """The links of the host that are built on this one."""
        link = self.link(dev)
        return () if link is None else self._namespaces.enter(None).socket().built_on(link.index)

    def is_wireless(self, dev: str) -> bool:
        """Whether a link of the host is a Wi-Fi station, by /sys; the kernel would refuse it too, in other words."""
        return any(os.path.exists(f"/sys/class/net/{dev}/{mark}") for mark in ("phy80211", "wireless"))

    def mentions(self, dev: str) -> tuple[str, ...]:
        """Where rules of others, in firewalls and policy routing, name this link of the host."""
        from netkit.kernel import mentions  # only a network that takes the uplink asks

        rules = self._namespaces.enter(None).socket().policies(dev)
        return (*mentions.of(dev), *(("ip rule",) if rules else ()))

    def routes(self, family: int, netns: NsRef | None = None) -> tuple[Route, ...]:
        """The routes of one family (4 or 6), the `local` table left out."""
        nothing: tuple[Route, ...] = ()
        return self._once(
            ("routes", family, netns),
            lambda: self._inside(netns, lambda it: it.socket().routes(family), nothing),
        )

    def ways(self, family: int, netns: NsRef | None = None) -> frozenset[tuple[str, str, str, int]]:
        """The same routes by what tells them apart: destination, next hop, link and table."""
        return self._once(
            ("ways", family, netns),
            lambda: frozenset((each.dst, each.via, each.dev, each.table) for each in self.routes(family, netns)),
        )

    def way_to(self, address: str) -> Route | None:
        """The route that the kernel chooses for an address, None where there is none."""
        return self._once(("way", address), lambda: self._inside(None, lambda it: it.socket().way_to(address), None))

    def sysctl(self, key: str, netns: NsRef | None = None) -> str | None:
        """The value of a key with slashes, None when there is no such key."""
        return self._once(
            ("sysctl", key, netns),
            lambda: self._inside(netns, lambda it: it.call(lambda: sysctl.read(key)), None),
        )

    def makes(self, kind: str) -> bool:
        """Whether this kernel has links of a kind that stand on another, or `wireguard`, `fast path`, `udp path`."""
        if kind == "fast path":
            from netkit.kernel import fastpath  # hardly a network has one

            return self._once("fast path", fastpath.known)
        if kind == "udp path":
            from netkit.kernel import udppath  # nor this one

            return self._once("udp path", udppath.known)
        if kind == "wireguard":
            from netkit.kernel import wireguard  # hardly a network has keys

            return self._once("wireguard", wireguard.known)
        return self._once(("makes", kind), lambda: self._namespaces.enter(None).socket().makes(kind))

    def wireguard(self, dev: str) -> Tunnel:
        """A WireGuard link of the host; nothing of it for no such link."""
        from netkit.kernel import wireguard
        from netkit.plan.rare.wireguard import Tunnel

        link = self.link(dev)
        if link is None or link.kind != "wireguard":
            return Tunnel()
        return self._once(("wireguard", link.index), lambda: wireguard.seen(dev))

    def fast_path(self, dev: str, program: str = "") -> FastPath:
        """Our program at a link of the host, or that one; nothing of it for no such link."""
        from netkit.kernel import fastpath
        from netkit.plan.rare.fastpath import FastPath

        link = self.link(dev)
        if link is None:
            return FastPath()
        return self._once(("fast path", link.index, program), lambda: fastpath.seen(dev, program))

    def udp_path(self, dev: str) -> UdpPath:
        """Our program of backend `udp` at a link of the host; nothing of it for no such link."""
        from netkit.kernel import udppath
        from netkit.plan.rare.udppath import UdpPath

        link = self.link(dev)
        return UdpPath() if link is None else self._once(("udp path", link.index), lambda: udppath.seen(dev))

    def queueing(self, dev: str, netns: NsRef | None = None) -> Queueing:
        """How a link's packets wait; nothing of it for no such link."""
        from netkit.kernel.tc import queueing  # only what is shaped is asked about
        from netkit.plan.rare.shaping import Queueing

        link = self.link(dev, netns)
        if link is None:
            return Queueing()
        index = link.index
        return self._once(
            ("queueing", index, netns),
            lambda: self._inside(netns, lambda it: queueing(it.socket(), index), Queueing()),
        )

    def forwards(self, dev: str, netns: NsRef | None = None) -> frozenset[FdbEntry]:
        """The forwarding entries that lead through a link."""
        return self._once(("forwards", dev, netns), lambda: self._of_tunnel("forwards", dev, netns, frozenset()))

    def neighbours(self, dev: str, netns: NsRef | None = None) -> frozenset[Neighbour]:
        """The neighbours that a link has for good."""
        return self._once(("neighbours", dev, netns), lambda: self._of_tunnel("neighbours", dev, netns, frozenset()))

    def port_flags(self, dev: str, netns: NsRef | None = None) -> dict[str, bool]:
        """What is flooded to a port of a bridge, and so on, by iproute2's names; {} when it is none."""
        return self._of_tunnel("port_flags", dev, netns, {})

    def _of_tunnel(self, what: str, dev: str, netns: NsRef | None, nothing: T) -> T:
        from netkit.kernel import vxlan  # only an overlay has some

        link = self.link(dev, netns)
        ask: Callable[[Any, int], T] = getattr(vxlan, what)
        return self._inside(netns, lambda it: ask(it.socket(), link.index), nothing) if link else nothing

    def vlans(self, dev: str, netns: NsRef | None = None) -> Vlans:
        """Whether a bridge looks at VLANs, and which ones it or a port is in; nothing of it for no such link."""
        from netkit.kernel.vlans import seen  # only what has VLANs is asked about
        from netkit.plan.rare.vlan import Vlans

        link = self.link(dev, netns)
        if link is None:
            return Vlans()
        index = link.index
        return self._once(
            ("vlans of", index, netns), lambda: self._inside(netns, lambda it: seen(it.socket(), index), Vlans())
        )

    def filters_vlans(self) -> bool:
        """Whether this kernel's bridges filter VLANs."""
        from netkit.kernel.vlans import filters  # hardly a network asks

        return self._once("vlans", filters)

    def holds(self, rule: Rule, backend: str) -> bool:
        """Whether that firewall backend still holds this rule."""
        return self._once(("rule", rule, backend), lambda: rule in self._rules_held([rule], backend))

    def held(self, rules: Sequence[Rule], backend: str) -> Collection[Rule]:
        """Those of many rules that it still holds, in far fewer questions."""
        return self._rules_held(rules, backend) if rules else ()

    def foreign_drops(self) -> tuple[str, ...]:
        """Other tools' forward chains that would drop our packets."""
        return self._once("foreign", self._foreign_drops)

    def forget(self) -> None:
        """Ask the kernel anew from here on: something was changed."""
        self._known.clear()

    def _once(self, question: Hashable, ask: Callable[[], T]) -> T:
        if question not in self._known:
            self._known[question] = ask()
        answer: T = self._known[question]
        return answer

    def _inside(self, netns: NsRef | None, ask: Callable[[Handle], T], nothing: T) -> T:
        try:
            handle = self._namespaces.enter(netns)
        except NotFoundError:
            return nothing
        return ask(handle)
