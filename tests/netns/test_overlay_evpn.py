"""An overlay whose hosts tell each other by BGP: two real FRR routers, and netkit that leaves their entries alone."""

from __future__ import annotations

import json
import sys

import pytest

from tests.hosts import REPOSITORY, HostNs, Lab, wait_until
from tests.netns.calls import ip
from tests.netns.test_overlay import EMPTY, UP
from tests.oracle import diff

TYPE_CHECKING = False
if TYPE_CHECKING:
    from tests.hosts import Completed

pytestmark = [pytest.mark.root, pytest.mark.requires("vxlan", "bridge", "nftables")]

FILE = str(REPOSITORY / "topologies/vxlan-evpn.yaml")


def at(host: HostNs, member: str, *words: str) -> Completed[str]:
    return host.netkit("lab", "exec", "vxlan-evpn", member, "--", *words, check=True)


def routes(host: HostNs, member: str) -> str:
    """The EVPN routes of a member's router."""
    return at(host, member, "vtysh", "--vty_socket", "/etc/frr", "-c", "show bgp l2vpn evpn route").stdout


@pytest.mark.requires("frr")
def test_routers_tell_each_other_who_is_where_and_netkit_lets_them(host: HostNs) -> None:
    host.netkit("lab", "up", FILE, check=True)
    two = json.loads(at(host, "two", "ip", "-j", "link", "show", "eth0").stdout)[0]["address"]
    at(host, "two", "ping", "-n", "-c1", "-W5", "10.142.1.1")
    assert wait_until(lambda: f"[2]:[0]:[48]:[{two}]" in routes(host, "left")), "type 2: a MAC and whose it is"
    assert wait_until(lambda: "[3]:[0]:[32]:[192.0.2.2]" in routes(host, "left")), "type 3: a host of the VNI"

    def entries() -> list[str]:
        return sorted(at(host, "left", "bridge", "fdb", "show", "dev", "nkv42").stdout.splitlines())

    assert wait_until(lambda: any(f"{two} dst 192.0.2.2 self extern_learn" in line for line in entries()))
    before = entries()
    for words in (("reload",), ("check",), ("overlay", "peers", "--diff")):
        host.netkit("lab", "exec", "vxlan-evpn", "left", "--", sys.executable, "-m", "netkit", *words, check=True)
    assert entries() == before
    host.netkit("lab", "down", FILE, check=True)


def test_the_devices_are_as_a_router_wants_them_and_go(lab: Lab) -> None:
    left, right = lab.host("left"), lab.host("right")
    lab.link(left, right, ("192.0.2.1/24", "192.0.2.2/24"))
    before = left.snapshot()
    left.netkit(*UP, "--dev", "eth0", "--control", "evpn", check=True)
    data = ip(left, "-d", "link", "show", "dev", "nkv42")[0]["linkinfo"]
    assert not data["info_data"]["learning"]
    port = data["info_slave_data"]
    assert (port["neigh_suppress"], port["learning"], port["flood"]) == (True, False, True)
    assert ip(left, "addr", "show", "dev", "nkv42")[0]["addr_info"] == []
    entry = ("00:00:00:00:00:00", "dev", "nkv42", "dst", "192.0.2.2")
    left.run("bridge", "fdb", "append", *entry)
    assert left.netkit("reload", check=True).stdout
    assert "192.0.2.2" in left.run("bridge", "fdb", "show", "dev", "nkv42").stdout
    assert left.netkit("overlay", "peers", "--diff").returncode == 0
    left.netkit("overlay", "down", "--vni", "42", check=True)
    assert diff(before, left.snapshot(), EMPTY) == ""


def test_evpn_and_other_ways_to_know_the_others_exclude_each_other(lab: Lab) -> None:
    host = lab.host()
    lab.link(host, lab.host("other"), ("192.0.2.1/24", "192.0.2.2/24"))
    for words in (("--peer", "192.0.2.2"), ("--group", "239.1.1.1")):
        done = host.netkit(*UP, "--dev", "eth0", "--control", "evpn", *words)
        assert (done.returncode, "routers" in done.stderr) == (2, True), done.stderr
    assert host.netkit(*UP, "--dev", "eth0", "--control", "bgp").returncode == 2
