"""For how long others have been silent, by our own clock alone.

Clocks of other hosts, of the store, and of the wall are not looked at. A host is silent while its beat does not change
from one look to the next. A look after a long pause (a suspend, a stopped process, a store that was away) counts only
for a little: we have not seen that the host was silent meanwhile.
"""

from __future__ import annotations

import time

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

#: The most that one look can add to a silence, in seconds.
_LONGEST = 30.0


def boottime() -> float:
    """Seconds since the host started, a suspend included."""
    return time.clock_gettime(time.CLOCK_BOOTTIME)


class Sightings:
    """What the beats of others were at our last look; to have none any more is no sign of life."""

    def __init__(self, clock: Callable[[], float]) -> None:
        self._clock = clock
        self._last = clock()
        self._beats: dict[str, int | None] = {}
        self._silence: dict[str, float] = {}

    def look(self, beats: Mapping[str, int | None]) -> None:
        """Take in the beat of each host that is known of, None when it has none; the others are forgotten."""
        gap = self._gap()
        silence, heard = {}, {}
        for node, beat in beats.items():
            heard[node] = self._beats.get(node) if beat is None else beat
            same = node in self._beats and self._beats[node] == heard[node]
            silence[node] = self._silence[node] + gap if same else 0.0
        self._beats, self._silence = heard, silence

    def hear(self, node: str) -> None:
        """A host has given another sign of life than its beat."""
        if node in self._silence:
            self._silence[node] = 0.0

    def pause(self) -> None:
        """Nothing could be seen: the time until now counts for nothing."""
        self._gap()

    def silent(self, node: str) -> float:
        """For how long a host has been silent, in seconds; 0 when we have only just heard of it."""
        return self._silence.get(node, 0.0)

    def _gap(self) -> float:
        now = self._clock()
        gap = min(max(now - self._last, 0.0), _LONGEST)
        self._last = now
        return gap
