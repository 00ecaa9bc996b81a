"""What is asked of the kernel round after round: the same answer is worked out once, and any other is seen at once."""

from __future__ import annotations

import json
import os

import pytest

from netkit.kernel import nfelements
from netkit.kernel.netns import Namespaces, resolve_pid
from netkit.kernel.nft import Nftables
from netkit.kernel.observe import KernelHost
from netkit.kernel.threads import run_inside
from netkit.plan.rare.vxlan import FdbEntry, Neighbour
from netkit.plan.rules import BaseRules, Publish, TunnelFrom
from tests.contract.executor import execute

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator

    from netkit.model import NsRef
    from netkit.plan.rules import Rule
    from tests.hosts import Container, HostNs, Lab

pytestmark = pytest.mark.root

FROM = [TunnelFrom("eth0", 8472, 1, f"192.0.2.{number}") for number in range(1, 41)]
PORTS = [Publish("3f9c1a2b7d10", "tcp", "0.0.0.0", 8000 + at, "10.90.0.2", 80, "netkit0") for at in range(40)]
RULES: list[Rule] = [BaseRules(), *FROM, *PORTS]

TUNNEL = """
link add br0 type bridge
link add vx0 type vxlan id 7 local 192.0.2.1 dstport 8472
link set vx0 master br0
link set br0 up
link set vx0 up
neigh add 10.5.1.1 lladdr 02:00:00:00:01:01 dev vx0 nud permanent
neigh add fd00::1 lladdr 02:00:00:00:01:01 dev vx0 nud permanent
"""


@pytest.fixture
def full(host: HostNs) -> HostNs:
    assert execute(host, "nftables", "add", RULES) == "None"
    return host


def missing(host: HostNs) -> set[Rule]:
    """Those of the rules that are not in force, by an executor that has just been opened."""
    fd = os.open(f"/proc/{host.pid}/ns/net", os.O_RDONLY)
    try:
        return set(RULES) - set(run_inside(fd, lambda: Nftables().held(RULES)))
    finally:
        os.close(fd)


def test_of_many_rules_the_ones_that_others_take_away_are_missed_and_found_again(full: HostNs) -> None:
    element = '{ "eth0" . 192.0.2.7 . 8472 . 0x000001 }'
    for _ in range(2):
        assert missing(full) == set()
    full.run("nft", "delete", "element", "inet", "netkit", "tunnel4", element)
    for _ in range(2):
        assert missing(full) == {FROM[6]}
    full.run("nft", "add", "element", "inet", "netkit", "tunnel4", element)
    assert missing(full) == set()


def test_a_port_that_leads_elsewhere_by_now_is_not_held(full: HostNs) -> None:
    assert missing(full) == set()
    key = "any4 { tcp . 8003"
    full.run("nft", f"delete element inet netkit {key} }}; add element inet netkit {key} : 10.90.0.9 . 80 }}")
    shown = json.loads(full.run("nft", "-j", "list", "map", "inet", "netkit", "any4").stdout)["nftables"]
    assert "10.90.0.9" in json.dumps(shown)
    assert missing(full) == {PORTS[3]}


def test_with_the_table_all_is_missed(full: HostNs) -> None:
    assert missing(full) == set()
    full.run("nft", "delete", "table", "inet", "netkit")
    assert missing(full) == set(RULES)
    assert execute(full, "nftables", "add", RULES) == "None"
    assert missing(full) == set()


def test_how_to_ask_for_many_rules_and_the_same_answer_are_worked_out_once(
    full: HostNs, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert missing(full) == set()
    for work in ("_encode", "unpack"):
        monkeypatch.setattr(nfelements, work, None)
    assert missing(full) == set()


@pytest.fixture
def box(lab: Lab) -> Container:
    made = lab.container("box")
    made.run("ip", "-batch", "-", input=TUNNEL)
    for words in ("02:00:00:00:01:01 dst 192.0.2.7 self permanent", "02:00:00:00:01:01 master static"):
        made.run("bridge", "fdb", "add", *words.split(), "dev", "vx0")
    return made


@pytest.fixture
def ref(box: Container) -> NsRef:
    return resolve_pid(box.pid)


@pytest.fixture
def seen() -> Iterator[KernelHost]:
    with Namespaces() as namespaces:
        yield KernelHost(namespaces, lambda: "nftables", lambda rules, backend: (), lambda: ())


def test_entries_of_a_tunnel_are_told_as_they_are_now(box: Container, ref: NsRef, seen: KernelHost) -> None:
    there = FdbEntry("02:00:00:00:01:01", "192.0.2.7")
    assert {there, FdbEntry(there.mac, in_bridge=True)} <= seen.forwards("vx0", ref)
    for words in (f"replace {there.mac} dst 192.0.2.8 self permanent", f"del {there.mac} master"):
        box.run("bridge", "fdb", *words.split(), "dev", "vx0")
    seen.forget()
    found = {entry for entry in seen.forwards("vx0", ref) if entry.mac == there.mac}
    assert found == {FdbEntry(there.mac, "192.0.2.8")}


def test_neighbours_of_a_tunnel_are_told_as_they_are_now(box: Container, ref: NsRef, seen: KernelHost) -> None:
    mac = "02:00:00:00:01:01"
    assert seen.neighbours("vx0", ref) == {Neighbour("10.5.1.1", mac), Neighbour("fd00::1", mac)}
    box.run("ip", "neigh", "del", "fd00::1", "dev", "vx0")
    box.run("ip", "neigh", "replace", "10.5.1.1", "lladdr", "02:00:00:00:01:02", "dev", "vx0", "nud", "permanent")
    seen.forget()
    assert seen.neighbours("vx0", ref) == {Neighbour("10.5.1.1", "02:00:00:00:01:02")}


def test_entries_that_stay_are_one_answer(ref: NsRef, seen: KernelHost) -> None:
    before = seen.forwards("vx0", ref), seen.neighbours("vx0", ref)
    seen.forget()
    assert seen.forwards("vx0", ref) is before[0]
    assert seen.neighbours("vx0", ref) is before[1]
