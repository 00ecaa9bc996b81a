"""More addresses under the MAC of the host's link: who hears whom by mode, what is refused, and that all of it goes."""

from __future__ import annotations

import json
import os

import pytest

from tests.contract.drivers import pings
from tests.features import requires
from tests.hosts import Container, Lab, wait_until
from tests.netns.calls import ip
from tests.netns.test_macvlan import EMPTY, LAN, LAN6, Scene, link, refused

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

    from tests.conftest import Unchanged

pytestmark = requires("ipvlan")

#: Subnets that the parent routes to: the LAN has a route by the host.
ROUTED = ("--subnet", "10.7.0.0/24", "--subnet", "fd00:7::/64")
MODES = {"l2": (*LAN, *LAN6), "l3": ROUTED, "l3s": ROUTED}


class Ground(Scene):
    """The same place with networks of ipvlan."""

    def create(self, name: str, *words: str) -> Any:
        return self.told("network", "create", name, "--mode", "ipvlan", *words)

    def routed(self) -> None:
        """The LAN knows the way to the routed subnets: by this host."""
        self.lan.run("ip", "route", "add", "10.7.0.0/24", "via", "192.0.2.1")
        self.lan.run("ip", "route", "add", "fd00:7::/64", "via", "fd00:2::1")


@pytest.fixture
def ground(lab: Lab) -> Ground:
    return Ground(lab)


def where(made: dict[str, Any]) -> dict[str, str]:
    """A container's addresses by family."""
    return {"6" if ":" in each else "4": each.partition("/")[0] for each in made["addresses"]}


@pytest.mark.parametrize("mode", MODES)
def test_containers_the_lan_and_nobody_else_hear_each_other(ground: Ground, mode: str, unchanged: Unchanged) -> None:
    ground.routed()
    with unchanged(ground.host, (ground.web, ground.sibling), (*EMPTY, "state *")):
        ground.create("n", *MODES[mode], "-o", f"mode={mode}")
        web, sibling = (ground.attach(each, "--network", "n") for each in (ground.web, ground.sibling))
        seen = link(ground.web)
        assert (seen["linkinfo"]["info_kind"], seen["linkinfo"]["info_data"]["mode"]) == ("ipvlan", mode)
        assert seen["address"] == web["mac"] == sibling["mac"] == link(ground.host)["address"]
        targets = {f"sibling{key}": value for key, value in where(sibling).items()}
        targets |= {"lan4": "192.0.2.2", "lan6": "fd00:2::2"}
        assert pings(ground.web, targets) == set(targets)
        assert pings(ground.lan, where(web)) == {"4", "6"}
        assert pings(ground.host, where(web), 0.4) == set()
        assert pings(ground.web, {"4": "192.0.2.1", "6": "fd00:2::1"}, 0.4) == set()
        assert ground.told("check")["ok"]
        for each in (web, sibling):
            ground.told("detach", each["id"])
        assert ground.told("detach", web["id"])["detached"] == []
        ground.told("network", "rm", "n")


@pytest.mark.parametrize(("mode", "filtered"), [("l2", False), ("l3", False), ("l3s", True)])
def test_packets_pass_the_hosts_netfilter_in_one_mode_alone(ground: Ground, mode: str, filtered: bool) -> None:
    ground.routed()
    ground.create("n", *MODES[mode], "-o", f"mode={mode}")
    web = where(ground.attach(ground.web, "--network", "n"))
    assert pings(ground.lan, web) == {"4", "6"}
    ground.host.run(
        "nft",
        "table inet wall { chain input { type filter hook input priority 0; "
        f"ip daddr {web['4']} drop; ip6 daddr {web['6']} drop; }}; }}",
    )
    reached = pings(ground.lan, web, 0.6 if filtered else 5)
    assert reached == (set() if filtered else {"4", "6"})


@pytest.mark.parametrize("mode", MODES)
def test_a_broadcast_is_heard_where_there_is_arp(ground: Ground, mode: str) -> None:
    ground.routed()
    ground.create("n", *MODES[mode], "-o", f"mode={mode}")
    ground.attach(ground.web, "--network", "n")
    ground.attach(ground.sibling, "--network", "n")
    for place in (ground.sibling, ground.lan):
        place.run("sysctl", "-qw", "net.ipv4.icmp_echo_ignore_broadcasts=0")
    whole = "192.0.2.255" if mode == "l2" else "10.7.0.255"
    done = ground.web.run("ping", "-n", "-b", "-c1", "-W1", whole, check=False)
    assert (" 1 received" in done.stdout or ", 1 received" in done.stdout) == (mode == "l2"), done.stdout
    neighbours = [row for row in ip(ground.web, "neigh") if "lladdr" in row and row["state"] != ["NOARP"]]
    assert bool(neighbours) == (mode == "l2"), neighbours
    default = [row for row in ip(ground.web, "route") if row["dst"] == "default"]
    assert [row.get("gateway") for row in default] == (["192.0.2.2"] if mode == "l2" else [None])


@pytest.mark.parametrize(("first", "second"), [("l2", "l3"), ("l3", "l3s"), ("l3s", "l2")])
def test_one_parent_has_one_mode(ground: Ground, first: str, second: str, unchanged: Unchanged) -> None:
    """The kernel would change the mode of all links that stand there, under their feet."""
    ground.create("n", *LAN, "-o", f"mode={first}")
    ground.attach(ground.web, "--network", "n")
    words = ("network", "create", "m", "--mode", "ipvlan", "--subnet", "10.8.0.0/24", "-o", f"mode={second}")
    with unchanged(ground.host, (ground.web, ground.sibling), EMPTY):
        refused(ground.host, 4, f"all ipvlan links on it are of mode {first}, not {second}", *words)
    assert link(ground.web)["linkinfo"]["info_data"]["mode"] == first
    ground.told("detach", "--pid", str(ground.web.pid))
    ground.told("network", "rm", "n")
    ground.told(*words)
    ground.attach(ground.sibling, "--network", "m")
    assert link(ground.sibling)["linkinfo"]["info_data"]["mode"] == second


@pytest.mark.parametrize(("first", "second"), [("ipvlan", "macvlan"), ("macvlan", "ipvlan")])
def test_one_parent_has_links_of_one_kind(ground: Ground, first: str, second: str, unchanged: Unchanged) -> None:
    for name, mode, subnet in (("n", first, "10.8.0.0/24"), ("m", second, "10.9.0.0/24")):
        ground.told("network", "create", name, "--mode", mode, "--subnet", subnet)
    ground.attach(ground.web, "--network", "n")
    with unchanged(ground.host, (ground.web, ground.sibling), EMPTY):
        refused(ground.host, 4, "has another user", "attach", "--pid", str(ground.sibling.pid), "--network", "m")


def _create(*words: str) -> tuple[str, ...]:
    return ("network", "create", "x", "--mode", "ipvlan", *words)


@pytest.mark.parametrize(
    ("words", "code", "says"),
    [
        (("--parent", "nowhere"), 3, "this host has no link nowhere"),
        (("--parent", "down0"), 5, "down0 is down"),
        (("--parent", "port0"), 4, "port0 is a port of br0"),
        (("--parent", "eth0", "--mtu", "1501"), 2, "1501 is more than eth0 carries"),
        (("-o", "mode=bridge"), 2, "there are l2, l3, l3s"),
        (("-o", "host=on"), 2, "host"),
        (("--no-icc",), 2, "-o mode="),
    ],
)
def test_what_cannot_be_made_leaves_nothing(
    ground: Ground, words: tuple[str, ...], code: int, says: str, unchanged: Unchanged
) -> None:
    for line in ("link add br0 type bridge", "link add down0 type veth peer port0", "link set port0 master br0"):
        ground.host.run("ip", *line.split())
    with unchanged(ground.host, allow=EMPTY):
        refused(ground.host, code, says, *_create(*words))


@pytest.mark.parametrize(
    ("words", "code", "says"),
    [
        (("-p", "8080:80"), 2, "connect to its own address"),
        (("--mtu", "1501"), 2, "is more than network n carries"),
        (("--mac", "02:00:00:00:00:77"), 2, "has its parent's MAC"),
        (("--ifname", "taken"), 4, "already has an interface taken"),
        (("--ip", "192.0.2.70"), 4, "192.0.2.70"),
        (("--rate-in", "8mbit"), 2, "use -o mode=l3"),
    ],
)
def test_what_cannot_be_attached_leaves_nothing(
    ground: Ground, words: tuple[str, ...], code: int, says: str, unchanged: Unchanged
) -> None:
    ground.create("n", *LAN, "-o", "mode=l3s")
    ground.attach(ground.web, "--network", "n", "--ip", "192.0.2.70")
    ground.sibling.run("ip", "link", "add", "taken", "type", "bridge")
    with unchanged(ground.host, (ground.web, ground.sibling), EMPTY):
        refused(ground.host, code, says, "attach", "--pid", str(ground.sibling.pid), "--network", "n", *words)


def test_a_link_without_addresses_is_a_link_and_no_more(ground: Ground) -> None:
    assert ground.create("wire", "-o", "addresses=off")["subnets"] == []
    assert ground.attach(ground.web, "--network", "wire")["addresses"] == []
    ground.web.run("ip", "addr", "add", "192.0.2.70/24", "dev", "eth0")
    assert pings(ground.web, {"lan": "192.0.2.2"}) == {"lan"}


def test_a_parent_may_be_inside_the_container(ground: Ground) -> None:
    ground.web.run("ip", "link", "add", "near", "up", "type", "veth", "peer", "far")
    ground.create("inner", "--parent", "near", "-o", "inside=on", "--subnet", "10.7.0.0/24")
    made = ground.attach(ground.web, "--network", "inner")
    assert (made["addresses"], link(ground.web)["link"]) == (["10.7.0.2/24"], "near")
    ground.told("detach", made["id"])
    assert {row["ifname"] for row in ip(ground.web, "link")} == {"lo", "near", "far"}


def test_a_container_that_ends_gives_its_address_back(lab: Lab, ground: Ground, unchanged: Unchanged) -> None:
    ground.create("n", *LAN)
    with unchanged(ground.host, allow=EMPTY):
        short: Container = lab.container("short")
        ground.attach(short, "--network", "n")
        short.die()
        assert wait_until(lambda: not os.path.exists(short.path))
        assert len(ground.told("gc")["released"]) == 1
        assert ground.told("ps") == []


def test_what_is_lost_is_told_and_mended(ground: Ground) -> None:
    ground.create("n", *LAN, *LAN6)
    made = ground.attach(ground.web, "--network", "n")
    ground.web.run("ip", "link", "del", "eth0")
    assert ground.host.netkit("check").returncode == 1
    ground.told("reload")
    assert ground.told("check")["ok"]
    assert pings(ground.lan, where(made)) == {"4", "6"}


def test_the_lan_may_learn_that_an_address_has_moved_to_another_host(ground: Ground) -> None:
    """The MAC is the parent's, so it is told anew where the address had been another machine's."""
    ground.lan.run("sysctl", "-qw", "net.ipv4.neigh.eth0.locktime=0")
    ground.lan.run("ip", "neigh", "replace", "192.0.2.70", "lladdr", "02:00:00:00:00:66", "dev", "eth0", "nud", "stale")
    ground.create("n", *LAN)
    made = ground.attach(ground.web, "--network", "n", "--ip", "192.0.2.70")

    def known() -> list[str]:
        rows = json.loads(ground.lan.run("ip", "-j", "neigh", "show", "192.0.2.70").stdout)
        return [row.get("lladdr", "") for row in rows]

    assert wait_until(lambda: known() == [made["mac"]]), known()
