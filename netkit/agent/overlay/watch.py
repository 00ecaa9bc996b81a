"""One store, watched by a thread: it may hang, and nothing else must wait for it."""

from __future__ import annotations

import contextlib
import threading
import time

from netkit import stores
from netkit.agent.heard import Heard
from netkit.errors import BusyError, ConflictError, NetkitError
from netkit.state.locks import lock
from netkit.state.root import Root
from netkit.stores.memory import Memory
from netkit.stores.model import GONE, GRACE, STALE, Snapshot
from netkit.stores.sightings import boottime

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable

    from netkit.model import Network
    from netkit.stores.model import LeaseStore, Seen

#: The store tells of changes at once, or within its poll; after so many seconds it is asked whatever happened.
_LOOK = 5.0
_PAUSE = 3.0
#: So many claims of hosts that are gone are given back at once: a command may wait for the lock.
_MANY = 50


class Watch(Heard):
    """What a network's store holds by now, and when each host was heard last.

    `changed` is called, in the watching thread, whenever `found` says something new. `died` is what ended the thread,
    if anything did.
    """

    def __init__(self, root: str, net: Network, node: str, changed: Callable[[], None]) -> None:
        super().__init__()
        self.url = net.store
        self.node = node
        self._root, self._network, self._changed = root, net.name, changed
        self._stopping = False
        self.died: BaseException | None = None
        self._trouble: tuple[str, ...] = ()
        self._begun = boottime()
        self._before, self._before_lasts = _remembered(root, net.name)
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
                self._trouble = self._clear(store)
            except NetkitError as error:
                self._take((self.found or Snapshot()).replace(reachable=False, why=error.message))
                time.sleep(_PAUSE)
            except BaseException as error:
                self.died = error  # whoever owns us must end with us: nobody else looks at this store
                self._changed()
                return

    def _clear(self, store: LeaseStore) -> tuple[str, ...]:
        """Give back what hosts have left behind that are gone: only who has watched for long can tell that.

        Returns what is amiss: a store that can be read is there, whether or not it can be written to.
        """
        if self.found is None or not self.found.reachable:
            return ()
        gone = {seen.host.node for seen in self.found.hosts if seen.state == GONE}
        left = [claim.resource for claim in self.found.claims if claim.node in gone and not claim.reserved]
        if not left:
            return ()
        try:
            with lock(Root(self._root or None), f"network-{self._network}", 0):  # no command takes it from us meanwhile
                for resource in left[:_MANY]:
                    with contextlib.suppress(ConflictError):  # another host was faster
                        store.release(store.acquire(resource))
        except BusyError:
            return ()  # after the next look there is another chance
        except NetkitError as error:
            return (error.message,)
        return ()

    def _with_those_of_before(self, found: Snapshot) -> Snapshot:
        """The same, with hosts that were there when the keeper before us died and of which nothing can be read now.

        They stay until we have watched for longer than a silent host would.
        """
        if not found.reachable or not self._before:
            return found
        for node in (*(seen.host.node for seen in found.hosts), *(node for node, _ in found.parted)):
            self._before.pop(node, None)
        if boottime() - self._begun > self._before_lasts:
            self._before.clear()
        return found.replace(hosts=(*found.hosts, *(seen.replace(state=STALE) for seen in self._before.values())))

    def _take(self, found: Snapshot) -> None:
        if self._trouble:
            found = found.replace(warnings=(*found.warnings, *self._trouble))
        if self.take(self._with_those_of_before(found)):
            self._changed()


def _remembered(root: str, network: str) -> tuple[dict[str, Seen], float]:
    """The hosts that were known last, by node, and for how long nobody may doubt them, in seconds."""
    try:
        memory = Root(root or None).stores.load(network, Memory)
    except NetkitError:
        memory = None
    if memory is None:
        return {}, 0.0
    hosts = (seen for seen in memory.snapshot.hosts if seen.state != GONE and not seen.host.left)
    return {seen.host.node: seen for seen in hosts}, memory.settings.ttl + GRACE
