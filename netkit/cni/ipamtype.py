"""Whose IPAM a configuration means, told by its type alone: a DEL needs to know no more."""

from __future__ import annotations

from netkit.cni.call import LINKS
from netkit.cni.failure import CONFIGURATION, CniError
from netkit.errors import ConfigError
from netkit.naming import check_name

TYPE_CHECKING = False
if TYPE_CHECKING:
    from netkit.cni.call import Call

#: ipam.type of the built-in IPAM; in drop-in, host-local too.
OURS = ("", "netkit-ipam")
#: The LAN's own server: it is asked over the link, so never before that is there, as an IPAM plugin would be.
DHCP = "dhcp"


def delegate(call: Call) -> str:
    """The IPAM plugin that the configuration delegates to, "" for netkit's own."""
    kind = call.conf.section("ipam").text("type")
    if kind in (*OURS, DHCP) or (kind == "host-local" and call.role in LINKS[1:]):
        return ""
    try:
        return check_name(kind, "ipam.type", "plugin type")
    except ConfigError as error:
        raise CniError(CONFIGURATION, error.message, error.hint) from error


def ipam_of(call: Call) -> str:
    """Who gives out the addresses of a network of ours, as `Network.ipam` says it."""
    return DHCP if call.conf.section("ipam").text("type") == DHCP else ""


def delegated(call: Call) -> str:
    """The same, where no more than that counts: a broken configuration has none that could be asked."""
    if call.role not in LINKS or not isinstance(call.document.get("ipam", {}), dict):
        return ""
    return delegate(call)


def forward(call: Call, plugin: str) -> None:
    """Let the plugin, if there is one, do the same."""
    if plugin:
        from netkit.cni import delegate as plugins  # reads results, starts programs: not needed without one

        plugins.forward(call, plugin)
