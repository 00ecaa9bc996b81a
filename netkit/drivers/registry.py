"""Which modes there are; a driver is loaded when it is asked for."""

from __future__ import annotations

from netkit.errors import UsageError

TYPE_CHECKING = False
if TYPE_CHECKING:
    from netkit.drivers.protocols import Driver

#: Built-in modes: module and class of each.
BUILT_IN: dict[str, tuple[str, str]] = {
    "null": ("netkit.drivers.null", "Null"),
    "bridge": ("netkit.drivers.bridge", "Bridge"),
}
#: Modes that stand in for one link of another tool's chain; nobody types them.
INNER: dict[str, tuple[str, str]] = {
    "ipam": ("netkit.drivers.ipam", "Ipam"),
    "portmap": ("netkit.drivers.portmap", "Portmap"),
    "firewall": ("netkit.drivers.firewall", "Firewall"),
}


def driver(mode: str) -> Driver:
    """The driver of a mode, or UsageError that lists the known ones."""
    if mode not in BUILT_IN and mode not in INNER:
        raise UsageError(f"there is no mode {mode!r}", f"known modes: {', '.join(sorted(BUILT_IN))}")
    module, name = BUILT_IN.get(mode) or INNER[mode]
    found: Driver = getattr(__import__(module, fromlist=[name]), name)()
    return found
