"""Links of the host by what a person has instead of a name: a MAC address, a PCI address, a place in /sys."""

from __future__ import annotations

import os

from netkit.errors import ConflictError, NotFoundError
from netkit.kernel.namespaces import Namespaces

#: Buses whose devices a device plugin names by id.
BUSES = ("pci", "auxiliary")
#: PCI drivers that take a device away from the kernel's networking (DPDK).
_USER_SPACE = ("vfio-pci", "uio_pci_generic", "igb_uio")


def by_mac(mac: str) -> str:
    """The link with that MAC address; NotFoundError when there is none, ConflictError when there are several."""
    with Namespaces() as namespaces:
        found = [link.name for link in namespaces.enter(None).socket().links() if link.mac == mac]
    return _only(found, f"the MAC address {mac}")


def by_bus(ident: str, buses: tuple[str, ...] = BUSES) -> str:
    """The link of a device on the PCI (or the auxiliary) bus."""
    for bus in buses:
        place = f"/sys/bus/{bus}/devices/{ident}"
        if os.path.isdir(place):
            driver = os.path.basename(os.path.realpath(f"{place}/driver"))
            if driver in _USER_SPACE:
                raise ConflictError(
                    f"{ident} is driven by {driver}, not by the kernel's networking", "bind a network driver to it"
                )
            return by_path(place)
    raise NotFoundError(f"there is no device {ident} on the {' or '.join(buses)} bus", "`lspci -D` lists PCI devices")


def by_path(path: str) -> str:
    """The link of the device at a place in /sys."""
    try:
        found = os.listdir(f"{path}/net")
    except OSError:
        found = []
    return _only(found, path)


def _only(found: list[str], what: str) -> str:
    if not found:
        raise NotFoundError(
            f"no link of this host has {what}", "`ip link` lists them; it may be in a container already"
        )
    if len(found) > 1:
        raise ConflictError(f"{', '.join(sorted(found))} all have {what}", "name one with device")
    return found[0]
