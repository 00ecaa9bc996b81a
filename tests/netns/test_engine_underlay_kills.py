"""Killed at a system call while a host's addresses move: it is reached at every such moment, and then put back."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.contract.test_engine_faults import ALLOWED
from tests.features import requires
from tests.hosts import Lab
from tests.netns.lan import HOST, Lan
from tests.netns.test_engine_kills import Call, Victim
from tests.oracle import diff

pytestmark = [requires("strace", "nftables", "bridge"), pytest.mark.limit(240)]


class Uplink(Victim):
    """A host in a LAN, whose network is made and removed."""

    def __init__(self, lab: Lab, directory: Path) -> None:
        self.lan = Lan(lab)
        self.host, self.remote = self.lan.host, self.lan.engine
        self.container = lab.container()
        self.log = directory / "strace"
        self.act("create", "rm", "gc")
        self.host.settled()

    def call(self, verb: str) -> Call:
        """Create and remove are of this network."""
        if verb == "create":
            return verb, {"net": self.lan.network()}
        return verb, {"name": "lan"} if verb == "rm" else {}

    def is_reached(self) -> bool:
        """A neighbour in the LAN gets an answer from the host, by each family."""
        self.host.settled()
        return all(self.lan.peer.run("ping", "-c1", "-W3", ip, check=False).returncode == 0 for ip in HOST.values())


def test_a_killed_create(lab: Lab, tmp_path: Path) -> None:
    victim = Uplink(lab, tmp_path)
    before = victim.seen()
    moments = victim.moments("create")
    victim.act("rm")
    killed = 0
    for moment in moments:
        killed += victim.kill("create", moment)
        assert victim.is_reached(), f"killed at {moment}, before anything was repaired"
        victim.act("gc")
        assert victim.is_reached(), f"killed at {moment}"
        if victim.has_network():
            victim.act("rm")
        victim.host.settled()
        assert diff(before, victim.seen(), ALLOWED) == "", f"killed at {moment}"
    assert killed > 9


def test_a_killed_removal(lab: Lab, tmp_path: Path) -> None:
    victim = Uplink(lab, tmp_path)
    before = victim.seen()
    victim.act("create")
    moments = victim.moments("rm")
    killed = 0
    for moment in moments:
        victim.act("create")
        killed += victim.kill("rm", moment)
        assert victim.is_reached(), f"killed at {moment}, before anything was repaired"
        victim.act("gc")
        if victim.has_network():
            victim.act("rm")
        victim.host.settled()
        assert diff(before, victim.seen(), ALLOWED) == "", f"killed at {moment}"
    assert killed > 4


def test_after_any_death_the_next_attempt_works(lab: Lab, tmp_path: Path) -> None:
    """Without a gc in between."""
    victim = Uplink(lab, tmp_path)
    before = victim.seen()
    moments = victim.moments("create")
    victim.act("rm")
    for moment in moments[::2]:
        victim.kill("create", moment)
        if not victim.has_network():
            victim.act("create")
        assert victim.remote.call("check") == (), f"killed at {moment}"
        assert victim.is_reached()
        victim.act("rm")
        victim.host.settled()
        assert diff(before, victim.seen(), (*ALLOWED, "state */.tmp-*")) == "", f"killed at {moment}"
