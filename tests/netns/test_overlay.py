"""Overlays of two hosts: who reaches whom, what travels on the underlay, who is kept out, what is refused."""

from __future__ import annotations

import json
import socket
import struct

import pytest

from netkit.model import family
from tests.contract.drivers import pings
from tests.hosts import Container, HostNs, Lab
from tests.netns.calls import ip
from tests.oracle import diff

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import Any

    from tests.hosts import Completed, Namespace

pytestmark = [pytest.mark.root, pytest.mark.requires("vxlan", "bridge", "nftables")]

UP = ("overlay", "up", "--vni", "42")
#: What a first command leaves: empty folders, locks, the next address, and the note that the host needs nothing.
EMPTY = (
    "state *: 0700 0:0 directory",
    "state */run/locks/*",
    "state */identity/*",
    "state */run/host/ports: *",
    "state */order*: *",
    "state */networks-up/@host: *",
    "* qdiscs: *noqueue*",
)
#: A ping of 10.142.0.2 by 10.142.0.77, to everybody's MAC.
PING = bytes.fromhex("ffffffffffff 020000000066 0800 4500001c 00010000 40016576 0a8e004d 0a8e0002 0800f7ff00000000")


class Pair:
    """Two hosts on one wire, each with a container."""

    def __init__(self, lab: Lab, six: bool = False) -> None:
        self.left, self.right = lab.host("left"), lab.host("right")
        lab.link(self.left, self.right, ("192.0.2.1/24", "192.0.2.2/24"), ("fd00:2::1/64", "fd00:2::2/64"))
        self.ends = ("fd00:2::1", "fd00:2::2") if six else ("192.0.2.1", "192.0.2.2")
        self.one, self.two = lab.container("one"), lab.container("two")

    def up(self, *words: str) -> None:
        self.left.netkit(*UP, "--peer", self.ends[1], *words, check=True)
        self.right.netkit(*UP, "--peer", self.ends[0], *words, check=True)

    def attach(self) -> tuple[dict[int, str], dict[int, str]]:
        return attached(self.left, self.one), attached(self.right, self.two)

    def down(self) -> None:
        for host, container in ((self.left, self.one), (self.right, self.two)):
            host.netkit("detach", "--pid", str(container.pid), check=True)
            host.netkit("overlay", "down", "--vni", "42", check=True)


def attached(
    host: HostNs,
    container: Container,
    network: str = "overlay42",
    netkit: Callable[..., Completed[str]] | None = None,
) -> dict[int, str]:
    """The container's addresses, by family."""
    words = ("attach", "--pid", str(container.pid), "--network", network, "--json")
    told: dict[str, Any] = json.loads((netkit or host.netkit)(*words, check=True).stdout)
    return {family(address): address.partition("/")[0] for address in told["addresses"]}


def received(host: HostNs) -> int:
    """How many frames have come in by the host's tunnel."""
    return int(ip(host, "-s", "link", "show", "dev", "nkv42")[0]["stats64"]["rx"]["packets"])


@pytest.mark.parametrize("backend", ["nftables", "iptables"])
@pytest.mark.parametrize("six", [False, True], ids=["ipv4-underlay", "ipv6-underlay"])
def test_two_hosts_are_one_segment_and_as_before_after_down(lab: Lab, six: bool, backend: str) -> None:
    pair = Pair(lab, six)
    mtu = 1430 if six else 1450
    before: dict[str, Any] = {}
    for _ in range(2):
        before = {host.name: host.snapshot(pair.one, pair.two) for host in (pair.left, pair.right)}
        pair.up("--firewall", backend, "--subnet", "10.142.0.0/16", "--subnet", "fd42::/64")
        one, two = pair.attach()
        assert one != two
        assert pings(pair.one, {"v4": two[4], "v6": two[6]}) == {"v4", "v6"}
        assert pings(pair.left, {"v4": two[4], "v6": two[6]}) == {"v4", "v6"}
        assert pings(pair.one, {"fits": two[4]}, 5, "-Mdo", f"-s{mtu - 28}") == {"fits"}
        assert pings(pair.one, {"large": two[4]}, 1, "-Mdo", f"-s{mtu - 27}") == set()
        assert pair.left.netkit("check").stdout == "all holds\n"
        pair.down()
    for host in (pair.left, pair.right):
        assert diff(before[host.name], host.snapshot(pair.one, pair.two), EMPTY) == ""


def test_what_is_missing_is_told_and_put_back(lab: Lab) -> None:
    pair = Pair(lab)
    pair.up()
    entry = ("00:00:00:00:00:00", "dev", "nkv42", "dst")
    pair.left.run("bridge", "fdb", "del", *entry, "192.0.2.2")
    pair.left.run("bridge", "fdb", "append", *entry, "192.0.2.9")
    told = json.loads(pair.left.netkit("overlay", "peers", "--diff", "--json").stdout)
    assert {one["peer"]: one["state"] for one in told} == {"192.0.2.2": "missing", "192.0.2.9": "unwanted"}
    pair.left.netkit("reload", check=True)
    pair.left.run("bridge", "fdb", "del", *entry, "192.0.2.9")
    assert pair.left.netkit("overlay", "peers", "--diff").returncode == 0


def test_a_gateway_and_a_mac_belong_to_one_host(lab: Lab) -> None:
    pair = Pair(lab)
    pair.up()
    pair.attach()
    macs = [ip(host, "link", "show", "dev", dev)[0]["address"]
            for host in (pair.left, pair.right) for dev in ("nk-overlay42", "nkv42")]  # fmt: skip
    macs += [ip(container, "link", "show", "dev", "eth0")[0]["address"] for container in (pair.one, pair.two)]
    assert len(set(macs)) == 6
    assert ip(pair.one, "route")[0]["gateway"] == "10.142.0.1"
    assert ip(pair.two, "route")[0]["gateway"] == "10.142.128.1"


def forge(place: Namespace, source: str, target: str, vni: int = 42) -> None:
    """A ping in VXLAN is sent, from an address to the UDP port 4789 of another."""

    def send() -> None:
        with socket.socket(socket.AF_INET6 if ":" in target else socket.AF_INET, socket.SOCK_DGRAM) as it:
            it.bind((source, 0))
            it.sendto(struct.pack("!II", 0x08000000, vni << 8) + PING, (target, 4789))

    place.inside(send)


@pytest.mark.parametrize("backend", ["nftables", "iptables"])
def test_only_peers_get_frames_in(lab: Lab, backend: str) -> None:
    pair = Pair(lab)
    pair.up("--firewall", backend)
    pair.attach()
    pair.right.run("ip", "addr", "add", "192.0.2.66/24", "dev", "eth0")

    def arrives(place: Namespace, source: str, target: str, vni: int = 42) -> bool:
        before = received(pair.left)
        forge(place, source, target, vni)
        return received(pair.left) > before

    assert arrives(pair.right, "192.0.2.2", "192.0.2.1"), "the forged frame is good: from a peer it comes in"
    assert not arrives(pair.right, "192.0.2.66", "192.0.2.1")
    assert not arrives(pair.right, "192.0.2.2", "192.0.2.1", 43)
    assert not arrives(pair.one, "10.142.0.2", "192.0.2.1")
    assert not arrives(pair.one, "10.142.0.2", "10.142.0.1")


@pytest.mark.parametrize(
    ("words", "code", "says"),
    [
        (("--vni", "0"), 2, "is no VNI"),
        (("--vni", "16777216"), 2, "is no VNI"),
        (("--vni", "7", "--peer", "192.0.2.1"), 2, "this host itself"),
        (("--vni", "7", "--peer", "192.0.2.2", "--peer", "fd00:2::2"), 2, "another family"),
        (("--vni", "7", "--peer", "203.0.113.9"), 5, "no route leads"),
        (("--vni", "7", "--peer", "239.1.1.1"), 2, "--group"),
        (("--vni", "7", "--peer", "192.0.2.2", "--group", "239.1.1.1"), 2, "one by one"),
        (("--vni", "7", "--dev", "eth9"), 3, "no link eth9"),
        (("--vni", "7", "--dev", "eth0", "--local", "192.0.2.9"), 2, "no address 192.0.2.9"),
        (("--vni", "7", "--dev", "eth0", "--encrypt"), 2, "--encrypt goes with --store"),
        (("--vni", "7", "--dev", "eth0", "--store", "dir:///nowhere"), 1, "/nowhere"),
        (("--vni", "50", "--dev", "eth0"), 4, ""),
        (("--vni", "7", "--dev", "eth0", "--port", "9999"), 4, ""),
    ],
)
def test_what_cannot_be_is_refused_and_changes_nothing(lab: Lab, words: tuple[str, ...], code: int, says: str) -> None:
    pair = Pair(lab)
    pair.left.run("ip", "link", "add", "theirs", "type", "vxlan", "id", "50", "dstport", "4789", "dev", "eth0")
    pair.left.popen("socat", "-u", "UDP4-RECV:9999", "-")
    pair.left.netkit("overlay", "up", "--vni", "1", "--dev", "eth0", check=True)
    pair.left.netkit("overlay", "down", "--vni", "1", check=True)
    before = pair.left.snapshot()
    done: Completed[str] = pair.left.netkit("overlay", "up", *words)
    assert (done.returncode, says in done.stderr) == (code, True), done.stderr
    assert diff(before, pair.left.snapshot(), EMPTY) == ""
