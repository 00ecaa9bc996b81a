"""What others break, the agent mends; what the store, the clock or the kernel withhold changes nothing."""

from __future__ import annotations

import json
import signal
import sys

import pytest

from tests.hosts import Lab, wait_until
from tests.netns.agents import LONG, Agents, address, healed, reaches

pytestmark = [pytest.mark.root, pytest.mark.requires("vxlan", "bridge", "nftables"), pytest.mark.limit(180)]

#: Each of these breaks host h1; an event tells of it, so it is mended without a full round.
BLOWS = {
    "its routes are flushed": ("ip", "route", "flush", "proto", "142"),
    "its device is deleted": ("ip", "link", "del", "flannel.1"),
    "its neighbours are flushed": ("ip", "neigh", "flush", "dev", "flannel.1", "nud", "permanent"),
    "its device is put down": ("ip", "link", "set", "flannel.1", "down"),
    "its firewall is flushed": ("nft", "flush", "ruleset"),
    "its bridge is deleted": ("ip", "link", "del", "nk-flannel"),
}


def test_what_is_broken_is_mended_at_once_and_told(lab: Lab) -> None:
    net = Agents(lab)
    net.by_events = True
    net.start_all()
    host = net.hosts[0]
    one, two = (net.attach(each) for each in net.hosts)
    assert healed(one, address(two), LONG)
    for what, blow in BLOWS.items():
        assert wait_until(lambda: host.netkit("check").returncode == 0, LONG), what
        host.run(*blow)
        assert wait_until(lambda: host.netkit("check").returncode == 0, LONG), what
        assert healed(one, address(two)), what
    told = net.status(host)
    assert told["repairs"] > 0
    assert told["mended"]
    assert told["trigger"]


def test_a_network_that_somebody_removes_is_made_again(lab: Lab) -> None:
    net = Agents(lab)
    net.start_all()
    host = net.hosts[0]
    assert wait_until(lambda: len(net.routes(host)) == 1, LONG)
    subnet = net.subnet(host)
    host.netkit("network", "rm", "flannel", check=True)
    assert wait_until(lambda: len(net.routes(host)) == 1, LONG)
    assert net.subnet(host) == subnet


def test_a_link_that_flaps_costs_nothing_lasting(lab: Lab) -> None:
    net = Agents(lab, "host-gw")
    net.start_all()
    one, two = (net.attach(each) for each in net.hosts)
    assert healed(one, address(two), LONG)
    host = net.hosts[0]
    host.run("ip", "link", "set", "eth0", "down")
    host.run("ip", "link", "set", "eth0", "up")
    host.run("ip", "route", "replace", "default", "via", "192.0.2.254", "dev", "eth0")
    assert healed(one, address(two), LONG)


def test_what_a_stranger_puts_on_our_device_goes_and_a_strangers_route_stays(lab: Lab) -> None:
    net = Agents(lab)
    net.start_all()
    host = net.hosts[0]
    ours = net.subnet(net.hosts[1])
    host.run("bridge", "fdb", "append", "02:00:00:00:00:66", "dev", "flannel.1", "dst", "192.0.2.66", "self")
    host.run("ip", "route", "add", "10.5.254.0/24", "via", "10.5.254.0", "dev", "flannel.1", "onlink", "proto", "142")

    def clean() -> bool:
        entries = host.run("bridge", "fdb", "show", "dev", "flannel.1").stdout
        return "192.0.2.66" not in entries and set(net.routes(host)) == {ours}

    assert wait_until(clean, LONG)
    net.stop(host)
    host.run("ip", "route", "replace", ours, "via", "192.0.2.2", "proto", "static")
    net.running["h1", "flannel"] = host.popen("true")
    argv = ("--config", str(net.config), "--store", f"dir://{net.store}")
    agent = host.popen(sys.executable, "-m", "netkit", "--root", str(host.root), "agent", "run", *argv)
    assert wait_until(lambda: "another's route" in " ".join(net.status(host).get("failed", [])), LONG)
    told = json.loads(host.run("ip", "-j", "route", "show", ours).stdout)
    assert [(each.get("protocol"), each["dev"]) for each in told] == [("static", "eth0")]
    agent.terminate()
    agent.communicate(timeout=20)


def test_routes_of_hosts_that_left_while_the_agent_was_down_are_gone_after_its_start(lab: Lab) -> None:
    net = Agents(lab, count=3)
    for host in net.hosts[:2]:
        net.start(host)
    net.start(net.hosts[2], "--teardown")
    assert wait_until(lambda: len(net.routes(net.hosts[0])) == 2, LONG)
    net.stop(net.hosts[0], signal.SIGKILL)
    net.stop(net.hosts[2])
    assert len(net.routes(net.hosts[0])) == 2
    net.start(net.hosts[0])
    assert wait_until(lambda: len(net.routes(net.hosts[0])) == 1, LONG)


def test_a_store_that_is_away_changes_nothing(lab: Lab) -> None:
    net = Agents(lab)
    net.by_events = True
    net.start_all()
    host = net.hosts[0]
    one, two = (net.attach(each) for each in net.hosts)
    assert healed(one, address(two), LONG)
    before = net.routes(host)
    net.store.rename(net.store.with_name("elsewhere"))
    net.store.mkdir(mode=0o700)
    assert wait_until(lambda: net.status(host).get("reachable") is False, LONG)
    assert net.routes(host) == before
    host.run("ip", "route", "flush", "proto", "142")
    assert wait_until(lambda: net.routes(host) == before, LONG)
    net.stop(host, signal.SIGKILL)
    net.start(host)
    assert (net.routes(host), reaches(one, address(two))) == (before, True)
    net.store.rename(net.store.with_name("empty"))
    net.store.with_name("elsewhere").rename(net.store)
    assert wait_until(lambda: net.status(host).get("reachable") is True, LONG)
    assert net.routes(host) == before


def test_a_lease_that_is_lost_closes_the_network_and_ends_nothing(lab: Lab) -> None:
    net = Agents(lab)
    net.start_all()
    host = net.hosts[0]
    one, two = (net.attach(each) for each in net.hosts)
    assert healed(one, address(two), LONG)
    net.stop(host)
    claim = next((net.store / "flannel" / "subnets").glob(net.subnet(host).replace("/", "-") + ".g*"))
    thief = """
import sys
from netkit.stores.directory import DirectoryStore
from netkit.stores.model import Claim, Host
from netkit.state.files import dump
path, node, resource = sys.argv[1:]
store = DirectoryStore(path, "flannel", "f" * 32)
store.renew(Host("f" * 32, "192.0.2.99", store.settings.vni, "02:00:00:00:00:99"))
mine = DirectoryStore(path, "flannel", node)
mine.release(next(c for c in mine.snapshot().claims if c.node == node))
store.acquire(resource)
"""
    node = net.status(host)["node"]
    host.python(thief, str(net.store), node, f"subnets/{claim.name.rpartition('.')[0]}")
    net.start(host)
    assert "is lost" in net.status(host)["lost"]
    assert reaches(host, address(one))
    refused = lab.container("refused")
    done = host.netkit("attach", "--pid", str(refused.pid), "--network", "flannel")
    assert done.returncode == 4
    assert "takes nobody in" in done.stderr
    host.netkit("detach", "--pid", str(one.pid), check=True)
    assert wait_until(lambda: not net.status(host)["lost"], LONG)
    host.netkit("attach", "--pid", str(refused.pid), "--network", "flannel", check=True)
    assert healed(refused, address(two), LONG)
