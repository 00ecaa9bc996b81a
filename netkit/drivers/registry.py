"""Which modes there are; a driver is loaded when it is asked for.

A mode may carry an argument after a colon, `container:1234` for example; it is given to the driver.
"""

from __future__ import annotations

from netkit.errors import HostError, UsageError

TYPE_CHECKING = False
if TYPE_CHECKING:
    from netkit.drivers.protocols import Driver

#: Built-in modes: module and class of each.
BUILT_IN: dict[str, tuple[str, str]] = {
    "null": ("netkit.drivers.null", "Null"),
    "host": ("netkit.drivers.host", "SharedWithHost"),
    "container": ("netkit.drivers.container", "SharedWithContainer"),
    "bridge": ("netkit.drivers.bridge", "Bridge"),
    "ptp": ("netkit.drivers.ptp", "Ptp"),
    "macvlan": ("netkit.drivers.macvlan", "Macvlan"),
    "ipvlan": ("netkit.drivers.ipvlan", "Ipvlan"),
    "cni": ("netkit.drivers.delegate", "Delegate"),
    "underlay": ("netkit.drivers.underlay", "Underlay"),
    "overlay": ("netkit.drivers.overlay", "Overlay"),
}
#: Modes that nobody types: those that stand in for one link of another tool's chain, and the agent's.
INNER: dict[str, tuple[str, str]] = {
    "ipam": ("netkit.drivers.ipam", "Ipam"),
    "portmap": ("netkit.drivers.portmap", "Portmap"),
    "firewall": ("netkit.drivers.firewall", "Firewall"),
    "host-device": ("netkit.drivers.hostdevice", "HostDevice"),
    "bandwidth": ("netkit.drivers.bandwidth", "Bandwidth"),
    "tuning": ("netkit.drivers.tuning", "Tuning"),
    "flannel": ("netkit.drivers.flannel", "Flannel"),
}
#: What people write after a mode's colon.
ARGUMENTS = {"container": "PID|ID", "cni": "TYPE"}


#: The entry points of packages that bring a driver of their own.
GROUP = "netkit.drivers"


def driver(mode: str) -> Driver:
    """The driver of a mode, or UsageError that lists the known ones."""
    kind, colon, argument = mode.partition(":")
    if colon and kind not in ARGUMENTS:
        raise _unknown(mode)
    if kind not in BUILT_IN and kind not in INNER:
        return _third_party(kind)
    module, name = BUILT_IN.get(kind) or INNER[kind]
    make = getattr(__import__(module, fromlist=[name]), name)
    found: Driver = make(argument) if kind in ARGUMENTS else make()
    return found


def written(mode: str) -> Driver:
    """The driver of a mode that a person wrote: of the inner ones nobody knows."""
    if mode in INNER:
        raise _unknown(mode)
    return driver(mode)


def known_modes() -> list[str]:
    """The modes as people write them, other packages' too: `bridge`, `container:PID|ID`."""
    from importlib.metadata import entry_points

    ours = (f"{mode}:{ARGUMENTS[mode]}" if mode in ARGUMENTS else mode for mode in BUILT_IN)
    return sorted({*ours, *entry_points(group=GROUP).names})


def _third_party(kind: str) -> Driver:
    """A driver from another package: an entry point that leads to a class like those here."""
    from importlib.metadata import entry_points

    found = tuple(entry_points(group=GROUP, name=kind))
    if not found:
        raise _unknown(kind)
    try:
        theirs: Driver = found[0].load()()
    except (ImportError, AttributeError, TypeError) as error:
        raise HostError(f"the driver {kind} of {found[0].value} cannot be loaded: {error}", "reinstall it") from error
    return theirs


def _unknown(mode: str) -> UsageError:
    return UsageError(f"there is no mode {mode!r}", f"known modes: {', '.join(known_modes())}")
