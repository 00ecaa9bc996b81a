"""trace over a road: two switches that VXLAN joins, a router between them, and each thing on the way broken alone."""

from __future__ import annotations

import pytest

from tests.features import requires
from tests.hosts import Container, HostNs, Lab
from tests.netns.test_cli_trace import Net, mac, sysctl

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import Any

pytestmark = requires("nftables", "nft-bridge")
TWO = "10.8.0.2"


class Road:
    """`one` on the switch of the host, `two` on that of `right`; `road` lies between and sees tunnels only."""

    def __init__(self, lab: Lab) -> None:
        self.net = Net(lab)
        self.host, self.road, self.right = self.net.host, self.net.world, lab.host("right")
        lab.link(self.right, self.road, ("198.51.100.2/24", "198.51.100.1/24"), names=("eth0", "eth1"))
        self.right.run("ip", "route", "add", "192.0.2.0/24", "via", "198.51.100.1")
        sysctl(self.road, "net.ipv4.ip_forward", "1")
        self.one, self.two = lab.container("one"), lab.container("two")
        self.switch(self.host, self.one, "10.8.0.1/24", ("192.0.2.1", "198.51.100.2"))
        self.switch(self.right, self.two, f"{TWO}/24", ("198.51.100.2", "192.0.2.1"))
        self.host.netkit("attach", "--pid", str(self.one.pid), "--name", "one", "--mode", "null", check=True)

    def switch(self, host: HostNs, inside: Container, address: str, outer: tuple[str, str]) -> None:
        local, remote = outer
        tunnel = ("type", "vxlan", "id", "42", "local", local, "remote", remote, "dstport", "4789")
        host.run("ip", "link", "add", "br0", "up", "type", "bridge")
        host.run("ip", "link", "add", "vx42", "up", "master", "br0", *tunnel)
        peer = ("type", "veth", "peer", "name", "eth0", "mtu", "1450", "netns", str(inside.pid))
        host.run("ip", "link", "add", "cable", "up", "master", "br0", *peer)
        inside.run("ip", "addr", "add", address, "dev", "eth0")
        inside.run("ip", "link", "set", "eth0", "up")

    def trace(self, *words: str, code: int = 1) -> dict[str, Any]:
        places = {"road": self.road, "right": self.right, "two": self.two}
        watch = [word for name, place in places.items() for word in ("--watch", f"{name}={place.path}")]
        return self.net.trace("one", TWO, *words, *watch, code=code)


@pytest.fixture
def road(lab: Lab) -> Road:
    return Road(lab)


def vxlan_down(road: Road) -> None:
    road.right.run("ip", "link", "set", "vx42", "down")


def bridge_down(road: Road) -> None:
    road.right.run("ip", "link", "set", "br0", "down")


def cable_down(road: Road) -> None:
    road.right.run("ip", "link", "set", "cable", "down")


def link_down_inside(road: Road) -> None:
    road.two.run("ip", "link", "set", "eth0", "down")


def router_that_forwards_nothing(road: Road) -> None:
    sysctl(road.road, "net.ipv4.ip_forward", "0")


def router_with_a_policy(road: Road) -> None:
    chain = "type filter hook forward priority 0; policy drop;"
    road.road.run("nft", f"add table inet other; add chain inet other f {{ {chain} }}")


def router_without_a_way(road: Road) -> None:
    road.road.run("ip", "route", "add", "unreachable", "198.51.100.2/32")


BROKEN: list[tuple[Callable[[Road], None], str, str]] = [
    (vxlan_down, "link-down", "right vx42"),
    (bridge_down, "link-down", "right br0"),
    (cable_down, "link-down", "right cable"),
    (link_down_inside, "link-down", "right cable"),
    (router_that_forwards_nothing, "forwarding-off", "road eth0"),
    (router_with_a_policy, "nft-policy-drop", "road inet other f"),
    (router_without_a_way, "wrong-route", "road"),
]


@requires("vxlan")
@pytest.mark.parametrize(("broken", "name", "where"), BROKEN, ids=[case[0].__name__ for case in BROKEN])
def test_what_is_broken_on_the_road_is_named(road: Road, broken: Callable[[Road], None], name: str, where: str) -> None:
    road.one.run("ip", "neigh", "replace", TWO, "lladdr", mac(road.two), "dev", "eth0")
    road.trace(code=0)
    broken(road)
    found = road.trace()["cause"]
    assert (found["name"], found["where"]) == (name, where), found


@requires("vxlan")
def test_each_direction_of_the_road_has_its_own_width(road: Road) -> None:
    road.road.run("ip", "link", "set", "eth1", "mtu", "1400")
    told = road.trace("--size", "1380")
    assert (told["cause"]["name"], told["cause"]["where"]) == ("mtu", "road eth1")
    assert told["delivered"]
    assert road.trace("--size", "1300", code=0)["answered"]


@requires("macvlan")
def test_a_macvlan_link_and_its_own_host_do_not_reach_each_other(lab: Lab) -> None:
    net = Net(lab)
    words = ("--mode", "macvlan", "--parent", "up0", "--subnet", "192.0.2.0/24", "--gateway", "192.0.2.2")
    net.host.netkit("network", "create", "lan", *words, check=True)
    net.attach("beside", "--network", "lan", "--ip", "192.0.2.50")
    assert net.trace("beside", "192.0.2.2", code=0)["answered"]
    for ends in (("beside", "192.0.2.1"), ("host", "beside"), ("web", "beside")):
        found = net.cause(*ends)
        assert (found["name"], found["where"], found["meant"]) == ("macvlan-host", "beside eth0", True), found
