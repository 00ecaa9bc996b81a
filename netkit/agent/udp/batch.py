"""Packets on their way out: read into slots of one memory, sent together where the kernel can send them together."""

from __future__ import annotations

import os

from netkit.agent.udp.tun import HEADER

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

#: The most that one send may hold: datagrams, and bytes without headers; UDP_SEGMENT's limits.
DATAGRAMS, BYTES = 64, 65_000
#: Views of so many lengths are kept.
_LENGTHS = 64
_VERSION6 = 0x60


class Slots:
    """Room for packets that one send could hold."""

    def __init__(self, mtu: int) -> None:
        count = max(1, min(DATAGRAMS, BYTES // mtu))
        self._memory, self._stride = memoryview(bytearray(count * mtu)), mtu
        self.packets = [self._memory[at : at + mtu] for at in range(0, count * mtu, mtu)]
        self._destinations4 = [packet[16:20] for packet in self.packets]
        self._buffers = [[memoryview(bytearray(HEADER.size)), packet] for packet in self.packets]
        self._views: dict[int, list[memoryview]] = {}

    def fill(self, fd: int) -> list[int]:
        """Read what there is from a TUN device; the lengths of packets."""
        read, lengths = os.readv, []
        try:
            for buffers in self._buffers:
                lengths.append(read(fd, buffers))  # noqa: PERF401 - those before the error count
        except BlockingIOError:
            pass
        return [length - HEADER.size for length in lengths]

    def destinations(self, count: int) -> list[bytes]:
        """The inner destinations of the first packets; in IPv4 and IPv6 they are not at the same place."""
        found = [destination.tobytes() for destination in self._destinations4[:count]]
        versions = self._memory[: count * self._stride : self._stride].tobytes()
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


def runs(lengths: Sequence[int], hops: Sequence[object]) -> Iterator[tuple[int, int]]:
    """Where runs of packets begin and end that one send can carry.

    They go to one hop and are of one length, but for the last one, which may be shorter.
    """
    start, count = 0, len(lengths)
    while start < count:
        length, hop, stop = lengths[start], hops[start], start + 1
        while stop < count and lengths[stop] <= length and hops[stop] is hop:
            stop += 1
            if lengths[stop - 1] < length:
                break
        yield start, stop
        start = stop
