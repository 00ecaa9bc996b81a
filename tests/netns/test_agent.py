"""Hosts with agents: each backend carries, what is written for others, who comes and goes, restarts without a gap."""

from __future__ import annotations

import json
import os
import signal
import sys

import pytest

from tests.hosts import Lab, wait_until
from tests.netns.agents import BY_EVENTS, LONG, Agents, address, flow, healed, reaches
from tests.netns.calls import ip

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

pytestmark = [pytest.mark.root, pytest.mark.requires("vxlan", "bridge", "nftables", "tun"), pytest.mark.limit(180)]

MTU = {"vxlan": 1450, "host-gw": 1500, "udp": 1472}
DEVICE = {"vxlan": "flannel.1", "host-gw": "eth0", "udp": "flannel0"}


@pytest.mark.parametrize("backend", ["vxlan", "host-gw", "udp"])
def test_containers_of_all_hosts_reach_each_other_untranslated(lab: Lab, backend: str) -> None:
    net = Agents(lab, backend, 3)
    net.start_all()
    one, two, three = (net.attach(host) for host in net.hosts)
    for source, target in ((one, two), (two, three), (three, one)):
        assert healed(source, address(target), LONG)
        assert healed(target, address(source), LONG)
    ways = net.routes(net.hosts[0])
    assert {dev for _, dev in ways.values()} == {DEVICE[backend]}
    assert set(ways) == {net.subnet(host) for host in net.hosts[1:]}
    with flow(one, two, 1.0):
        seen = two.run("ss", "-Htn", "state", "established", "sport", "=", ":7007").stdout
        assert address(one) in seen
    size = MTU[backend] - 28
    assert one.run("ping", "-c1", "-W10", "-Mdo", f"-s{size}", address(two), check=False).returncode == 0
    assert one.run("ping", "-c1", "-W2", "-Mdo", f"-s{size + 1}", address(two), check=False).returncode != 0
    assert net.hosts[0].netkit("check").stdout == "all holds\n"
    for process in list(net.running):
        net.stop(next(host for host in net.hosts if host.name == process[0]))
    for host, container in zip(net.hosts, (one, two, three), strict=True):
        host.netkit("detach", "--pid", str(container.pid), check=True)
        if backend == "udp":
            net.start(host, "--teardown")
            net.stop(host)


def test_subnet_env_is_what_flannels_plugin_reads(lab: Lab) -> None:
    net = Agents(lab, count=1)
    net.start_all()
    host = net.hosts[0]
    told = dict(line.split("=") for line in host.run("cat", "/run/flannel/subnet.env").stdout.splitlines())
    subnet = net.subnet(host)
    gateway = subnet.replace(".0/24", ".1/24")
    assert told == {"FLANNEL_NETWORK": "10.5.0.0/16", "FLANNEL_SUBNET": gateway, "FLANNEL_MTU": "1450",
                    "FLANNEL_IPMASQ": "true"}  # fmt: skip
    assert host.run("stat", "-c", "%a", "/run/flannel/subnet.env").stdout == "644\n"


def test_two_families_travel_side_by_side(lab: Lab) -> None:
    net = Agents(lab, EnableIPv6=True, IPv6Network="fd05::/48")
    net.start_all()
    one, two = (net.attach(host) for host in net.hosts)
    assert healed(one, address(two), LONG)
    assert healed(one, address(two, 6), LONG)
    assert healed(two, address(one, 6), LONG)
    env = net.hosts[0].run("cat", "/run/flannel/subnet.env").stdout
    assert "FLANNEL_IPV6_NETWORK=fd05::/48\n" in env
    assert "FLANNEL_IPV6_SUBNET=fd05:" in env


def test_two_networks_of_one_host_do_not_mix(lab: Lab) -> None:
    net = Agents(lab)
    other = lab.directory / "other.json"
    other.write_text(json.dumps({"Network": "10.12.0.0/16", "Backend": {"Type": "host-gw"}}))
    net.start_all()
    for host in net.hosts:
        net.start(host, network="plain", config=other)
    one, two = (net.attach(host) for host in net.hosts)
    three, four = (net.attach(host, f"p-{host.name}", "plain") for host in net.hosts)
    assert healed(one, address(two), LONG)
    assert healed(three, address(four), LONG)
    by = {"flannel.1": address(four), "eth0": address(two)}
    for dev, target in by.items():
        assert net.hosts[0].run("ping", "-c1", "-W1", "-I", dev, target, check=False).returncode != 0, dev
    assert net.hosts[0].run("cat", "/run/flannel/plain.env").stdout.startswith("FLANNEL_NETWORK=10.12.0.0/16\n")


def test_who_comes_is_reached_at_once_and_who_leaves_is_forgotten(lab: Lab) -> None:
    net = Agents(lab, count=3)
    net.by_events = True
    for host in net.hosts[:2]:
        net.start(host)
    one = net.attach(net.hosts[0])
    assert wait_until(lambda: len(net.routes(net.hosts[0])) == 1, LONG)
    net.start(net.hosts[2], "--teardown")
    three = net.attach(net.hosts[2])
    assert wait_until(lambda: len(net.routes(net.hosts[0])) == 2, LONG)
    assert healed(one, address(three))
    net.hosts[2].netkit("detach", "--pid", str(three.pid), check=True)
    net.stop(net.hosts[2])
    assert wait_until(lambda: len(net.routes(net.hosts[0])) == 1, LONG)
    assert net.hosts[2].run("ip", "-br", "link", "show", "group", "28267").stdout == ""
    assert net.hosts[2].run("nft", "list", "ruleset").stdout == ""
    entries = net.hosts[0].run("bridge", "fdb", "show", "dev", "flannel.1").stdout
    assert ("192.0.2.2" in entries, "192.0.2.3" in entries) == (True, False)


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGKILL], ids=["SIGTERM", "kill -9"])
def test_a_restart_breaks_no_connection(lab: Lab, number: int) -> None:
    net = Agents(lab)
    net.start_all()
    one, two = (net.attach(host) for host in net.hosts)
    assert healed(one, address(two), LONG)
    before = net.hosts[0].run("ip", "-j", "link").stdout
    subnet = net.subnet(net.hosts[0])
    with flow(one, two, 6.0):
        net.stop(net.hosts[0], number)
        assert reaches(one, address(two))
        net.start(net.hosts[0])
    assert net.subnet(net.hosts[0]) == subnet
    indexes = [[(link["ifname"], link["ifindex"]) for link in json.loads(told)]
               for told in (before, net.hosts[0].run("ip", "-j", "link").stdout)]  # fmt: skip
    assert indexes[0] == indexes[1]


def test_changed_settings_are_applied_under_what_runs(lab: Lab) -> None:
    net = Agents(lab)
    net.start_all()
    one, two = (net.attach(host) for host in net.hosts)
    assert healed(one, address(two), LONG)
    net.configure({"Network": "10.5.0.0/16", "Backend": {"Type": "vxlan", "MTU": 1300, "DirectRouting": True}})
    with flow(one, two, 12.0):
        for host in net.hosts:
            net.stop(host)
            net.start(host)
    link: dict[str, Any] = json.loads(net.hosts[0].run("ip", "-j", "link", "show", "dev", "flannel.1").stdout)[0]
    assert link["mtu"] == 1250
    assert {dev for _, dev in net.routes(net.hosts[0]).values()} == {"eth0"}
    assert "FLANNEL_MTU=1250\n" in net.hosts[0].run("cat", "/run/flannel/subnet.env").stdout
    assert net.hosts[0].netkit("check").stdout == "all holds\n"


def test_a_host_whose_address_changed_keeps_its_subnet(lab: Lab) -> None:
    net = Agents(lab)
    net.start_all()
    one, two = (net.attach(host) for host in net.hosts)
    assert healed(one, address(two), LONG)
    subnet = net.subnet(net.hosts[1])
    net.hosts[1].run("ip", "addr", "del", "192.0.2.2/24", "dev", "eth0")
    net.hosts[1].run("ip", "addr", "add", "192.0.2.77/24", "dev", "eth0")
    net.hosts[1].run("ip", "route", "replace", "default", "via", "192.0.2.254", "dev", "eth0")
    assert wait_until(lambda: net.status(net.hosts[1]).get("public") == "192.0.2.77", LONG)
    assert healed(one, address(two), LONG)
    assert net.subnet(net.hosts[1]) == subnet
    entries = net.hosts[0].run("bridge", "fdb", "show", "dev", "flannel.1").stdout
    assert ("192.0.2.77" in entries, "192.0.2.2 " in entries) == (True, False)


def test_an_agent_without_a_network_releases_the_dead_and_mends_the_firewall(lab: Lab) -> None:
    host = lab.host()
    container = lab.container()
    host.netkit("attach", "--pid", str(container.pid), "--mode", "bridge", "-p", "8080:80", check=True)
    agent = host.popen(sys.executable, "-c", BY_EVENTS, "--root", str(host.root), "agent", "run")
    assert wait_until(lambda: os.path.exists(host.root / "run/locks/agent"))
    rules = host.run("nft", "list", "ruleset").stdout
    assert wait_until(lambda: host.run("nft", "flush", "ruleset").returncode == 0)
    assert wait_until(lambda: host.run("nft", "list", "ruleset").stdout == rules, LONG)
    container.die()
    assert wait_until(lambda: host.netkit("ps", "--json").stdout.strip() == "[]", LONG)
    without_an_end_here = lab.container("without")
    host.netkit("attach", "--pid", str(without_an_end_here.pid), "--mode", "null", check=True)
    assert wait_until(lambda: "nsid" in host.run("ip", "netns", "list-id").stdout, LONG), "its end will be told"
    without_an_end_here.die()
    assert wait_until(lambda: host.netkit("ps", "--json").stdout.strip() == "[]", LONG)
    agent.terminate()
    assert agent.wait(30) == 0


def test_what_the_configuration_says_of_the_tunnel_is_what_the_kernel_has(lab: Lab) -> None:
    net = Agents(lab, {"Type": "vxlan", "VNI": 7, "Port": 4790, "GBP": True, "Learning": True}, 1)
    net.start_all()
    (host,) = net.hosts
    data = ip(host, "-d", "link", "show", "flannel.7")[0]["linkinfo"]["info_data"]
    assert (data["id"], data["port"], data["gbp"], data["learning"]) == (7, 4790, True, True)
    net.stop(host)
