"""DEL: from the record alone, however often, whatever has become of namespace, configuration and network."""

from __future__ import annotations

from netkit.cni import delegate
from netkit.cni.failure import in_turn
from netkit.cni.linkconf import delegate as delegate_of
from netkit.cni.open import engine, identity

TYPE_CHECKING = False
if TYPE_CHECKING:
    from netkit.cni.call import Call


def delete(call: Call) -> None:
    """Detach, then let a delegate give its addresses back: nobody else gets them while the link is up."""
    plugin = delegated(call)
    in_turn(
        lambda: engine(call).detach(identity(call)),
        lambda: delegate.forward(call, plugin) if plugin else None,
    )


def delegated(call: Call) -> str:
    """The IPAM plugin of a call, "" for our own; a broken configuration has none that could be asked."""
    if call.role not in ("netkit", "bridge") or not isinstance(call.document.get("ipam", {}), dict):
        return ""
    return delegate_of(call)
