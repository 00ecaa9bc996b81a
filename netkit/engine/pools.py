"""The addresses of a network: one pool a subnet."""

from __future__ import annotations

from netkit.errors import ConfigError, NetkitError
from netkit.ipam.files import FilePool
from netkit.ipam.pool import Pool
from netkit.model import bare

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from netkit.engine.session import Session
    from netkit.model import AttachRequest, Lease, Network, Subnet


def pools(session: Session, net: Network) -> list[FilePool]:
    """The pools of a network, in the order of its subnets."""
    return [FilePool(session.root, net.name, subnet) for subnet in net.subnets]


def preview(session: Session, net: Network, req: AttachRequest) -> list[Lease]:
    """The addresses that a claim would get now; nothing is changed."""
    return [pool.preview(requested) for pool, requested in _requested(session, net, req.ips)]


def claim(session: Session, net: Network, req: AttachRequest) -> list[Lease]:
    """Claim an address of every subnet; all of them or none."""
    leases: list[Lease] = []
    try:
        for pool, requested in _requested(session, net, req.ips):
            leases.append(pool.claim(req.container, req.ifname, req.netns, requested))
    except NetkitError:
        release(session, net, req.container, req.ifname)
        raise
    return leases


def release(session: Session, net: Network, container: str, ifname: str) -> tuple[str, ...]:
    """Give back what this container holds on this network under this interface name."""
    return tuple(address for pool in pools(session, net) for address in pool.release(container, ifname))


def pool_of(session: Session, net: Network, address: str) -> FilePool:
    """The pool that an address lies in, or ConfigError."""
    return _select(session, net, address, lambda subnet: Pool.of(subnet).contains(address))


def _requested(session: Session, net: Network, ips: Sequence[str]) -> list[tuple[FilePool, str | None]]:
    wanted: dict[str, str] = {}
    for at, ip in enumerate(ips):
        subnet = pool_of(session, net, bare(ip)).subnet
        if subnet.cidr in wanted:
            raise ConfigError(
                f"ip[{at}]", f"{ip} and {wanted[subnet.cidr]} are both of {subnet.cidr}", "give one a subnet"
            )
        wanted[subnet.cidr] = bare(ip)
    return [(pool, wanted.get(pool.subnet.cidr)) for pool in pools(session, net)]


def _select(session: Session, net: Network, address: str, fits: Callable[[Subnet], bool]) -> FilePool:
    for pool in pools(session, net):
        if fits(pool.subnet):
            return pool
    shown = ", ".join(subnet.cidr for subnet in net.subnets) or "no subnet at all"
    raise ConfigError("ip", f"{address} is not an address of network {net.name}", f"it has {shown}")
