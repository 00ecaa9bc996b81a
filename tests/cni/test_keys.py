"""Keys of the reference's plugins that ask for more than the usual: each is what packets and `ip -j` say it is."""

from __future__ import annotations

import json

import pytest

from tests.cni.client import WEB, after, publishing
from tests.cni.test_chains import BRIDGE, PORT, need_version, reference
from tests.cni.test_verbs import addresses, fetch, links, serve

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

    from tests.cni.client import Plugins
    from tests.conftest import Unchanged
    from tests.hosts import HostNs, Lab, Namespace


def flags(place: Namespace, ifname: str) -> list[str]:
    (found,) = json.loads(place.run("ip", "-j", "link", "show", "dev", ifname).stdout)
    return list(found["flags"])


@pytest.mark.parametrize(("whose", "kind"), [("ours", "bridge"), ("ours", "netkit"), ("the reference's", "bridge")])
def test_a_containers_end_stays_down_when_that_is_asked_for(cni: Plugins, lab: Lab, whose: str, kind: str) -> None:
    if whose != "ours":
        reference(cni, "bridge")
        need_version(cni, "1.1.0")
    container = lab.container()
    conf = {"cniVersion": "1.0.0", "name": "l2", "type": kind, "bridge": "br7", "disableContainerInterface": True}
    found = cni.add(conf, container)
    assert ("ips" in found, [each["name"] for each in found["interfaces"]][::2]) == (False, ["br7", "eth0"])
    assert "UP" not in flags(container, "eth0")
    container.run("ip", "link", "set", "eth0", "up")
    if whose == "ours":
        cni.fine("CHECK", after(conf, found), container)
    cni.fine("DEL", after(conf, found), container)
    assert "eth0" not in links(container)


@pytest.mark.parametrize("whose", ["ours", "the reference's"])
def test_an_end_that_stays_down_has_no_address(cni: Plugins, lab: Lab, whose: str) -> None:
    if whose != "ours":
        reference(cni, "bridge")
        need_version(cni, "1.1.0")
    conf = {**BRIDGE, "disableContainerInterface": True}
    assert "IPAM" in cni.error("ADD", conf, lab.container())["msg"]


@pytest.mark.parametrize("word", ["1", "true", "TRUE"])
def test_the_hosts_own_namespace_is_taken_when_the_runtime_means_it(
    cni: Plugins, lab: Lab, host: HostNs, unchanged: Unchanged, word: str
) -> None:
    cni.add(WEB, other := lab.container())
    serve(other)
    where: dict[str, Any] = {"CONTAINERID": "self", "NETNS": host.path, "IFNAME": "eth0"}
    with unchanged(host, allow=("state *",)):
        assert cni.error("ADD", WEB, **where)["code"] == 8
        assert cni.error("ADD", WEB, **where, NETNS_OVERRIDE="no")["code"] == 8
        found = cni.add(WEB, host, **where, NETNS_OVERRIDE=word)
        assert addresses(host) == [found["ips"][0]["address"]]
        assert fetch(host, "http://10.91.0.2/") == "200"
        cni.fine("CHECK", after(WEB, found), **where, NETNS_OVERRIDE=word)
        cni.fine("DEL", after(WEB, found), **where, NETNS_OVERRIDE=word)


def test_a_refused_rule_is_told_on_one_line(cni: Plugins, lab: Lab, host: HostNs, unchanged: Unchanged) -> None:
    host.run("nft", "add table inet netkit; add chain inet netkit publish { type filter hook forward priority 0; }")
    container = lab.container()
    with unchanged(host, [container], allow=("state *",)):
        found = cni.error("ADD", WEB, container)
    told = "nftables cannot add rules: Operation not supported (rule: fib daddr type local jump publish)"
    assert (found["code"], found["msg"]) == (100, f"{told} (netkit's own table: it drops first, and touches no other)")


@pytest.mark.requires("iptables")
def test_a_refused_line_of_iptables_is_told_on_one_line(cni: Plugins, lab: Lab) -> None:
    conf = {**WEB, "backend": "iptables", "externalSetMarkChain": "NOBODYS"}
    found = cni.error("ADD", publishing(conf, PORT), lab.container())
    assert "NOBODYS" in found["msg"]
    assert ("\n" in found["msg"], len(found["msg"]) < 500) == (False, True), found


def test_many_ports_make_no_long_message(cni: Plugins, lab: Lab, host: HostNs) -> None:
    cni.add(WEB, lab.container("first"))
    host.run("nft", "add element inet netkit any4 { tcp . 9500 : 10.0.0.9 . 80 }")
    wide = {"hostPort": "9000-9999", "containerPort": "1000-1999"}
    found = cni.error("ADD", publishing(WEB, wide), lab.container())
    assert (found["code"], len(found["msg"]) < 300) == (101, True), found
