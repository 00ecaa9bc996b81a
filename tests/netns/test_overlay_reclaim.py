"""A host that dies and comes back: when its time is over others take its addresses, and it finds out that it is fenced.

A network's time to live is in its network.json, 60 s at the least, and 120 s of grace follow. So those who watch have a
clock that runs twenty times as fast, and speak twenty times as often; all else is as it is.
"""

from __future__ import annotations

import json
import sys

import pytest

from tests.hosts import HostNs, Lab, wait_until
from tests.netns.keepers import end_keeper, kill_keeper
from tests.netns.test_agent_absence import later
from tests.netns.test_overlay import attached
from tests.netns.test_overlay_store import UP, Crowd, end, forwards, neighbours, reaches

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator
    from subprocess import Popen

pytestmark = [
    pytest.mark.root,
    pytest.mark.requires("vxlan", "bridge", "nftables", "time-namespaces"),
    pytest.mark.limit(180),
]

MAKE = """
import sys
from netkit import stores
from netkit.stores.model import Settings
stores.open(sys.argv[1], "overlay42", "maker", Settings("10.142.0.0/16", vni=42, ttl=60, backend="vxlan", port=4789))
"""
#: A keeper whose clock of seconds since the start runs fast.
FAST = """
import sys, time
from netkit.stores import model, sightings
model.HEARTBEAT = 1.0
sightings.boottime = lambda: 20 * time.clock_gettime(time.CLOCK_BOOTTIME)
from netkit.agent.overlay.keeper import stand_by
stand_by(sys.argv[1])
"""


@pytest.fixture
def three(lab: Lab) -> Iterator[Crowd]:
    made = Crowd(lab, 3)
    made.hosts[0].python(MAKE, made.store)
    yield made
    end(made)


def watch(host: HostNs) -> Popen[str]:
    """Have this host's overlays kept by one with a fast clock."""
    end_keeper(host)
    process = host.popen(sys.executable, "-c", FAST, str(host.root))
    report = host.root / "run/keeper/overlay42"  # a command that asks would start another
    assert wait_until(lambda: json.loads(report.read_text())["value"]["pid"] == process.pid, 20)
    return process


def holder(crowd: Crowd, address: str) -> str:
    """Who has an address in the store by now, "" for nobody."""
    files = crowd.file("addresses").glob(f"{address}.g*")
    last = max(files, key=lambda file: int(file.name.rpartition(".g")[2]))
    return str(json.loads(last.read_text())["value"].get("node", ""))


def test_a_dead_hosts_addresses_are_taken_and_it_finds_out_when_it_returns(three: Crowd) -> None:
    three.up()
    first, second, third = three.hosts
    told = attached(first, three.containers[0])
    attached(third, three.containers[2])
    assert reaches(three.containers[2], told[4])
    keepers = [watch(host) for host in (second, third)]
    assert holder(three, told[4]) == three.node(0)
    kill_keeper(first)
    first.run("ip", "link", "set", "eth0", "down")
    assert wait_until(lambda: '"stale"' in second.netkit("overlay", "peers", "--json").stdout, 60)
    assert "192.0.2.1" in forwards(second).values(), "a host that is silent keeps what it has"
    assert holder(three, told[4]) == three.node(0)
    assert wait_until(lambda: holder(three, told[4]) == holder(three, "10.142.0.1") == "", 60)
    assert wait_until(lambda: "192.0.2.1" not in {*forwards(second).values(), *forwards(third).values()}, 15)
    assert told[4] not in neighbours(third)
    words = ("attach", "--pid", str(three.containers[1].pid), "--mode", "overlay", "--ip", told[4])
    second.netkit(*words, check=True)
    assert reaches(three.containers[2], told[4], 40), "once its neighbour has forgotten who had it"
    for process in keepers:
        process.terminate()
        process.wait(20)
    back(three, told[4])


def back(three: Crowd, address: str) -> None:
    """The host that was dead returns: it takes nobody in until it was heard, and is told what it has lost."""
    first, second, third = three.hosts
    first.run("ip", "link", "set", "eth0", "up")
    late = three.lab.container("late")
    refused = later(first, 200, "attach", "--pid", str(late.pid), "--network", "overlay42")
    assert refused.returncode == 1
    assert "this host could not say that it lives for" in refused.stderr
    second.netkit("overlay", "peers", check=True)
    third.netkit("overlay", "peers", check=True)
    first.netkit("overlay", "peers", check=True)
    lost = f"{address} of network overlay42 is taken: the host at 192.0.2.2"
    assert wait_until(lambda: lost in first.netkit("overlay", "peers").stdout, 40)
    assert lost in first.netkit("doctor").stdout
    assert wait_until(lambda: "192.0.2.1" in forwards(third).values(), 30), "it is one of them again"
    assert reaches(three.containers[2], address, 40), "who has claimed it is believed"
    assert first.netkit("attach", "--pid", str(late.pid), "--network", "overlay42").returncode == 0


def test_the_time_to_live_of_a_store_is_its_own_and_sixty_seconds_at_the_least(three: Crowd) -> None:
    three.hosts[0].netkit(*UP, three.store, check=True)
    assert json.loads(three.file("network.json").read_text())["value"]["ttl"] == 60
    done = three.hosts[0].python(
        MAKE.replace("ttl=60", "ttl=59").replace('"overlay42"', '"o"'), three.store, check=False
    )
    assert "59 s is too short" in done.stderr
