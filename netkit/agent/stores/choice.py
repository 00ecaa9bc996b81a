"""Which subnet a host takes, and which address: hosts begin at different places, so they seldom race."""

from __future__ import annotations

from netkit.errors import ConfigError, ConflictError, PoolFullError
from netkit.ipam.pool import BITS, Pool, prefix_length, span, text
from netkit.model import Subnet, family
from netkit.naming import digest

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from netkit.agent.stores.model import Claim, LeaseStore, Snapshot

#: The most candidates that one choice looks at.
_MOST = 65536


def lease_subnet(store: LeaseStore, reserved: bool = False) -> Claim:
    """This host's subnet: the one that it has, whatever its addresses are by now, or the next that is free.

    PoolFullError when there is none. The first subnet of a network is left alone: it holds the network's own address.
    """
    settings = store.settings
    if not settings.cidr:
        raise ConfigError("cidr", "this network leases no subnets", "give it a cidr and a length")
    version, first = family(settings.cidr), span(settings.cidr)[0]
    count = 1 << (settings.length - prefix_length(settings.cidr))
    size = 1 << (BITS[version] - settings.length)

    def name(index: int) -> str:
        return f"subnets/{text(first + (index + 1) * size, version)}-{settings.length}"

    return _lease(store, "subnets/", name, count - 1, reserved)


def lease_address(store: LeaseStore, subnet: Subnet, wanted: str = "") -> Claim:
    """An address of a subnet that several hosts share: the wanted one, or one that nobody has.

    ConflictError when another host has it; PoolFullError when there is none left.
    """
    pool = Pool.of(subnet)
    if wanted:
        return store.acquire(f"addresses/{pool.check(wanted)}")
    return _lease(store, "", lambda index: f"addresses/{pool.address(index)}", pool.size, False)


def _lease(store: LeaseStore, mine: str, name: Callable[[int], str], count: int, reserved: bool) -> Claim:
    """The first of `count` resources that can be had: one that we have, a free one, one of a host that is gone."""
    seen = store.snapshot()
    names = [name(index) for index in _order(store.node, count)]
    wanted = set(names)
    for claim in seen.of(store.node) if mine else ():
        if claim.resource in wanted:
            return store.acquire(claim.resource, reserved)
    for resource in _by_promise(names, seen, store.node):
        try:
            return store.acquire(resource, reserved)
        except ConflictError:
            continue
    raise PoolFullError(f"all {count} of the network are leased", "release some, or make a larger network")


def _by_promise(names: list[str], seen: Snapshot, node: str) -> Iterator[str]:
    """What nobody has, then what others have and may have lost; never what is this host's already."""
    owners = {claim.resource: claim.node for claim in seen.claims}
    yield from (name for name in names if not owners.get(name))
    yield from (name for name in names if owners.get(name, "") not in ("", node))


def _order(node: str, count: int) -> Iterator[int]:
    start = digest("lease", node) % count
    return ((start + step) % count for step in range(min(count, _MOST)))
