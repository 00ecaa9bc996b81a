"""Several networks on one process, bridges that an admin made, and subnets that the host has already."""

from __future__ import annotations

from typing import Any

import pytest

from netkit.model import Network, Subnet
from tests.contract.test_engine_faults import ALLOWED
from tests.hosts import HostNs, Lab, Namespace, wait_until
from tests.netns.calls import RefusedError, Remote, ip, kernel
from tests.oracle import diff, snapshot

BLUE = Network("blue", "bridge", subnets=(Subnet("10.7.0.0/24", "10.7.0.1"),))
OWN = Network("own", "bridge", subnets=(Subnet("10.8.0.0/24", "10.8.0.1"),), options=(("bridge", "br-own"),))
LEARNED = (*ALLOWED, "host links br-own *", "state */locks/*")


def default_routes(place: Namespace) -> list[tuple[str, str]]:
    return [(route["gateway"], route["dev"]) for route in ip(place, "route", "show", "default")]


def lo_is_up(place: Namespace) -> bool:
    (lo,) = ip(place, "link", "show", "lo")
    return "UP" in lo["flags"]


@pytest.mark.parametrize("first", ("eth0", "eth1"))
def test_two_networks_on_one_process_come_and_go(host: HostNs, lab: Lab, first: str) -> None:
    remote, container = Remote(host), lab.container()
    remote.call("create", net=BLUE)
    for network in ("", "blue"):
        remote.attach(container, network=network)
        remote.leave(container)
    before = snapshot(host, (container,))
    remote.attach(container)
    assert default_routes(container) == [("10.90.0.1", "eth0")]
    remote.attach(container, network="blue", ifname="eth1")
    assert default_routes(container) == [("10.90.0.1", "eth0")]
    container.run("ping", "-n", "-c", "1", "-W", "1", "10.7.0.1")
    remote.leave(container, first)
    assert lo_is_up(container)
    assert len(ip(container, "link")) == 2
    remote.leave(container)
    assert not lo_is_up(container)
    assert diff(before, snapshot(host, (container,)), ALLOWED) == ""


def test_a_loopback_that_was_up_stays_up(host: HostNs, lab: Lab) -> None:
    remote, container = Remote(host), lab.container()
    container.run("ip", "link", "set", "lo", "up")
    remote.attach(container)
    remote.leave(container)
    assert lo_is_up(container)


def bridge(host: HostNs, *addresses: str, mtu: int = 1500, up: bool = True) -> None:
    lines = [f"link add br-own up mtu {mtu} type bridge", *(f"addr add {a} dev br-own" for a in addresses)]
    host.run("ip", "-batch", "-", input="\n".join([*lines, *([] if up else ["link set br-own down"])]) + "\n")


@pytest.mark.parametrize("up", (True, False), ids=("up", "down"))
@pytest.mark.parametrize("addresses", (("10.8.0.1/24",), (), ("172.30.0.9/24",)))
def test_a_bridge_of_the_admin_is_used_and_left_as_it_was(
    host: HostNs, lab: Lab, addresses: tuple[str, ...], up: bool
) -> None:
    remote, container = Remote(host), lab.container()
    remote.call("create", net=BLUE)
    remote.attach(container)
    remote.leave(container)
    bridge(host, *addresses, up=up)
    host.run("ip", "link", "add", "vm0", "master", "br-own", "up", "type", "veth", "peer", "name", "vm1")
    host.run("ip", "link", "set", "vm1", "up")
    wait_until(lambda: host.run("ip", "-6", "addr").stdout.count("fe80::") >= 2 + up)
    host.settled()
    before = snapshot(host, (container,))
    own = one(ip(host, "-d", "link", "show", "br-own"))
    remote.call("create", net=OWN)
    ep = remote.attach(container, network="own")
    assert ep.addresses == ("10.8.0.2/24",)
    container.run("ping", "-n", "-c", "1", "-W", "1", "10.8.0.1")
    remote.leave(container)
    remote.call("rm", name="own")
    after = one(ip(host, "-d", "link", "show", "br-own"))
    assert (own["address"], own["mtu"]) == (after["address"], after["mtu"])
    allowed = LEARNED if up else (*LEARNED, "host *fe80::*", 'host routes: *"dev": "br-own"*ff00::/8*')
    assert diff(before, snapshot(host, (container,)), allowed) == ""


@pytest.mark.parametrize("promiscuous", (True, False))
def test_a_bridge_takes_frames_for_any_mac_as_long_as_someone_wants_it(host: HostNs, promiscuous: bool) -> None:
    remote, wanted = Remote(host), ("promisc", "on")
    bridge(host, "10.8.0.1/24")
    host.run("ip", "link", "set", "br-own", "promisc", "on" if promiscuous else "off")
    second = Network("more", "bridge", subnets=(Subnet("10.9.0.0/24", "10.9.0.1"),))
    nets = [net.replace(options=(("bridge", "br-own"), wanted)) for net in (OWN, second)]
    for net in nets:
        remote.call("create", net=net)
        assert takes_all_frames(host)
    remote.call("rm", name="more")
    assert takes_all_frames(host)
    remote.call("rm", name="own")
    assert takes_all_frames(host) == promiscuous


def takes_all_frames(host: HostNs) -> bool:
    return "PROMISC" in one(ip(host, "link", "show", "br-own"))["flags"]


def one(found: list[dict[str, Any]]) -> dict[str, Any]:
    (only,) = found
    return only


def refused(remote: Remote, net: Network, *words: str) -> None:
    before = kernel(remote.host)
    with pytest.raises(RefusedError) as caught:
        remote.call("create", net=net)
    assert caught.value.kind == "conflict"
    for word in words:
        assert word in str(caught.value)
    assert diff(before, kernel(remote.host)) == ""


def test_a_bridge_with_another_address_of_the_subnet_is_a_conflict(host: HostNs) -> None:
    bridge(host, "10.8.0.77/24")
    refused(Remote(host), OWN, "10.8.0.77")


def test_a_link_that_is_no_bridge_is_a_conflict(host: HostNs) -> None:
    host.run("ip", "link", "add", "br-own", "type", "veth", "peer", "name", "other")
    refused(Remote(host), OWN, "veth", "not a bridge")


def test_a_bridge_with_another_mtu_is_a_conflict(host: HostNs) -> None:
    bridge(host, mtu=1400)
    refused(Remote(host), OWN.replace(mtu=1500), "1400", "1500")


def test_a_bridge_gives_its_mtu_to_the_containers(host: HostNs, lab: Lab) -> None:
    bridge(host, mtu=1400)
    remote, container = Remote(host), lab.container()
    remote.call("create", net=OWN)
    assert remote.attach(container, network="own").mtu == 1400
    assert one(ip(container, "link", "show", "eth0"))["mtu"] == 1400
    assert one(ip(host, "link", "show", "br-own"))["mtu"] == 1400


@pytest.mark.parametrize("route", ("10.8.0.0/24", "10.8.0.128/25", "10.0.0.0/8"))
def test_a_subnet_that_the_host_has_a_route_to_is_refused(host: HostNs, lab: Lab, route: str) -> None:
    lab.link(host, lab.host("lan"), ("192.0.2.1/24", "192.0.2.2/24"))
    host.run("ip", "route", "add", route, "via", "192.0.2.2")
    refused(Remote(host), OWN.replace(options=()), "10.8.0.0/24", route)


def test_the_implicit_network_makes_way_for_a_route_of_the_host(host: HostNs, lab: Lab) -> None:
    lab.link(host, lab.host("lan"), ("192.0.2.1/24", "192.0.2.2/24"))
    host.run("ip", "route", "add", "10.90.0.0/16", "via", "192.0.2.2")
    remote, container = Remote(host), lab.container()
    assert remote.attach(container).addresses == ("10.91.0.2/16",)
    container.run("ping", "-n", "-c", "1", "-W", "1", "10.91.0.1")


def test_networks_that_overlap_are_refused(host: HostNs) -> None:
    remote = Remote(host)
    remote.call("create", net=OWN)
    near = OWN.replace(name="near", options=())
    refused(remote, near, "network own")
    refused(remote, near.replace(subnets=(Subnet("10.8.0.0/25", "10.8.0.1"),)), "network own")
    beside = near.replace(subnets=(Subnet("10.11.0.0/24", "10.11.0.1"),), options=OWN.options, internal=True)
    refused(remote, beside, "network own")
