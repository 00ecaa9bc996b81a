"""How an agent ends, and what is told of it then: killed, with a store that hangs, with one that is away."""

from __future__ import annotations

import signal

import pytest

from tests.hosts import Lab, wait_until
from tests.netns.agents import LONG, Agents, address, healed

pytestmark = [pytest.mark.root, pytest.mark.requires("vxlan", "bridge", "nftables"), pytest.mark.limit(180)]

#: Claims a subnet for a node.
CLAIM = """
import sys
from netkit.stores.directory import DirectoryStore
DirectoryStore(sys.argv[1], "flannel", sys.argv[2]).acquire(sys.argv[3])
"""


def test_of_an_agent_that_was_killed_nobody_says_that_it_is_ready(lab: Lab) -> None:
    net = Agents(lab, count=1)
    net.start_all()
    (host,) = net.hosts
    assert net.status(host)["ready"]
    net.stop(host, signal.SIGKILL)
    told = net.status(host)
    assert (told["ready"], told["pid"]) == (False, 0)
    assert "not running; what it made stays" in host.netkit("agent", "status").stdout
    host.netkit("network", "rm", "flannel", check=True)
    assert host.netkit("agent", "status").returncode == 0


def test_a_teardown_while_the_store_is_away_leaves_no_file_that_tells_of_the_network(lab: Lab) -> None:
    net = Agents(lab, count=1)
    net.start_all("--teardown")
    (host,) = net.hosts
    net.store.rename(net.store.with_name("away"))
    assert wait_until(lambda: net.status(host).get("reachable") is False, LONG)
    net.stop(host)
    assert "not all is taken down" in net.log(host)
    assert host.run("ip", "-br", "link", "show", "group", "28267").stdout == ""
    assert host.run("test", "-e", "/run/flannel/subnet.env", check=False).returncode == 1


def test_of_two_leases_the_one_that_containers_live_in_stays(lab: Lab) -> None:
    net = Agents(lab)
    net.start_all()
    host = net.hosts[0]
    one, two = (net.attach(each) for each in net.hosts)
    assert healed(one, address(two), LONG)
    before = net.subnet(host)
    net.stop(host)
    taken = (before, net.subnet(net.hosts[1]))
    more = next(name for name in ("10.5.1.0", "10.5.2.0", "10.5.3.0") if f"{name}/24" not in taken)
    host.python(CLAIM, str(net.store), net.status(host)["node"], f"subnets/{more}-24")
    net.start(host)
    assert (net.subnet(host), net.status(host)["subnets"]) == (before, [before])
    assert healed(one, address(two), LONG)
