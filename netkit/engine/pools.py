"""The addresses of a network: one pool a subnet."""

from __future__ import annotations

from netkit.errors import ConfigError, NetkitError, PoolFullError
from netkit.ipam.files import FilePool
from netkit.model import bare

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Sequence

    from netkit.engine.session import Session
    from netkit.model import AttachRequest, Lease, Network

#: Who may give out a network's addresses instead of netkit's own files.
STATIC, DHCP = "static", "dhcp"
IPAMS = (STATIC, DHCP)


def pools(session: Session, net: Network) -> list[FilePool]:
    """The pools of a network, in the order of its subnets, those that stand in for another behind it."""
    return [pool for choice in _choices(session, net) for pool in choice]


def preview(
    session: Session,
    net: Network,
    req: AttachRequest,
    others: Collection[str] = frozenset(),
    resting: int | None = None,
) -> list[Lease]:
    """The addresses that a claim would get now, none of `others` among those to choose from; nothing is changed.

    When more than `resting` have been given back, those come first.
    """
    if (told := _told(net, req)) is not None:
        return told

    def look(pool: FilePool, ip: str | None) -> Lease:
        return pool.preview(ip, others, resting)

    return [_first(choice, look, ip) for choice, ip in _requested(session, net, req.ips)]


def claim(session: Session, net: Network, req: AttachRequest) -> list[Lease]:
    """Claim an address of every subnet; all of them or none."""
    if (told := _told(net, req)) is not None:
        return told

    def take(pool: FilePool, ip: str | None) -> Lease:
        return pool.claim(req.container, req.ifname, req.netns, ip)

    try:
        return [_first(choice, take, ip) for choice, ip in _requested(session, net, req.ips)]
    except NetkitError:
        release(session, net, req.container, req.ifname)
        raise


def pass_over(session: Session, net: Network, addresses: Sequence[str]) -> None:
    """These addresses, which were claimed by name, were the next: go on from there."""
    for address in addresses:
        pool_of(session, net, address).pass_over(address)


def _told(net: Network, req: AttachRequest) -> list[Lease] | None:
    """Addresses that netkit's own pools have no part in; None where it is they that are asked."""
    if req.leases is not None:
        return list(req.leases)
    if net.ipam == DHCP:
        return _nothing_chosen(net, req)
    if net.ipam != STATIC:
        return None
    from netkit.ipam import static

    return static.leases(net, req.ips)


def _nothing_chosen(net: Network, req: AttachRequest) -> list[Lease]:
    if req.ips:
        raise ConfigError("ip", f"the addresses of network {net.name} are its DHCP server's", "leave --ip out")
    return []


def has_room(session: Session, net: Network) -> None:
    """An address of every subnet, or of one that stands in for it, is free; PoolFullError otherwise."""
    for choice in _choices(session, net):
        _first(choice, FilePool.preview, None)


def release(session: Session, net: Network, container: str, ifname: str) -> tuple[str, ...]:
    """Give back what this container holds on this network under this interface name."""
    return tuple(address for pool in pools(session, net) for address in pool.release(container, ifname))


def pool_of(session: Session, net: Network, address: str) -> FilePool:
    """The pool that an address lies in, or ConfigError."""
    for choice in _choices(session, net):
        for pool in choice:
            if pool.pool.contains(address):
                return pool
    raise _outside(net, address)


def _choices(session: Session, net: Network) -> list[list[FilePool]]:
    choices: list[list[FilePool]] = []
    for subnet in () if net.ipam else net.subnets:
        pools = []
        for each in (subnet, *subnet.also):
            number = sum(any(pool.subnet.cidr == each.cidr for pool in choice) for choice in choices)
            pools.append(FilePool(session.root, net.name, each, number=number))
        choices.append(pools)
    return choices


def _requested(session: Session, net: Network, ips: Sequence[str]) -> list[tuple[list[FilePool], str | None]]:
    """The pools of each subnet to choose from, and the address that was asked for there, if one was."""
    choices: list[tuple[list[FilePool], str | None]] = [(choice, None) for choice in _choices(session, net)]
    for at, ip in enumerate(ips):
        for number, (choice, earlier) in enumerate(choices):
            fitting = [pool for pool in choice if pool.pool.contains(bare(ip))]
            if fitting and earlier:
                raise ConfigError(
                    f"ip[{at}]", f"{ip} and {earlier} are both of {choice[0].subnet.cidr}", "give one a subnet"
                )
            if fitting:
                choices[number] = (fitting, bare(ip))
                break
        else:
            raise _outside(net, ip)
    return choices


def _first(choice: list[FilePool], take: Callable[[FilePool, str | None], Lease], ip: str | None) -> Lease:
    """What the first pool gives that is not full."""
    for pool in choice[:-1]:
        try:
            return take(pool, ip)
        except PoolFullError:
            continue
    return take(choice[-1], ip)


def _outside(net: Network, address: str) -> ConfigError:
    shown = ", ".join(subnet.cidr for subnet in net.subnets) or "no subnet at all"
    return ConfigError("ip", f"{address} is not an address of network {net.name}", f"it has {shown}")
