"""Datagrams that came together, end to end in one memory: of one size, but the last may be shorter. UDP_GRO's gift."""

from __future__ import annotations

#: What one receive can give, and the room for two: 64 KB from a container come in two.
LARGEST = 1 << 16
ROOM = 2 * LARGEST
#: Views of so many layouts are kept: to make them takes longer than all that is done with them.
_LAYOUTS = 64


class Received:
    """The memory, and how far it is filled."""

    def __init__(self) -> None:
        self.memory = bytearray(ROOM)
        self.view = memoryview(self.memory)
        self.length = self.size = self.count = 0
        self._payloads: dict[tuple[int, int], list[memoryview]] = {}

    def filled(self, length: int, size: int) -> None:
        """It holds so many bytes, in datagrams of this size; a datagram may be empty."""
        self.length, self.size = length, size
        self.count = -(-length // size) if size else 1

    def packet(self, place: int) -> memoryview:
        """The datagram at this place."""
        at = place * self.size
        return self.view[at : min(at + self.size, self.length)]

    def payloads(self, place: int, count: int, header: int) -> list[memoryview]:
        """What so many datagrams hold behind headers of this length, from this place on."""
        found = self._of_layout(header, self.size)[place : place + count]
        last = place + count - 1
        if last == self.count - 1:
            found[-1:] = [self.view[last * self.size + header : self.length]]
        return found

    def _of_layout(self, header: int, size: int) -> list[memoryview]:
        if (header, size) not in self._payloads:
            if len(self._payloads) >= _LAYOUTS:
                self._payloads.clear()
            views = [self.view[at + header : at + size] for at in range(0, ROOM - size + 1, size)]
            self._payloads[header, size] = views
        return self._payloads[header, size]
