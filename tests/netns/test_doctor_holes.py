"""doctor and black holes: a router whose one link is narrow, and whose ICMP that says so is filtered."""

from __future__ import annotations

import pytest

from tests.contract.drivers import pings
from tests.hosts import Container, HostNs, Lab
from tests.netns.test_doctor import doctor
from tests.netns.test_overlay import UP, attached

pytestmark = [pytest.mark.root, pytest.mark.requires("vxlan", "bridge", "nftables")]


class Way:
    """Two hosts with a router between them, an overlay over it, and a container on each."""

    def __init__(self, lab: Lab, six: bool) -> None:
        self.left, self.router, self.right = lab.host("left"), lab.host("router"), lab.host("right")
        self.far = "2001:db8:2::2" if six else "198.51.100.2"
        near = "2001:db8:1::2" if six else "192.0.2.2"
        wires = {
            self.left: (("2001:db8:1::2/64", "2001:db8:1::1/64") if six else ("192.0.2.2/24", "192.0.2.1/24")),
            self.right: (("2001:db8:2::2/64", "2001:db8:2::1/64") if six else ("198.51.100.2/24", "198.51.100.1/24")),
        }
        for host, addresses in wires.items():
            lab.link(host, self.router, addresses)
            host.run("ip", "route", "add", "default", "via", addresses[1].partition("/")[0])
        self.router.run("sysctl", "-qw", "net.ipv4.ip_forward=1", "net.ipv6.conf.all.forwarding=1")
        self.peers = {self.left: self.far, self.right: near}
        self.one, self.two = lab.container("one"), lab.container("two")

    def up(self, *words: str) -> str:
        for host, peer in self.peers.items():
            host.netkit(*UP, "--peer", peer, *words, check=True)
        attached(self.left, self.one)
        return attached(self.right, self.two)[4]

    def down(self) -> None:
        for host, container in ((self.left, self.one), (self.right, self.two)):
            host.netkit("detach", "--pid", str(container.pid), check=True)
            host.netkit("overlay", "down", "--vni", "42", check=True)

    def narrow(self, mtu: int) -> None:
        """The router's link to the right carries less, and nobody hears of it."""
        self.router.run("ip", "link", "set", "eth1", "mtu", str(mtu))
        chain = "add table inet f; add chain inet f o { type filter hook output priority 0; }"
        rules = ("icmp type destination-unreachable drop", "icmpv6 type packet-too-big drop")
        self.router.run("nft", "; ".join([chain, *(f"add rule inet f o {rule}" for rule in rules)]))


def large(container: Container, address: str, size: int) -> bool:
    return bool(pings(container, {"it": address}, 1, "-Mdo", f"-s{size - 28}"))


@pytest.mark.parametrize("six", [False, True], ids=["ipv4-underlay", "ipv6-underlay"])
def test_a_way_that_loses_large_packets_without_a_word_is_told_with_what_passes(lab: Lab, six: bool) -> None:
    way = Way(lab, six)
    head = 70 if six else 50
    two = way.up()
    assert large(way.one, two, 1500 - head)
    assert doctor(way.left) == doctor(way.right) == (0, [])
    way.narrow(1400)
    assert pings(way.one, {"small": two}, 1) == {"small"}
    assert not large(way.one, two, 1500 - head)
    code, (found,) = doctor(way.left)
    assert (code, found["about"], found["severity"]) == (1, "network overlay42", "broken")
    assert found["what"].startswith(f"{way.far} answers small packets, and none of 1500 bytes")
    assert f"1400 bytes pass: make it anew, with --mtu {1400 - head}" in found["todo"]
    way.down()
    two = way.up("--mtu", str(1400 - head))
    assert large(way.one, two, 1400 - head)
    assert doctor(way.left) == doctor(way.right) == (0, [])


def test_a_peer_that_answers_nothing_is_no_black_hole(lab: Lab) -> None:
    way = Way(lab, False)
    way.up()
    chain = "add table inet f; add chain inet f i { type filter hook input priority 0; }"
    way.right.run("nft", f"{chain}; add rule inet f i icmp type echo-request drop")
    assert doctor(way.left) == (0, [])


def test_of_many_peers_just_those_are_named_that_are_behind_the_narrow_link(lab: Lab) -> None:
    way = Way(lab, False)
    near: HostNs = lab.host("near")
    lab.link(near, way.router, ("203.0.113.2/24", "203.0.113.1/24"))
    near.run("ip", "route", "add", "default", "via", "203.0.113.1")
    way.left.netkit(*UP, "--peer", way.far, "--peer", "203.0.113.2", "--peer", "203.0.113.99", check=True)
    way.narrow(1300)
    code, (found,) = doctor(way.left)
    assert (code, found["what"].partition(" ")[0]) == (1, way.far)
    assert "--mtu 1250" in found["todo"]
