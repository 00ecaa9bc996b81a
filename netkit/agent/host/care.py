"""Looking after a root's attachments: whose namespace died is released, what a flushed firewall lost is put back.

Both are told by the kernel: a dead namespace takes the host's end of its cable along, and each namespace is given a
number, whose end is told as well. Once a minute all is looked at whatever was told.
"""

from __future__ import annotations

from netkit.agent.events import LOST, Events
from netkit.agent.host.tables import Tables
from netkit.engine.service import Engine
from netkit.errors import HostError, NetkitError
from netkit.state.root import Root
from netkit.stores.hint import Hint

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable

    from netkit.agent.events import Event
    from netkit.agent.loop import Loop

#: Seconds from what happens to what follows, and between two looks at everything.
SOON, MINUTE = 0.3, 60.0


class Care:
    """The attachments of one root. `changed` is told when links, routes or neighbours of the host are others."""

    def __init__(self, root: str, loop: Loop, changed: Callable[[str], None]) -> None:
        self.released = 0
        self.mended = 0
        self.failed: tuple[str, ...] = ()
        self._root, self._loop, self._changed = root, loop, changed
        self._events = Events()
        loop.hear(self._events.fileno(), self._hear)
        self._state = Root(root or None)
        self._records = Hint((self._state.attachments.fd,))
        self._new: set[str] | None = None  # attachments whose namespaces have no number yet; at first all
        if self._records.fileno() >= 0:
            loop.hear(self._records.fileno(), self._hear_records)
        loop.within(0.0, self._number)
        loop.every(MINUTE, self.collect)
        loop.every(MINUTE, self.reload)
        try:
            self._tables = Tables()
        except HostError:
            return  # without nftables nobody tells: the look of each minute has to do
        loop.hear(self._tables.fileno(), self._hear_tables)

    def collect(self) -> None:
        """Release what belongs to the dead."""
        try:
            self.released += len(Engine(self._root or None).gc())
        except NetkitError as error:
            self.failed = (error.message,)

    def reload(self) -> None:
        """Put back what the records have and the kernel has not."""
        try:
            self.mended += sum(Engine(self._root or None).reload().values())
            self.failed = ()
        except NetkitError as error:
            self.failed = (error.message,)

    def _hear(self) -> None:
        heard = self._events.heard()
        if any(event.kind == LOST or (event.kind in ("link", "namespace") and event.gone) for event in heard):
            self._loop.within(SOON, self.collect)
        others = [event for event in heard if event.kind != "namespace"]
        if told := sorted({_word(event) for event in others if event.gone or event.kind != "route"}):
            self._changed(" and ".join(told))

    def _hear_records(self) -> None:
        told = self._records.told()
        if "" in told:
            self._new = None  # so much happened that the kernel has not told all
        elif self._new is not None:
            self._new.update(name for name in told if name.isalnum())  # not what was set aside
        if self._new or self._new is None:
            self._loop.within(SOON, self._number)

    def _number(self) -> None:
        new, self._new = self._new, set()
        try:
            Engine(self._root or None).number_namespaces(new)
        except NetkitError as error:
            self.failed = (error.message,)
            self._new = new
            self._loop.within(MINUTE, self._number)

    def _hear_tables(self) -> None:
        if self._tables.gone():
            self._loop.within(SOON, self.reload)
            self._changed("a table of rules went")


def _word(event: Event) -> str:
    if event.kind == LOST:
        return "events were lost"
    return f"a {event.kind} {'went' if event.gone else 'changed'}"
