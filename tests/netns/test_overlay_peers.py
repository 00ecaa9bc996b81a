"""Overlays whose peers change while packets flow; several at once; three hosts by multicast; what the way carries."""

from __future__ import annotations

import json

import pytest

from tests.contract.drivers import pings
from tests.hosts import Lab
from tests.netns.test_overlay import EMPTY, UP, Pair, attached
from tests.oracle import diff

TYPE_CHECKING = False
if TYPE_CHECKING:
    from tests.hosts import HostNs

pytestmark = [pytest.mark.root, pytest.mark.requires("vxlan", "bridge", "nftables")]

RANGES = {1: "10.142.1.0/24", 2: "10.142.2.0/24", 3: "10.142.3.0/24"}


class Trio:
    """Three hosts on one switch, each with a container."""

    def __init__(self, lab: Lab) -> None:
        self.hosts = {number: lab.host(f"host{number}") for number in RANGES}
        lab.switch({host: (f"192.0.2.{number}/24",) for number, host in self.hosts.items()})
        self.containers = {number: lab.container(f"c{number}") for number in RANGES}

    def up(self, number: int, *peers: int, ranged: bool = True) -> None:
        words = [word for peer in peers for word in ("--peer", f"192.0.2.{peer}")]
        words += ["--subnet", "10.142.0.0/16", "--ip-range", RANGES[number]] if ranged else []
        self.hosts[number].netkit(*UP, "--dev", "eth0", *words, check=True)

    def attach(self, number: int, network: str = "overlay42") -> str:
        return attached(self.hosts[number], self.containers[number], network)[4]


def peers(host: HostNs) -> dict[str, str]:
    return {one["peer"]: one["state"] for one in json.loads(host.netkit("overlay", "peers", "--json").stdout)}


def test_up_said_again_changes_nothing(lab: Lab) -> None:
    pair = Pair(lab)
    pair.up()
    before = {host: host.snapshot() for host in (pair.left, pair.right)}
    pair.up()
    for host, seen in before.items():
        assert diff(seen, host.snapshot(), ("state */order*",)) == ""


@pytest.mark.parametrize("backend", ["nftables", "iptables"])
def test_peers_come_and_go_and_whoever_stays_is_not_disturbed(lab: Lab, backend: str) -> None:
    trio = Trio(lab)
    host = trio.hosts[1]
    words = (*UP, "--firewall", backend, "--subnet", "10.142.0.0/16", "--ip-range", RANGES[1], "--dev", "eth0")
    host.netkit(*words, check=True)
    host.netkit("overlay", "down", "--vni", "42", check=True)  # iptables leaves its own empty tables
    before = host.snapshot()
    trio.up(2, 1)
    trio.up(3, 1)
    host.netkit(*words, check=True)
    one, two, three = (trio.attach(number) for number in (1, 2, 3))
    ends = {"two": two, "three": three}
    assert pings(trio.containers[1], ends, 0.5) == set()
    host.netkit(*words, "--peer", "192.0.2.2", check=True)
    assert pings(trio.containers[1], ends, 3) == {"two"}
    flow = trio.containers[1].popen("ping", "-n", "-i0.02", "-W1", two)
    host.netkit(*words, "--peer", "192.0.2.2", "--peer", "192.0.2.3", check=True)
    assert peers(host) == {"192.0.2.2": "ok", "192.0.2.3": "ok"}
    assert pings(trio.containers[1], ends) == {"two", "three"}
    assert host.netkit("check").stdout == "all holds\n"
    flow.send_signal(2)
    assert " 0% packet loss" in flow.communicate()[0]
    host.netkit(*words, "--peer", "192.0.2.3", check=True)
    assert pings(trio.containers[1], ends, 3) == {"three"}
    assert pings(trio.containers[2], {"one": one}, 0.5) == set(), "who is no peer any more is shut out"
    host.run("ip", "link", "del", "nkv42")
    host.netkit("reload", check=True)
    assert peers(host) == {"192.0.2.3": "ok"}
    host.netkit("detach", "--pid", str(trio.containers[1].pid), check=True)
    host.netkit("overlay", "down", "--vni", "42", check=True)
    assert diff(before, host.snapshot(), EMPTY) == ""


def test_a_host_alone_is_joined_without_taking_it_down(lab: Lab) -> None:
    trio = Trio(lab)
    for number in (1, 2):
        trio.up(number, ranged=False)
    trio.up(1, 2, ranged=False)
    trio.up(2, 1, ranged=False)
    two = trio.attach(2)
    trio.attach(1)
    assert pings(trio.containers[1], {"two": two}) == {"two"}


def test_a_part_that_is_in_use_stays_where_it_is(lab: Lab) -> None:
    trio = Trio(lab)
    trio.up(2, 1, ranged=False)
    trio.attach(2)
    before = trio.hosts[2].snapshot()
    done = trio.hosts[2].netkit(*UP, "--dev", "eth0", "--peer", "192.0.2.1", "--peer", "192.0.2.3")
    assert (done.returncode, "--ip-range" in done.stderr) == (4, True), done.stderr
    done = trio.hosts[2].netkit(*UP, "--peer", "192.0.2.1", "--port", "4790")
    assert (done.returncode, "another port" in done.stderr) == (4, True), done.stderr
    assert diff(before, trio.hosts[2].snapshot()) == ""


def test_a_peer_that_cannot_be_one_changes_nothing(lab: Lab) -> None:
    trio = Trio(lab)
    trio.up(1, 2)
    trio.attach(1)
    before = trio.hosts[1].snapshot()
    words = (*UP, "--dev", "eth0", "--subnet", "10.142.0.0/16", "--ip-range", RANGES[1])
    for peer, code in (("203.0.113.7", 5), ("192.0.2.1", 2)):
        done = trio.hosts[1].netkit(*words, "--peer", "192.0.2.2", "--peer", peer)
        assert done.returncode == code, done.stderr
    trio.hosts[1].run("ip", "route", "add", "192.0.2.3", "dev", "eth0", "mtu", "1400")
    done = trio.hosts[1].netkit(*words, "--peer", "192.0.2.2", "--peer", "192.0.2.3")
    assert (done.returncode, "--mtu 1350" in done.stderr) == (4, True), done.stderr
    trio.hosts[1].run("ip", "route", "del", "192.0.2.3")
    assert diff(before, trio.hosts[1].snapshot()) == ""


def test_three_hosts_meet_by_multicast(lab: Lab) -> None:
    trio = Trio(lab)
    for number, host in trio.hosts.items():
        words = ("--group", "239.1.1.42", "--dev", "eth0", "--subnet", "10.142.0.0/16", "--ip-range", RANGES[number])
        host.netkit(*UP, *words, check=True)
    known = {f"c{number}": trio.attach(number) for number in RANGES}
    for number, container in trio.containers.items():
        others = {name: address for name, address in known.items() if name != f"c{number}"}
        assert pings(container, others) == set(others)


def test_overlays_of_one_port_are_apart(lab: Lab) -> None:
    pair = Pair(lab)
    pair.up()
    for host, other in ((pair.left, pair.ends[1]), (pair.right, pair.ends[0])):
        host.netkit("overlay", "up", "--vni", "43", "--peer", other, check=True)
    three, four = lab.container("three"), lab.container("four")
    two = pair.attach()[1]
    third = attached(pair.left, three, "overlay43")[4]
    fourth = attached(pair.right, four, "overlay43")[4]
    assert pings(pair.one, {"two": two[4], "four": fourth}, 3) == {"two"}
    assert pings(three, {"two": two[4], "four": fourth}, 3) == {"four"}
    pair.down()
    assert pings(four, {"three": third}) == {"three"}


@pytest.mark.parametrize(("six", "overhead"), [(False, 50), (True, 70)], ids=["ipv4-underlay", "ipv6-underlay"])
def test_the_route_to_a_peer_may_be_narrower_than_the_link(lab: Lab, six: bool, overhead: int) -> None:
    pair = Pair(lab, six)
    for host, other in ((pair.left, pair.ends[1]), (pair.right, pair.ends[0])):
        host.run("ip", "route", "add", other, "dev", "eth0", "mtu", "1400")
    pair.up()
    _, two = pair.attach()
    size = 1400 - overhead - 28
    assert pings(pair.one, {"fits": two[4]}, 5, "-Mdo", f"-s{size}") == {"fits"}
    assert pings(pair.one, {"large": two[4]}, 1, "-Mdo", f"-s{size + 1}") == set()


@pytest.mark.parametrize("mtu", [1280, 1400, 9000])
def test_every_underlay_has_its_mtu(lab: Lab, mtu: int) -> None:
    pair = Pair(lab)
    for host in (pair.left, pair.right):
        host.run("ip", "link", "set", "eth0", "mtu", str(mtu))
    pair.up()
    _, two = pair.attach()
    size = mtu - 50 - 28
    assert pings(pair.one, {"fits": two[4]}, 5, "-Mdo", f"-s{size}") == {"fits"}
    assert pings(pair.one, {"large": two[4]}, 1, "-Mdo", f"-s{size + 1}") == set()


def test_ipv6_takes_1280_bytes_of_a_tunnel(lab: Lab) -> None:
    pair = Pair(lab)
    pair.left.run("ip", "link", "set", "eth0", "mtu", "1329")
    words = ("--peer", pair.ends[1], "--subnet", "fd42::/64")
    done = pair.left.netkit(*UP, *words)
    assert (done.returncode, "1279" in done.stderr) == (2, True), done.stderr
    pair.left.run("ip", "link", "set", "eth0", "mtu", "1330")
    pair.left.netkit(*UP, *words, check=True)


def test_a_peer_that_does_not_answer_stops_nobody(lab: Lab) -> None:
    pair = Pair(lab)
    pair.left.netkit(*UP, "--peer", pair.ends[1], "--peer", "192.0.2.99", check=True)
    assert peers(pair.left) == {"192.0.2.2": "ok", "192.0.2.99": "ok"}
    pair.right.netkit(*UP, "--peer", pair.ends[0], "--peer", "192.0.2.99", check=True)
    _, two = pair.attach()
    assert pings(pair.one, {"two": two[4]}) == {"two"}
