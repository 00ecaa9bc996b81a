"""Machines made from one image have one id: the second one is refused by name, and takes nothing from the first."""

from __future__ import annotations

import json
import shutil
import sys
from pathlib import Path

import pytest

from tests.hosts import HostNs, Lab, wait_until
from tests.netns.agents import Agents
from tests.netns.keepers import kill_keeper
from tests.netns.test_overlay import attached
from tests.netns.test_overlay_store import MORE, UP, Crowd, end, forwards, reaches
from tests.oracle import diff

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator

pytestmark = [pytest.mark.root, pytest.mark.requires("vxlan", "bridge", "nftables"), pytest.mark.limit(120)]

TOLD = "another host has this host's id, {}, and lives: it speaks from {}"
#: Speaks under another's id, from an address of its own, as often as its arguments say.
SPEAK = """
import sys, time
from netkit import stores
from netkit.stores.model import Host
url, network, node, public, vni, seconds = sys.argv[1:]
store = stores.open(url, network, node)
end = time.monotonic() + float(seconds)
while time.monotonic() < end:
    store.renew(Host(node, public, int(vni), "02:00:00:00:00:77", session="another"))
    print("said", flush=True)
    time.sleep(1)
"""


@pytest.fixture
def three(lab: Lab) -> Iterator[Crowd]:
    made = Crowd(lab, 3)
    yield made
    end(made)


def node(host: HostNs) -> str:
    return str(json.loads((host.root / "lib/identity/node").read_text())["value"]["id"])


def clone(source: HostNs, copy: HostNs) -> None:
    """Make a host that has the other's identity, as a copied disk has."""
    copy.netkit("overlay", "up", "--vni", "1", "--store", "dir:///nowhere")
    shutil.copy(source.root / "lib/identity/node", copy.root / "lib/identity/node")


def held(path: Path) -> dict[str, str]:
    """Everything in a store but when its hosts were heard."""
    files = {str(file.relative_to(path)): file.read_text() for file in path.rglob("*") if file.is_file()}
    return {name: json.loads(text)["value"].get("public", text) for name, text in files.items()}


def test_a_copy_of_a_host_cannot_join_and_changes_nothing(three: Crowd) -> None:
    first, copy, third = three.hosts
    for host in (first, third):
        host.netkit(*UP, three.store, check=True)
    told = attached(first, three.containers[0])
    attached(third, three.containers[2])
    assert reaches(three.containers[2], told[4])
    clone(first, copy)
    before, stored = copy.snapshot(), held(three.path)
    done = copy.netkit(*UP, three.store)
    assert (done.returncode, done.stdout) == (4, "")
    assert TOLD.format(node(first), "192.0.2.1") in done.stderr
    assert f"remove {copy.root}/lib/identity/node" in done.stderr
    assert diff(before, copy.snapshot(), MORE) == ""
    assert held(three.path) == stored
    assert reaches(three.containers[2], told[4])
    (copy.root / "lib/identity/node").unlink()
    copy.netkit(*UP, three.store, check=True)
    assert wait_until(lambda: set(forwards(third).values()) == {"192.0.2.1", "192.0.2.2"}, 15)


def test_a_host_that_becomes_a_copy_is_told_by_all_who_look_and_takes_nothing_away(three: Crowd) -> None:
    first, copy, third = three.hosts
    three.up()
    told = attached(first, three.containers[0])
    attached(third, three.containers[2])
    assert reaches(three.containers[2], told[4])
    kill_keeper(copy)
    shutil.copy(first.root / "lib/identity/node", copy.root / "lib/identity/node")
    stored = {name: text for name, text in held(three.path).items() if "nodes/" not in name or node(first) in name}
    said = TOLD.format(node(first), "192.0.2.1")
    done = copy.netkit("attach", "--pid", str(three.containers[1].pid), "--mode", "overlay")
    assert (done.returncode, said in done.stderr) == (4, True), done.stderr
    assert wait_until(lambda: f"failed: {said}" in copy.netkit("overlay", "peers").stdout, 30)
    assert said in copy.netkit("doctor").stdout
    assert said in copy.netkit("overlay", "down", "--vni", "42", check=True).stderr
    assert {name: text for name, text in held(three.path).items() if name in stored} == stored
    assert reaches(three.containers[2], told[4])
    assert "failed" not in first.netkit("overlay", "peers").stdout


def test_a_host_that_starts_anew_at_its_address_is_no_copy(three: Crowd) -> None:
    host = three.hosts[0]
    host.netkit(*UP, three.store, check=True)
    kill_keeper(host)
    for place in ("beats/@session", "beats/overlay42"):  # as a reboot does
        (host.root / "run" / place).unlink()
    attached(host, three.containers[0])
    assert wait_until(lambda: "last round" in host.netkit("overlay", "peers").stdout, 15)
    assert "failed" not in host.netkit("overlay", "peers").stdout


def test_a_copy_of_an_agents_host_waits_and_says_so(lab: Lab) -> None:
    agents = Agents(lab)
    first, copy = agents.hosts
    agents.start(first)
    container = agents.attach(first)
    clone(first, copy)
    before, stored = copy.snapshot(), held(agents.store)
    words = ("agent", "run", "--config", str(agents.config), "--store", f"dir://{agents.store}")
    process = copy.popen(sys.executable, "-m", "netkit", "--root", str(copy.root), *words)
    said = TOLD.format(node(first), "192.0.2.1")
    assert wait_until(lambda: f"failed: {said}" in copy.netkit("agent", "status").stdout, 20)
    process.terminate()
    assert f"not yet: {said}" in process.communicate(timeout=15)[1]
    assert diff(before, copy.snapshot(), (*MORE, "state */agent*")) == ""
    assert held(agents.store) == stored
    assert container.run("ping", "-c1", "-W2", "192.0.2.1").returncode == 0


def test_an_agent_whose_id_another_takes_lets_nobody_in_and_leaves_the_others_word_alone(lab: Lab) -> None:
    agents = Agents(lab, count=1)
    (host,) = agents.hosts
    agents.start(host)
    agents.attach(host)
    url = f"dir://{agents.store}"
    other = host.popen(sys.executable, "-c", SPEAK, url, "flannel", node(host), "192.0.2.77", "1", "60")
    assert other.stdout and other.stdout.readline() == "said\n"
    said = TOLD.format(node(host), "192.0.2.77")
    assert wait_until(lambda: said in str(agents.status(host)), 40)
    pid = str(lab.container("late").pid)
    assert wait_until(lambda: said in host.netkit("attach", "--pid", pid, "--network", "flannel").stderr, 15)
    assert said in host.netkit("doctor").stdout
    record = json.loads((agents.store / "flannel/nodes" / node(host)).read_text())["value"]
    assert record["public"] == "192.0.2.77"
    other.kill()
    agents.stop(host)
