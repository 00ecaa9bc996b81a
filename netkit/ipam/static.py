"""IPAM `static`: whoever attaches says the addresses. Nothing is claimed, and nobody is refused an address."""

from __future__ import annotations

from netkit.errors import ConfigError
from netkit.ipam.pool import overlaps, prefix_length
from netkit.model import Lease, bare, family

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Sequence

    from netkit.model import Network


def leases(net: Network, ips: Sequence[str]) -> list[Lease]:
    """Each address with the prefix length and gateway of its subnet; one in no subnet needs a length of its own."""
    if not ips:
        hint = "say --ip ADDR, with /LENGTH where the network has no subnet for it"
        raise ConfigError("ip", f"network {net.name} gives out no addresses by itself", hint)
    return [_lease(net, ip, at) for at, ip in enumerate(ips)]


def _lease(net: Network, ip: str, at: int) -> Lease:
    for subnet in net.subnets:
        if family(subnet.cidr) == family(ip) and overlaps(subnet.cidr, bare(ip)):
            if bare(ip) == subnet.gateway:
                raise ConfigError(f"ip[{at}]", f"{bare(ip)} is the gateway of {subnet.cidr}", "choose another address")
            return Lease(f"{bare(ip)}/{prefix_length(subnet.cidr)}", subnet.gateway)
    if "/" not in ip:
        raise ConfigError(f"ip[{at}]", f"{ip} lies in no subnet of network {net.name}", f"say its length: {ip}/24")
    return Lease(ip, "")
