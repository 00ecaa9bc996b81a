"""trace: what breaks a way in one particular manner is diagnosed by name, and a way that holds is told step by step."""

from __future__ import annotations

import functools
import json
import sys

import pytest

from tests.features import need, requires
from tests.hosts import Container, HostNs, Lab, wait_until

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import Any

pytestmark = requires("nftables", "nft-bridge")
SERVER = """
import socket, sys
family = socket.AF_INET6 if ":" in sys.argv[1] else socket.AF_INET
server = socket.create_server((sys.argv[1], 80), family=family)
print(flush=True)
while True: server.accept()[0].close()
"""


class Net:
    """A host with an attachment `web`, `db` with a published port when it is asked for, and a machine of the world."""

    def __init__(self, lab: Lab) -> None:
        self.lab = lab
        self.host = lab.host()
        self.world = lab.host("world")
        lab.link(self.host, self.world, ("192.0.2.1/24", "192.0.2.2/24"), names=("up0", "eth0"))
        self.host.run("ip", "route", "add", "default", "via", "192.0.2.2")
        self.web = self.attach("web")

    @functools.cached_property
    def db(self) -> Container:
        return self.attach("db", "-p", "8080:80")

    def attach(self, name: str, *words: str) -> Container:
        inside = self.lab.container(name)
        self.host.netkit("attach", "--pid", str(inside.pid), "--name", name, *words, check=True)
        return inside

    def serve(self, inside: Container, address: str = "0.0.0.0") -> None:
        server = inside.popen(sys.executable, "-c", SERVER, address)
        assert server.stdout is not None
        server.stdout.readline()

    def cable(self, name: str) -> str:
        return str(json.loads(self.host.netkit("inspect", name, "--json", check=True).stdout)["host_ifname"])

    def ident(self, name: str) -> str:
        return self.cable(name).removeprefix("nk")

    def trace(self, *words: str, code: int = 1) -> dict[str, Any]:
        done = self.host.netkit("trace", *words, "--json", "--wait", "0.5")
        assert done.returncode == code, done.stdout + done.stderr
        told: dict[str, Any] = json.loads(done.stdout)
        return told

    def cause(self, *words: str) -> dict[str, Any]:
        told = self.trace(*words)
        assert told["cause"] is not None
        found: dict[str, Any] = told["cause"]
        return found


@pytest.fixture
def net(lab: Lab) -> Net:
    return Net(lab)


def sysctl(member: HostNs | Container, key: str, value: str) -> None:
    member.run("sysctl", "-qw", f"{key}={value}")


def way(told: dict[str, Any]) -> list[tuple[str, str, str]]:
    return [(step["where"], step["at"], step["way"]) for step in told["steps"]]


def test_a_way_that_holds_is_told_step_by_step(net: Net) -> None:
    told = net.trace("web", "192.0.2.2", code=0)
    cable = net.cable("web")
    steps = way(told)
    expected = [
        ("web", "eth0", "out"),
        ("host", cable, "in"),
        ("host", "bridge netkit prerouting", "goto port"),
        ("host", "netkit0", "in"),
        ("host", "inet netkit forward", "goto from_nat"),
        ("host", "inet netkit from_nat", "accept"),
        ("host", "inet netkit postrouting", "accept"),
        ("host", "up0", "out"),
        ("host", "up0", "in"),
        ("host", "netkit0", "out"),
        ("host", cable, "out"),
        ("web", "eth0", "in"),
    ]
    assert [step for step in steps if step in expected] == expected
    by = {(step["where"], step["at"], step["way"]): step["by"] for step in told["steps"]}
    assert by["web", "eth0", "out"].startswith("route default via 10.90.0.1 dev eth0; 10.90.0.1 is 02:")
    assert "masquerade" in by["host", "inet netkit postrouting", "accept"]
    assert by["host", cable, "out"].startswith("fdb 02:")
    assert (told["delivered"], told["answered"], told["cause"]) == (True, True, None)


def test_an_echo_is_answered_from_everywhere_to_everywhere(net: Net) -> None:
    assert net.db
    for words in (("web", "db"), ("host", "db"), ("web", "10.90.0.1"), ("host", "host"), ("db", "web")):
        assert net.trace(*words, code=0)["answered"]


def test_a_published_port_is_followed_through_its_translation(net: Net) -> None:
    net.serve(net.db)
    told = net.trace("host", "192.0.2.1", "--port", "8080", code=0)
    assert told["to"] == "db"
    assert ("db", "eth0", "in") in way(told)
    (publish,) = (step for step in told["steps"] if step["at"] == "inet netkit publish")
    assert f'map @any4: tcp . 8080 comment "{net.ident("db")}" : 10.90.0.3 . 80' in publish["by"]
    assert net.trace("web", "host", "--port", "8080", code=0)["to"] == "db"


def test_a_target_may_send(net: Net) -> None:
    told = net.trace("--pid", str(net.web.pid), "192.0.2.2", code=0)
    assert told["from"] == f"process {net.web.pid}"
    assert told["steps"][0]["where"] == f"process {net.web.pid}"


def test_nothing_is_left_of_a_trace(net: Net) -> None:
    before = net.host.run("nft", "list", "tables").stdout
    net.trace("web", "192.0.2.2", code=0)
    assert net.host.run("nft", "list", "tables").stdout == before


# What each of these breaks, it breaks alone; the name says what trace must find.


def forwarding_off(net: Net) -> None:
    sysctl(net.host, "net.ipv4.ip_forward", "0")


def nft_policy_drop(net: Net) -> None:
    net.host.run(
        "nft", "add table inet other; add chain inet other f { type filter hook forward priority 5; policy drop; }"
    )


def nft_rule_drop(net: Net) -> None:
    net.host.run(
        "nft",
        "-f",
        "-",
        input="table inet other { chain f { type filter hook forward priority 5; ip daddr 192.0.2.2 drop; }; }",
    )


def nft_reject(net: Net) -> None:
    chain = "type filter hook forward priority 5; ip daddr 192.0.2.2 reject"
    net.host.run("nft", "-f", "-", input=f"table inet other {{ chain f {{ {chain}; }}; }}")


def strict_reverse_path(net: Net) -> None:
    net.trace("web", "10.90.0.1", code=0)  # an ARP question from the wrong side is not answered either: be known before
    sysctl(net.host, "net.ipv4.conf.netkit0.rp_filter", "1")
    net.host.run("ip", "route", "add", "10.90.0.2/32", "dev", "up0")


def iptables_policy_drop(net: Net) -> None:
    need("iptables")
    net.host.run("iptables-nft", "-P", "FORWARD", "DROP")


def legacy_policy_drop(net: Net) -> None:
    need("iptables-legacy")
    net.host.run("iptables-legacy", "-P", "FORWARD", "DROP")


def no_default_route(net: Net) -> None:
    net.web.run("ip", "route", "del", "default")


def link_down_inside(net: Net) -> None:
    net.web.run("ip", "link", "set", "eth0", "down")


def cable_down(net: Net) -> None:
    net.host.run("ip", "link", "set", net.cable("web"), "down")


def bridge_down(net: Net) -> None:
    net.host.run("ip", "link", "set", "netkit0", "down")


def changed_mac(net: Net) -> None:
    net.web.run("ip", "link", "set", "eth0", "address", "02:00:00:00:00:99")


def foreign_address(net: Net) -> None:
    net.web.run("ip", "addr", "flush", "dev", "eth0")
    net.web.run("ip", "addr", "add", "10.90.0.77/16", "dev", "eth0")
    net.web.run("ip", "route", "add", "default", "via", "10.90.0.1")


def unreachable(net: Net) -> None:
    net.host.run("ip", "route", "add", "unreachable", "192.0.2.2/32")


BROKEN: list[tuple[Callable[[Net], None], str, str]] = [
    (forwarding_off, "forwarding-off", "host netkit0"),
    (nft_policy_drop, "nft-policy-drop", "inet other f"),
    (nft_rule_drop, "nft-rule-drop", "inet other f"),
    (nft_reject, "nft-rule-drop", "inet other f"),
    (strict_reverse_path, "rp-filter", "host netkit0"),
    (iptables_policy_drop, "iptables-policy-drop", "ip filter FORWARD"),
    (legacy_policy_drop, "untraceable-drop", "host netkit0"),
    (no_default_route, "no-route", "web"),
    (link_down_inside, "link-down", "web eth0"),
    (cable_down, "link-down", "host nk"),
    (bridge_down, "link-down", "host netkit0"),
    (changed_mac, "port-guard", "bridge netkit port"),
    (foreign_address, "port-guard", "bridge netkit port"),
    (unreachable, "wrong-route", "host"),
]


@pytest.mark.parametrize(("broken", "name", "where"), BROKEN, ids=[case[0].__name__ for case in BROKEN])
def test_what_is_broken_is_named(net: Net, broken: Callable[[Net], None], name: str, where: str) -> None:
    broken(net)
    found = net.cause("web", "192.0.2.2")
    assert (found["name"], found["where"][: len(where)]) == (name, where), found
    assert found["hint"]


def test_a_route_on_the_host_that_leads_elsewhere(net: Net) -> None:
    assert net.db
    net.host.run("ip", "route", "add", "10.90.0.3/32", "dev", "up0")
    found = net.cause("host", "db")
    assert (found["name"], found["where"]) == ("wrong-route", "host")
    assert "up0" in found["why"] and "netkit0" in found["why"]


def test_a_bridge_that_neither_knows_nor_floods(net: Net) -> None:
    assert net.db
    cable = net.cable("db")
    net.trace("web", "db", code=0)
    net.host.run("bridge", "link", "set", "dev", cable, "learning", "off", "flood", "off")
    net.host.run("ip", "link", "set", cable, "type", "bridge_slave", "fdb_flush")
    found = net.cause("web", "db")
    assert (found["name"], found["where"]) == ("no-fdb-entry", "host netkit0")
    assert f"dev {cable}" in found["hint"]


def test_a_packet_that_is_too_big(net: Net) -> None:
    net.host.run("ip", "link", "set", "up0", "mtu", "1300")
    found = net.cause("web", "192.0.2.2", "--size", "1400")
    assert (found["name"], found["where"]) == ("mtu", "10.90.0.1")
    assert "1300" in found["why"]
    steps = net.trace("web", "192.0.2.2", "--size", "1400")["steps"]
    error = next(step["packet"] for step in steps if step["leg"] == "error")
    assert error == "10.90.0.1 > 10.90.0.2 ICMP error, type 3 code 4"
    assert net.trace("web", "192.0.2.2", "--size", "1200", code=0)["answered"]
    assert net.cause("web", "192.0.2.2", "--size", "1490")["where"] == "web eth0"


def test_a_container_whose_link_takes_less_than_the_bridge_gives(net: Net) -> None:
    net.db.run("ip", "link", "set", "eth0", "mtu", "1300")
    found = net.cause("web", "db", "--size", "1400")
    assert (found["name"], found["where"]) == ("mtu", "db eth0")


def test_an_internal_network_has_no_way_out_and_none_in(net: Net) -> None:
    net.host.netkit("network", "create", "inner", "--internal", check=True)
    net.attach("inside", "--network", "inner")
    for words in (("inside", "192.0.2.2"), ("inside", "web"), ("web", "inside")):
        found = net.cause(*words)
        assert (found["name"], found["meant"]) == ("isolated", True), found
        assert "internal" in found["why"]
    assert net.trace("host", "inside", code=0)["answered"]


def test_containers_of_a_network_without_icc_do_not_reach_each_other(net: Net) -> None:
    net.host.netkit("network", "create", "single", "--no-icc", check=True)
    net.attach("one", "--network", "single")
    net.attach("two", "--network", "single")
    found = net.cause("one", "two")
    assert (found["name"], found["where"], found["meant"]) == ("isolated", "host nk-single", True)
    assert "--no-icc" in found["why"]


def test_a_container_that_takes_the_sender_for_forged(net: Net) -> None:
    sysctl(net.db, "net.ipv4.conf.eth0.rp_filter", "1")
    net.lab.link(net.db, net.lab.container("aside"), ("198.51.100.1/24", "198.51.100.2/24"), names=("eth1", "eth0"))
    net.db.run("ip", "route", "replace", "10.90.0.2/32", "via", "198.51.100.2", "dev", "eth1")
    net.web.run("ip", "neigh", "replace", "10.90.0.3", "lladdr", mac(net.db), "dev", "eth0")
    found = net.cause("web", "db")
    assert (found["name"], found["where"]) == ("rp-filter", "db eth0")


def test_a_neighbour_entry_of_a_container_that_is_gone(net: Net) -> None:
    assert net.db
    net.host.run("bridge", "fdb", "replace", "02:00:00:00:00:77", "dev", net.cable("db"), "master", "static")
    net.web.run("ip", "neigh", "replace", "10.90.0.3", "lladdr", "02:00:00:00:00:77", "dev", "eth0")
    found = net.cause("web", "db")
    assert (found["name"], found["where"]) == ("wrong-mac", "db eth0")


def mac(inside: HostNs | Container, link: str = "eth0") -> str:
    return str(json.loads(inside.run("ip", "-j", "link", "show", link).stdout)[0]["address"])


def test_networks_that_are_kept_apart(net: Net) -> None:
    net.host.netkit("network", "create", "other", check=True)
    net.attach("apart", "--network", "other")
    found = net.cause("web", "apart")
    assert (found["name"], found["meant"]) == ("isolated", True)
    assert found["where"].startswith("inet netkit")


def vxlan(host: HostNs, address: str, *words: str) -> None:
    host.run("ip", "link", "add", "vx", "type", "vxlan", "id", "42", "dstport", "4789", "nolearning", *words)
    host.run("sysctl", "-qw", "net/ipv6/conf/vx/disable_ipv6=1")
    host.run("ip", "addr", "add", address, "dev", "vx")
    host.run("ip", "link", "set", "vx", "up")


@requires("vxlan")
def test_a_tunnel_is_followed_and_one_that_does_not_know_its_peer_is_named(net: Net) -> None:
    vxlan(net.host, "10.9.0.1/24", "local", "192.0.2.1")
    vxlan(net.world, "10.9.0.2/24", "remote", "192.0.2.1")
    peer = json.loads(net.world.run("ip", "-j", "link", "show", "vx").stdout)[0]["address"]
    net.host.run("ip", "neigh", "replace", "10.9.0.2", "lladdr", peer, "dev", "vx")
    found = net.cause("host", "10.9.0.2")
    assert (found["name"], found["where"]) == ("no-fdb-entry", "host vx")
    assert found["hint"] == f"bridge fdb append {peer} dev vx dst PEER"
    net.host.run("bridge", "fdb", "append", peer, "dev", "vx", "dst", "192.0.2.2")
    told = net.trace("host", "10.9.0.2", code=0)
    by = {(step["at"], step["way"]): step["by"] for step in told["steps"]}
    assert by["vx", "out"].startswith("route 10.9.0.0/24 dev vx")
    assert by["up0", "out"] == "inside VXLAN, VNI 42, to 192.0.2.2"


@requires("iptables")
def test_with_iptables_the_rules_are_told_all_the_same(lab: Lab) -> None:
    host, inside = lab.host(), lab.container("web")
    host.netkit("--firewall", "iptables", "attach", "--pid", str(inside.pid), "--name", "web", check=True)
    done = host.netkit("trace", "web", "10.90.0.77", "--json", "--wait", "0.3")
    assert json.loads(done.stdout)["cause"]["name"] == "no-neighbour"
    host.netkit("--firewall", "iptables", "network", "create", "other", check=True)
    other = lab.container("apart")
    host.netkit("attach", "--pid", str(other.pid), "--name", "apart", "--network", "other", check=True)
    found = json.loads(host.netkit("trace", "web", "apart", "--json", "--wait", "0.3").stdout)["cause"]
    assert (found["name"], found["meant"]) == ("isolated", True), found


def test_nothing_listens(net: Net) -> None:
    assert net.db
    for words in (("--port", "81"), ("--port", "81", "--udp")):
        told = net.trace("web", "db", *words)
        assert told["delivered"]
        assert (told["cause"]["name"], told["cause"]["where"]) == ("nothing-listens", "db")
        assert "port 81" in told["cause"]["why"]


def test_nobody_has_the_address(net: Net) -> None:
    assert net.cause("web", "10.90.0.200")["where"] == "web eth0"
    found = net.cause("web", "192.0.2.77")
    assert (found["name"], found["where"]) == ("no-neighbour", "host up0")


def test_an_answer_that_finds_no_way_back(net: Net) -> None:
    assert net.db
    net.db.run("ip", "route", "del", "default")
    net.db.run("ip", "route", "del", "10.90.0.0/16")
    net.db.run("ip", "route", "add", "10.90.0.1", "dev", "eth0")
    told = net.trace("web", "db")
    assert told["delivered"] and not told["answered"]
    assert (told["cause"]["name"], told["cause"]["where"]) == ("no-route", "db")


def test_a_firewall_inside(net: Net) -> None:
    net.db.run("nft", "add table inet w; add chain inet w i { type filter hook input priority 0; policy drop; }")
    found = net.cause("web", "db", "--port", "80")
    assert (found["name"], found["where"]) == ("nft-policy-drop", "db inet w i")


def test_ipv6_is_followed_too(net: Net) -> None:
    net.host.netkit("network", "create", "six", "--subnet", "fd00:6::/64", check=True)
    net.attach("a6", "--network", "six")
    server = net.attach("b6", "--network", "six", "-p", "[::]:8081:80")
    told = net.trace("a6", "b6", code=0)
    assert told["steps"][0]["packet"] == "fd00:6::2 > fd00:6::3"
    assert told["steps"][0]["by"].startswith("route fd00:6::/64 dev eth0; fd00:6::3 is 02:")
    net.serve(server, "::")
    assert net.trace("a6", "b6", "--port", "80", code=0)["answered"]
    found = net.cause("a6", "2001:db8::1")
    assert found["name"] == "wrong-route"
    assert "no route to 2001:db8::1" in found["why"]


def test_a_killed_trace_leaves_no_table(net: Net) -> None:
    words = ("trace", "web", "10.90.0.77", "--wait", "30")
    running = net.host.popen(sys.executable, "-m", "netkit", "--root", str(net.host.root), *words)
    assert wait_until(lambda: "netkit_trace" in net.host.run("nft", "list", "tables").stdout)
    running.kill()
    running.wait()
    assert wait_until(lambda: "netkit_trace" not in net.host.run("nft", "list", "tables").stdout)


def test_what_a_dead_trace_left_is_taken_away_by_the_next(net: Net) -> None:
    dead = net.host.popen("true")
    dead.wait()
    net.host.run("nft", f"add table inet netkit_trace_{dead.pid}; add table bridge netkit_trace_{dead.pid}")
    net.host.run("nft", "add table inet netkit_trace_of_mine")
    net.trace("web", "192.0.2.2", code=0)
    left = net.host.run("nft", "list", "tables").stdout
    assert f"netkit_trace_{dead.pid}" not in left
    assert "netkit_trace_of_mine" in left


def test_a_datagram_that_nobody_answers_is_delivered(net: Net) -> None:
    net.db.popen("socat", "-u", "UDP-RECV:53", "OPEN:/dev/null")
    told = net.trace("web", "db", "--port", "53", "--udp", code=0)
    assert (told["delivered"], told["answered"], told["cause"]) == (True, False, None)


def test_beyond_this_machine_nobody_can_look(net: Net) -> None:
    net.world.run("nft", "add table inet w; add chain inet w i { type filter hook input priority 0; policy drop; }")
    found = net.cause("web", "192.0.2.2")
    assert (found["name"], found["where"]) == ("beyond", "host up0")


OFF = [
    (("web",), 2, "from one place to another"),
    (("web", "192.0.2.2", "--udp"), 2, "--udp needs a port"),
    (("web", "192.0.2.2", "--port", "80", "--size", "100"), 2, "bare SYN"),
    (("nobody", "192.0.2.2"), 3, "no attachment nobody"),
    (("web", "example.org"), 3, "names of the DNS are not looked up"),
    (("web", "300.1.1.1"), 3, "no attachment 300.1.1.1"),
    (("web", "224.0.0.1"), 2, "no machine's address"),
    (("web", "::"), 2, "no machine's address"),
    (("--pid", "999999999", "192.0.2.2"), 3, "there is no process"),
]


def test_words_that_are_off_are_refused(net: Net) -> None:
    for words, code, says in OFF:
        done = net.host.netkit("trace", *words)
        assert (done.returncode, says in done.stderr) == (code, True), done.stderr
