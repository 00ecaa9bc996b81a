"""Ops of VLAN filtering on a bridge: which VLANs each port is in, and which frames it gets without a tag."""

from __future__ import annotations

from netkit.model import NsRef
from netkit.plan.ops import Op

TYPE_CHECKING = False
if TYPE_CHECKING:
    from netkit.plan.host import Host

#: The VLAN that a bridge puts every port into by itself.
DEFAULT = 1


class VlanFilter(Op):
    """Make a bridge look at VLANs, or no longer; `was` is whether it did so before."""

    dev: str
    looks: bool = True
    was: bool = False
    ns: NsRef | None = None

    def reverse(self) -> tuple[Op, ...]:
        return () if self.was == self.looks else (VlanFilter(self.dev, self.was, self.was, self.ns),)


class VlanAdd(Op):
    """Put a port into the VLANs `first` to `last`; `access`: untagged frames are of that one VLAN, both ways.

    `own` is about the bridge's own port, by which the host takes part.
    """

    dev: str
    first: int
    last: int
    access: bool = False
    own: bool = False
    ns: NsRef | None = None

    def reverse(self) -> tuple[Op, ...]:
        return (VlanDel(self.dev, self.first, self.last, self.own, self.ns),)

    def holds(self, host: Host) -> bool:
        return host.link(self.dev, self.ns) is not None


class VlanDel(Op):
    """Take a port out of these VLANs."""

    dev: str
    first: int
    last: int
    own: bool = False
    ns: NsRef | None = None
