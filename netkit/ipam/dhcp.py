"""IPAM `dhcp`: a lease as a server granted it, and until when it holds. netkit.agent.dhcp keeps them."""

from __future__ import annotations

import time

from netkit.model import NsRef
from netkit.value import Value

#: Where its keeper listens, in the directory of leases; a dot keeps it apart from them.
SOCKET = ".socket"
#: What has become of a lease.
BOUND, LOST = "bound", "lost"


class DhcpLink(Value):
    """The interface that a lease is for: its namespace, name and MAC; `id` is its attachment.

    `by` is a link of the host on the same LAN, "" for none.
    """

    id: str
    ns: NsRef
    ifname: str
    mac: str
    hostname: str = ""
    by: str = ""


class DhcpLease(Value):
    """What a server granted. Times are in seconds of `clock`.

    `address` has its prefix length. `routes` are (destination, gateway) pairs, `server_mac` is where the
    answer came from: the server, or the router that leads to it. `state` is BOUND, or LOST with `why`.
    """

    link: DhcpLink
    address: str
    server: str
    server_mac: str
    granted: float
    seconds: int
    renew: int
    rebind: int
    gateway: str = ""
    routes: tuple[tuple[str, str], ...] = ()
    nameservers: tuple[str, ...] = ()
    domain: str = ""
    mtu: int = 0
    state: str = BOUND
    why: str = ""

    @property
    def ends(self) -> float:
        """When nobody may use the address any more."""
        return self.granted + self.seconds


def clock() -> float:
    """Seconds since the machine began, also while it slept; nobody sets this clock."""
    return time.clock_gettime(time.CLOCK_BOOTTIME)
