"""A lease of the network's own DHCP server, as an op: asked for when the link is up, given back before it goes."""

from __future__ import annotations

from netkit.plan.ops import Errand, Op

TYPE_CHECKING = False
if TYPE_CHECKING:
    from netkit.model import NsRef


class Dhcp(Errand):
    """A lease by the attachment that it belongs to, and the interface that it is for; `hostname` may be "".

    `by` is a link of the host on the same LAN, by which the lease is given back for a namespace that has gone.
    """

    id: str
    ifname: str
    ns: NsRef
    hostname: str = ""
    by: str = ""


class DhcpBind(Dhcp):
    """Get a lease, and have it renewed from now on; answers with the lease. An attachment has one at most."""

    def reverse(self) -> tuple[Op, ...]:
        return (DhcpRelease(**self.__dict__),)


class DhcpAnnounce(Dhcp):
    """Tell the neighbours of the address, by a gratuitous ARP: once the port's guard lets that through."""


class DhcpRelease(Dhcp):
    """Give the lease back, and renew it no more."""
