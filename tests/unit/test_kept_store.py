"""A store that is away when an agent starts: what the host kept of it is what the agent knows."""

from __future__ import annotations

import contextlib
import os
import subprocess

import pytest

from netkit import stores
from netkit.errors import ConflictError, StateError
from netkit.state.files import Directory
from netkit.stores import memory
from netkit.stores.model import ALIVE, Endpoint, Host, Seen, Settings

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from netkit.stores.model import LeaseStore

SETTINGS = Settings("10.5.0.0/16", 24, 7, 3600)
SUBNET, OTHER = "subnets/10.5.72.0-24", "subnets/10.5.73.0-24"
A = Host("a", "192.0.2.1", 7, "02:00:00:00:00:0a", (Endpoint("10.5.72.7", "02:00:00:00:01:07"),))
B = Host("b", "192.0.2.2", 7, "02:00:00:00:00:0b")


class Place:
    """A shared directory, and the state of host `b`, which restarts as often as a test likes."""

    def __init__(self, path: Path) -> None:
        self.shared = path / "shared"
        self.aside = path / "aside"
        self.state = path / "state"
        self.shared.mkdir(mode=0o700)

    def peer(self, node: str = "a") -> LeaseStore:
        return stores.open(str(self.shared), "web", node, SETTINGS)

    def start(self, settings: Settings | None = SETTINGS) -> LeaseStore:
        return stores.kept(f"dir://{self.shared}", "web", "b", settings, Directory.open(str(self.state)))

    def unmount(self) -> None:
        self.shared.rename(self.aside)
        self.shared.mkdir(mode=0o700)

    def mount(self) -> None:
        self.shared.rmdir()
        self.aside.rename(self.shared)


@pytest.fixture
def place(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Place:
    monkeypatch.setattr(memory, "_POLL", 0.01)
    found = Place(tmp_path)
    a = found.peer()
    a.acquire(SUBNET)
    a.renew(A)
    return found


def test_who_restarts_while_the_store_is_not_mounted_knows_its_peers_and_makes_no_other(place: Place) -> None:
    known = place.start().snapshot()
    assert [seen.host.public for seen in known.hosts] == ["192.0.2.1"]
    place.unmount()
    again = place.start()
    away = again.snapshot()
    assert not away.reachable
    assert "network.json" in away.why or "web" in away.why
    assert (away.claims, away.hosts) == (known.claims, (Seen(A, ALIVE),))
    assert again.settings.id
    for act in (lambda: again.acquire(OTHER), lambda: again.renew(B), lambda: again.release(known.claims[0])):
        with pytest.raises(StateError):
            act()
    assert not again.fenced()
    assert not list(place.shared.rglob("network.json"))


def test_a_store_that_comes_back_is_used_at_once(place: Place) -> None:
    known = place.start().snapshot()
    place.shared.rename(place.aside)
    again = place.start()
    assert not again.watch(0.05).reachable
    place.shared.mkdir()
    place.mount()
    seen = again.watch(60)
    assert seen.reachable
    assert seen.told() == known.told()
    assert again.acquire(OTHER).node == "b"


def test_another_store_in_its_place_is_not_believed_until_someone_says_so(place: Place) -> None:
    known = place.start().snapshot()
    place.unmount()
    place.peer("z").acquire(OTHER)
    again = place.start()
    away = again.snapshot()
    assert not away.reachable
    assert "is not the one that it was" in away.why
    assert away.claims == known.claims
    with pytest.raises(StateError) as caught:
        again.acquire(OTHER)
    assert f"remove {place.state}/web" in caught.value.hint
    (place.state / "web").unlink()
    assert [claim.node for claim in place.start().snapshot().claims] == ["z"]


def test_other_settings_than_those_of_before_are_a_conflict(place: Place) -> None:
    place.start()
    with pytest.raises(ConflictError, match="other settings") as caught:
        place.start(SETTINGS.replace(vni=8))
    assert f"remove {place.state}/web" in caught.value.hint
    assert place.start(None).settings.vni == 7


def test_what_is_kept_follows_the_store_and_not_its_heartbeats(place: Place) -> None:
    a, b = place.peer(), place.start()
    b.snapshot()
    written = (place.state / "web").stat()
    a.renew(A)
    b.snapshot()
    assert (place.state / "web").stat().st_ino == written.st_ino
    a.renew(A.replace(public="192.0.2.9"))
    b.snapshot()
    place.unmount()
    assert [seen.host.public for seen in place.start().snapshot().hosts] == ["192.0.2.9"]


def test_what_is_new_is_kept_at_once_and_of_news_without_end_the_last_after_a_while(
    place: Place, monkeypatch: pytest.MonkeyPatch
) -> None:
    now, writes = [1000.0], set[int]()
    monkeypatch.setattr(memory, "boottime", lambda: now[0])
    a, b = place.peer(), place.start()

    def told(number: int) -> bool:
        """A host says something new, and whether that is kept."""
        a.renew(A.replace(public=f"192.0.2.{number}"))
        b.snapshot()
        writes.add((place.state / "web").stat().st_ino)
        return f"192.0.2.{number}" in (place.state / "web").read_text()

    assert told(11)
    assert told(12), "within seconds of what came before"
    writes.clear()
    for number in range(60):
        now[0] += 2.0
        told(100 + number)
    assert len(writes) <= 12 + 1
    now[0] += 60.0
    b.snapshot()
    assert "192.0.2.159" in (place.state / "web").read_text()


@pytest.mark.parametrize("data", [b"", b"torn", b"\0" * 4096])
def test_what_was_kept_and_is_damaged_counts_as_nothing(place: Place, data: bytes) -> None:
    known = place.start().snapshot()
    (place.state / "web").write_bytes(data)
    assert place.start().snapshot() == known
    (place.state / "web").write_bytes(data)
    place.shared.rename(place.aside)
    with pytest.raises(StateError, match="No such file"):
        place.start()


@pytest.fixture
def small(place: Place) -> Iterator[None]:
    place.state.mkdir()
    subprocess.run(["mount", "-t", "tmpfs", "-o", "size=64k,mode=700", "tmpfs", place.state], check=True)
    yield
    subprocess.run(["umount", "--lazy", place.state], check=True)


@pytest.mark.root
@pytest.mark.usefixtures("small")
def test_a_full_disk_of_this_host_is_a_warning_and_no_more(place: Place) -> None:
    b = place.start()
    with (place.state / "ballast").open("wb") as file, contextlib.suppress(OSError):
        while True:
            os.write(file.fileno(), b"x" * 4096)
    seen = b.snapshot()
    assert seen.reachable
    assert any("No space left" in text for text in seen.warnings)
    assert [one.node for one in seen.claims] == ["a"]
