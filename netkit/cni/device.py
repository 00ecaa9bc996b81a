"""The role `host-device`: a drop-in for the reference's plugin, which gives a link of the host to the container.

{"type": "host-device", "device": "eth1"}      or "hwaddr", "kernelpath", "pciBusID"; runtimeConfig.deviceID goes before
"""

from __future__ import annotations

from netkit import parse
from netkit.cni import ipamconf, linkconf
from netkit.cni.fields import shown
from netkit.cni.ipamconf import IpamConf
from netkit.cni.ipamtype import delegate
from netkit.cni.link import answer
from netkit.cni.wish import Wish
from netkit.errors import ConfigError
from netkit.kernel import devices
from netkit.model import Network
from netkit.naming import check_ifname, check_name

TYPE_CHECKING = False
if TYPE_CHECKING:
    from netkit.cni.call import Call

__all__ = ["answer", "read"]

#: The keys that name a device, one of which is needed.
WAYS = ("device", "hwaddr", "kernelpath", "pciBusID")


def read(call: Call) -> Wish:
    """What the configuration asks for; an ADD looks for the link, which is the container's by the time of a CHECK."""
    conf, other = call.conf, delegate(call)
    ipam = IpamConf() if other else ipamconf.read(conf.section("ipam"), call.runtime, call.version)
    has_addresses = "on" if ipam.subnets or other else "off"
    network = Network(call.name, call.role, subnets=ipam.subnets, options=(("addresses", has_addresses),))
    way, named = _named(call)
    return Wish(
        network,
        ips=ipamconf.requested(conf, call.runtime, dict(call.invocation.args)),
        routes=ipam.routes,
        dns=linkconf.dns(call),
        delegate=other,
        link=_find(way, named) if call.invocation.command == "ADD" else "",
    )


def _named(call: Call) -> tuple[str, str]:
    """The key that names the device, and what it says."""
    if ident := call.runtime.text("deviceID"):
        return "deviceID", check_name(ident, "runtimeConfig.deviceID", "device id") if ":" not in ident else _pci(ident)
    given = [(key, call.conf.text(key)) for key in WAYS if call.conf.text(key)]
    if len(given) != 1:
        told = " and ".join(key for key, _ in given) or "none is given"
        raise ConfigError("device", f"one of {', '.join(WAYS)} is needed: {told}", "name the device once")
    key, value = given[0]
    if key == "device":
        return key, check_ifname(value, key)
    if key == "hwaddr":
        return key, parse.mac(value, key)
    return key, _pci(value) if key == "pciBusID" else _place(value)


def _pci(value: str) -> str:
    """`0000:03:00.1`: nothing that could lead elsewhere in /sys."""
    if value and all(part and part.replace(".", "").isalnum() for part in value.split(":")) and ".." not in value:
        return value
    raise ConfigError("pciBusID", f"{shown(value)} is no PCI address", "for example 0000:03:00.1")


def _place(value: str) -> str:
    if value.startswith("/sys/devices/") and "/../" not in f"{value}/" and "\0" not in value:
        return value
    raise ConfigError("kernelpath", f"{shown(value)} is no device", "give a path below /sys/devices")


def _find(way: str, named: str) -> str:
    """The name of the link."""
    if way == "device":
        return named
    if way == "hwaddr":
        return devices.by_mac(named)
    if way == "kernelpath":
        return devices.by_path(named)
    return devices.by_bus(named, ("pci",) if way == "pciBusID" else devices.BUSES)
