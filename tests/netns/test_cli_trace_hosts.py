"""trace across hosts: what breaks a tunnel, or the way behind it, is diagnosed by name where --watch lets it look."""

from __future__ import annotations

import sys

import pytest

from tests.features import requires
from tests.hosts import HostNs, Lab
from tests.netns.test_cli_trace import Net, mac, sysctl

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import Any

pytestmark = [requires("nftables", "nft-bridge"), requires("vxlan")]
SECOND = "10.9.0.2"
BEHIND = "10.244.2.2"


class Pair:
    """`web` on a host, and `h2` with `c2` behind it, which are reached through a VXLAN between the two hosts."""

    def __init__(self, lab: Lab) -> None:
        self.net = Net(lab)
        self.host, self.h2 = self.net.host, self.net.world
        self.c2 = lab.container("c2")
        lab.link(self.h2, self.c2, ("10.244.2.1/24", "10.244.2.2/24"), names=("to-c2", "eth0"))
        self.c2.run("ip", "route", "add", "default", "via", "10.244.2.1")
        sysctl(self.h2, "net.ipv4.ip_forward", "1")
        self.tunnel(self.host, "10.9.0.1/24", "local", "192.0.2.1")
        self.tunnel(self.h2, "10.9.0.2/24", "local", "192.0.2.2")
        self.joins(self.host, SECOND, self.h2, "192.0.2.2")
        self.joins(self.h2, "10.9.0.1", self.host, "192.0.2.1")
        self.host.run("ip", "route", "add", "10.244.2.0/24", "via", SECOND, "dev", "vx")

    def tunnel(self, host: HostNs, address: str, *words: str, vni: int = 42, port: int = 4789) -> None:
        kind = ("type", "vxlan", "id", str(vni), "dstport", str(port), "nolearning", *words)
        host.run("ip", "link", "add", "vx", *kind)
        sysctl(host, "net/ipv6/conf/vx/disable_ipv6", "1")
        host.run("ip", "addr", "add", address, "dev", "vx")
        host.run("ip", "link", "set", "vx", "up")

    def joins(self, host: HostNs, address: str, peer: HostNs, outer: str) -> None:
        """The two entries by which a host knows a peer in the tunnel."""
        host.run("ip", "neigh", "replace", address, "lladdr", mac(peer, "vx"), "dev", "vx")
        host.run("bridge", "fdb", "replace", mac(peer, "vx"), "dev", "vx", "dst", outer)

    def trace(self, to: str, *words: str, code: int = 1) -> dict[str, Any]:
        watch = ("--watch", f"h2={self.h2.path}", "--watch", f"c2={self.c2.path}")
        return self.net.trace("web", to, *words, *watch, code=code)


@pytest.fixture
def pair(lab: Lab) -> Pair:
    return Pair(lab)


def test_a_probe_is_followed_through_a_tunnel_to_a_container_of_another_host(pair: Pair) -> None:
    told = pair.trace(BEHIND, code=0)
    assert (told["to"], told["answered"]) == ("c2", True)
    expected = [
        ("web", "eth0", "out"),
        ("host", "netkit0", "in"),
        ("host", "inet netkit postrouting", "accept"),
        ("host", "vx", "out"),
        ("host", "up0", "out"),
        ("h2", "eth0", "in"),
        ("h2", "vx", "in"),
        ("h2", "to-c2", "out"),
        ("c2", "eth0", "in"),
        ("c2", "eth0", "out"),
        ("h2", "to-c2", "in"),
        ("h2", "vx", "out"),
        ("h2", "eth0", "out"),
        ("host", "up0", "in"),
        ("host", "vx", "in"),
        ("host", "netkit0", "out"),
        ("web", "eth0", "in"),
    ]
    steps = [(step["where"], step["at"], step["way"]) for step in told["steps"]]
    assert [step for step in steps if step in expected] == expected
    by = {(step["where"], step["at"], step["way"]): step["by"] for step in told["steps"]}
    assert by["h2", "eth0", "in"] == "inside VXLAN, VNI 42, to 192.0.2.2"
    assert by["h2", "to-c2", "out"] == f"route 10.244.2.0/24 dev to-c2; {BEHIND} is {mac(pair.c2)}"


def test_nothing_is_left_of_a_trace_anywhere(pair: Pair) -> None:
    pair.trace(BEHIND, code=0)
    for member in (pair.h2, pair.c2):
        assert member.run("nft", "list", "ruleset").stdout == ""


# What each of these breaks, it breaks alone; the name says what trace must find.


def another_vni(pair: Pair) -> None:
    pair.h2.run("ip", "link", "del", "vx")
    pair.tunnel(pair.h2, "10.9.0.2/24", vni=43)
    pair.joins(pair.host, SECOND, pair.h2, "192.0.2.2")


def another_vni_and_nobody_known(pair: Pair) -> None:
    another_vni(pair)
    pair.host.run("ip", "neigh", "del", SECOND, "dev", "vx")
    pair.host.run("bridge", "fdb", "append", "00:00:00:00:00:00", "dev", "vx", "dst", "192.0.2.2")


def another_port(pair: Pair) -> None:
    peer = mac(pair.h2, "vx")
    pair.h2.run("ip", "link", "del", "vx")
    pair.tunnel(pair.h2, "10.9.0.2/24", "local", "192.0.2.2", port=8472)
    pair.h2.run("ip", "link", "set", "vx", "address", peer)


def no_tunnel(pair: Pair) -> None:
    pair.h2.run("ip", "link", "del", "vx")


def no_fdb_entry(pair: Pair) -> None:
    pair.host.run("bridge", "fdb", "del", mac(pair.h2, "vx"), "dev", "vx", "dst", "192.0.2.2")


def no_flood_entry(pair: Pair) -> None:
    pair.host.run("ip", "neigh", "del", SECOND, "dev", "vx")


def peer_that_nobody_is(pair: Pair) -> None:
    pair.host.run("bridge", "fdb", "replace", mac(pair.h2, "vx"), "dev", "vx", "dst", "192.0.2.77")


def peer_without_a_way(pair: Pair) -> None:
    pair.host.run("bridge", "fdb", "replace", mac(pair.h2, "vx"), "dev", "vx", "dst", "203.0.113.7")
    pair.host.run("ip", "route", "del", "default")


def tunnel_closed_here(pair: Pair) -> None:
    closed(pair.host, "output")


def tunnel_closed_there(pair: Pair) -> None:
    closed(pair.h2, "input")


def closed(host: HostNs, hook: str) -> None:
    chain = f"chain c {{ type filter hook {hook} priority 0; udp dport 4789 drop; }}"
    host.run("nft", "-f", "-", input=f"table inet other {{ {chain}; }}")


def old_neighbour_entry(pair: Pair) -> None:
    stale = "02:00:00:00:99:99"
    pair.host.run("ip", "neigh", "replace", SECOND, "lladdr", stale, "dev", "vx")
    pair.host.run("bridge", "fdb", "replace", stale, "dev", "vx", "dst", "192.0.2.2")


def no_forwarding_there(pair: Pair) -> None:
    sysctl(pair.h2, "net.ipv4.ip_forward", "0")


def policy_drop_there(pair: Pair) -> None:
    chain = "type filter hook forward priority 0; policy drop;"
    pair.h2.run("nft", f"add table inet other; add chain inet other f {{ {chain} }}")


def no_route_there(pair: Pair) -> None:
    pair.h2.run("ip", "route", "del", "10.244.2.0/24")


def strict_reverse_path_there(pair: Pair) -> None:
    sysctl(pair.h2, "net.ipv4.conf.vx.rp_filter", "1")
    pair.h2.run("ip", "route", "add", "10.9.0.1/32", "via", "192.0.2.1", "dev", "eth0")


def no_way_back(pair: Pair) -> None:
    pair.c2.run("ip", "route", "del", "default")


def firewall_inside(pair: Pair) -> None:
    chain = "type filter hook input priority 0; policy drop;"
    pair.c2.run("nft", f"add table inet inside; add chain inet inside i {{ {chain} }}")


BROKEN: list[tuple[Callable[[Pair], None], str, str]] = [
    (another_vni, "wrong-vni", "h2 eth0"),
    (another_vni_and_nobody_known, "wrong-vni", "h2 eth0"),
    (another_port, "no-tunnel", "h2 eth0"),
    (no_tunnel, "no-tunnel", "h2 eth0"),
    (no_fdb_entry, "no-fdb-entry", "host vx"),
    (no_flood_entry, "no-fdb-entry", "host vx"),
    (peer_that_nobody_is, "no-neighbour", "host up0"),
    (peer_without_a_way, "no-route", "host"),
    (tunnel_closed_here, "nft-rule-drop", "inet other c"),
    (tunnel_closed_there, "nft-rule-drop", "h2 inet other c"),
    (old_neighbour_entry, "wrong-mac", "h2 vx"),
    (no_forwarding_there, "forwarding-off", "h2 vx"),
    (policy_drop_there, "nft-policy-drop", "h2 inet other f"),
    (no_route_there, "wrong-route", "h2"),
    (strict_reverse_path_there, "rp-filter", "h2 vx"),
    (no_way_back, "no-route", "c2"),
    (firewall_inside, "nft-policy-drop", "c2 inet inside i"),
]


@pytest.mark.parametrize(("broken", "name", "where"), BROKEN, ids=[case[0].__name__ for case in BROKEN])
def test_what_is_broken_between_hosts_is_named(
    pair: Pair, broken: Callable[[Pair], None], name: str, where: str
) -> None:
    broken(pair)
    found = pair.trace(BEHIND)["cause"]
    assert (found["name"], found["where"]) == (name, where), found
    assert found["hint"]


@pytest.mark.parametrize("words", [("--port", "80"), ("--port", "80", "--udp")])
def test_a_tunnels_own_packets_are_told_apart_from_the_probe(pair: Pair, words: tuple[str, ...]) -> None:
    for member, hook in ((pair.host, "output"), (pair.h2, "input")):
        chain = f"chain c {{ type filter hook {hook} priority 0; udp dport 4789 accept; }}"
        member.run("nft", "-f", "-", input=f"table inet other {{ {chain}; }}")
    told = pair.trace(BEHIND, *words)
    assert (told["cause"]["name"], told["cause"]["where"]) == ("nothing-listens", "c2")
    said = [(step["leg"], step["where"]) for step in told["steps"] if step["by"] == "udp dport 4789 accept"]
    assert ("request", "host") in said and ("request", "h2") in said


def test_an_underlay_that_is_too_narrow(pair: Pair) -> None:
    pair.h2.run("ip", "link", "set", "eth0", "mtu", "1400")
    found = pair.trace(BEHIND, "--size", "1400")["cause"]
    assert (found["name"], found["where"]) == ("mtu", "h2 eth0")
    assert "1400" in found["why"]
    assert pair.trace(BEHIND, "--size", "1300", code=0)["answered"]


def test_a_bridge_that_goes_on_through_a_tunnel_which_is_too_narrow(pair: Pair) -> None:
    pair.host.run("ip", "link", "set", "vx", "mtu", "1500", "master", "netkit0")
    pair.h2.run("ip", "link", "set", "vx", "mtu", "1500")
    pair.h2.run("ip", "addr", "add", "10.90.7.7/16", "dev", "vx")
    for member, outer in ((pair.host, "192.0.2.2"), (pair.h2, "192.0.2.1")):
        member.run("bridge", "fdb", "append", "00:00:00:00:00:00", "dev", "vx", "dst", outer)
    assert pair.trace("10.90.7.7", "--size", "1300", code=0)["to"] == "h2"
    pair.host.run("ip", "link", "set", "up0", "mtu", "1300")
    found = pair.trace("10.90.7.7", "--size", "1300")["cause"]
    assert (found["name"], found["where"]) == ("mtu", "host vx")
    assert "1250" in found["why"]


def test_without_a_look_at_the_other_host_it_is_said_how_to_get_one(pair: Pair) -> None:
    another_vni(pair)
    found = pair.net.cause("web", BEHIND)
    assert (found["name"], found["where"]) == ("beyond", "host up0")
    assert "VNI 42" in found["why"] and "--watch" in found["hint"]


def test_an_ipv6_probe_is_followed_through_a_tunnel(lab: Lab, pair: Pair) -> None:
    for host, address in ((pair.host, "fd00:9::1/64"), (pair.h2, "fd00:9::2/64")):
        sysctl(host, "net/ipv6/conf/vx/disable_ipv6", "0")
        host.run("ip", "addr", "add", address, "dev", "vx", "nodad")
    pair.host.run("ip", "neigh", "replace", "fd00:9::2", "lladdr", mac(pair.h2, "vx"), "dev", "vx")
    pair.h2.run("ip", "neigh", "replace", "fd00:9::1", "lladdr", mac(pair.host, "vx"), "dev", "vx")
    watch = ("--watch", f"h2={pair.h2.path}")
    told = pair.net.trace("host", "fd00:9::2", *watch, code=0)
    assert ("h2", "vx", "in") in [(step["where"], step["at"], step["way"]) for step in told["steps"]]
    closed(pair.h2, "input")
    found = pair.net.cause("host", "fd00:9::2", *watch)
    assert (found["name"], found["where"]) == ("nft-rule-drop", "h2 inet other c")


def test_places_to_watch_that_are_off_are_refused(pair: Pair) -> None:
    for watch, code, says in (
        (f"host={pair.h2.path}", 2, "two places are called host"),
        ("h2=/nowhere/x", 3, "no network namespace /nowhere/x"),
        (f"x={sys.executable}", 2, "network namespace"),
    ):
        done = pair.host.netkit("trace", "web", BEHIND, "--watch", watch)
        assert (done.returncode, says in done.stderr) == (code, True), done.stderr


def test_an_end_that_is_watched_too_is_one_place(pair: Pair) -> None:
    told = pair.trace(BEHIND, "--watch", f"same={pair.net.web.path}", code=0)
    assert {step["where"] for step in told["steps"]} == {"web", "host", "h2", "c2"}
