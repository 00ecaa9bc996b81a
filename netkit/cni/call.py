"""One call of a runtime, its input checked: the environment, the configuration, and who we are to be."""

from __future__ import annotations

from netkit.cni import versions
from netkit.cni.failure import CONFIGURATION, CniError
from netkit.cni.fields import Fields, shown
from netkit.errors import ConfigError
from netkit.naming import check_name
from netkit.value import Value

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

    from netkit.cni.env import Invocation

#: Joins a network's name with what another role keeps about it; no network of a configuration may bear it.
JOINT = ".."


class Call(Value):
    """What a role gets to work with. `document` is the configuration as it came; `root` "" is the default one."""

    role: str
    invocation: Invocation
    document: dict[str, Any]
    name: str
    version: str
    root: str = ""

    @property
    def conf(self) -> Fields:
        """The configuration, to be read."""
        return Fields(self.document)

    @property
    def runtime(self) -> Fields:
        """What the runtime has put into it."""
        return self.conf.section("runtimeConfig")

    @property
    def ifname(self) -> str:
        """The interface that the attachment is known by: a null network has lo alone, whatever CNI_IFNAME says."""
        return "lo" if self.has_loopback_alone else self.invocation.ifname

    @property
    def has_loopback_alone(self) -> bool:
        """Whether the configuration is one of mode null."""
        return self.role == "loopback" or (self.role == "netkit" and self.document.get("mode") == "null")

    def network_name(self) -> str:
        """What the engine knows this role's network by."""
        if self.role in LINKS:
            return self.conf.text("network") or self.name
        return f"{self.name}{JOINT}{ROLE_SUFFIX[self.role]}"


#: Roles that make a link: their network has the configuration's own name.
LINKS = ("netkit", "bridge", "ptp", "macvlan", "ipvlan", "host-device")
#: Roles that keep something beside a network of the same name.
ROLE_SUFFIX = {
    "netkit-ipam": "ipam",
    "host-local": "ipam",
    "portmap": "portmap",
    "firewall": "firewall",
    "bandwidth": "bandwidth",
    "tuning": "tuning",
    "loopback": "loopback",
    "static": "static",
    "dhcp": "dhcp",
}


def make(role: str, invocation: Invocation, document: dict[str, Any], root: str) -> Call:
    """A call with its version and name checked, and the root that holds for it."""
    version = versions.check(document.get("cniVersion"), invocation.command)
    return Call(role, invocation, document, _name(document), version, _root(Fields(document)) or root)


def _name(document: dict[str, Any]) -> str:
    name = document.get("name")
    if not name:
        raise CniError(CONFIGURATION, "missing network name", "a configuration needs a name")
    try:
        if JOINT in check_name(name, "name", "network name"):
            raise ConfigError("name", f"{shown(name)} holds two dots in a row", "netkit keeps those for itself")
    except ConfigError as error:
        raise CniError(CONFIGURATION, "invalid characters found in network name", error.message) from error
    return str(name)


def _root(conf: Fields) -> str:
    root = conf.text("root")
    if root and (not root.startswith("/") or "/../" in f"{root}/" or "\0" in root):
        raise ConfigError("root", f"{shown(root)} is no place for state", "give an absolute path without ..")
    return root
