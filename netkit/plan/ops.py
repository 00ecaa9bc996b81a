"""Ops: one kernel change each, frozen, named like iproute2, with every attribute explicit.

An op knows what undoes it (`reverse`, which also covers what the kernel adds by itself) and how to tell that it still
holds (`holds`). How it reads as a command is `plan.render`; how it is carried out is `kernel/`.
`netns` None is the host's own namespace.
"""

from __future__ import annotations

from netkit.model import NsRef
from netkit.naming import PROTOCOL
from netkit.plan.host import FOREVER, Address
from netkit.plan.kinds import Stacked
from netkit.value import Value

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import ClassVar

    from netkit.plan.host import Host
    from netkit.plan.kinds import Info
    from netkit.plan.rules import Rule


#: The routing table that packets are looked up in unless a rule says otherwise.
MAIN = 254


class Op(Value):
    """One change. Creation is exclusive: what is already there is an error, so undo never removes another's.

    `not_ours` is the errno by which the kernel says that what stands there now is not what we made, 0 for no such.
    """

    not_ours: ClassVar[int] = 0

    @property
    def netns(self) -> NsRef | None:
        """The namespace that the op acts in."""
        found: NsRef | None = self.__dict__.get("ns")
        return found

    def on(self) -> str:
        """The link that the op's effect lives and dies with, "" when there is none."""
        return str(self.__dict__.get("dev", ""))

    def creates(self) -> tuple[tuple[NsRef | None, str], ...]:
        """The (namespace, name) pairs of links that come to be."""
        return ()

    def reverse(self) -> tuple[Op, ...]:
        """The ops that take this one back, in order; () when there is nothing to take back."""
        return ()

    def holds(self, host: Host) -> bool:
        """Whether the kernel still shows this op's effect."""
        return True


class Errand(Op):
    """An op that a program outside of the kernel does, and that answers with what only it knows.

    It does it whole or not at all: on an error it has taken back what it began.
    """


class Peer(Value):
    """The other end of a veth pair, born in its own namespace with its final name."""

    name: str
    ns: NsRef | None = None
    mac: str = ""
    mtu: int = 0


class LinkAdd(Op):
    """Create a link, with MAC, MTU, group and namespace in the one message that makes it (no udev race, no rename).

    `info` is what only this kind of link has.
    """

    name: str
    kind: str
    group: int
    ns: NsRef | None = None
    mac: str = ""
    mtu: int = 0
    peer: Peer | None = None
    info: Info | None = None

    @property
    def netns(self) -> NsRef | None:
        """Where it is made from: what stands on another link is made where that one is."""
        return self.info.parent_ns if isinstance(self.info, Stacked) else self.ns

    def on(self) -> str:
        return self.name

    def creates(self) -> tuple[tuple[NsRef | None, str], ...]:
        mine = (self.ns, self.name)
        return (mine, (self.peer.ns, self.peer.name)) if self.peer else (mine,)

    def reverse(self) -> tuple[Op, ...]:
        return (LinkDel(self.name, self.kind, self.group, self.ns),)

    def holds(self, host: Host) -> bool:
        link = host.link(self.name, self.ns)
        if link is None or link.kind != self.kind or (self.mac and link.mac != self.mac):
            return False
        if self.peer is None:
            return True
        peer = host.link(self.peer.name, self.peer.ns)
        return peer is not None and (not self.peer.mac or peer.mac == self.peer.mac)


class LinkDel(Op):
    """Delete a link, if it still is of this kind and bears this group; another's link of that name is left alone."""

    name: str
    kind: str
    group: int
    ns: NsRef | None = None

    def on(self) -> str:
        return self.name

    def holds(self, host: Host) -> bool:
        link = host.link(self.name, self.ns)
        return link is None or (link.kind, link.group) != (self.kind, self.group)


class LinkSet(Op):
    """Change a link: put it up or down, into a master ("" takes it out), give an MTU, set a bridge port's flags.

    None leaves an attribute alone. `was` is what takes the change back, for a link that existed before.
    `no_addrgen` stops the kernel from making an IPv6 link-local address.
    """

    dev: str
    ns: NsRef | None = None
    up: bool | None = None
    master: str | None = None
    mtu: int | None = None
    isolated: bool | None = None
    hairpin: bool | None = None
    promisc: bool | None = None
    no_addrgen: bool = False
    was: LinkSet | None = None

    def reverse(self) -> tuple[Op, ...]:
        return (self.was,) if self.was else ()

    def holds(self, host: Host) -> bool:
        link = host.link(self.dev, self.ns)
        if link is None:
            return False
        return (
            (self.up is None or link.up == self.up)
            and (self.master is None or link.master == self.master)
            and (self.mtu is None or link.mtu == self.mtu)
            and (self.promisc is None or link.promisc == self.promisc)
        )


class LinkMove(Op):
    """Move a link of the host into a namespace, under another name; its alias tells the name that it had.

    The kernel puts it down on the way and forgets its addresses, routes and settings: `restores` and `settings` (each a
    sysctl, its value, and what it is after the move) give them back, when it is back. `alias` is what it had before.
    """

    dev: str
    name: str
    ns: NsRef
    alias: str = ""
    restores: tuple[Op, ...] = ()
    settings: tuple[tuple[str, str, str], ...] = ()

    @property
    def netns(self) -> NsRef | None:
        """It is moved from the host."""
        return None

    def creates(self) -> tuple[tuple[NsRef | None, str], ...]:
        return ((self.ns, self.name),)

    def reverse(self) -> tuple[Op, ...]:
        home = LinkReclaim(self.dev, self.alias, self.restores, self.settings)
        return LinkReturn(self.name, self.dev, self.ns), home

    def holds(self, host: Host) -> bool:
        link = host.link(self.name, self.ns)
        return link is not None and link.alias == self.dev


class LinkReturn(Op):
    """Move the link that bears the alias `dev` back to the host, under that name; it may be called otherwise by now."""

    name: str
    dev: str
    ns: NsRef

    def on(self) -> str:
        return self.name

    def holds(self, host: Host) -> bool:
        link = host.link(self.name, self.ns)
        return link is None or link.alias != self.dev


class LinkReclaim(Op):
    """The link of the host that bears the alias `dev` is what it was before: name, alias, addresses, routes, settings.

    The kernel brings a physical link back by itself when its namespace ends, under whatever name is free. One that
    existed in software only is gone by then, and there is nothing to do.
    """

    dev: str
    alias: str = ""
    restores: tuple[Op, ...] = ()
    settings: tuple[tuple[str, str, str], ...] = ()


class LoopbackUp(Op):
    """Put `lo` up in a namespace; the kernel adds 127.0.0.1/8 and ::1/128 by itself, and keeps the first on down."""

    ns: NsRef

    def on(self) -> str:
        return "lo"

    def reverse(self) -> tuple[Op, ...]:
        return (AddrDel("127.0.0.1/8", "lo", self.ns), LinkSet("lo", self.ns, up=False))

    def holds(self, host: Host) -> bool:
        link = host.link("lo", self.ns)
        return link is not None and link.up


class AddrAdd(Op):
    """Give a link an address; `nodad` skips IPv6 duplicate detection, since netkit's IPAM is the authority.

    `like` is all else about it, where another link had it before; one that may run out is not missed.
    """

    address: str
    dev: str
    ns: NsRef | None = None
    nodad: bool = True
    like: Address | None = None

    def reverse(self) -> tuple[Op, ...]:
        return (AddrDel(self.address, self.dev, self.ns),)

    @property
    def exclusive(self) -> bool:
        """Whether it lasts: one that may run out may also be made anew by others meanwhile, and is replaced."""
        return self.like is None or self.like.valid == FOREVER

    def holds(self, host: Host) -> bool:
        return not self.exclusive or self.address in host.addresses(self.dev, self.ns)


class AddrDel(Op):
    """Take an address from a link; its routes go too. `foreign` is one that netkit did not add: undo gives it back."""

    address: str
    dev: str
    ns: NsRef | None = None
    foreign: bool = False
    peer: str = ""

    def reverse(self) -> tuple[Op, ...]:
        return (AddrAdd(self.address, self.dev, self.ns),) if self.foreign else ()

    def holds(self, host: Host) -> bool:
        return self.address not in host.addresses(self.dev, self.ns)


class RouteAdd(Op):
    """Add a route; `dst` is `default` or a prefix, `via` "" makes it a direct one.

    `scope` -1 is the usual one: link for a direct IPv4 route, global otherwise. `mtu` and `advmss` 0 follow the link.
    The rest is for a route that another link had before; one that `expires` is not missed, one that comes `again` may
    be there with its address already.
    """

    dst: str
    dev: str
    via: str = ""
    ns: NsRef | None = None
    family: int = 4
    protocol: int = PROTOCOL
    metric: int = 0
    table: int = MAIN
    scope: int = -1
    mtu: int = 0
    advmss: int = 0
    src: str = ""
    tos: int = 0
    onlink: bool = False
    metrics: tuple[tuple[int, int], ...] = ()
    pref: int = 0
    expires: int = 0
    again: bool = False

    def reverse(self) -> tuple[Op, ...]:
        return (RouteDel(self.dst, self.dev, self.via, self.ns, self.family, self.protocol, self.metric, self.table),)

    def holds(self, host: Host) -> bool:
        return bool(self.expires) or (self.dst, self.via, self.dev, self.table) in host.ways(self.family, self.ns)


class RouteDel(Op):
    """Delete exactly that route; one with another protocol is another's and stays."""

    dst: str
    dev: str
    via: str = ""
    ns: NsRef | None = None
    family: int = 4
    protocol: int = PROTOCOL
    metric: int = 0
    table: int = MAIN
    scope: int = -1
    tos: int = 0

    def holds(self, host: Host) -> bool:
        return not RouteAdd(**self.__dict__).holds(host)


class Together(Op):
    """Changes of the host that go to the kernel in one send, so that neither a packet nor a kill comes between them.

    `back` takes them back in the same manner, from wherever they were broken off: what is gone is gone, and what is to
    be put back may be there already. One send is 64 messages; with more there are several.
    """

    ops: tuple[Op, ...]
    back: tuple[Op, ...] = ()

    def reverse(self) -> tuple[Op, ...]:
        return (Together(self.back, self.ops),) if self.back else ()

    def holds(self, host: Host) -> bool:
        return all(op.holds(host) for op in self.ops)


class Heard(Op):
    """Wait until the kernel takes packets for these addresses of a link of the host, a second at most.

    It adds an IPv6 address at once, and the route to it a moment later. `back` is the wait on the way back.
    """

    addresses: tuple[str, ...]
    dev: str
    back: Heard | None = None

    def reverse(self) -> tuple[Op, ...]:
        return (self.back,) if self.back else ()


class SysctlSet(Op):
    """Write a sysctl: `key` with slashes (`net/ipv4/ip_forward`), `was` its value before.

    `dev` names the interface that the key belongs to, if it does. The reverse writes `was` back, unless someone has
    changed the value since. `along` are other keys that the kernel changes on the way back, each with what it was
    before and what the kernel makes of it: they get their former value, too.
    """

    key: str
    value: str
    was: str
    ns: NsRef | None = None
    dev: str = ""
    along: tuple[tuple[str, str, str], ...] = ()

    def reverse(self) -> tuple[Op, ...]:
        along = (SysctlRestore(key, was, becomes, self.ns) for key, was, becomes in self.along)
        return (SysctlRestore(self.key, self.was, self.value, self.ns, self.dev), *along)

    def holds(self, host: Host) -> bool:
        return host.sysctl(self.key, self.ns) == self.value


class SysctlRestore(Op):
    """Write a sysctl's former value back, if it still has the one that netkit gave it."""

    key: str
    value: str
    expected: str
    ns: NsRef | None = None
    dev: str = ""

    def holds(self, host: Host) -> bool:
        return host.sysctl(self.key, self.ns) != self.expected


class RulesAdd(Op):
    """Add firewall rules in one transaction; `backend` is `nftables`, `iptables` or `iptables-legacy`.

    A rule never dies with a link: it stays until it is deleted. A `Publish` that comes or goes also makes the kernel
    forget the tracked flows to its host ports (NAT rules are asked for a flow's first packet only); a new TCP
    connection is always a new entry, so those are forgotten only when the port goes.
    """

    rules: tuple[Rule, ...]
    backend: str

    def reverse(self) -> tuple[Op, ...]:
        return (RulesDel(tuple(reversed(self.rules)), self.backend),)

    def holds(self, host: Host) -> bool:
        return all(host.holds(rule, self.backend) for rule in self.rules)


class RulesDel(Op):
    """Delete firewall rules in one transaction; what is already gone is no error."""

    rules: tuple[Rule, ...]
    backend: str

    def holds(self, host: Host) -> bool:
        return not any(host.holds(rule, self.backend) for rule in self.rules)


class PortsReserve(Op):
    """Keep the kernel from giving these host ports out as ephemeral ones (net.ipv4.ip_local_reserved_ports).

    `ports` are inclusive (first, last) ranges. The sysctl is shared: the executor adds and removes only these, under
    the host's lock.
    """

    ports: tuple[tuple[int, int], ...]

    def reverse(self) -> tuple[Op, ...]:
        return (PortsFree(self.ports),)


class PortsFree(Op):
    """Give reserved host ports back."""

    ports: tuple[tuple[int, int], ...]
