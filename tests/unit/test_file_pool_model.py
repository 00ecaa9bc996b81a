"""Addresses in files against a dict: any sequence of claims, releases, reservations, reboots, deaths and losses."""

from __future__ import annotations

import os
import shutil
import tempfile
from pathlib import Path

import pytest
from hypothesis import HealthCheck, settings
from hypothesis import strategies as some
from hypothesis.stateful import RuleBasedStateMachine, invariant, precondition, rule

from netkit.errors import ConflictError, PoolFullError
from netkit.ipam.files import FilePool
from netkit.model import Subnet
from netkit.state.root import Root

SUBNETS = (Subnet("10.0.0.0/28", "10.0.0.1", "10.0.0.4-10.0.0.9"), Subnet("fd00::/125", "fd00::1"))
OWNERS = some.sampled_from("abcdefgh")
FAMILY = some.sampled_from([0, 1])
HOST = some.integers(2, 6)


class FilePools(RuleBasedStateMachine):
    """Two pools of one network; `held` maps (family, address) to (owner, boot), the rest is in the files."""

    def __init__(self) -> None:
        super().__init__()
        self.home = tempfile.mkdtemp(prefix="netkit-model-")
        self.boot = 0
        self.dead: set[str] = set()
        self.held: dict[tuple[int, str], tuple[str, int]] = {}
        self.reserved: set[tuple[int, str]] = set()
        self.reopen()

    def teardown(self) -> None:
        shutil.rmtree(self.home)

    def reopen(self) -> None:
        """As the next process does."""
        os.environ["NETKIT_BOOT_ID"] = f"boot{self.boot}"
        self.root = Root(self.home)
        self.pools = [FilePool(self.root, "web", s, lambda claim: claim.container not in self.dead) for s in SUBNETS]

    def address(self, which: int, host: int) -> str:
        return f"fd00::{host}" if which else f"10.0.0.{host}"

    def given_out(self, which: int) -> set[str]:
        hosts = range(2, 8) if which else range(4, 10)
        return {self.address(which, host) for host in hosts}

    def lives(self, owner: str, boot: int) -> bool:
        return boot == self.boot and owner not in self.dead

    def living(self, which: int) -> dict[str, str]:
        return {a: o for (w, a), (o, boot) in self.held.items() if w == which and self.lives(o, boot)}

    def keep_only_what_is_on_disk(self, which: int) -> None:
        """The dead may be taken back at any time; nothing else may vanish or appear."""
        found = {claim.address: claim.container for claim in self.pools[which].claims()}
        for (w, address), (owner, boot) in list(self.held.items()):
            if w == which and address not in found:
                assert not self.lives(owner, boot), (address, owner)
                del self.held[w, address]
        assert found == {a: o for (w, a), (o, _) in self.held.items() if w == which}

    @rule(which=FAMILY, owner=OWNERS)
    def claim(self, which: int, owner: str) -> None:
        self.dead.discard(owner)
        living = self.living(which)
        free = self.given_out(which) - living.keys() - {a for w, a in self.reserved if w == which}
        pool = self.pools[which]
        if owner in living.values():
            with pytest.raises(ConflictError, match="already has"):
                pool.claim(owner, "eth0")
        elif not free:
            with pytest.raises(PoolFullError):
                pool.claim(owner, "eth0")
        else:
            preview = pool.preview()
            lease = pool.claim(owner, "eth0")
            address = lease.address.partition("/")[0]
            assert address in free
            assert owner in [o for o, _ in self.held.values()] or preview == lease
            self.note(which, address, owner)

    @rule(which=FAMILY, owner=OWNERS, host=HOST)
    def claim_that_one(self, which: int, owner: str, host: int) -> None:
        self.dead.discard(owner)
        living = self.living(which)
        address = self.address(which, host)
        refused = owner in living.values() or address in living or (which, address) in self.reserved
        if refused:
            with pytest.raises(ConflictError):
                self.pools[which].claim(owner, "eth0", requested=address)
        else:
            self.pools[which].claim(owner, "eth0", requested=address)
            self.note(which, address, owner)

    def note(self, which: int, address: str, owner: str) -> None:
        for (w, a), (o, _) in list(self.held.items()):
            if w == which and o == owner:
                del self.held[w, a]
        self.held[which, address] = (owner, self.boot)

    @rule(which=FAMILY, owner=OWNERS)
    def release(self, which: int, owner: str) -> None:
        mine = tuple(a for (w, a), (o, _) in self.held.items() if w == which and o == owner)
        assert self.pools[which].release(owner, "eth0") == mine
        for address in mine:
            del self.held[which, address]

    @rule(which=FAMILY, host=HOST)
    def reserve(self, which: int, host: int) -> None:
        address = self.address(which, host)
        if address in self.living(which):
            with pytest.raises(ConflictError):
                self.pools[which].reserve(address)
        else:
            assert self.pools[which].reserve(address) is ((which, address) not in self.reserved)
            self.reserved.add((which, address))

    @rule(which=FAMILY, host=HOST)
    def unreserve(self, which: int, host: int) -> None:
        address = self.address(which, host)
        assert self.pools[which].unreserve(address) is ((which, address) in self.reserved)
        self.reserved.discard((which, address))

    @rule(owner=OWNERS)
    def die(self, owner: str) -> None:
        self.dead.add(owner)

    @rule()
    def next_process(self) -> None:
        self.reopen()

    @rule()
    def reboot(self) -> None:
        self.boot += 1
        self.reopen()

    @rule(which=FAMILY, damage=some.sampled_from([None, b"", b"junk", b"netkit o" + bytes(24), b"\xff" * 48]))
    def lose_the_order(self, which: int, damage: bytes | None) -> None:
        order = self.file(which, "order")
        order.unlink(missing_ok=True)
        if damage is not None:
            order.write_bytes(damage)

    @precondition(lambda self: self.held)
    @rule(pick=some.integers(0, 99), damage=some.sampled_from([b"", b"{", b"null", b"[]"]))
    def damage_a_claim(self, pick: int, damage: bytes) -> None:
        which, address = sorted(self.held)[pick % len(self.held)]
        self.file(which, address).write_bytes(damage)
        owner, boot = self.held[which, address]
        found = {claim.address: claim for claim in self.pools[which].claims()}
        assert found[address].container == owner
        # Which boot it was of is lost: it counts as of this one until its owner is known to be dead.
        self.held[which, address] = (owner, self.boot if boot != self.boot else boot)

    @precondition(lambda self: self.held)
    @rule(pick=some.integers(0, 99))
    def lose_an_owners_link(self, pick: int) -> None:
        which, address = sorted(self.held)[pick % len(self.held)]
        link = self.file(which, f"{self.held[which, address][0]}+eth0")
        link.unlink()
        link.symlink_to("10.0.0.99")

    def file(self, which: int, name: str) -> Path:
        return Path(self.home, "run", "ipam", "web", SUBNETS[which].cidr.replace("/", "_"), name)

    @invariant()
    def the_files_say_the_same(self) -> None:
        for which in (0, 1):
            self.keep_only_what_is_on_disk(which)
            assert {(which, a) for a in self.pools[which].reservations()} == {r for r in self.reserved if r[0] == which}


FilePools.TestCase.settings = settings(
    max_examples=100, stateful_step_count=30, deadline=None, suppress_health_check=list(HealthCheck)
)


class TestFilePools(FilePools.TestCase):  # type: ignore[misc, valid-type]
    """The machine as a test, with the boot that it pretends taken back at the end."""

    def tearDown(self) -> None:
        os.environ.pop("NETKIT_BOOT_ID", None)
