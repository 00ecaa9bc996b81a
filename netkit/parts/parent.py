"""The link of the host that a network's own links stand on."""

from __future__ import annotations

from netkit.errors import ConfigError, ConflictError, HostError, NotFoundError

TYPE_CHECKING = False
if TYPE_CHECKING:
    from netkit.model import Network, NsRef
    from netkit.plan.host import Host, Link


def parent(net: Network, host: Host, ns: NsRef | None = None) -> Link:
    """A network's parent as it is now, fit to be stood on; `ns` is the namespace it is in, None for the host."""
    where = "the container" if ns else "this host"
    link = host.link(net.parent, ns)
    if link is None:
        raise NotFoundError(f"{where} has no link {net.parent}", "`ip link` lists them; name another with --parent")
    if link.name == "lo":
        raise ConfigError("parent", "lo leads nowhere", "name a link that leads to a network, with --parent")
    if link.master:
        raise ConflictError(
            f"{net.parent} is a port of {link.master}, and a link has one user", f"stand on it: --parent {link.master}"
        )
    if not link.up:
        raise HostError(f"{net.parent} is down", f"put it up: ip link set dev {net.parent} up")
    if net.mtu > link.mtu:
        raise ConfigError(
            "mtu", f"{net.mtu} is more than {net.parent} carries", f"use {link.mtu} or less, or leave it out"
        )
    return link
