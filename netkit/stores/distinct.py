"""Nobody takes what another host has: two claims to one tunnel, address or subnet are judged by who was there first."""

from __future__ import annotations

import bisect

from netkit.ipam.pool import span
from netkit.model import family

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Mapping

    from netkit.stores.model import Endpoint, Host


def distinct(
    hosts: Iterable[Host], warn: Callable[[str, str], None], holders: Mapping[str, str] | None = None
) -> Iterator[Host]:
    """The hosts, those first that were there first, without what is another's; `warn` is told of a node, and why.

    `holders` are the nodes that have claimed addresses: whoever was first, nobody else has these. Two at one address
    are both told: what they have leads to the same machine, and which of them that is shows in which of them lives.
    """
    taken: dict[str, Host] = {}
    for host in hosts:
        if host.left:
            yield host
            continue
        tunnels = [mac for mac in (host.vtep, host.vtep6) if mac]
        if other := min(_others(host, tunnels, taken), default=""):
            warn(host.node, f"its tunnel's MAC is that of {other}")
            continue
        taken.update(dict.fromkeys(tunnels, host))
        endpoints = tuple(_endpoints(host, taken, warn, holders or {}))
        yield host if len(endpoints) == len(host.endpoints) else host.replace(endpoints=endpoints)


def _endpoints(
    host: Host, taken: dict[str, Host], warn: Callable[[str, str], None], holders: Mapping[str, str]
) -> Iterator[Endpoint]:
    for one in host.endpoints:
        if (holder := holders.get(one.address, host.node)) != host.node:
            warn(host.node, f"{one.address} at {one.mac} is claimed by {holder}")
            continue
        if other := min(_others(host, (one.address, one.mac), taken), default=""):
            warn(host.node, f"{one.address} at {one.mac} is behind {other}")
            continue
        taken[one.address] = taken[one.mac] = host
        yield one


def _others(host: Host, keys: Iterable[str], taken: Mapping[str, Host]) -> Iterator[str]:
    """The nodes elsewhere that have any of these."""
    found = (taken[key] for key in keys if key in taken)
    return (one.node for one in found if one.node != host.node and one.public != host.public)


class Taken:
    """Subnets of which no two overlap, of both families."""

    def __init__(self) -> None:
        self._spans: dict[int, list[tuple[int, int, str]]] = {4: [], 6: []}

    def overlap(self, cidr: str) -> str:
        """The subnet in here that shares an address with that one, "" when there is none."""
        first, last = span(cidr)
        spans = self._spans[family(cidr)]
        place = bisect.bisect_right(spans, (last, 1 << 128, ""))
        return spans[place - 1][2] if place and spans[place - 1][1] >= first else ""

    def add(self, cidr: str) -> None:
        """Take in a subnet that overlaps none."""
        first, last = span(cidr)
        bisect.insort(self._spans[family(cidr)], (first, last, cidr))
