"""Packets on their way out: read into slots of one memory, sent together where the kernel can send them together."""

from __future__ import annotations

from netkit.agent.udp.tun import HEADER

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence
    from io import FileIO

#: The most that one send may hold: datagrams, and bytes without headers; UDP_SEGMENT's limits.
DATAGRAMS, BYTES = 64, 65_000
#: Views of so many lengths are kept.
_LENGTHS = 64
_VERSION6 = 0x60
_LESS_HEADER = (-HEADER.size).__add__


class Slots:
    """Room for packets of two sends: 64 KB from a container, with a header on each part, are more than one can hold."""

    def __init__(self, mtu: int) -> None:
        self.most = max(1, min(DATAGRAMS, BYTES // mtu))
        count, size = 2 * self.most, HEADER.size + mtu
        memory = memoryview(bytearray(count * size))
        self._slots = [memory[at : at + size] for at in range(0, count * size, size)]
        self._versions = memory[HEADER.size :: size]
        self.packets = [slot[HEADER.size :] for slot in self._slots]
        self._destinations4 = [packet[16:20] for packet in self.packets]
        self._views: dict[int, list[memoryview]] = {}

    def fill(self, device: FileIO) -> list[int]:
        """Read what there is from a TUN device; the lengths of packets. `map` loops without bytecode."""
        reads = map(device.readinto, self._slots)
        return list(map(_LESS_HEADER, iter(reads.__next__, None)))

    def destinations(self, count: int) -> list[bytes]:
        """The inner destinations of the first packets; in IPv4 and IPv6 they are not at the same place."""
        found = list(map(memoryview.tobytes, self._destinations4[:count]))
        versions = self._versions[:count].tobytes()
        if versions and max(versions) >= _VERSION6:
            for place, version in enumerate(versions):
                if version >= _VERSION6:
                    found[place] = self.packets[place][24:40].tobytes()
        return found

    def views(self, start: int, stop: int, lengths: Sequence[int]) -> list[memoryview]:
        """The packets of a run."""
        if stop - start == 1:
            return [self.packets[start][: lengths[start]]]
        found = self._of_length(lengths[start])[start:stop]
        found[-1] = self.packets[stop - 1][: lengths[stop - 1]]
        return found

    def _of_length(self, length: int) -> list[memoryview]:
        if length not in self._views:
            if len(self._views) >= _LENGTHS:
                self._views.clear()
            self._views[length] = [packet[:length] for packet in self.packets]
        return self._views[length]


def runs(lengths: Sequence[int], hops: Sequence[object], most: int) -> Iterator[tuple[int, int]]:
    """Where runs of packets begin and end that one send can carry.

    They are `most` at most, go to one hop and are of one length, but for the last one, which may be shorter.
    """
    start, count = 0, len(lengths)
    if count and hops.count(hops[0]) == count == lengths.count(lengths[0]):
        yield from ((at, min(at + most, count)) for at in range(0, count, most))
        return
    while start < count:
        length, hop, stop = lengths[start], hops[start], start + 1
        end = min(count, start + most)
        while stop < end and lengths[stop] <= length and hops[stop] is hop:
            stop += 1
            if lengths[stop - 1] < length:
                break
        yield start, stop
        start = stop
