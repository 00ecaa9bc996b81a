"""Ops of an overlay: a tunnel's device, where it sends frames to, and neighbours that nobody has to ask for.

    fdb of the tunnel   MAC -> the host behind which it is; 00:00:00:00:00:00 -> every host that gets what is flooded
    fdb of its bridge   MAC -> the tunnel (`in_bridge`): with flooding off, frames go nowhere without it
    neighbour           IP -> MAC, permanent, on the bridge: it answers for the remote container

A unicast entry is written with replace: an exclusive one would lose to what the kernel has learned, an appended one
changes nothing. The kernel refuses to replace all-zero entries, which are a list: each is appended and deleted alone.
"""

from __future__ import annotations

from netkit.model import NsRef, family
from netkit.plan.kinds import Info
from netkit.plan.ops import Op
from netkit.value import Value

TYPE_CHECKING = False
if TYPE_CHECKING:
    from netkit.plan.host import Host

#: The MAC address whose entries say where flooded frames go.
FLOODED = "00:00:00:00:00:00"


class Vxlan(Info):
    """A tunnel of VNI `vni`: sends from `local` by the link `dev` to UDP `port`.

    `learning` takes MACs from what arrives; `group` is a multicast address that flooded frames go to, "" for none.
    `gbp` carries the packets' marks along (group based policy).
    """

    vni: int
    dev: str
    local: str
    port: int
    learning: bool = False
    group: str = ""
    gbp: bool = False


class FdbEntry(Value):
    """A forwarding entry as the kernel shows it; `in_bridge` tells the bridge's own from the tunnel's."""

    mac: str
    dst: str = ""
    in_bridge: bool = False


class Neighbour(Value):
    """A neighbour entry that stays."""

    address: str
    mac: str


class PortQuiet(Op):
    """Nothing is learned from the port `dev` of a bridge; the bridge answers ARP and ND itself, as far as it knows.

    Nor is anything flooded to it, unless it `floods`: to where the all-zero entries of its tunnel lead. A port that
    leaves its bridge loses that.
    """

    dev: str
    ns: NsRef | None = None
    floods: bool = False

    @property
    def flags(self) -> tuple[tuple[str, bool], ...]:
        """The port's flags: (name of iproute2, wanted)."""
        flooding = tuple((name, self.floods) for name in ("flood", "mcast_flood", "bcast_flood"))
        return (("neigh_suppress", True), ("learning", False), *flooding)

    def holds(self, host: Host) -> bool:
        return host.port_flags(self.dev, self.ns) == dict(self.flags)


class FdbAdd(Op):
    """Frames for `mac` go through the tunnel `dev` to the host `dst`; `in_bridge` tells its bridge so, too."""

    mac: str
    dev: str
    dst: str
    in_bridge: bool = False
    ns: NsRef | None = None

    def reverse(self) -> tuple[Op, ...]:
        return (FdbDel(**self.__dict__),)

    def holds(self, host: Host) -> bool:
        found = host.forwards(self.dev, self.ns)
        mine = FdbEntry(self.mac, self.dst) in found
        return mine and (not self.in_bridge or FdbEntry(self.mac, in_bridge=True) in found)


class FdbDel(Op):
    """Take that entry away: of a list the one that leads to `dst`."""

    mac: str
    dev: str
    dst: str
    in_bridge: bool = False
    ns: NsRef | None = None

    def holds(self, host: Host) -> bool:
        return FdbEntry(self.mac, self.dst) not in host.forwards(self.dev, self.ns)


class NeighAdd(Op):
    """`address` has this MAC on `dev`, for good and unasked."""

    address: str
    mac: str
    dev: str
    ns: NsRef | None = None

    @property
    def family(self) -> int:
        """4 or 6."""
        return family(self.address)

    def reverse(self) -> tuple[Op, ...]:
        return (NeighDel(**self.__dict__),)

    def holds(self, host: Host) -> bool:
        return Neighbour(self.address, self.mac) in host.neighbours(self.dev, self.ns)


class NeighDel(Op):
    """Forget a neighbour."""

    address: str
    mac: str
    dev: str
    ns: NsRef | None = None

    def holds(self, host: Host) -> bool:
        return all(each.address != self.address for each in host.neighbours(self.dev, self.ns))
