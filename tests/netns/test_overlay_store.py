"""Overlays whose hosts find each other in a store: addresses, peers, repairs, outages, records that lie."""

from __future__ import annotations

import json
import os
import signal
import sys
from pathlib import Path

import pytest

from tests.contract.drivers import pings
from tests.hosts import Container, HostNs, Lab, wait_until
from tests.netns.calls import ip
from tests.netns.keepers import end_keeper, keeper
from tests.netns.test_overlay import EMPTY, attached
from tests.oracle import diff

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator
    from typing import Any

pytestmark = [pytest.mark.root, pytest.mark.requires("vxlan", "bridge", "nftables"), pytest.mark.limit(120)]

UP = ("overlay", "up", "--vni", "42", "--store")
#: What is lasting beside that which every first command leaves.
MORE = (*EMPTY, "state */keeper/*", "state */beats/*")


class Crowd:
    """Hosts on one switch that share a directory, each with a container."""

    def __init__(self, lab: Lab, count: int = 2) -> None:
        self.lab = lab
        self.hosts = [lab.host(f"h{number}") for number in range(1, count + 1)]
        lab.switch({host: (f"192.0.2.{at}/24", f"fd00:2::{at}/64") for at, host in enumerate(self.hosts, 1)})
        self.containers = [lab.container(f"c{number}") for number in range(1, count + 1)]
        self.path = lab.directory / "shared"
        self.path.mkdir(mode=0o700)
        for host in self.hosts:
            host.run("ip", "route", "add", "default", "via", "192.0.2.254")

    @property
    def store(self) -> str:
        return f"dir://{self.path}"

    def up(self, *words: str) -> None:
        for host in self.hosts:
            host.netkit(*UP, self.store, *words, check=True)

    def attach(self) -> list[dict[int, str]]:
        return [attached(host, container) for host, container in zip(self.hosts, self.containers, strict=True)]

    def file(self, name: str = "") -> Path:
        """A file of the network in the store; a host's own record by its number."""
        return self.path / "overlay42" / name

    def node(self, at: int) -> str:
        told: dict[str, Any] = json.loads((self.hosts[at].root / "lib/identity/node").read_text())
        return str(told["value"]["id"])


def kill(host: HostNs) -> None:
    """End the keeper as nobody expects it."""
    pid = keeper(host)
    assert pid, "there is no keeper to kill"
    os.kill(pid, signal.SIGKILL)
    assert wait_until(lambda: not keeper(host))


def forwards(host: HostNs) -> dict[str, str]:
    told: list[dict[str, Any]] = json.loads(
        host.run("bridge", "-j", "fdb", "show", "dev", "nkv42", check=False).stdout or "[]"
    )
    return {entry["mac"]: entry["dst"] for entry in told if "dst" in entry}


def neighbours(host: HostNs) -> set[str]:
    words = ("ip", "-j", "neigh", "show", "dev", "nk-overlay42", "nud", "permanent")
    return {entry["dst"] for entry in json.loads(host.run(*words, check=False).stdout or "[]")}


def reaches(container: Container, address: str, seconds: float = 12) -> bool:
    return wait_until(lambda: bool(pings(container, {"it": address}, 1)), seconds)


@pytest.fixture
def crowd(lab: Lab) -> Iterator[Crowd]:
    made = Crowd(lab)
    yield made
    end(made)


@pytest.fixture
def three(lab: Lab) -> Iterator[Crowd]:
    made = Crowd(lab, 3)
    yield made
    end(made)


def end(crowd: Crowd) -> None:
    for host in crowd.hosts:
        end_keeper(host)


def test_three_hosts_are_one_segment_and_as_before_after_down(three: Crowd) -> None:
    before = [host.snapshot(*three.containers) for host in three.hosts]
    three.up("--subnet", "10.142.0.0/16", "--subnet", "fd42::/64")
    told = three.attach()
    assert len({each[4] for each in told}) == len({each[6] for each in told}) == 3
    for container in three.containers:
        for other in told:
            assert reaches(container, other[4])
            assert reaches(container, other[6])
    assert all(host.netkit("check").stdout == "all holds\n" for host in three.hosts)
    for host, container in zip(three.hosts, three.containers, strict=True):
        host.netkit("detach", "--pid", str(container.pid), check=True)
        host.netkit("overlay", "down", "--vni", "42", check=True)
    assert wait_until(lambda: not any(keeper(host) for host in three.hosts), 15)
    for host, seen in zip(three.hosts, before, strict=True):
        assert diff(seen, host.snapshot(*three.containers), MORE) == ""


def test_one_host_alone_works_at_once_and_says_how_another_joins(crowd: Crowd) -> None:
    told = crowd.hosts[0].netkit(*UP, crowd.store, check=True).stdout
    assert f"netkit overlay up --vni 42 --store {crowd.store}" in told
    attached(crowd.hosts[0], crowd.containers[0])
    assert pings(crowd.containers[0], {"gateway": "10.142.0.1"}, 1) == {"gateway"}


def test_the_store_has_the_last_word_on_subnets(crowd: Crowd) -> None:
    first, second = crowd.hosts
    first.netkit(*UP, crowd.store, "--subnet", "10.50.0.0/16", check=True)
    before = second.snapshot()
    done = second.netkit(*UP, crowd.store, "--subnet", "10.51.0.0/16")
    assert done.returncode == 4
    assert "10.50.0.0/16" in done.stderr
    assert "10.51.0.0/16" in done.stderr
    assert diff(before, second.snapshot(), MORE) == ""
    second.netkit(*UP, crowd.store, check=True)
    assert "10.50.0.0/16" in second.netkit("inspect", "overlay42").stdout


def test_another_vni_of_that_name_is_refused(crowd: Crowd) -> None:
    first, second = crowd.hosts
    first.netkit("overlay", "up", "--vni", "42", "--name", "blue", "--store", crowd.store, check=True)
    done = second.netkit("overlay", "up", "--vni", "43", "--name", "blue", "--store", crowd.store)
    assert (done.returncode, "42" in done.stderr, "43" in done.stderr) == (4, True, True)


def test_an_address_is_had_by_one_host(crowd: Crowd) -> None:
    crowd.up()
    attached(crowd.hosts[0], crowd.containers[0])
    words = ("attach", "--pid", str(crowd.containers[1].pid), "--mode", "overlay", "--ip")
    done = crowd.hosts[1].netkit(*words, "10.142.0.3")
    assert (done.returncode, "192.0.2.1" in done.stderr) == (4, True)
    assert crowd.hosts[1].netkit("ps", "--json").stdout.strip() == "[]"
    crowd.hosts[0].netkit("detach", "--pid", str(crowd.containers[0].pid), check=True)
    crowd.hosts[1].netkit(*words, "10.142.0.3", check=True)


def test_mode_overlay_is_the_only_one_and_several_are_named(crowd: Crowd) -> None:
    host, pid = crowd.hosts[0], str(crowd.containers[0].pid)
    assert "netkit overlay up" in host.netkit("attach", "--pid", pid, "--mode", "overlay").stderr
    host.netkit(*UP, crowd.store, check=True)
    host.netkit("attach", "--pid", pid, "--mode", "overlay", check=True)
    host.netkit("detach", "--pid", pid, check=True)
    host.netkit("overlay", "up", "--vni", "43", "--dev", "eth0", check=True)
    done = host.netkit("attach", "--pid", pid, "--mode", "overlay")
    assert (done.returncode, "overlay42, overlay43" in done.stderr) == (2, True)


def test_racing_hosts_never_get_one_address(crowd: Crowd) -> None:
    crowd.up()
    places = [[crowd.lab.container(f"r{side}{number}") for number in range(6)] for side in (0, 1)]
    script = (
        'for pid in "$@"; do "$NK" -m netkit --root "$ROOT" attach --pid $pid --mode overlay --json || exit 1; done'
    )
    running = [
        host.popen("env", f"NK={Path(sys.executable)}", f"ROOT={host.root}", "sh", "-c", script, "sh",
                   *(str(one.pid) for one in of))
        for host, of in zip(crowd.hosts, places, strict=True)
    ]  # fmt: skip
    for process in running:
        assert process.wait(90) == 0, process.communicate()
    found = [ip(one, "-4", "addr", "show", "dev", "eth0")[0]["addr_info"][0]["local"] for of in places for one in of]
    assert len(set(found)) == 12


def test_a_store_that_is_away_stops_new_attachments_and_nothing_else(crowd: Crowd) -> None:
    crowd.up()
    told = crowd.attach()
    assert reaches(crowd.containers[0], told[1][4])
    crowd.path.rename(crowd.path.with_name("away"))
    try:
        extra = crowd.lab.container("extra")
        before = crowd.hosts[0].snapshot(extra)
        done = crowd.hosts[0].netkit("attach", "--pid", str(extra.pid), "--mode", "overlay")
        assert (done.returncode, str(crowd.path) in done.stderr) == (1, True)
        assert diff(before, crowd.hosts[0].snapshot(extra), MORE) == ""
        kill(crowd.hosts[0])
        crowd.hosts[0].netkit("overlay", "peers")
        assert wait_until(lambda: bool(keeper(crowd.hosts[0])))
        crowd.hosts[0].run("ip", "link", "del", "nkv42")
        assert reaches(crowd.containers[0], told[1][4], 15), "mended from what is recorded"
        crowd.hosts[1].netkit("detach", "--pid", str(crowd.containers[1].pid), check=True)
        assert crowd.file().exists() is False
    finally:
        if crowd.path.exists():
            crowd.path.rmdir()
        crowd.path.with_name("away").rename(crowd.path)
    assert wait_until(lambda: told[1][4] not in neighbours(crowd.hosts[0]), 40), "given back by the keeper"


def test_a_claim_that_nobody_holds_is_given_back(crowd: Crowd) -> None:
    crowd.up()
    code = """
import sys
from netkit.engine.session import Session
from netkit.engine import membership, networks
from netkit.state.root import Root
from netkit.model import Lease
with Session(Root(sys.argv[1])) as session:
    membership.of(session, networks.find(session, "overlay42")).take([Lease("10.142.0.77/16", "")])
"""
    crowd.hosts[0].python(code, str(crowd.hosts[0].root))
    assert crowd.file("addresses/10.142.0.77.g1").exists()
    assert wait_until(lambda: crowd.file("addresses/10.142.0.77.g2").exists(), 30)


@pytest.mark.parametrize("act", ["link", "fdb", "neigh", "bridge"])
def test_what_others_delete_is_back_within_ten_seconds(crowd: Crowd, act: str) -> None:
    crowd.up()
    told = crowd.attach()
    assert reaches(crowd.containers[0], told[1][4])
    host = crowd.hosts[0]
    mac = next(iter(forwards(host)))
    words = {
        "link": ("ip", "link", "del", "nkv42"),
        "fdb": ("bridge", "fdb", "del", mac, "dev", "nkv42", "dst", "192.0.2.2", "self"),
        "neigh": ("ip", "neigh", "flush", "dev", "nk-overlay42", "nud", "permanent"),
        "bridge": ("ip", "link", "del", "nk-overlay42"),
    }[act]
    before = (forwards(host), neighbours(host))
    host.run(*words)
    assert wait_until(lambda: (forwards(host), neighbours(host)) == before, 10)
    assert reaches(crowd.containers[0], told[1][4])
    assert host.netkit("check").stdout == "all holds\n"
