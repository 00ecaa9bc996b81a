"""Addresses of the LAN's own DHCP server, through CNI: for netkit's links, and for those of the reference's plugins."""

from __future__ import annotations

import pytest

from tests.cni.client import after
from tests.cni.test_chains import reference
from tests.features import requires
from tests.netns.test_dhcp import Lan, address

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path
    from typing import Any

    from tests.cni.client import Plugins
    from tests.hosts import HostNs, Lab

pytestmark = requires("scapy", "macvlan", "dnsmasq")

MACVLAN: dict[str, Any] = {
    "cniVersion": "1.0.0",
    "name": "lan",
    "type": "macvlan",
    "master": "eth0",
    "ipam": {"type": "dhcp"},
}


@pytest.fixture
def lan(lab: Lab, host: HostNs, tmp_path: Path) -> Iterator[Lan]:
    found = Lan(lab, tmp_path, host)
    found.dnsmasq("--dhcp-option=121,10.0.0.0/8,192.168.7.250,0.0.0.0/0,192.168.7.254")
    try:
        yield found
    finally:
        found.stop_helper()


@pytest.mark.parametrize("whose", ["ours", "theirs"])
def test_a_macvlan_of_the_lan_gets_its_address_from_there(cni: Plugins, lan: Lan, whose: str) -> None:
    if whose == "theirs":
        reference(cni, "macvlan")
    container = lan.lab.container()
    found = cni.add(MACVLAN, container)
    assert [ip["address"] for ip in found["ips"]] == [address(container)]
    assert address(container).startswith("192.168.7.1")
    assert found["ips"][0]["gateway"] == "192.168.7.254"
    routes = {(route["dst"], route.get("gw")) for route in found["routes"]}
    assert routes == {("0.0.0.0/0", "192.168.7.254"), ("10.0.0.0/8", "192.168.7.250")}
    if whose == "theirs":  # the reference's macvlan puts its own, empty, in place of any IPAM's
        assert "dns" not in found or not found["dns"]
    container.run("ping", "-c1", "-W2", "192.168.7.254")
    cni.fine("CHECK", after(MACVLAN, found), container)
    cni.fine("DEL", MACVLAN, container)
    cni.fine("DEL", MACVLAN, container)
    lan.wait(lambda: lan.leases.read_text() == "")


def test_netkits_own_type_tells_the_servers_dns(cni: Plugins, lan: Lan) -> None:
    container = lan.lab.container()
    conf = {**MACVLAN, "type": "netkit", "mode": "macvlan"}
    found = cni.add(conf, container)
    assert found["dns"] == {"nameservers": ["9.9.9.9"]}
    cni.fine("DEL", conf, container)


@pytest.mark.parametrize("key", ["request", "provide", "priority"])
def test_what_is_not_asked_of_a_server_is_refused_by_name(cni: Plugins, lan: Lan, key: str) -> None:
    error = cni.error("ADD", {**MACVLAN, "ipam": {"type": "dhcp", key: []}}, lan.lab.container())
    assert error["code"] == 105
    assert f"ipam.{key}" in error["msg"]
