"""Which subnet a host takes, and which address: hosts begin at different places, so they seldom race."""

from __future__ import annotations

from netkit.errors import ConfigError, ConflictError, PoolFullError
from netkit.ipam.pool import Pool
from netkit.model import Subnet
from netkit.naming import digest
from netkit.stores import subnets

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from netkit.stores.model import Claim, LeaseStore, Snapshot

#: The most candidates that one choice looks at.
_MOST = 65536


def lease_subnet(store: LeaseStore, reserved: bool = False, prefer: str = "") -> Claim:
    """This host's subnet: the one that it has, whatever its addresses are by now, or the next that is free.

    Where the network has two families, it is a subnet of each. `prefer` is one that the host had before (10.5.72.0/24),
    taken if it is free and can still be leased. PoolFullError when there is none.
    """
    settings = store.settings
    if not subnets.ranges(settings):
        raise ConfigError("cidr", "this network leases no subnets", "give it a cidr and a length")
    seen = store.snapshot()
    mine = [claim for claim in seen.of(store.node) if claim.subnets]
    for claim in mine:
        if subnets.fits(settings, claim.subnets):
            return store.acquire(claim.resource, reserved)
    places = _Places(store.node, subnets.count(settings), subnets.place(settings, prefer))
    fresh = _lease(store, seen, places, lambda index: subnets.resource(settings, index), reserved)
    for claim in mine:
        store.release(claim)  # what it had does not fit the network any more
    return fresh


def lease_address(store: LeaseStore, subnet: Subnet, wanted: str = "") -> Claim:
    """An address of a subnet that several hosts share: the wanted one, or one that nobody has.

    ConflictError when another host has it; PoolFullError when there is none left.
    """
    pool = Pool.of(subnet)
    if wanted:
        return store.acquire(f"addresses/{pool.check(wanted)}")
    places = _Places(store.node, pool.size)
    return _lease(store, store.snapshot(), places, lambda index: f"addresses/{pool.address(index)}")


class _Places:
    """The places of `count` resources, in the order in which one host tries them: each begins somewhere else."""

    def __init__(self, node: str, count: int, first: int | None = None) -> None:
        self.count = count
        self._first = digest("lease", node) % count if first is None else first

    def __iter__(self) -> Iterator[int]:
        return ((self._first + step) % self.count for step in range(min(self.count, _MOST)))


def _lease(
    store: LeaseStore, seen: Snapshot, places: _Places, name: Callable[[int], str], reserved: bool = False
) -> Claim:
    """The first resource that can be had: a free one, or one of a host that is gone."""
    for resource in _by_promise(places, name, seen, store.node):
        try:
            return store.acquire(resource, reserved)
        except ConflictError:
            continue
    raise PoolFullError(f"all {places.count} of the network are leased", "release some, or make a larger network")


def _by_promise(places: _Places, name: Callable[[int], str], seen: Snapshot, node: str) -> Iterator[str]:
    """What nobody has, then what others have and may have lost; never what is this host's already."""
    owners = {claim.resource: claim.node for claim in seen.claims}
    yield from (resource for resource in map(name, places) if not owners.get(resource))
    yield from (resource for resource in map(name, places) if owners.get(resource, "") not in ("", node))
