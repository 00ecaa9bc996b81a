"""A network's other hosts, from one list: programmed, moved, forgotten, mended; nothing of others is touched."""

from __future__ import annotations

import json

import pytest

from netkit.model import PeerHost
from netkit.value import to_json
from tests.hosts import Lab
from tests.netns.keepers import end_keeper
from tests.netns.test_overlay import Pair

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

pytestmark = [pytest.mark.root, pytest.mark.requires("vxlan", "bridge", "nftables")]

#: Makes an overlay that others are told to, as a store would.
MAKE = """
import sys
from netkit.engine.service import Engine
from netkit.model import Network, Subnet
options = {"vni": "42", "local": "192.0.2.1", "dev": "eth0", "store": "dir:///nowhere"}
Engine(sys.argv[1]).create_network(
    Network("overlay42", "overlay", "", (Subnet("10.142.0.0/16", "10.142.0.1"),), options=tuple(options.items()))
)
"""
#: Meets the hosts of the second argument; tells what came of it.
MEET = """
import json, sys
from netkit.engine.service import Engine
from netkit.value import from_json
met = Engine(sys.argv[1]).meet("overlay42", from_json(json.loads(sys.argv[2])))
told = {key: [step if isinstance(step, str) else type(step.op).__name__ for step in steps]
        for key, steps in vars(met).items()}
print(json.dumps(told))
"""
ONE = ("10.142.9.1", "02:00:00:00:00:01")
TWO = ("10.142.9.2", "02:00:00:00:00:02")


class Side(Pair):
    """The left host of a pair, with an overlay that a store would fill."""

    def __init__(self, lab: Lab) -> None:
        super().__init__(lab)
        self.left.python(MAKE, str(self.left.root))

    def meet(self, *peers: PeerHost) -> dict[str, list[str]]:
        told: dict[str, list[str]] = json.loads(
            self.left.python(MEET, str(self.left.root), json.dumps(to_json(peers))).stdout
        )
        return told

    def forwards(self) -> dict[str, str]:
        told: list[dict[str, Any]] = json.loads(self.left.run("bridge", "-j", "fdb", "show", "dev", "nkv42").stdout)
        return {entry["mac"]: entry["dst"] for entry in told if "dst" in entry}

    def in_bridge(self) -> set[str]:
        told = self.left.run("bridge", "fdb", "show", "dev", "nkv42").stdout.splitlines()
        return {line.split()[0] for line in told if "master" in line and "static" in line}

    def neighbours(self) -> dict[str, str]:
        told: list[dict[str, Any]] = json.loads(
            self.left.run("ip", "-j", "neigh", "show", "dev", "nk-overlay42", "nud", "permanent").stdout
        )
        return {entry["dst"]: entry["lladdr"] for entry in told}


def peer(at: str = "192.0.2.2", *endpoints: tuple[str, str]) -> PeerHost:
    return PeerHost("b" * 32, at, endpoints=endpoints)


def test_what_lies_behind_a_peer_is_known_everywhere_it_has_to_be(lab: Lab) -> None:
    side = Side(lab)
    assert side.meet(peer("192.0.2.2", ONE, TWO))["failed"] == []
    assert side.forwards() == {ONE[1]: "192.0.2.2", TWO[1]: "192.0.2.2"}
    assert side.in_bridge() == {ONE[1], TWO[1]}
    assert side.neighbours() == dict((ONE, TWO))
    assert side.left.netkit("check").stdout == "all holds\n"


def test_a_second_round_changes_nothing(lab: Lab) -> None:
    side = Side(lab)
    side.meet(peer("192.0.2.2", ONE))
    assert side.meet(peer("192.0.2.2", ONE)) == {"new": [], "mended": [], "dropped": [], "failed": []}


def test_an_interface_that_moved_leads_to_its_new_host_and_its_old_host_is_shut_out(lab: Lab) -> None:
    side = Side(lab)
    side.meet(peer("192.0.2.2", ONE))
    told = side.meet(peer("192.0.2.3", ONE))
    assert (told["failed"], sorted(told["dropped"])) == ([], ["RulesDel"])
    assert side.forwards() == {ONE[1]: "192.0.2.3"}
    assert side.neighbours() == dict([ONE])
    known = side.left.run("nft", "list", "set", "inet", "netkit", "tunnel4").stdout
    assert ("192.0.2.3" in known, "192.0.2.2" in known) == (True, False)


def test_who_left_is_forgotten_and_with_nobody_left_the_network_is_as_it_was(lab: Lab) -> None:
    side = Side(lab)
    before = side.left.snapshot()
    side.meet(peer("192.0.2.2", ONE, TWO))
    side.meet(peer("192.0.2.2", TWO))
    assert (side.forwards(), side.neighbours()) == ({TWO[1]: "192.0.2.2"}, dict([TWO]))
    side.meet()
    assert side.left.snapshot() == before


def test_what_others_break_is_mended_and_what_they_add_is_taken_away(lab: Lab) -> None:
    side = Side(lab)
    side.meet(peer("192.0.2.2", ONE, TWO))
    side.left.run("bridge", "fdb", "replace", ONE[1], "dev", "nkv42", "dst", "192.0.2.66", "self", "permanent")
    side.left.run("bridge", "fdb", "append", "00:00:00:00:00:00", "dev", "nkv42", "dst", "192.0.2.66")
    side.left.run("ip", "neigh", "flush", "dev", "nk-overlay42", "nud", "permanent")
    side.left.run("ip", "neigh", "add", "10.142.6.6", "lladdr", "02:00:00:00:00:66", "dev", "nk-overlay42")
    told = side.meet(peer("192.0.2.2", ONE, TWO))
    assert sorted(told["mended"]) == ["FdbAdd", "NeighAdd", "NeighAdd"]
    assert side.forwards() == {ONE[1]: "192.0.2.2", TWO[1]: "192.0.2.2"}
    assert side.neighbours() == dict((ONE, TWO))


def test_a_tunnel_that_was_deleted_is_made_again_with_all_that_it_led_to(lab: Lab) -> None:
    side = Side(lab)
    side.meet(peer("192.0.2.2", ONE))
    flags = side.left.run("bridge", "-d", "link", "show", "dev", "nkv42").stdout
    assert "neigh_suppress on" in flags
    side.left.run("ip", "link", "del", "nkv42")
    side.left.netkit("reload", check=True)
    end_keeper(side.left)
    assert side.forwards() == {ONE[1]: "192.0.2.2"}
    assert side.left.run("bridge", "-d", "link", "show", "dev", "nkv42").stdout.split()[2:] == flags.split()[2:]


def test_taking_the_network_down_forgets_its_hosts(lab: Lab) -> None:
    side = Side(lab)
    side.meet(peer("192.0.2.2", ONE))
    side.left.netkit("overlay", "down", "--vni", "42", check=True)
    assert side.left.run("nft", "list", "tables").stdout == ""
    assert side.left.run("ip", "-o", "link").stdout.count("\n") == 2
