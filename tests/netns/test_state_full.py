"""State on a disk that is full, and then read-only: nothing new begins, everything old can end."""

from __future__ import annotations

import errno
import os
import subprocess
from pathlib import Path

import pytest

from netkit.errors import StateError
from netkit.ipam.files import FilePool
from netkit.model import Endpoint, Network, NsRef, PortMap, Subnet
from netkit.plan.ops import LinkAdd
from netkit.plan.steps import Plan
from netkit.state.journal import Intent, Journal
from netkit.state.locks import lock
from netkit.state.networks import Networks
from netkit.state.ports import Ledger
from netkit.state.records import Record, Records
from netkit.state.root import Root
from tests.files import tree

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator

pytestmark = pytest.mark.root

SUBNET = Subnet("10.0.0.0/24", "10.0.0.1")
PLAN = Plan.of((LinkAdd("nk1", "veth", 28267), "the cable"))
ENDPOINT = Endpoint("abc", "web", "bridge", "c0", "eth0", NsRef("/x"), ports=(PortMap("tcp", "0.0.0.0", 80, 80),))


@pytest.fixture
def disk(tmp_path: Path) -> Iterator[Path]:
    """A filesystem of 1 MiB."""
    place = tmp_path / "disk"
    place.mkdir()
    subprocess.run(["mount", "-t", "tmpfs", "-o", "size=1m,mode=700", "tmpfs", place], check=True)
    try:
        yield place
    finally:
        subprocess.run(["umount", "--lazy", place], check=True)


@pytest.fixture
def root(disk: Path) -> Root:
    """State with something of everything in it."""
    root = Root(str(disk / "root"))
    pool = FilePool(root, "web", SUBNET)
    for number in range(20):
        pool.claim(f"c{number}", "eth0")
    Networks(root).save(Network("web", "bridge"))
    Records(root).save(Record(ENDPOINT, PLAN))
    Ledger(root).claim("abc", ENDPOINT.ports)
    Journal(root).begin(Intent("web", PLAN))
    _ = root.detaching
    with lock(root, "web"):
        pass
    return root


def fill(disk: Path) -> None:
    with (disk / "ballast").open("wb", buffering=0) as ballast:
        try:
            while True:
                ballast.write(b"x" * 4096)
        except OSError as error:
            assert error.errno == errno.ENOSPC


def test_nothing_begins_on_a_full_disk_and_nothing_is_harmed(root: Root, disk: Path) -> None:
    fill(disk)
    before = tree(disk / "root")
    for _ in range(20):
        for begin in (
            lambda: FilePool(root, "web", SUBNET).claim("new", "eth0"),
            lambda: FilePool(root, "web", SUBNET).claim("new", "eth0", requested="10.0.0.99"),
            lambda: FilePool(root, "web", SUBNET).reserve("10.0.0.99"),
            lambda: Records(root).save(Record(ENDPOINT.replace(id="new"), PLAN)),
            lambda: Records(root).save(Record(ENDPOINT.replace(name="changed"), PLAN)),
            lambda: Networks(root).save(Network("new", "bridge")),
            lambda: Journal(root).begin(Intent("new", PLAN)),
            lambda: Ledger(root).claim("new", (PortMap("tcp", "0.0.0.0", 81, 80),)),
        ):
            with pytest.raises(StateError, match="No space left") as caught:
                begin()
            assert "free some space" in caught.value.hint
    after = tree(disk / "root")
    assert {p for p in after if not p.endswith("/ipam-web")} == {p for p in before if not p.endswith("/ipam-web")}
    assert {p: after[p] for p in before} == before
    (disk / "ballast").unlink()
    assert FilePool(root, "web", SUBNET).claim("new", "eth0").address == "10.0.0.22/24"


def test_everything_ends_on_a_full_disk(root: Root, disk: Path) -> None:
    fill(disk)
    with lock(root, "web"):
        records = Records(root)
        assert records.load("abc") == Record(ENDPOINT, PLAN)
        assert records.begin_detach("abc")
        assert records.detaching() == (Record(ENDPOINT, PLAN),)
        pool = FilePool(root, "web", SUBNET)
        for number in range(20):
            assert pool.release(f"c{number}", "eth0")
        records.finish_detach(Record(ENDPOINT, PLAN))
        Journal(root).end("web")
        Networks(root).remove("web")
    assert pool.claims() == ()
    assert Journal(root).networks() == ()
    (disk / "ballast").unlink()
    assert len({FilePool(root, "web", SUBNET).claim(f"n{n}", "eth0").address for n in range(253)}) == 253


def test_ports_are_released_on_a_full_disk(root: Root, disk: Path) -> None:
    other = ENDPOINT.replace(id="def", ports=(PortMap("tcp", "0.0.0.0", 81, 80),))
    Records(root).save(Record(other, PLAN))
    Ledger(root).claim("def", other.ports)
    fill(disk)
    assert Records(root).begin_detach("abc")
    Ledger(root).release("abc")
    Records(root).finish_detach(Record(ENDPOINT, PLAN))
    assert [owner for owner, _ in Ledger(root).entries()] == ["def"]
    assert Ledger(root).taken("tcp", "0.0.0.0", 81, 81) == "def"


def test_a_release_on_a_read_only_disk_fails_loudly_and_works_later(root: Root, disk: Path) -> None:
    pool = FilePool(root, "web", SUBNET)
    pool.release("c0", "eth0")
    subprocess.run(["mount", "-o", "remount,ro", disk], check=True)
    for end in (
        lambda: pool.release("c1", "eth0"),
        lambda: Records(root).begin_detach("abc"),
        lambda: Journal(root).end("web"),
        lambda: Ledger(root).release("abc"),
    ):
        with pytest.raises(StateError, match="Read-only file system") as caught:
            end()
        assert "remount it read-write" in caught.value.hint
    assert Records(root).all() == (Record(ENDPOINT, PLAN),)
    assert Networks(root).all() == (Network("web", "bridge"),)
    subprocess.run(["mount", "-o", "remount,rw", disk], check=True)
    assert pool.release("c1", "eth0") == ("10.0.0.3",)


def test_another_user_cannot_take_a_lock(root: Root) -> None:
    """flock needs no more than an open file: so nobody else may open one."""
    path = f"{root.locks.path}/web"
    child = os.fork()
    if not child:
        os.setuid(65534)
        try:
            os.open(path, os.O_RDONLY)
        except PermissionError:
            os._exit(0)
        os._exit(1)
    assert os.waitpid(child, 0)[1] == 0
