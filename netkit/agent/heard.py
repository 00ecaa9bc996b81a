"""What a store told last, and when its hosts gave a sign of life."""

from __future__ import annotations

from netkit.stores.sightings import boottime

TYPE_CHECKING = False
if TYPE_CHECKING:
    from netkit.stores.model import Snapshot


class Heard:
    """`found` is the last look that said something new, None before the first.

    `heard` is when each host's beat changed last, since start-up.
    """

    def __init__(self) -> None:
        self.found: Snapshot | None = None
        self.heard: dict[str, float] = {}
        self._beats: dict[str, int] = {}
        self._last: Snapshot | None = None

    def take(self, found: Snapshot) -> bool:
        """Take in a look; whether it says something new."""
        for host in (seen.host for seen in found.hosts):
            if self._beats.get(host.node) != host.beat:
                self._beats[host.node] = host.beat
                self.heard[host.node] = boottime()
        before, self._last = self._last, found  # the last look is most like this one, and says what `found` does
        if before is not None and found.says(before) and found.parted == before.parted:
            return False
        if found.reachable:
            there = {seen.host.node for seen in found.hosts} | {node for node, _ in found.parted}
            self._beats = {node: beat for node, beat in self._beats.items() if node in there}
            self.heard = {node: at for node, at in self.heard.items() if node in there}
        self.found = found
        return True
