"""An agent of backend `udp` and its proxy: what one knows the other knows, whoever dies."""

from __future__ import annotations

import os
import shutil
import signal

import pytest

from tests.hosts import HostNs, Lab, cmdline, wait_until
from tests.netns.agents import LONG, Agents, address, healed

pytestmark = [pytest.mark.root, pytest.mark.requires("bridge", "nftables", "tun"), pytest.mark.limit(180)]

#: Where the proxy of a host sends to.
PEERS = """
import sys
from netkit.agent.udp.proxy import Proxy
from netkit.agent.udp.settings import Settings
from netkit.state.root import Root
proxy = Proxy(Root(sys.argv[1]), Settings("flannel0", 1472, ("192.0.2.1", 8285), ()))
print(*sorted(peer["address"][0] for peer in proxy.counters()["peers"]))
"""


def proxy(host: HostNs) -> int:
    """The process id of a host's proxy, 0 when there is none."""
    return next((pid for pid in host.pids() if "agent.udp.process" in cmdline(pid)), 0)


def test_a_proxy_that_dies_while_the_store_is_away_is_told_again_who_is_where(lab: Lab) -> None:
    net = Agents(lab, "udp")
    net.start_all()
    host = net.hosts[0]
    one, two = (net.attach(each) for each in net.hosts)
    assert healed(one, address(two), LONG)
    assert wait_until(lambda: "192.0.2.2" in (host.root / "lib/stores/flannel").read_text(), LONG)
    net.store.rename(net.store.with_name("away"))
    assert wait_until(lambda: net.status(host).get("reachable") is False, LONG)
    os.kill(proxy(host), signal.SIGKILL)
    assert healed(one, address(two), LONG)
    net.stop(host, signal.SIGKILL)
    os.kill(proxy(host), signal.SIGKILL)
    net.start(host)
    assert healed(one, address(two), LONG)
    net.stop(host)
    net.store.with_name("away").rename(net.store)
    for each, container in zip(net.hosts, (one, two), strict=True):
        each.netkit("detach", "--pid", str(container.pid), check=True)
        if each is not host:
            net.stop(each)
        net.start(each, "--teardown")
        net.stop(each)


def test_a_proxy_forgets_the_last_host_that_leaves(lab: Lab) -> None:
    net = Agents(lab, "udp")
    first, second = net.hosts
    net.start(first, "--teardown")
    net.start(second, "--teardown")

    def peers() -> str:
        return first.python(PEERS, str(first.root)).stdout.strip()

    assert wait_until(lambda: peers() == "192.0.2.2", LONG)
    net.stop(second)
    assert wait_until(lambda: net.routes(first) == {}, LONG)
    assert wait_until(lambda: peers() == "", LONG)
    net.stop(first)


def test_an_agent_whose_proxy_can_no_longer_be_asked_has_another_that_knows_who_is_where(lab: Lab) -> None:
    net = Agents(lab, "udp")
    for host in net.hosts:
        net.start(host, "--teardown")
    one, two = (net.attach(each) for each in net.hosts)
    assert healed(one, address(two), LONG)
    host, old = net.hosts[0], proxy(net.hosts[0])
    shutil.rmtree(host.root / "run/udp")
    assert wait_until(lambda: proxy(host) not in (old, 0), LONG)
    assert healed(one, address(two), LONG)
    for each, container in zip(net.hosts, (one, two), strict=True):
        each.netkit("detach", "--pid", str(container.pid), check=True)
        net.stop(each)


def test_a_network_of_both_families_begins_although_its_device_has_its_addresses_first(lab: Lab) -> None:
    net = Agents(lab, "udp", 1, EnableIPv6=True, IPv6Network="fd00:5::/48")
    (host,) = net.hosts
    net.start(host, "--teardown")
    assert "overlaps" not in net.log(host)
    assert "overlaps" not in host.netkit("doctor").stdout
    net.stop(host)
