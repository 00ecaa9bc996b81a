"""Ops of an overlay's fast path: programs (eBPF) hand frames from a cable to the tunnel, and back, past the bridge.

    eth0 ==veth== nk3f9c... [program] ==> nkv42 ==> the other hosts         whom the tunnel has heard from lately
    eth0 <=======================[program] nkv42 <==                        whose port is known
    eth0 <=========================== [program] the underlay <==            from a peer, and seen by the tunnel lately

A program only ever shortens the way of a frame that the bridge would take the same way: from its port's own MAC and
address to one behind the tunnel, or the other way round. Whatever else there is, and whatever is in doubt, goes to the
bridge as before, with its guards.
"""

from __future__ import annotations

from netkit.naming import short_id
from netkit.plan.ops import Op
from netkit.value import Value

TYPE_CHECKING = False
if TYPE_CHECKING:
    from netkit.plan.host import Host

#: What is said where there can be none, and what to do.
LACKING = "this kernel lets us put no programs at links, which a fast path is"
HINT = "it takes Linux 6.6 or newer with BPF (CONFIG_BPF_SYSCALL, CONFIG_NET_XGRESS), and the right to load programs"
#: What the program at a tunnel is called, and how those at ports begin.
TUNNEL, PORTS = "nk_tunnel", "nk_"


class FastPath(Value):
    """What our program at a link is: its name, and the number of the memory of who was heard behind the tunnel.

    `ports` are what a tunnel's program knows of this host: the MAC, and the index of the port that leads to it, or 0.
    `peers` are the addresses whose packets a program at the underlay opens.
    """

    program: str = ""
    memory: int = 0
    ports: frozenset[tuple[str, int]] = frozenset()
    peers: frozenset[str] = frozenset()


class FastPathAdd(Op):
    """Frames that come out of the tunnel `dev` go to the ports that are told it; `mac` is the host's own there.

    What it knows goes with the link. Another's program at that link stays.
    """

    dev: str
    mac: str

    def reverse(self) -> tuple[Op, ...]:
        return (FastPathDel(self.dev),)

    def holds(self, host: Host) -> bool:
        seen = host.fast_path(self.dev)
        return seen.program == TUNNEL and (self.mac, 0) in seen.ports


class FastPathDel(Op):
    """Take our program from a tunnel."""

    dev: str

    def holds(self, host: Host) -> bool:
        return not host.fast_path(self.dev).program


class FastPortAdd(Op):
    """The port `dev` leads to `mac`, who sends from these addresses: its frames need not go by the bridge.

    Without addresses it is known to be here, and all of its frames go by the bridge.
    """

    dev: str
    tunnel: str
    mac: str
    addresses: tuple[str, ...] = ()

    @property
    def program(self) -> str:
        """What its program is called: another for other addresses."""
        return PORTS + short_id("fast port", self.mac, *self.addresses)

    def on(self) -> str:
        """What is known of a port does not go with it."""
        return self.tunnel

    def reverse(self) -> tuple[Op, ...]:
        return (FastPortDel(self.dev, self.tunnel, self.mac),)

    def holds(self, host: Host) -> bool:
        tunnel, link = host.fast_path(self.tunnel), host.link(self.dev)
        if link is None or (self.mac, link.index if self.addresses else 0) not in tunnel.ports:
            return False
        own = host.fast_path(self.dev)
        return (own.program, own.memory) == (self.program, tunnel.memory) if self.addresses else not own.program


class FastPortDel(Op):
    """Forget that port, and take our program from it."""

    dev: str
    tunnel: str
    mac: str

    def holds(self, host: Host) -> bool:
        return self.mac not in (mac for mac, _ in host.fast_path(self.tunnel).ports)


class FastUnderlayAdd(Op):
    """What peers send to `tunnel`, at this host's address and port, is opened at the link `dev` where it arrives.

    It opens nobody's before a peer is told. Programs of others at that link, and of other tunnels, stay.
    """

    dev: str
    tunnel: str
    local: str
    port: int
    vni: int

    @property
    def program(self) -> str:
        """What its program is called: another for another tunnel."""
        return underlay_program(self.local, self.port, self.vni)

    def reverse(self) -> tuple[Op, ...]:
        return (FastUnderlayDel(self.dev, self.program),)

    def holds(self, host: Host) -> bool:
        own = host.fast_path(self.dev, self.program)
        return bool(own.program) and own.memory == host.fast_path(self.tunnel).memory


class FastUnderlayDel(Op):
    """Take that program from the underlay's link, with the peers that it knows."""

    dev: str
    program: str

    def holds(self, host: Host) -> bool:
        return not host.fast_path(self.dev, self.program).program


class FastPeerAdd(Op):
    """That program opens what a peer sends."""

    dev: str
    program: str
    peer: str

    def reverse(self) -> tuple[Op, ...]:
        return (FastPeerDel(self.dev, self.program, self.peer),)

    def holds(self, host: Host) -> bool:
        return self.peer in host.fast_path(self.dev, self.program).peers


class FastPeerDel(Op):
    """It opens nothing of that peer's any more."""

    dev: str
    program: str
    peer: str

    def holds(self, host: Host) -> bool:
        return self.peer not in host.fast_path(self.dev, self.program).peers


def underlay_program(local: str, port: int, vni: int) -> str:
    """What the program at the underlay is called for a tunnel."""
    return PORTS + short_id("fast underlay", local, str(port), str(vni))
