"""Who does an errand: the module for each kind of them, loaded when there is one to do."""

from __future__ import annotations

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable

    from netkit.engine.session import Session
    from netkit.plan.ops import Errand

#: Module and function for each kind.
_WHO = {
    "PluginAdd": ("netkit.engine.plugins", "add"),
    "PluginDel": ("netkit.engine.plugins", "delete"),
    "DhcpBind": ("netkit.engine.dhcp", "bind"),
    "DhcpAnnounce": ("netkit.engine.dhcp", "announce"),
    "DhcpRelease": ("netkit.engine.dhcp", "release"),
}


def run(session: Session, op: Errand) -> object:
    """Do it; what it answers."""
    module, name = _WHO[type(op).__name__]
    do: Callable[[Session, Errand], object] = getattr(__import__(module, fromlist=[name]), name)
    return do(session, op)
