"""Which peer has which subnet: where a packet goes, and who may send one."""

from __future__ import annotations

import ipaddress

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence
    from typing import TypeVar

    V = TypeVar("V")
    Endpoint = tuple[str, int]

#: So many addresses are remembered; a hostile peer may use any number.
_REMEMBERED = 1 << 14


class Peer:
    """A remote proxy: its address, and what went there and came from there."""

    __slots__ = ("address", "bytes_in", "bytes_out", "packets_in", "packets_out", "sources")

    def __init__(self, address: Endpoint) -> None:
        self.address = address
        self.packets_in = self.packets_out = self.bytes_in = self.bytes_out = 0
        self.sources: dict[bytes, bool] = {}


class Subnets:
    """Disjoint subnets, each with a value; a packed address is in one of them or in none."""

    def __init__(self, values: Iterable[tuple[str, Peer]]) -> None:
        self._levels: dict[tuple[int, int], dict[int, Peer]] = {}
        for text, value in values:
            net = ipaddress.ip_network(text)
            shift = net.max_prefixlen - net.prefixlen
            level = self._levels.setdefault((net.max_prefixlen // 8, shift), {})
            level[int(net.network_address) >> shift] = value

    def find(self, address: bytes) -> Peer | None:
        """The value of the smallest subnet that holds this address, packed as in a packet."""
        number, size = int.from_bytes(address, "big"), len(address)
        found = [
            (shift, level[number >> shift])
            for (length, shift), level in self._levels.items()
            if length == size and number >> shift in level
        ]
        return min(found, key=lambda pair: pair[0])[1] if found else None


class Table:
    """All routes at one time; counters of peers that stay are kept from one table to the next."""

    def __init__(self, routes: Mapping[str, Endpoint], local: Iterable[str], before: Table | None = None) -> None:
        known = before.peers if before else {}
        self.routes = dict(routes)
        self.peers: dict[Endpoint, Peer] = {to: known.get(to) or Peer(to) for to in self.routes.values()}
        self._local = Subnets((subnet, _HERE) for subnet in local)
        self._remote = Subnets((subnet, self.peers[address]) for subnet, address in self.routes.items())
        self._hops: dict[bytes, Peer | None] = {}
        self._here: dict[bytes, bool] = {}
        for peer in self.peers.values():
            peer.sources.clear()

    def hops(self, destinations: Sequence[bytes]) -> list[Peer | None]:
        """The peers that have these addresses, None where nobody has."""
        try:
            return list(map(self._hops.__getitem__, destinations))
        except KeyError:
            return [self._hop(destination) for destination in destinations]

    def _hop(self, destination: bytes) -> Peer | None:
        try:
            return self._hops[destination]
        except KeyError:
            return _remember(self._hops, destination, self._remote.find(destination))

    def is_from(self, peer: Peer, source: bytes) -> bool:
        """Whether this address is in a subnet of the peer: else somebody lies."""
        try:
            return peer.sources[source]
        except KeyError:
            return _remember(peer.sources, source, self._remote.find(source) is peer)

    def is_here(self, destination: bytes) -> bool:
        """Whether this address is in a subnet of this host."""
        try:
            return self._here[destination]
        except KeyError:
            return _remember(self._here, destination, self._local.find(destination) is not None)


def _remember(cache: dict[bytes, V], key: bytes, value: V) -> V:
    if len(cache) >= _REMEMBERED:
        cache.clear()
    cache[key] = value
    return value


_HERE = Peer(("", 0))
