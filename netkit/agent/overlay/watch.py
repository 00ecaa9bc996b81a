"""One store, watched by a thread: it may hang, and nothing else must wait for it."""

from __future__ import annotations

import threading
import time

from netkit.agent import stores
from netkit.agent.stores.model import Snapshot
from netkit.agent.stores.sightings import boottime
from netkit.errors import NetkitError
from netkit.state.root import Root

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable

    from netkit.agent.stores.model import LeaseStore
    from netkit.model import Network

#: The store tells of changes at once, or within its poll; after so many seconds it is asked whatever happened.
_LOOK = 5.0
_PAUSE = 3.0


class Watch:
    """What a network's store holds by now: `found`, and when each host was `heard` last, by seconds since start-up.

    `changed` is called, in the watching thread, whenever `found` says something new.
    """

    def __init__(self, root: str, net: Network, node: str, changed: Callable[[], None]) -> None:
        self.url = net.store
        self.found: Snapshot | None = None
        self.heard: dict[str, float] = {}
        self._beats: dict[str, int] = {}
        self.node = node
        self._root, self._network, self._changed = root, net.name, changed
        self._stopping = False
        threading.Thread(target=self._run, daemon=True).start()

    def stop(self) -> None:
        """Look no more; the thread ends after the look that is under way."""
        self._stopping = True

    def _run(self) -> None:
        store: LeaseStore | None = None
        while not self._stopping:
            try:
                store = store or stores.kept(self.url, self._network, self.node, None, Root(self._root or None).stores)
                self._take(store.watch(_LOOK) if self.found else store.snapshot())
            except NetkitError as error:
                self._take(Snapshot(False, error.message))
                time.sleep(_PAUSE)

    def _take(self, found: Snapshot) -> None:
        for host in (seen.host for seen in found.hosts):
            if self._beats.get(host.node) != host.beat:
                self._beats[host.node] = host.beat
                self.heard[host.node] = boottime()
        before, self.found = self.found, found
        if before is None or not found.says(before):
            self._changed()
