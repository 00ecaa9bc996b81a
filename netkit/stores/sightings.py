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
#: What no beat is.
_NEVER = -1


def boottime() -> float:
    """Seconds since the host started, a suspend included."""
    return time.clock_gettime(time.CLOCK_BOOTTIME)


class Sightings:
    """What the beats of others were at our last look; to have none any more is no sign of life."""

    def __init__(self, clock: Callable[[], float]) -> None:
        self._clock = clock
        self._last = clock()
        #: For how long we have looked, and when by that each was heard last.
        self._watched = 0.0
        self._heard: dict[str, float] = {}
        self._beats: dict[str, int | None] = {}

    def look(self, beats: Mapping[str, int | None]) -> None:
        """Take in the beat of each host that is known of, None when it has none; the others are forgotten."""
        self._watched += self._gap()
        for node in self._beats.keys() - beats.keys():
            del self._beats[node], self._heard[node]
        for node, beat in beats.items():
            known = self._beats.get(node, _NEVER)
            if known != beat and (beat is not None or known == _NEVER):
                self._beats[node], self._heard[node] = beat, self._watched

    def hear(self, node: str) -> None:
        """A host has given another sign of life than its beat."""
        if node in self._heard:
            self._heard[node] = self._watched

    def pause(self) -> None:
        """Nothing could be seen: the time until now counts for nothing."""
        self._gap()

    def silent(self, node: str) -> float:
        """For how long a host has been silent, in seconds; 0 when we have only just heard of it."""
        return self._watched - self._heard.get(node, self._watched)

    def _gap(self) -> float:
        now = self._clock()
        gap = min(max(now - self._last, 0.0), _LONGEST)
        self._last = now
        return gap
