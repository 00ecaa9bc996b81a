"""Which modes there are; a driver is loaded when it is asked for.

A mode may carry an argument after a colon, `container:1234` for example; it is given to the driver.
"""

from __future__ import annotations

from netkit.errors import UsageError

TYPE_CHECKING = False
if TYPE_CHECKING:
    from netkit.drivers.protocols import Driver

#: Built-in modes: module and class of each.
BUILT_IN: dict[str, tuple[str, str]] = {
    "null": ("netkit.drivers.null", "Null"),
    "host": ("netkit.drivers.host", "SharedWithHost"),
    "container": ("netkit.drivers.container", "SharedWithContainer"),
    "bridge": ("netkit.drivers.bridge", "Bridge"),
    "macvlan": ("netkit.drivers.macvlan", "Macvlan"),
    "ipvlan": ("netkit.drivers.ipvlan", "Ipvlan"),
}
#: Modes that stand in for one link of another tool's chain; nobody types them.
INNER: dict[str, tuple[str, str]] = {
    "ipam": ("netkit.drivers.ipam", "Ipam"),
    "portmap": ("netkit.drivers.portmap", "Portmap"),
    "firewall": ("netkit.drivers.firewall", "Firewall"),
}
#: What people write after a mode's colon.
ARGUMENTS = {"container": "PID|ID"}


def driver(mode: str) -> Driver:
    """The driver of a mode, or UsageError that lists the known ones."""
    kind, colon, argument = mode.partition(":")
    if (kind not in BUILT_IN and kind not in INNER) or (colon and kind not in ARGUMENTS):
        raise UsageError(f"there is no mode {mode!r}", f"known modes: {', '.join(known_modes())}")
    module, name = BUILT_IN.get(kind) or INNER[kind]
    make = getattr(__import__(module, fromlist=[name]), name)
    found: Driver = make(argument) if kind in ARGUMENTS else make()
    return found


def known_modes() -> list[str]:
    """The built-in modes as people write them: `bridge`, `container:PID|ID`."""
    return sorted(f"{mode}:{ARGUMENTS[mode]}" if mode in ARGUMENTS else mode for mode in BUILT_IN)
