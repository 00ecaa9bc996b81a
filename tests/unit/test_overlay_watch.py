"""The thread of a keeper that watches a store: whatever happens in it, the keeper is told."""

from __future__ import annotations

import pytest

from netkit import stores
from netkit.agent.overlay import watch as module
from netkit.agent.overlay.watch import Watch
from netkit.errors import StateError
from netkit.model import Network
from netkit.state.locks import lock
from netkit.state.root import Root
from netkit.stores.model import GONE, Claim, Host, Seen, Snapshot
from tests.hosts import wait_until

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

NET = Network("web", "overlay", "nkweb", options=(("store", "dir:///nowhere"),))
LEFT = Snapshot(hosts=(Seen(Host("a", "192.0.2.1"), GONE),), claims=(Claim("addresses/10.5.72.7", 1, "a"),))


class Told:
    """A store that tells what a test has put into `says`; an exception there is a defect."""

    def __init__(self) -> None:
        self.says: Snapshot | Exception = LEFT
        self.looks = 0
        self.released: list[str] = []

    def snapshot(self) -> Snapshot:
        self.looks += 1
        if isinstance(self.says, Exception):
            raise self.says
        return self.says

    def watch(self, seconds: float) -> Snapshot:
        return self.snapshot()

    def acquire(self, resource: str) -> Claim:
        return Claim(resource, 2, "b")

    def release(self, claim: Claim) -> bool:
        self.released.append(claim.resource)
        self.says = Snapshot()
        return True


@pytest.fixture
def store(monkeypatch: pytest.MonkeyPatch) -> Told:
    found = Told()
    monkeypatch.setattr(stores, "kept", lambda *_: found)
    monkeypatch.setattr(module, "_PAUSE", 0.02)
    return found


@pytest.fixture
def watch(store: Told, tmp_path: Path) -> Iterator[Watch]:
    with lock(Root(str(tmp_path)), "network-web"):
        found = Watch(str(tmp_path), NET, "b", lambda: None)
        assert wait_until(lambda: store.looks > 2)
        yield found
        found.stop()


def test_a_command_that_has_the_network_keeps_nobody_from_looking(watch: Watch, store: Told) -> None:
    assert watch.found is not None
    assert (watch.found.reachable, store.released) == (True, [])


def test_a_store_that_can_be_read_and_not_written_to_is_not_away(
    store: Told, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refused(resource: str) -> Claim:
        raise StateError("read-only")

    monkeypatch.setattr(store, "acquire", refused)
    told: list[str] = []
    one = Watch(str(tmp_path), NET, "b", lambda: told.append("something new"))
    assert wait_until(lambda: store.looks > 20)
    one.stop()
    assert one.found is not None
    assert (one.found.reachable, one.found.warnings) == (True, ("read-only",))
    assert len(told) == 2, "what it holds, and what is the matter"


def test_a_defect_is_told_to_the_keeper(watch: Watch, store: Told) -> None:
    store.says = ZeroDivisionError("a defect")
    assert wait_until(lambda: watch.died is store.says)


def test_a_store_that_fails_is_away_and_its_hosts_are_still_known(watch: Watch, store: Told) -> None:
    store.says = StateError("it is gone")
    assert wait_until(lambda: watch.found is not None and watch.found.why == "it is gone")
    assert watch.found is not None
    assert (watch.found.reachable, watch.found.hosts) == (False, LEFT.hosts)
    store.says = LEFT.replace(claims=())
    assert wait_until(lambda: watch.found == store.says)
