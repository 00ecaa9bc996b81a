"""Addresses in files: given out once, in turn, given back, and found again after whatever happened."""

from __future__ import annotations

import os
import socket
import stat
import time
from collections import Counter
from functools import partial
from pathlib import Path

import pytest

from netkit.errors import ConfigError, ConflictError, PoolFullError
from netkit.ipam.claims import Claim
from netkit.ipam.files import FilePool
from netkit.ipam.pool import default_gateway
from netkit.model import Lease, NsRef, Subnet
from netkit.state import document
from netkit.state.root import Root
from tests import forks

TINY = Subnet("10.0.0.0/29", "10.0.0.1")  # five addresses: .2 to .6
WIDE = Subnet("10.1.0.0/20", "10.1.0.1")


@pytest.fixture
def root(tmp_path: Path) -> Root:
    return Root(str(tmp_path / "root"))


@pytest.fixture
def pool(root: Root) -> FilePool:
    return FilePool(root, "web", TINY)


def take(pool: FilePool, *containers: str) -> list[str]:
    """Claim an address for each; returns the last numbers of them."""
    return [pool.claim(c, "eth0").address.removesuffix("/29").rpartition(".")[2] for c in containers]


def files(pool: FilePool) -> set[str]:
    return set(os.listdir(pool.root.ipam("web").sub(pool.subnet.cidr.replace("/", "_")).path))


def path_of(pool: FilePool, name: str) -> Path:
    return Path(pool.root.ipam("web").path, pool.subnet.cidr.replace("/", "_"), name)


def test_a_claim_is_what_the_preview_said(pool: FilePool) -> None:
    before = files(pool)
    assert pool.preview() == Lease("10.0.0.2/29", "10.0.0.1")
    assert files(pool) == before
    assert pool.claim("a", "eth0", NsRef("/run/netns/a", 7, 8)) == Lease("10.0.0.2/29", "10.0.0.1")
    (claim,) = pool.claims()
    assert (claim.address, claim.container, claim.ifname) == ("10.0.0.2", "a", "eth0")
    assert claim.netns == NsRef("/run/netns/a", 7, 8)
    assert claim.boot_id == pool.root.boot_id()
    assert pool.find("a", "eth0") == ("10.0.0.2",)


def test_all_are_given_out_and_then_the_pool_is_full(pool: FilePool) -> None:
    assert take(pool, *"abcde") == ["2", "3", "4", "5", "6"]
    with pytest.raises(PoolFullError, match=r"network web has no free address in 10\.0\.0\.0/29: 5 of 5") as caught:
        pool.claim("f", "eth0")
    assert "netkit gc" in caught.value.hint
    with pytest.raises(PoolFullError):
        pool.preview()
    assert pool.find("f", "eth0") == ()


@pytest.mark.parametrize(
    ("cidr", "count"),
    [("10.0.0.0/24", 253), ("10.0.0.0/30", 1), ("10.0.0.0/31", 1), ("fd00::/120", 254), ("fd00::/127", 1)],
)
def test_exhaust_free_and_refill(root: Root, cidr: str, count: int) -> None:
    pool = FilePool(root, "web", Subnet(cidr, default_gateway(cidr)))
    for _ in range(2):
        given = {pool.claim(f"c{n}", "eth0").address for n in range(count)}
        assert len(given) == count
        with pytest.raises(PoolFullError):
            pool.claim("more", "eth0")
        for n in range(count):
            assert pool.release(f"c{n}", "eth0")
    assert pool.claims() == ()


def test_the_address_that_was_freed_last_comes_last(pool: FilePool) -> None:
    take(pool, *"abc")
    for owner in "bac":
        pool.release(owner, "eth0")
    assert take(pool, *"defgh") == ["5", "6", "3", "2", "4"]


def agreed(pool: FilePool, others: set[str], resting: int) -> str:
    """An address that no other host has, claimed by name as networks with a store do."""
    lease = pool.preview(None, others, resting)
    address = lease.address.partition("/")[0]
    assert pool.claim(address, "eth0", requested=address) == lease
    pool.pass_over(address)
    return address


def test_with_other_hosts_each_address_rests_for_so_many_and_no_more_are_ever_used(root: Root) -> None:
    pool = FilePool(root, "web", WIDE)
    others = {f"10.1.0.{number}" for number in (2, 5, 9)}
    given: list[str] = []
    for _ in range(300):
        given.append(agreed(pool, others, 40))
        pool.release(given[-1], "eth0")
    assert given[:5] == ["10.1.0.3", "10.1.0.4", "10.1.0.6", "10.1.0.7", "10.1.0.8"]
    assert len(set(given)) == 41
    last: dict[str, int] = {}
    for turn, address in enumerate(given):
        assert turn - last.get(address, -100) > 40, "it came again before it had rested"
        last[address] = turn


def test_a_rested_address_that_is_held_by_now_is_passed_over(root: Root) -> None:
    pool = FilePool(root, "web", WIDE)
    given = [agreed(pool, set(), 100) for _ in range(8)]
    for address in given:
        pool.release(address, "eth0")
    pool.claim("x", "eth0", requested=given[0])
    assert agreed(pool, {given[1]}, 3) == given[2]
    assert agreed(pool, {given[1]}, 3) == given[3]
    assert agreed(pool, {given[1], *given[4:]}, 3) not in given


def test_a_release_gives_back_once_and_only_ones_own(pool: FilePool) -> None:
    take(pool, "a", "b")
    assert pool.release("a", "eth1") == ()
    assert pool.release("nobody", "eth0") == ()
    assert pool.release("a", "eth0") == ("10.0.0.2",)
    assert pool.release("a", "eth0") == ()
    assert [claim.container for claim in pool.claims()] == ["b"]


def test_an_owner_gets_no_second_address(pool: FilePool) -> None:
    take(pool, "a")
    for requested in (None, "10.0.0.5"):
        with pytest.raises(ConflictError, match=r"a already has 10\.0\.0\.2 on web for eth0"):
            pool.claim("a", "eth0", requested=requested)
    assert pool.claim("a", "eth1").address == "10.0.0.3/29"


def test_a_requested_address_is_given_or_refused(pool: FilePool) -> None:
    assert pool.preview("10.0.0.3").address == "10.0.0.3/29"
    assert pool.claim("a", "eth0", requested="10.0.0.3").address == "10.0.0.3/29"
    for call in (partial(pool.preview, "10.0.0.3"), partial(pool.claim, "b", "eth0", None, "10.0.0.3")):
        with pytest.raises(ConflictError, match=r"10\.0\.0\.3 is taken by eth0 of a on network web"):
            call()
    assert take(pool, *"bcde") == ["2", "4", "5", "6"]


@pytest.mark.parametrize("address", ["10.0.0.0", "10.0.0.1", "10.0.0.7", "10.0.0.8", "fd00::2"])
def test_an_address_with_a_role_is_not_given(pool: FilePool, address: str) -> None:
    for call in (pool.preview, pool.reserve, partial(pool.claim, "a", "eth0", None)):
        with pytest.raises(ConfigError):
            call(address)


def test_an_address_outside_the_range_is_given_on_request_only(root: Root) -> None:
    pool = FilePool(root, "web", TINY.replace(ip_range="10.0.0.4/31"))
    assert pool.claim("a", "eth0", requested="10.0.0.2").address == "10.0.0.2/29"
    assert take(pool, "b", "c") == ["4", "5"]
    with pytest.raises(PoolFullError, match="2 of 2"):
        pool.claim("d", "eth0")
    assert pool.release("a", "eth0") == ("10.0.0.2",)


def test_a_reserved_address_is_never_given(pool: FilePool) -> None:
    assert pool.reserve("10.0.0.3")
    assert not pool.reserve("10.0.0.3")
    assert pool.reservations() == ("10.0.0.3",)
    assert take(pool, *"abcd") == ["2", "4", "5", "6"]
    with pytest.raises(PoolFullError, match="4 of 5 are taken, 1 reserved"):
        pool.claim("e", "eth0")
    with pytest.raises(ConflictError, match="reserved") as caught:
        pool.claim("e", "eth0", requested="10.0.0.3")
    assert "netkit ipam release web 10.0.0.3" in caught.value.hint
    with pytest.raises(ConflictError, match="taken by"):
        pool.reserve("10.0.0.2")
    assert pool.unreserve("10.0.0.3")
    assert not pool.unreserve("10.0.0.3")
    assert take(pool, "e") == ["3"]


def test_two_subnets_of_a_network_are_two_pools(root: Root) -> None:
    four, six = FilePool(root, "web", TINY), FilePool(root, "web", Subnet("fd00::/64", "fd00::1"))
    assert four.claim("a", "eth0").address == "10.0.0.2/29"
    assert six.claim("a", "eth0").address == "fd00::2/64"
    assert four.release("a", "eth0") == ("10.0.0.2",)
    assert six.find("a", "eth0") == ("fd00::2",)


def test_a_claim_is_dropped_only_while_it_is_the_same(pool: FilePool) -> None:
    take(pool, "a")
    (claim,) = pool.claims()
    assert not pool.drop(claim.replace(container="b"))
    assert pool.drop(claim)
    assert not pool.drop(claim)
    assert pool.claims() == ()


def test_the_first_claim_after_a_reboot_takes_back_all(root: Root, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("NETKIT_BOOT_ID", "first")
    before = FilePool(root, "web", TINY)
    before.reserve("10.0.0.6")
    take(before, *"abcd")
    monkeypatch.setenv("NETKIT_BOOT_ID", "second")
    after = FilePool(root, "web", TINY)
    assert after.preview().address == "10.0.0.2/29"
    assert len(after.claims()) == 4
    assert take(after, "a") == ["2"]
    assert [claim.container for claim in after.claims()] == ["a"]
    assert after.reservations() == ("10.0.0.6",)


def test_a_requested_address_of_an_earlier_boot_is_taken_over(root: Root, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("NETKIT_BOOT_ID", "first")
    take(FilePool(root, "web", TINY), "a")
    monkeypatch.setenv("NETKIT_BOOT_ID", "second")
    after = FilePool(root, "web", TINY)
    assert after.claim("b", "eth0", requested="10.0.0.2").address == "10.0.0.2/29"
    assert after.release("a", "eth0") == ()
    assert after.find("b", "eth0") == ("10.0.0.2",)


def test_the_dead_make_room_only_when_the_pool_is_full(root: Root) -> None:
    pool = FilePool(root, "web", TINY, alive=lambda claim: claim.container not in "bd")
    assert take(pool, "a", "b", "c") == ["2", "3", "4"]
    assert len(pool.claims()) == 3
    assert take(pool, "d", "e") == ["5", "6"]
    assert pool.preview().address == "10.0.0.3/29"
    assert len(pool.claims()) == 5
    assert take(pool, "f") == ["3"]
    assert [claim.container for claim in pool.claims()] == ["a", "f", "c", "e"]
    assert pool.claim("g", "eth0", requested="10.0.0.5").address == "10.0.0.5/29"


def test_modes_are_tight_under_umask_0(pool: FilePool, tmp_path: Path) -> None:
    before = os.umask(0)
    try:
        take(pool, "a", "b")
        pool.release("a", "eth0")
        pool.reserve("10.0.0.6")
    finally:
        os.umask(before)
    for path in (tmp_path / "root").rglob("*"):
        if not path.is_symlink():
            assert stat.S_IMODE(path.stat().st_mode) == (0o700 if path.is_dir() else 0o600), path


@pytest.mark.parametrize("loss", ["gone", "empty", "garbage", "flipped", "directory", "linked"])
def test_a_lost_order_is_made_again(pool: FilePool, loss: str, tmp_path: Path) -> None:
    take(pool, *"abcd")
    pool.release("b", "eth0")
    order = path_of(pool, "order")
    data = order.read_bytes()
    order.unlink()
    precious = tmp_path / "precious"
    if loss == "directory":
        order.mkdir()
    elif loss == "linked":
        precious.write_bytes(data)
        order.hardlink_to(precious)
    elif loss != "gone":
        order.write_bytes({"empty": b"", "garbage": os.urandom(64), "flipped": data[:20] + b"\xff" + data[21:]}[loss])
    assert pool.release("c", "eth0") == ("10.0.0.4",)
    assert take(pool, *"xyz") == ["6", "3", "4"]
    assert {claim.container for claim in pool.claims()} == set("adxyz")
    if loss == "linked":
        assert precious.read_bytes() == data


@pytest.mark.parametrize("damage", ["empty", "torn", "flipped", "directory", "link", "another's"])
def test_a_damaged_claim_keeps_its_address_while_its_owner_may_live(
    pool: FilePool, damage: str, tmp_path: Path
) -> None:
    take(pool, *"abcde")
    claim = path_of(pool, "10.0.0.3")
    data = claim.read_bytes()
    claim.unlink()
    if damage == "directory":
        claim.mkdir()
    elif damage == "link":
        claim.symlink_to(tmp_path)
    else:
        flipped = data.replace(b"eth0", b"eth1")
        other = path_of(pool, "10.0.0.4").read_bytes()
        claim.write_bytes({"empty": b"", "torn": data[:40], "flipped": flipped, "another's": other}[damage])
    with pytest.raises(PoolFullError):
        pool.claim("f", "eth0")
    with pytest.raises(ConflictError, match="taken by eth0 of b"):
        pool.claim("f", "eth0", requested="10.0.0.3")
    assert "10.0.0.3 is damaged" in pool.root.warnings[0]
    assert path_of(pool, "10.0.0.3.corrupt-1").is_symlink() or path_of(pool, "10.0.0.3.corrupt-1").exists()
    assert pool.release("b", "eth0") == ("10.0.0.3",)
    assert take(pool, "f") == ["3"]


def test_a_damaged_claim_that_nobody_owns_blocks_nobody(pool: FilePool) -> None:
    take(pool, *"abcd")
    path_of(pool, "10.0.0.6").write_bytes(b"")
    assert take(pool, "e") == ["6"]
    assert "10.0.0.6 is damaged" in pool.root.warnings[0]


def test_a_damaged_claim_can_be_released(pool: FilePool) -> None:
    take(pool, "a", "b")
    path_of(pool, "10.0.0.2").write_bytes(b"")
    assert pool.release("a", "eth0") == ("10.0.0.2",)
    assert [claim.container for claim in pool.claims()] == ["b"]


@pytest.mark.parametrize("damage", ["file", "directory", "elsewhere", "another's", "nowhere"])
def test_a_damaged_owner_link_loses_nothing(pool: FilePool, damage: str) -> None:
    take(pool, "a", "b")
    link = path_of(pool, "a+eth0")
    link.unlink()
    if damage == "file":
        link.write_bytes(b"junk")
    elif damage == "directory":
        link.mkdir()
    else:
        link.symlink_to({"elsewhere": "/etc/passwd", "another's": "10.0.0.3", "nowhere": "10.0.0.5"}[damage])
    assert pool.release("a", "eth0") == ("10.0.0.2",)
    assert [claim.container for claim in pool.claims()] == ["b"]
    assert take(pool, "a") == ["4"]


def test_a_crash_between_any_two_steps_loses_no_address_and_gives_none_twice(
    root: Root, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The process dies right before its n-th change of the filesystem, for every n."""

    class DeathError(BaseException):
        pass

    changes = ("link", "symlink", "unlink", "replace", "write", "pwrite", "mkdir", "rename")

    def dying_at(moment: int) -> None:
        left = iter(range(moment))

        def watched(real: object) -> object:
            def call(*args: object, **given: object) -> object:
                if next(left, None) is None:
                    raise DeathError
                return real(*args, **given)  # type: ignore[operator]

            return call

        for name in changes:
            monkeypatch.setattr(os, name, watched(getattr(os, name)))

    for moment in range(40):
        home = Root(f"{root.path}/{moment}")
        pool = FilePool(home, "web", TINY)
        take(pool, "a", "b")
        pool.release("a", "eth0")
        with monkeypatch.context():
            dying_at(moment)
            try:
                pool.claim("c", "eth0")
                pool.release("b", "eth0")
                pool.claim("d", "eth0")
                pool.release("c", "eth0")
                survived = True
            except DeathError:
                survived = False
            monkeypatch.undo()
        again = FilePool(Root(home.path), "web", TINY)
        for owner in "abcd":
            again.release(owner, "eth0")
        assert again.claims() == (), moment
        assert sorted(take(again, *"vwxyz")) == ["2", "3", "4", "5", "6"], moment
    assert survived


def work(home: str, name: str, count: int, subnet: Subnet = WIDE) -> None:
    """Claim `count` addresses, give every third back, and write down what was kept."""
    pool = FilePool(Root(home), "web", subnet)
    kept = []
    for number in range(count):
        lease = pool.claim(f"{name}-{number}", "eth0")
        if number % 3:
            kept.append(f"{lease.address} {name}-{number}\n")
        else:
            assert pool.release(f"{name}-{number}", "eth0")
    Path(home, f"kept-{name}").write_text("".join(kept))


@pytest.mark.parametrize(("processes", "count"), [(2, 500), (8, 60)])
def test_claims_at_the_same_time_are_never_double_and_never_lost(root: Root, processes: int, count: int) -> None:
    pool = FilePool(root, "web", WIDE)
    forks.finish([forks.start(partial(work, root.path, f"p{n}", count)) for n in range(processes)])
    kept = [line for n in range(processes) for line in Path(root.path, f"kept-p{n}").read_text().splitlines()]
    assert len(kept) == sum(1 for n in range(count) if n % 3) * processes
    assert [address for address, times in Counter(line.split()[0] for line in kept).items() if times > 1] == []
    assert sorted(kept) == sorted(f"{claim.address}/20 {claim.container}" for claim in pool.claims())


def test_two_fight_for_the_last_address_and_one_wins(root: Root) -> None:
    pool = FilePool(root, "web", Subnet("10.0.0.0/30", "10.0.0.1"))

    def fight(name: str, mine: socket.socket) -> None:
        own = FilePool(Root(root.path), "web", pool.subnet)
        for number in range(100):
            meet(mine)
            try:
                own.claim(name, "eth0")
                Path(root.path, f"won-{number}-{name}").touch()
            except PoolFullError:
                pass
            meet(mine)
            own.release(name, "eth0")

    def meet(mine: socket.socket) -> None:
        mine.send(b"x")
        assert mine.recv(1) == b"x"

    ends = socket.socketpair()
    with ends[0], ends[1]:
        forks.finish([forks.start(partial(fight, f"fighter{i}", ends[i])) for i in (0, 1)])
    winners = Counter(path.name.split("-")[1] for path in Path(root.path).glob("won-*"))
    assert winners == Counter({str(number): 1 for number in range(100)})


def test_whoever_is_killed_loses_no_address(root: Root) -> None:
    """A hundred deaths at any moment of a claim or release; then every address can be given out, each once."""
    subnet = Subnet("10.0.0.0/27", "10.0.0.1")

    def churn(name: str) -> None:
        mine = FilePool(Root(root.path), "web", subnet)
        while True:
            for number in range(5):
                mine.release(f"{name}-{number}", "eth0")
                mine.claim(f"{name}-{number}", "eth0")

    for death in range(50):
        pair = [forks.start(partial(churn, name)) for name in ("p", "q")]
        time.sleep(0.002 + death % 10 / 3000)
        for child in pair:
            forks.kill(child)
    pool = FilePool(root, "web", subnet)
    owners = [claim.container for claim in pool.claims()]
    assert len(owners) == len(set(owners))
    for owner in owners:
        assert pool.release(owner, "eth0")
    assert pool.claims() == ()
    assert len({pool.claim(f"c{n}", "eth0").address for n in range(29)}) == 29
    assert root.warnings == []


def test_names_of_containers_do_not_meet_addresses_or_each_other(pool: FilePool) -> None:
    for owner in ("10.0.0.2", "order", "10.0.0.3.corrupt-1", "a"):
        pool.claim(owner, "eth0")
    assert len(pool.claims()) == 4
    for owner in ("10.0.0.2", "order", "10.0.0.3.corrupt-1", "a"):
        assert pool.release(owner, "eth0")


def test_a_claim_of_a_newer_netkit_is_left_alone(pool: FilePool, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(document, "VERSION", 2)
    take(pool, "a")
    monkeypatch.setattr(document, "VERSION", 1)
    assert pool.claims() == ()
    assert "newer netkit" in pool.root.warnings[0]
    assert take(pool, *"bcde") == ["3", "4", "5", "6"]
    with pytest.raises(PoolFullError, match="5 of 5"):
        pool.claim("f", "eth0")


def test_claims_are_readable_files(pool: FilePool) -> None:
    take(pool, "a")
    assert b'"container": "a"' in path_of(pool, "10.0.0.2").read_bytes()
    assert os.readlink(path_of(pool, "a+eth0")) == "10.0.0.2"
    assert isinstance(pool.claims()[0], Claim)
