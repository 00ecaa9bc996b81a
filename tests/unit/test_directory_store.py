"""The shared directory under attack: forged records, odd files, full disks, lost stores."""

from __future__ import annotations

import binascii
import contextlib
import errno
import gc
import json
import os
import random
import shutil
import subprocess
import threading
import time
import tracemalloc

import pytest

from netkit import stores
from netkit.errors import ConflictError, NetkitError, StateError
from netkit.state.document import dump
from netkit.state.files import Directory
from netkit.stores import claims, directory, members, patience, records, shared
from netkit.stores.choice import lease_subnet
from netkit.stores.directory import DirectoryStore
from netkit.stores.model import GRACE, Claim, Endpoint, Host, Settings, Snapshot
from tests.hosts import wait_until

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path
    from typing import Any

SETTINGS = Settings("10.5.0.0/16", 24, 7, 3600)
SUBNET = "subnets/10.5.72.0-24"
A = Host("a", "192.0.2.1", 7, "02:00:00:00:00:0a", (Endpoint("10.5.72.7", "02:00:00:00:01:07"),))
B = Host("b", "192.0.2.2", 7, "02:00:00:00:00:0b")


def join(path: Path, node: str, settings: Settings | None = SETTINGS) -> DirectoryStore:
    return DirectoryStore(str(path), "web", node, settings)


@pytest.fixture
def store(tmp_path: Path) -> DirectoryStore:
    """The store of `b`, where `a` lives with a subnet and an endpoint."""
    a = join(tmp_path, "a")
    a.acquire(SUBNET)
    a.renew(A)
    found = join(tmp_path, "b")
    found.renew(B)
    return found


@pytest.fixture
def web(tmp_path: Path) -> Path:
    return tmp_path / "web"


def test_who_watches_looks_at_nothing_for_a_heartbeat_and_at_once_for_an_address(
    store: DirectoryStore, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    other = join(tmp_path, "a")
    store.snapshot()
    looks: list[Snapshot] = []
    look = store.snapshot

    def looked() -> Snapshot:
        looks.append(look())
        return looks[-1]

    monkeypatch.setattr(store, "snapshot", looked)
    monkeypatch.setattr(directory, "POLL", 60.0)
    beating = [threading.Timer(0.1 * number, other.renew, (A,)) for number in range(1, 6)]
    for timer in beating:
        timer.start()
    store.watch(1.0)
    assert len(looks) == 1, "the one at the end"
    moved = threading.Timer(0.2, other.renew, (A.replace(public="192.0.2.3"),))
    moved.start()
    found = {seen.host.node: seen.host.public for seen in store.watch(50).hosts}
    assert (found["a"], len(looks)) == ("192.0.2.3", 2)
    for timer in (*beating, moved):
        timer.join()


def test_files_are_their_owners_alone_or_the_groups_where_it_shares_the_directory(tmp_path: Path) -> None:
    for mode, below, file in ((0o700, 0o700, 0o600), (0o2770, 0o2770, 0o640)):
        place = tmp_path / oct(mode)
        place.mkdir()
        place.chmod(mode)
        join(place, "a").renew(A)
        assert (place / "web" / "nodes").stat().st_mode & 0o7777 == below
        assert (place / "web" / "nodes" / "a").stat().st_mode & 0o7777 == file


def test_a_directory_that_everyone_may_write_to_is_refused(tmp_path: Path) -> None:
    tmp_path.chmod(0o777)
    with pytest.raises(StateError, match="writable by everyone"):
        join(tmp_path, "a")


def test_a_directory_that_is_not_there_is_not_made(tmp_path: Path) -> None:
    with pytest.raises(StateError, match="No such file"):
        join(tmp_path / "unmounted", "a")
    with pytest.raises(StateError, match=r"network\.json is missing"):
        join(tmp_path, "a", None)
    assert list(tmp_path.iterdir()) == []


def plant(place: Path, kind: str) -> None:
    """Something odd in place of a file."""
    place.unlink(missing_ok=True)
    if kind == "link":
        place.symlink_to("/etc/hostname")
    elif kind == "fifo":
        os.mkfifo(place)
    elif kind == "directory":
        place.mkdir()
    elif kind == "huge":
        with place.open("wb") as file:
            file.truncate(1 << 40)
    else:
        place.write_bytes({"empty": b"", "torn": dump(A)[:40], "binary": b"\xff\0" * 50, "deep": b"[" * 90_000}[kind])


ODD = ("link", "fifo", "directory", "huge", "empty", "torn", "binary", "deep")


@pytest.mark.parametrize("kind", ODD)
def test_what_is_no_record_takes_nothing_away_and_is_named(store: DirectoryStore, web: Path, kind: str) -> None:
    before = store.snapshot()
    plant(web / "nodes" / "a", kind)
    plant(web / "subnets" / "10.5.72.0-24.g1", kind)
    after = store.snapshot()
    assert after.reachable
    assert (after.hosts, after.claims) == (before.hosts, before.claims)
    assert sorted(text.split("'")[1] for text in after.warnings) == ["10.5.72.0-24.g1", "a"]
    with pytest.raises(ConflictError, match="nobody can tell who has"):
        store.acquire(SUBNET)
    assert store.acquire("subnets/10.5.73.0-24").node == "b"


@pytest.mark.parametrize(
    "name",
    ["x", "10.5.72.0-24", "10.5.72.0-24.g0", "10.5.72.0-24.g01", "10.5.72.1-24.g1", "a.sync-conflict", "\udcff", ".g1"],
)
def test_a_foreign_file_among_the_claims_is_named_and_changes_nothing(
    store: DirectoryStore, web: Path, name: str
) -> None:
    before = store.snapshot()
    web.joinpath("subnets", name).write_bytes(b"hello")
    after = store.snapshot()
    assert (after.hosts, after.claims) == (before.hosts, before.claims)
    assert len(after.warnings) == (name[0] != ".")


def test_a_host_whose_file_vanishes_is_kept(store: DirectoryStore, web: Path) -> None:
    before = store.snapshot()
    (web / "nodes" / "a").unlink()
    assert store.snapshot().hosts == before.hosts


@pytest.mark.parametrize("how", ["file", "files", "directory", "empty directory"])
def test_a_claim_that_vanishes_is_kept_and_put_back_by_its_host(
    store: DirectoryStore, web: Path, tmp_path: Path, how: str
) -> None:
    a = join(tmp_path, "a")
    a.snapshot()
    b = store.acquire("subnets/10.5.73.0-24")
    before = store.snapshot()
    if how == "file":
        (web / "subnets" / "10.5.72.0-24.g1").unlink()
    elif how == "files":
        for path in (web / "subnets").iterdir():
            path.unlink()
    else:
        shutil.rmtree(web / "subnets")
        if how == "empty directory":
            (web / "subnets").mkdir(mode=0o700)
    after = store.snapshot()
    assert (after.hosts, after.claims) == (before.hosts, before.claims)
    assert after.reachable == (how != "directory")
    if how == "directory":
        with pytest.raises(StateError):
            store.renew(B)
        return
    with pytest.raises(ConflictError):
        store.acquire(SUBNET)
    assert a.renew(A) == (before.claim(SUBNET),)
    assert store.renew(B) == (b,)
    fresh = join(tmp_path, "c").snapshot()
    assert sorted(fresh.claims, key=str) == sorted(before.claims, key=str)
    assert not fresh.warnings
    assert not store.snapshot().warnings


@pytest.mark.parametrize("loss", ["emptied", "removed", "another", "marker"])
def test_a_store_that_is_away_loses_no_host_and_comes_back(
    store: DirectoryStore, web: Path, tmp_path: Path, loss: str
) -> None:
    before = store.snapshot()
    aside = tmp_path / "aside"
    if loss == "marker":
        (web / "network.json").rename(aside)
    else:
        web.rename(aside)
    if loss == "emptied":
        web.mkdir()
    if loss == "another":
        join(tmp_path, "z").acquire(SUBNET)
    away = store.snapshot()
    assert not away.reachable
    assert str(web) in away.why
    assert (away.hosts, away.claims) == (before.hosts, before.claims)
    with pytest.raises(StateError):
        store.renew(B)
    with pytest.raises(StateError):
        store.acquire("subnets/10.5.73.0-24")
    if loss == "marker":
        aside.rename(web / "network.json")
    else:
        shutil.rmtree(web, ignore_errors=True)
        aside.rename(web)
    assert store.snapshot().reachable
    assert store.acquire("subnets/10.5.73.0-24").node == "b"


def test_a_store_that_was_mounted_anew_is_entered_again(store: DirectoryStore, web: Path, tmp_path: Path) -> None:
    shutil.copytree(web, tmp_path / "copy")
    shutil.rmtree(web)
    (tmp_path / "copy").rename(web)
    assert store.snapshot().reachable
    store.acquire("subnets/10.5.73.0-24")
    assert (web / "subnets" / "10.5.73.0-24.g1").exists()


def test_a_silent_host_whose_file_is_deleted_as_well_has_no_longer_than_others(tmp_path: Path, web: Path) -> None:
    now = [1000.0]
    a, b = (DirectoryStore(str(tmp_path), "web", node, SETTINGS, lambda: now[0]) for node in "ab")
    a.acquire(SUBNET)
    a.renew(A)
    b.snapshot()
    (web / "nodes" / "a").unlink()
    for _ in range(int((SETTINGS.ttl + GRACE) / 20) + 4):
        now[0] += 20
        b.renew(B)
        b.snapshot()
    assert [seen.host.node for seen in b.snapshot().hosts] == ["b"]
    assert b.acquire(SUBNET) == Claim(SUBNET, 2, "b")


def test_the_file_of_a_host_goes_when_its_time_is_over_and_nothing_is_its_any_more(tmp_path: Path, web: Path) -> None:
    now = [1000.0]
    a, b, c = (DirectoryStore(str(tmp_path), "web", node, SETTINGS, lambda: now[0]) for node in "abc")
    claim = a.acquire(SUBNET)
    a.renew(A)
    c.renew(B.replace(node="c", public="192.0.2.3", vtep="02:00:00:00:00:0c", left=True))
    looks = int((SETTINGS.ttl + GRACE) / 20)

    def files_after(count: int) -> list[str]:
        for _ in range(count):
            now[0] += 20
            b.renew(B)
            b.snapshot()
        return sorted(os.listdir(web / "nodes"))

    b.snapshot()
    assert files_after(looks) == ["a", "b", "c"]
    assert files_after(4) == ["a", "b"]
    assert b.acquire(SUBNET) == claim.replace(generation=2, node="b")
    assert files_after(1) == ["b"]
    a.renew(A)
    assert [seen.host.node for seen in b.snapshot().hosts] == ["b", "a"]


@pytest.mark.parametrize("looks", [0, 1, 2])
def test_who_is_back_keeps_what_it_gets_though_another_host_has_just_removed_its_file(
    tmp_path: Path, web: Path, looks: int
) -> None:
    now = [1000.0]
    a, b = (DirectoryStore(str(tmp_path), "web", node, SETTINGS, lambda: now[0]) for node in "ab")
    a.renew(A)
    b.snapshot()
    while (web / "nodes" / "a").exists():
        now[0] += 20
        b.renew(B)
        b.snapshot()
    a.renew(A)
    (web / "nodes" / "a").unlink()
    claim = a.acquire(SUBNET)
    for _ in range(looks):
        now[0] += 3
        b.snapshot()
    with pytest.raises(ConflictError):
        b.acquire(SUBNET)
    assert a.renew(A) == (claim,)


def test_what_a_host_said_that_has_left_is_read_once(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    a, b = join(tmp_path, "a"), join(tmp_path, "b")
    a.renew(A.replace(left=True))
    b.renew(B)
    b.snapshot()
    before = b.snapshot()
    monkeypatch.setattr(records, "host", lambda *_: pytest.fail("it is read again"))
    assert [b.snapshot().hosts for _ in range(3)] == 3 * [before.hosts]
    monkeypatch.undo()
    a.renew(A)
    assert {(seen.host.node, seen.state) for seen in b.snapshot().hosts} == {("a", "alive"), ("b", "alive")}


def test_of_many_that_have_left_who_is_back_is_told_by_its_claim_at_once_and_else_within_eight_looks(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(members, "_TURN", 1)
    b = join(tmp_path, "b")
    b.renew(B)
    others = [
        Host(f"a{number}", f"192.0.2.1{number}", 7, f"02:00:00:00:01:0{number}", left=True) for number in range(9)
    ]
    for host in others:
        join(tmp_path, host.node).renew(host)
    assert len(b.snapshot().parted) == 9
    for host in others[:5]:
        again = join(tmp_path, host.node)
        again.acquire(f"addresses/10.5.72.1{host.node[1]}")
        again.renew(host.replace(left=False))
        assert host.node in {one.host.node for one in b.snapshot().hosts}
    for host in others[5:]:
        join(tmp_path, host.node).renew(host.replace(left=False))
    for _ in range(8):
        seen = b.snapshot()
    assert (len(seen.hosts), seen.parted) == (10, ())


def test_a_host_that_speaks_at_the_last_instant_keeps_its_claim(tmp_path: Path) -> None:
    now = [1000.0]
    a, b = (DirectoryStore(str(tmp_path), "web", node, SETTINGS, lambda: now[0]) for node in "ab")
    claim = a.acquire(SUBNET)
    a.renew(A)
    b.snapshot()
    for _ in range(int((SETTINGS.ttl + GRACE) / 20) + 3):
        now[0] += 20
        b.renew(B)
        b.snapshot()
    assert a.renew(A) == ()
    with pytest.raises(ConflictError):
        b.acquire(SUBNET)
    assert a.renew(A) == (claim,)


@pytest.mark.parametrize("doing", ["acquire", "renew"])
def test_a_store_that_hangs_while_it_is_written_to_stops_nobody_for_long(
    store: DirectoryStore, monkeypatch: pytest.MonkeyPatch, doing: str
) -> None:
    waiting = threading.Event()
    real = os.fsync
    monkeypatch.setattr(os, "fsync", lambda fd: waiting.wait() and real(fd))
    monkeypatch.setattr(store._patience, "seconds", 0.1)
    before = store._last
    with pytest.raises(StateError, match="does not answer"):
        store.acquire("subnets/10.5.73.0-24") if doing == "acquire" else store.renew(B)
    away = store.snapshot()
    assert not away.reachable
    assert away.claims == before.claims
    waiting.set()
    while not store.snapshot().reachable:
        time.sleep(0.01)
    assert store.acquire("subnets/10.5.73.0-24").node == "b"


def test_a_store_that_hangs_is_unreachable_and_is_asked_once_at_a_time() -> None:
    waiting = threading.Event()
    patient = patience.Patience(0.05)
    for says in ("does not answer", "has not answered"):
        with pytest.raises(StateError, match=says):
            patient.within(waiting.wait, "/mnt")
    waiting.set()
    while True:
        try:
            assert patient.within(lambda: 7, "/mnt") == 7
            return
        except StateError:
            time.sleep(0.01)


def test_two_threads_that_ask_at_once_are_both_answered() -> None:
    patient, begun, waiting = patience.Patience(60.0), threading.Event(), threading.Event()

    def wait() -> None:
        begun.set()
        waiting.wait()

    first = threading.Thread(target=patient.within, args=(wait, "/mnt"))
    first.start()
    begun.wait()
    threading.Timer(0.1, waiting.set).start()
    assert patient.within(lambda: 7, "/mnt") == 7
    first.join()


def test_who_opens_a_store_that_hangs_again_and_again_is_one_thread_that_hangs(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    waiting, before = threading.Event(), set(threading.enumerate())
    with monkeypatch.context() as patch:
        patch.setattr(patience, "PATIENCE", 0.05)
        patch.setattr(shared.Shared, "open", lambda *_: waiting.wait())
        for _ in range(5):
            with pytest.raises(StateError, match="answer"):
                stores.open(f"dir://{tmp_path}", "web", "a", SETTINGS)
        assert len(set(threading.enumerate()) - before) == 1
        waiting.set()
    assert wait_until(lambda: opens(tmp_path))


def opens(path: Path) -> bool:
    with contextlib.suppress(StateError):
        return stores.open(f"dir://{path}", "web", "a", SETTINGS).node == "a"
    return False


def test_what_a_host_gets_after_it_has_given_up_is_what_it_has_at_its_next_try(
    store: DirectoryStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    waiting, real, hangs = threading.Event(), os.link, [True]

    def late(*args: Any, **given: Any) -> None:
        if hangs:
            hangs.clear()
            waiting.wait()
        real(*args, **given)

    monkeypatch.setattr(os, "link", late)
    monkeypatch.setattr(store._patience, "seconds", 0.1)
    with pytest.raises(StateError, match="does not answer"):
        lease_subnet(store)
    assert store.snapshot().of("b") == ()
    waiting.set()
    while not store.snapshot().reachable:
        time.sleep(0.01)
    assert store.renew(B) == (lease_subnet(store),)
    assert len(store.snapshot().of("b")) == 1


def test_a_link_whose_reply_got_lost_counts_as_made(
    store: DirectoryStore, web: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    real = os.link

    def lossy(*args: Any, **given: Any) -> None:
        real(*args, **given)
        raise FileExistsError

    monkeypatch.setattr(os, "link", lossy)
    assert store.acquire("subnets/10.5.73.0-24") == Claim("subnets/10.5.73.0-24", 1, "b")


@pytest.mark.parametrize("number", [errno.EPERM, errno.EOPNOTSUPP, errno.ENOSYS])
def test_a_filesystem_without_hard_links_is_named_as_what_it_is(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, number: int
) -> None:
    def refused(*_: Any, **__: Any) -> None:
        raise OSError(number, os.strerror(number))

    monkeypatch.setattr(os, "link", refused)
    with pytest.raises(StateError, match="without hard links") as caught:
        join(tmp_path, "a")
    assert "etcd://" in caught.value.hint
    assert list((tmp_path / "web").iterdir()) == []
    place = Directory.open(str(tmp_path / "state"))
    with pytest.raises(StateError, match="without hard links") as caught:
        place.create("one", b"")
    assert "--root" in caught.value.hint
    assert os.listdir(place.path) == []


def test_hosts_that_have_left_are_in_nobodys_way(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(members, "HOSTS", 3)
    b = join(tmp_path, "b")
    b.renew(B)
    for number in range(5):
        node = f"a{number}"
        join(tmp_path, node).renew(Host(node, f"192.0.2.1{number}", 7, f"02:00:00:00:01:0{number}", left=True))
        b.snapshot()
    last = Host("z", "192.0.2.99", 7, "02:00:00:00:00:99")
    join(tmp_path, "z").renew(last)
    seen = b.snapshot()
    assert ([one.host.node for one in seen.hosts], len(seen.parted), seen.warnings) == (["b", "z"], 5, ())


def test_the_many_names_that_nobody_can_know_are_refused(
    store: DirectoryStore, monkeypatch: pytest.MonkeyPatch, web: Path
) -> None:
    before = store.snapshot()
    monkeypatch.setattr(shared, "NAMES", 5)
    for number in range(6):
        (web / "subnets" / f"x{number}").touch()
    after = store.snapshot()
    assert not after.reachable
    assert (after.hosts, after.claims) == (before.hosts, before.claims)


def test_half_written_files_of_the_killed_are_swept_by_their_own_host(web: Path, tmp_path: Path) -> None:
    join(tmp_path, "a")
    for node in "ab":
        (web / "nodes" / f".tmp.{node}.00").touch()
    join(tmp_path, "a")
    assert [path.name for path in (web / "nodes").iterdir()] == [".tmp.b.00"]


def test_generations_below_the_highest_are_cleared_away(store: DirectoryStore, web: Path) -> None:
    for _ in range(10):
        store.release(store.acquire("addresses/10.5.72.9"))
    assert len(list((web / "addresses").iterdir())) <= 3
    assert store.acquire("addresses/10.5.72.9").generation == 21


def test_a_directory_where_no_claim_comes_or_goes_is_not_looked_through_again_for_a_while(
    store: DirectoryStore, web: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(claims, "_COARSE", 0.05)
    for _ in range(2):
        before = store.snapshot()
        time.sleep(0.1)
    listed: list[str] = []
    names = shared.Shared.names

    def noted(self: shared.Shared) -> list[str]:
        listed.append(self.path)
        return names(self)

    monkeypatch.setattr(shared.Shared, "names", noted)
    for _ in range(3):
        assert store.snapshot() == before
    assert set(listed) == {str(web / "nodes")}
    fresh = join(tmp_path, "a").acquire("addresses/10.5.72.9")
    assert fresh in store.snapshot().claims
    (web / "subnets" / "10.5.72.0-24.g1").write_bytes(b"damaged where it stands")
    assert store.snapshot().claims == (*before.claims, fresh)
    monkeypatch.setattr(claims, "_ANEW", 0.0)
    assert "10.5.72.0-24.g1" in store.snapshot().warnings[0]


def test_what_changes_hands_for_ever_takes_no_more_memory_than_what_does_once(
    store: DirectoryStore, tmp_path: Path
) -> None:
    a = join(tmp_path, "a")

    def change(times: int) -> int:
        for _ in range(times):
            a.release(a.acquire("addresses/10.5.72.9"))
            store.snapshot()
        gc.collect()
        return tracemalloc.get_traced_memory()[0]

    tracemalloc.start()
    try:
        change(5)
        before = change(5)
        assert change(40) - before < 40 * 100
    finally:
        tracemalloc.stop()


def test_a_claimant_that_is_generations_late_learns_that_it_lost(
    store: DirectoryStore, web: Path, tmp_path: Path
) -> None:
    a = join(tmp_path, "a")
    for _ in range(5):
        a.release(a.acquire("addresses/10.5.72.9"))
    held = a.acquire("addresses/10.5.72.9")
    late = Claim("addresses/10.5.72.9", 2, "b")
    assert not (web / "addresses" / "10.5.72.9.g2").exists()
    assert not store._claims["addresses"].make(late)
    assert store.snapshot().claim(held.resource) == held


JUNK: tuple[Any, ...] = (
    None, True, -1, 0, 1 << 70, 1.5, float("nan"), "", "a", "b", "x" * 5000, "\0", "../../etc/passwd", "10.5.72.7",
    "10.5.72.0/24", "fe80::1%eth0", "::ffff:10.0.0.1", "255.255.255.255", "02:00:00:00:01:07", "ff:ff:ff:ff:ff:ff",
    "\ud800", "$(id)", "-j ACCEPT", [], {}, [[]], {"is": "Host"}, {"is": "netkit.plan.rare.x.Y"}, [None] * 5000,
)  # fmt: skip


def forged(chance: random.Random, body: dict[str, Any]) -> bytes:
    """A record with some fields forged, with a right checksum or without."""
    for _ in range(chance.randrange(1, 4)):
        key = chance.choice([*body, "x", "is", "endpoints", "reserved", "left", "beat"])
        body[key] = chance.choice(JUNK)
    if isinstance(body.get("endpoints"), list) and chance.random() < 0.5:
        body["endpoints"] = [{"address": chance.choice(JUNK), "mac": chance.choice(JUNK)} for _ in range(3)]
    data = _sealed(body)
    if chance.random() < 0.2:
        data = data[: chance.randrange(len(data))]
    if chance.random() < 0.1:
        data = bytes(chance.randrange(256) if chance.random() < 0.05 else byte for byte in data)
    return data


def _sealed(body: dict[str, Any]) -> bytes:
    text = json.dumps([1, body])
    crc = f"{binascii.crc32(text.encode('ascii')):08x}"
    return json.dumps({"netkit": 1, "crc": crc, "value": body}).encode()


@pytest.mark.parametrize("seed", range(4))
def test_ten_thousand_forged_records_change_nothing_but_their_own(store: DirectoryStore, web: Path, seed: int) -> None:
    chance = random.Random(seed)  # noqa: S311 - the same every time
    before = store.snapshot()
    believed = 0
    for number in range(2500):
        if number % 2:
            place = web / "nodes" / f"e{number % 7}"
            body: dict[str, Any] = {"node": place.name, "public": "192.0.2.66", "vni": 7, "vtep": "02:00:00:00:66:66"}
        else:
            place = web / "subnets" / f"10.5.9{number % 7}.0-24.g1"
            body = {"resource": f"subnets/10.5.9{number % 7}.0-24", "generation": 1, "node": "evil"}
        place.write_bytes(forged(chance, body))
        if chance.random() < 0.8:
            continue  # several at once
        seen = store.snapshot()
        assert seen.reachable, seen.why
        assert seen.hosts[: len(before.hosts)] == before.hosts
        assert seen.claim(SUBNET) == before.claim(SUBNET)
        assert len(seen.warnings) <= 200
        assert all(len(text) < 1000 for text in seen.warnings)
        for one in seen.hosts[len(before.hosts) :]:
            believed += 1
            records.host(dump(one.host), one.host.node, SETTINGS.replace(id="x"))
    assert believed > 25


@pytest.fixture
def disk(tmp_path: Path) -> Iterator[Path]:
    """A small disk of its own; the tests live in a mount namespace of theirs."""
    place = tmp_path / "disk"
    place.mkdir()
    subprocess.run(["mount", "-t", "tmpfs", "-o", "size=128k,mode=700", "tmpfs", place], check=True)
    yield place
    subprocess.run(["umount", "--lazy", place], check=True)


@pytest.mark.root
def test_a_full_disk_refuses_claims_and_loses_none(disk: Path) -> None:
    store = join(disk, "a")
    claim = store.acquire(SUBNET)
    store.renew(A)
    with (disk / "ballast").open("wb") as file, contextlib.suppress(OSError):
        while True:
            os.write(file.fileno(), b"x" * 4096)
    with pytest.raises(StateError, match="No space left"):
        store.acquire("subnets/10.5.73.0-24")
    with pytest.raises(StateError, match="No space left"):
        store.renew(A.replace(public="192.0.2.77"))
    seen = store.snapshot()
    assert [one.host.public for one in seen.hosts] == ["192.0.2.1"]
    assert seen.claims == (claim,)
    assert not [name for name in os.listdir(disk / "web" / "subnets") if name.startswith(".tmp")]
    (disk / "ballast").unlink()
    assert store.acquire("subnets/10.5.73.0-24").node == "a"


@pytest.mark.root
def test_a_read_only_store_is_still_read(disk: Path) -> None:
    store = join(disk, "a")
    claim = store.acquire(SUBNET)
    subprocess.run(["mount", "-o", "remount,ro", disk], check=True)
    with pytest.raises(StateError, match="Read-only file system"):
        store.acquire("subnets/10.5.73.0-24")
    assert store.snapshot().reachable
    assert store.snapshot().claims == (claim,)


def test_a_record_can_be_larger_than_any_memory_only_up_to_its_limit(store: DirectoryStore, web: Path) -> None:
    many = tuple(
        Endpoint(f"10.5.{n >> 8}.{n & 255}", f"02:00:00:01:{n >> 8:02x}:{n & 255:02x}") for n in range(1, 4097)
    )
    store.renew(B.replace(endpoints=many))
    assert len(next(one.host for one in store.snapshot().hosts if one.host.node == "b").endpoints) == 4096
    with pytest.raises(NetkitError):
        store.renew(B.replace(endpoints=(*many, Endpoint("10.5.99.1", "02:00:00:02:00:01"))))
