"""macvlan and ipvlan by CNI: as drop-ins for the reference's plugins, and as modes of netkit's own type."""

from __future__ import annotations

import json

import pytest

from tests.cni.client import after, publishing
from tests.cni.test_chains import STORE, reference
from tests.cni.test_verbs import PORT, TRACES, addresses, links
from tests.contract.drivers import pings
from tests.features import has, need

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

    from tests.cni.client import Plugins
    from tests.conftest import Unchanged
    from tests.hosts import Container, HostNs, Lab

pytestmark = pytest.mark.requires("macvlan")

RANGE = {"subnet": "192.0.2.0/24", "gateway": "192.0.2.2", "rangeStart": "192.0.2.64"}
IPAM = {"type": "host-local", "dataDir": STORE, "ranges": [[RANGE]], "routes": [{"dst": "0.0.0.0/0"}]}
LAN: dict[str, Any] = {"cniVersion": "1.0.0", "name": "lan", "type": "macvlan", "master": "eth0", "ipam": IPAM}
#: What the network itself leaves, which stays when an attachment goes.
NETWORK = (*TRACES, "state *")


@pytest.fixture
def lan(host: HostNs, lab: Lab) -> HostNs:
    """The other machine on the host's LAN."""
    other = lab.host("lan")
    lab.link(host, other, ("192.0.2.1/24", "192.0.2.2/24"), ("fd00:2::1/64", "fd00:2::2/64"))
    host.run("ip", "route", "add", "default", "via", "192.0.2.2")
    return other


def shown(container: Container, ifname: str = "eth0") -> dict[str, Any]:
    (found,) = json.loads(container.run("ip", "-j", "-d", "link", "show", "dev", ifname).stdout)
    return dict(found)


@pytest.mark.parametrize("whose", ["ours", "the reference's"])
def test_a_machine_of_the_lan_comes_and_goes(cni: Plugins, lab: Lab, host: HostNs, lan: HostNs, whose: str) -> None:
    if whose != "ours":
        reference(cni, "macvlan", "host-local")
    container = lab.container()
    conf = {**LAN, "mtu": 1400, "mode": "private", "dns": {"nameservers": ["192.0.2.53"]}}
    found = cni.add(conf, container, ARGS="IgnoreUnknown=1;MAC=02:00:00:00:00:77")
    assert found == {
        "cniVersion": "1.0.0",
        "interfaces": [{"name": "eth0", "mac": "02:00:00:00:00:77", "sandbox": container.path}],
        "ips": [{"interface": 0, "address": "192.0.2.64/24", "gateway": "192.0.2.2"}],
        "routes": [{"dst": "0.0.0.0/0"}],
        "dns": {"nameservers": ["192.0.2.53"]},
    }
    link = shown(container)
    assert (link["mtu"], link["address"], link["linkinfo"]["info_data"]["mode"]) == (
        1400,
        "02:00:00:00:00:77",
        "private",
    )
    assert addresses(container) == ["192.0.2.64/24"]
    assert container.run("sysctl", "-n", "net.ipv4.conf.eth0.arp_notify").stdout == "1\n"
    assert pings(container, {"lan": "192.0.2.2", "beyond": "192.0.2.2"}) == {"lan", "beyond"}
    cni.fine("CHECK", after(conf, found), container)
    cni.fine("DEL", after(conf, found), container)
    cni.fine("DEL", after(conf, found), container)
    assert links(container) == {"lo"}


@pytest.mark.parametrize("whose", ["ours", "the reference's"])
@pytest.mark.parametrize(
    "keys", [{"mode": "hub"}, {"master": "nowhere"}, {"mtu": 1501}, {"mtu": -1}], ids=lambda keys: str(keys)
)
def test_what_is_off_is_refused_and_nothing_is_left(
    cni: Plugins, lab: Lab, host: HostNs, lan: HostNs, unchanged: Unchanged, whose: str, keys: dict[str, Any]
) -> None:
    if whose != "ours":
        reference(cni, "macvlan", "host-local")
    with unchanged(host, (container := lab.container(),), NETWORK):
        answer = cni.call("ADD", {**LAN, **keys}, container)
        assert answer.status == 1
        assert answer.document["code"] == (7 if whose == "ours" else 999), answer


@pytest.mark.parametrize("whose", ["ours", "the reference's"])
def test_without_ipam_it_is_a_link_on_the_way_out(cni: Plugins, lab: Lab, lan: HostNs, whose: str) -> None:
    if whose != "ours":
        reference(cni, "macvlan")
    container = lab.container()
    conf = {"cniVersion": "1.0.0", "name": "l2", "type": "macvlan"}
    found = cni.add(conf, container)
    assert found.pop("dns", {}) == {}, "older ones tell that there is none"
    assert found == {"cniVersion": "1.0.0", "interfaces": [{**found["interfaces"][0], "sandbox": container.path}]}
    assert addresses(container) == []
    assert "UP" in shown(container)["flags"]
    cni.fine("CHECK", after(conf, found), container)
    cni.fine("DEL", after(conf, found), container)


def test_the_master_may_be_in_the_container(cni: Plugins, lab: Lab, lan: HostNs) -> None:
    container = lab.container()
    container.run("ip", "link", "add", "near", "up", "type", "veth", "peer", "far")
    conf = {**LAN, "master": "near", "linkInContainer": True, "bcqueuelen": 500}
    cni.add(conf, container)
    assert (shown(container)["link"], shown(container)["linkinfo"]["info_data"]["bcqueuelen"]) == ("near", 500)
    cni.fine("DEL", conf, container)
    assert links(container) == {"lo", "near", "far"}
    assert "which link" in cni.error("ADD", {**LAN, "master": None, "linkInContainer": True}, container)["msg"]


def test_what_is_missing_is_told(cni: Plugins, lab: Lab, host: HostNs, lan: HostNs) -> None:
    container = lab.container()
    conf = {**LAN, "cniVersion": "1.1.0"}
    cni.fine("STATUS", conf)
    found = cni.add(conf, container)
    cni.fine("STATUS", conf)
    container.run("ip", "link", "del", "eth0")
    assert "its interface" in cni.error("CHECK", after(conf, found), container)["msg"]
    host.run("ip", "link", "set", "eth0", "down")
    assert cni.error("STATUS", conf)["code"] == 50
    cni.fine("DEL", conf, container)


def test_a_namespace_that_is_gone_leaves_nothing(
    cni: Plugins, lab: Lab, host: HostNs, lan: HostNs, unchanged: Unchanged
) -> None:
    cni.add(LAN, first := lab.container("first"))
    cni.fine("DEL", LAN, first)
    with unchanged(host, allow=TRACES):
        found = cni.add(LAN, container := lab.container())
        where: dict[str, Any] = {"CONTAINERID": container.name, "IFNAME": "eth0", "NETNS": container.path}
        container.die()
        cni.fine("DEL", after(LAN, found), **where)


def test_netkits_own_type_has_the_modes_too(cni: Plugins, lab: Lab, host: HostNs, lan: HostNs) -> None:
    conf = {"name": "own", "type": "netkit", "mode": "macvlan", "ipam": {"ranges": [[RANGE]]}}
    conf |= {"options": {"host": True, "mode": "bridge"}}
    container = lab.container()
    found = cni.add(conf, container)
    assert found["interfaces"] == [{**found["interfaces"][0], "name": "eth0", "mtu": 1500}]
    assert found["routes"] == [{"dst": "0.0.0.0/0", "gw": "192.0.2.2"}]
    assert pings(host, {"web": "192.0.2.64"}) == {"web"}
    assert "connect to its own address" in cni.error("ADD", publishing(conf, PORT), lab.container("second"))["details"]
    cni.fine("DEL", after(conf, found), container)


@pytest.mark.parametrize("keys", [{"type": "ipvlan"}, {"type": "netkit", "mode": "ipvlan"}], ids=str)
def test_ipvlan_is_refused_by_name_where_the_kernel_has_none(
    cni: Plugins, lab: Lab, host: HostNs, lan: HostNs, unchanged: Unchanged, keys: dict[str, Any]
) -> None:
    if has("ipvlan"):
        pytest.skip("this machine has ipvlan")
    with unchanged(host, (container := lab.container(),), NETWORK):
        found = cni.error("ADD", {**LAN, **keys}, container)
        assert (found["code"], found["msg"]) == (103, "this kernel has no ipvlan links")
        assert cni.error("STATUS", {**LAN, "cniVersion": "1.1.0", **keys})["code"] == 50


def test_ipvlan_behind_another_plugin_stands_on_its_one_link(cni: Plugins, lab: Lab, lan: HostNs) -> None:
    conf = {"cniVersion": "1.0.0", "name": "chained", "type": "ipvlan"}
    several = {"cniVersion": "1.0.0", "interfaces": [{"name": "eth0"}, {"name": "eth1"}], "ips": []}
    assert "single named interface" in cni.error("ADD", after(conf, several), lab.container("a"))["msg"]
    one = {**several, "interfaces": [{"name": "nowhere"}]}
    expected = "has no link nowhere" if has("ipvlan") else "no ipvlan links"
    assert expected in cni.error("ADD", after(conf, one), lab.container("b"))["msg"]


@pytest.mark.parametrize("mode", ["l2", "l3", "l3s"])
@pytest.mark.parametrize("keys", [{"type": "ipvlan"}, {"type": "netkit", "mode": "ipvlan"}], ids=["drop-in", "own"])
def test_ipvlan_comes_and_goes(
    cni: Plugins, lab: Lab, host: HostNs, lan: HostNs, unchanged: Unchanged, keys: dict[str, Any], mode: str
) -> None:
    need("ipvlan")
    lan.run("ip", "route", "add", "192.0.2.64/26", "via", "192.0.2.1")
    conf = {**LAN, **keys}
    conf |= {"mode": mode} if keys["type"] == "ipvlan" else {"options": {"mode": mode}, "ipam": {"ranges": [[RANGE]]}}
    cni.add(conf, first := lab.container("first"))
    cni.fine("DEL", conf, first)
    with unchanged(host, (container := lab.container(),), TRACES):
        found = cni.add(conf, container)
        nic = json.loads(host.run("ip", "-j", "link", "show", "dev", "eth0").stdout)[0]["address"]
        assert found["interfaces"] == [{**found["interfaces"][0], "name": "eth0", "mac": nic}]
        assert shown(container)["linkinfo"]["info_data"]["mode"] == mode
        own = found["ips"][0]["address"].partition("/")[0]
        assert pings(lan, {"web": own}) == {"web"}
        cni.fine("CHECK", after(conf, found), container)
        cni.fine("DEL", after(conf, found), container)
        cni.fine("DEL", after(conf, found), container)
        assert links(container) == {"lo"}


def test_ipvlan_takes_the_addresses_of_the_plugin_before_it(cni: Plugins, lab: Lab, lan: HostNs) -> None:
    need("ipvlan")
    conf = {"cniVersion": "1.0.0", "name": "chained", "type": "ipvlan"}
    earlier = {
        "cniVersion": "1.0.0",
        "interfaces": [{"name": "eth0"}],
        "ips": [{"address": "192.0.2.70/24", "gateway": "192.0.2.2"}],
    }
    cni.add(after(conf, earlier), container := lab.container())
    assert (addresses(container), pings(lan, {"web": "192.0.2.70"})) == (["192.0.2.70/24"], {"web"})
    cni.fine("DEL", conf, container)
    assert links(container) == {"lo"}
