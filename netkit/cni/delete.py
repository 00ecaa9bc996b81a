"""DEL: from the record alone, however often, whatever has become of namespace, configuration and network."""

from __future__ import annotations

from netkit.cni.failure import in_turn
from netkit.cni.ipamtype import delegated, forward
from netkit.cni.open import engine, identity

TYPE_CHECKING = False
if TYPE_CHECKING:
    from netkit.cni.call import Call


def delete(call: Call) -> None:
    """Detach, then let a delegate give its addresses back: nobody else gets them while the link is up."""
    plugin = delegated(call)
    in_turn(
        lambda: engine(call).detach(identity(call)),
        lambda: forward(call, plugin),
    )
