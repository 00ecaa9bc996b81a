"""What a host knows of a network, kept in its own files: who restarts while the store is away still knows its peers."""

from __future__ import annotations

import time
from collections import deque

from netkit.errors import ConflictError, HostError, StateError
from netkit.stores.model import Claim, Settings, Snapshot
from netkit.stores.records import agreeable
from netkit.stores.sightings import boottime
from netkit.value import Value

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable

    from netkit.state.files import Directory
    from netkit.stores.model import Host, LeaseStore, Twin

#: What is new is written down at once, but so often in so many seconds at the most: many hosts may come one by one.
_WRITES, _SPAN = 6, 60.0
#: Seconds between two looks whether the store is back.
_POLL = 3.0


class Memory(Value):
    """The last snapshot of a store that could be reached, and which store it was."""

    settings: Settings
    snapshot: Snapshot


class Kept:
    """A store that may be away when we begin; then it is what `files` say under `name`, and unreachable.

    `open_store` opens it with the settings that make it, or with None where it must be there already. A store of
    another id counts as away, and so does one whose directory is not mounted: nothing is made in its place.
    """

    def __init__(
        self,
        open_store: Callable[[Settings | None], LeaseStore],
        node: str,
        settings: Settings | None,
        files: Directory,
        name: str,
    ) -> None:
        self.node = node
        settings = agreeable(settings)
        self._open = open_store
        self._files = files
        self._name = name
        self._begun = boottime()
        self._writes: deque[float] = deque(maxlen=_WRITES)
        self._written: Snapshot | None = None
        self._store: LeaseStore | None = None
        memory = files.load(name, Memory)
        if memory is None:
            self._store = open_store(settings)
            memory = Memory(self._store.settings, Snapshot())
            files.save(name, memory)
        self.settings = memory.settings
        self._last = memory.snapshot.replace(reachable=False)
        if settings is not None and settings.replace(id=self.settings.id) != self.settings:
            hint = f"use these, or forget them: remove {files.where(name)}"
            what = self.settings.otherwise(settings)
            raise ConflictError(f"this host was in {name} with other settings: {what}", hint)

    def acquire(self, resource: str, reserved: bool = False) -> Claim:
        return self._reach().acquire(resource, reserved)

    def renew(self, host: Host) -> tuple[Claim, ...]:
        return self._reach().renew(host)

    def release(self, claim: Claim) -> bool:
        return self._reach().release(claim)

    def snapshot(self) -> Snapshot:
        return self._look(lambda store: store.snapshot())

    def watch(self, seconds: float) -> Snapshot:
        deadline = time.monotonic() + seconds
        while True:
            found = self._look(lambda store: store.watch(max(deadline - time.monotonic(), 0.0)))
            left = deadline - time.monotonic()
            if self._store or left <= 0:
                return found
            time.sleep(min(left, _POLL))

    def twin(self, session: str) -> Twin | None:
        return self._reach().twin(session)

    def fenced(self) -> bool:
        if self._store:
            return self._store.fenced()
        return boottime() - self._begun > self.settings.fence

    def _reach(self) -> LeaseStore:
        if self._store is None:
            found = self._open(None)
            if found.settings != self.settings:
                hint = f"see what is mounted there; if all hosts moved, remove {self._files.where(self._name)}"
                raise StateError(f"the store of {self._name} is not the one that it was", hint)
            self._store = found
        return self._store

    def _look(self, ask: Callable[[LeaseStore], Snapshot]) -> Snapshot:
        try:
            found = ask(self._reach())
        except (StateError, HostError, ConflictError) as error:
            found = Snapshot(False, error.message)
        if found.reachable:
            self._last = found
            return self._keep(found)
        self._last = self._last.replace(reachable=False, why=found.why, warnings=())
        return self._last

    def _keep(self, found: Snapshot) -> Snapshot:
        """Write down what differs from what is written; where that fails, the snapshot says so and nothing else."""
        if self._written is not None and found.says(self._written.replace(warnings=found.warnings)):
            self._written = found  # it says the same, and the next look is more like this one
            return found
        if len(self._writes) == _WRITES and boottime() - self._writes[0] < _SPAN:
            return found
        told = found.told().replace(warnings=())
        try:
            self._files.save(self._name, Memory(self.settings, told))
        except StateError as error:
            return found.replace(warnings=(*found.warnings, error.message))
        self._writes.append(boottime())
        self._written = found
        return found
