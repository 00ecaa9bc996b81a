"""The store, in a thread of its own: a store may hang, and routes must be mended all the same.

The thread says that this host lives, and looks at what others say. Nothing else touches its store.
"""

from __future__ import annotations

import threading
import time

from netkit.agent.heard import Heard
from netkit.errors import NetkitError
from netkit.stores.model import HEARTBEAT
from netkit.stores.twins import TwinError, refuse_twin

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable

    from netkit.stores.model import Claim, Host, LeaseStore

#: The longest look: what happens meanwhile is told at once, or within the store's own poll.
_LOOK = 5.0
#: For so long a thread that is told to end may look on: a look that has just begun, and what its store takes to fail.
FAREWELL = 3 * _LOOK
#: After a failure, in seconds.
_PAUSE = 2.0


class Line(Heard):
    """What the store holds by now, and what this host has in it (`held`, None until that is known).

    `failure` is why the last heartbeat did not go out, "" when it did; `twin` the same where another host has this
    host's id, and `hint` what is to be done then. `died` is what ended the thread, if anything did. The thread calls
    `renewed` with what this host has after each heartbeat, and `changed` whenever any of it says something new.
    """

    def __init__(
        self,
        store: LeaseStore,
        record: Host,
        renewed: Callable[[tuple[Claim, ...]], None],
        changed: Callable[[], None],
        hint: str = "",
    ) -> None:
        super().__init__()
        self.held: tuple[Claim, ...] | None = None
        self.failure = self.twin = ""
        self.fenced = False
        self.died: BaseException | None = None
        self._store, self._record, self._hint = store, record, hint
        self._renewed, self._changed = renewed, changed
        self._due = 0.0
        self._stopping = threading.Event()
        self._thread = threading.Thread(target=self._run, daemon=True)
        self._thread.start()

    @property
    def ends(self) -> bool:
        """Whether it was told to end: soon nobody says any more that this host lives."""
        return self._stopping.is_set()

    def stop(self, seconds: float) -> bool:
        """End the thread; False when it still hangs after so many seconds, and the store is not to be used."""
        self._stopping.set()
        self._thread.join(seconds)
        return not self._thread.is_alive()

    def _run(self) -> None:
        try:
            while not self._stopping.is_set():
                if time.monotonic() >= self._due:
                    self._beat()
                if not self._look():
                    self._stopping.wait(_PAUSE)
        except BaseException as error:
            self.died = error  # whoever owns us must end with us: nobody else says that this host lives
            self._changed()

    def _beat(self) -> None:
        before = (self.held, self.failure, self.fenced)
        try:
            self.fenced = self._store.fenced()
            refuse_twin(self._store, self._record, self._hint)
            self.held, self.twin = self._store.renew(self._record), ""
            self._renewed(self.held)
            self.failure = ""
            self._due = time.monotonic() + HEARTBEAT
        except NetkitError as error:
            self.failure = error.message
            self.twin = f"{error.message} ({error.hint})" if isinstance(error, TwinError) else ""
            self._due = time.monotonic() + _PAUSE
        if (self.held, self.failure, self.fenced) != before:
            self._changed()

    def _look(self) -> bool:
        wait = min(_LOOK, max(self._due - time.monotonic(), 0.2))
        found = self._store.watch(wait) if self.found else self._store.snapshot()
        if self.take(found):
            self._changed()
        return found.reachable
