"""Which subnet a host takes: hosts begin at different places, so they seldom race."""

from __future__ import annotations

from netkit.errors import ConfigError, ConflictError, PoolFullError
from netkit.naming import digest
from netkit.stores import subnets
from netkit.stores.model import GONE

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

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
    mine.sort(key=lambda claim: prefer not in claim.subnets)
    kept = next((claim for claim in mine if subnets.fits(settings, claim.subnets)), None)
    if kept:
        lease = store.acquire(kept.resource, reserved)
    else:
        lease = _lease(store, _by_promise(store, seen, prefer), reserved)
    for claim in mine:
        if claim is not kept and not claim.reserved:
            store.release(claim)  # it fits the network no more, or one of us was killed, or came late
    return lease


def _lease(store: LeaseStore, candidates: Iterable[str], reserved: bool) -> Claim:
    """The first of these that can be had."""
    for resource in candidates:
        try:
            return store.acquire(resource, reserved)
        except ConflictError:
            continue
    count = subnets.count(store.settings)
    raise PoolFullError(f"all {count} of the network are leased", "release some, or make a larger network")


def _by_promise(store: LeaseStore, seen: Snapshot, prefer: str) -> Iterator[str]:
    """What nobody has, then what others have and may have lost; never what is this host's already.

    Nothing that a host has which lives, or that is reserved, is tried: in a full network each try would read it all.
    """
    owners = {claim.resource: claim for claim in seen.claims if claim.node}
    yield from (resource for resource in _all(store, prefer) if resource not in owners)
    keep = {one.host.node for one in seen.hosts if one.state != GONE} | {store.node}
    over = {resource for resource, claim in owners.items() if not claim.reserved and claim.node not in keep}
    if over:
        yield from (resource for resource in _all(store, prefer) if resource in over)


def _all(store: LeaseStore, prefer: str) -> Iterator[str]:
    """All that can be leased, in the order in which one host tries it: each begins somewhere else."""
    settings = store.settings
    count, first = subnets.count(settings), subnets.place(settings, prefer)
    if first is None:
        first = digest("lease", store.node) % count
    return (subnets.resource(settings, (first + step) % count) for step in range(min(count, _MOST)))
