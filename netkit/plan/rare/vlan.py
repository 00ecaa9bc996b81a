"""Ops of VLAN filtering on a bridge: which VLANs each port is in, and which frames it gets without a tag."""

from __future__ import annotations

from netkit.model import NsRef
from netkit.plan.ops import Op
from netkit.value import Value

TYPE_CHECKING = False
if TYPE_CHECKING:
    from netkit.plan.host import Host

#: The VLAN that a bridge puts every port into by itself.
DEFAULT = 1


class Vlans(Value):
    """A bridge or port as the kernel shows it: whether it looks at VLANs, and which it is in.

    `untagged` are those whose frames leave it without a tag, `access` the one that frames without a tag are of, or 0.
    """

    looks: bool = False
    members: tuple[int, ...] = ()
    untagged: tuple[int, ...] = ()
    access: int = 0

    def has(self, first: int, last: int) -> bool:
        """Whether it is in all of these."""
        return all(each in self.members for each in range(first, last + 1))


class VlanFilter(Op):
    """Make a bridge look at VLANs, or no longer; `was` is whether it did so before."""

    dev: str
    looks: bool = True
    was: bool = False
    ns: NsRef | None = None

    def reverse(self) -> tuple[Op, ...]:
        return () if self.was == self.looks else (VlanFilter(self.dev, self.was, self.was, self.ns),)

    def holds(self, host: Host) -> bool:
        return host.vlans(self.dev, self.ns).looks == self.looks


class VlanAdd(Op):
    """Put a port into the VLANs `first` to `last`; `access`: untagged frames are of that one VLAN, both ways.

    `own` is about the bridge's own port, by which the host takes part; `was` is its access VLAN before, 0 for none.
    """

    dev: str
    first: int
    last: int
    access: bool = False
    own: bool = False
    ns: NsRef | None = None
    was: int = 0

    def reverse(self) -> tuple[Op, ...]:
        gone = VlanDel(self.dev, self.first, self.last, self.own, self.ns)
        return (gone, VlanAdd(self.dev, self.was, self.was, True, self.own, self.ns)) if self.was else (gone,)

    def holds(self, host: Host) -> bool:
        seen = host.vlans(self.dev, self.ns)
        alone = not self.access or (seen.access == self.first and self.first in seen.untagged)
        return alone and seen.has(self.first, self.last)


class VlanDel(Op):
    """Take a port out of these VLANs."""

    dev: str
    first: int
    last: int
    own: bool = False
    ns: NsRef | None = None

    def holds(self, host: Host) -> bool:
        return not any(self.first <= each <= self.last for each in host.vlans(self.dev, self.ns).members)
