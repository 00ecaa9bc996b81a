"""Two networks on one bridge: each comes and goes by itself, and the bridge goes with the last."""

from __future__ import annotations

import json

import pytest

from tests.cni.client import after, publishing
from tests.cni.test_chains import BRIDGE, HOST_LOCAL, PORT, PORTMAP, add_chain, reference
from tests.cni.test_verbs import addresses, fetch, links, serve
from tests.features import need
from tests.netns.test_engine_reach import asks
from tests.netns.test_engine_reach import serve as answer

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

    from tests.cni.client import Plugins
    from tests.conftest import Unchanged
    from tests.hosts import Container, HostNs, Lab


def network(name: str, *subnets: str, **keys: Any) -> dict[str, Any]:
    """A reference user's configuration on the bridge br7."""
    ipam = {**HOST_LOCAL, "ranges": [[{"subnet": subnet}] for subnet in subnets]} if subnets else {}
    return {**BRIDGE, "bridge": "br7", "name": name, "ipam": ipam, **keys}


def reaches(client: Container, address: str) -> bool:
    return asks(client, address, 80) != ""


RED, BLUE = network("red", "10.22.0.0/16"), network("blue", "10.23.0.0/16")
SWITCH = {**network("blue"), "isGateway": False, "ipMasq": False}
PART = {"subnet": "10.22.0.0/16", "rangeStart": "10.22.9.2", "rangeEnd": "10.22.9.99"}


@pytest.mark.parametrize("backend", ["nftables", "iptables"])
@pytest.mark.parametrize("first", ["red", "blue"])
def test_who_leaves_first_takes_nothing_from_the_other(
    cni: Plugins, lab: Lab, host: HostNs, unchanged: Unchanged, backend: str, first: str
) -> None:
    need(backend)
    out = lab.host("out")
    lab.link(host, out, ("192.0.2.1/24", "192.0.2.2/24"))
    answer(out)  # type: ignore[arg-type]
    red, blue, sibling = (lab.container(name) for name in ("red", "blue", "sibling"))
    confs = {name: {**conf, "ipMasqBackend": backend} for name, conf in (("red", RED), ("blue", BLUE))}
    with unchanged(host, allow=("state *", "*nft ip *", "*nft ip6 *")):
        found = {name: cni.add(confs[name], place) for name, place in (("red", red), ("blue", blue))}
        assert addresses(host, "br7") == ["10.22.0.1/16", "10.23.0.1/16"]
        stays, goes = {"red": ("blue", "red"), "blue": ("red", "blue")}[first]
        cni.fine("DEL", after(confs[goes], found[goes]), lab.members[goes])
        host.netkit("network", "rm", goes, check=True)
        left = lab.members[stays]
        assert addresses(host, "br7") == ["10.22.0.1/16" if stays == "red" else "10.23.0.1/16"]
        cni.fine("CHECK", after(confs[stays], found[stays]), left)
        added = cni.add(confs[stays], sibling)
        answer(sibling)
        assert reaches(left, added["ips"][0]["address"].partition("/")[0])  # type: ignore[arg-type]
        left.run("ip", "route", "replace", "default", "via", found[stays]["ips"][0]["gateway"])
        assert asks(left, "192.0.2.2", 80) == "192.0.2.1", "masqueraded, as before"
        host.netkit("reload", check=True)
        for place in (left, sibling):
            cni.fine("DEL", confs[stays], place)
        host.netkit("network", "rm", stays, check=True)


def test_each_is_masqueraded_and_published_by_itself(cni: Plugins, lab: Lab, host: HostNs) -> None:
    lan = lab.host("lan")
    lab.link(host, lan, ("192.0.2.1/24", "192.0.2.2/24"))
    red, blue = lab.container("red"), lab.container("blue")
    add_chain(cni, red, {**RED, "isDefaultGateway": True}, publishing({**PORTMAP, "name": "red"}, PORT))
    port = {**PORT, "hostPort": 8081}
    blue_conf = {**BLUE, "isDefaultGateway": True, "ipam": {**BLUE["ipam"], "routes": []}}
    add_chain(cni, blue, blue_conf, publishing({**PORTMAP, "name": "blue"}, port))
    for place in (red, blue):
        answer(place)
    assert [asks(lan, "192.0.2.1", port) for port in (8080, 8081)] == ["192.0.2.2"] * 2
    assert [asks(host, "127.0.0.1", port) for port in (8080, 8081)] == ["10.22.0.1", "10.23.0.1"]
    cni.fine("GC", {"cniVersion": "1.1.0", **BLUE, "cni.dev/valid-attachments": []})
    cni.fine("GC", {"cniVersion": "1.1.0", **PORTMAP, "name": "blue", "cni.dev/valid-attachments": []})
    host.netkit("network", "rm", "blue", check=True)
    assert [asks(lan, "192.0.2.1", port) for port in (8080, 8081)] == ["192.0.2.2", ""]
    assert asks(host, "127.0.0.1", 8080) == "10.22.0.1"


@pytest.mark.parametrize("whose", ["ours", "the reference's"])
@pytest.mark.parametrize(
    "second",
    [
        SWITCH,
        {**SWITCH, "ipMasq": True, "ipam": {**HOST_LOCAL, "ranges": [[PART]]}},
        {**BLUE, "isGateway": False, "ipMasq": False},
    ],
    ids=["no addresses", "a part of the same subnet", "no gateway"],
)
def test_a_switch_shares_with_a_gateway(
    cni: Plugins, lab: Lab, host: HostNs, second: dict[str, Any], whose: str
) -> None:
    if whose != "ours":
        reference(cni, "bridge", "host-local")
    red, blue = lab.container("red"), lab.container("blue")
    low = {"ipam": {**HOST_LOCAL, "ranges": [[{"subnet": "10.22.0.0/16", "rangeEnd": "10.22.0.99"}]]}}
    cni.add({"cniVersion": "1.0.0", **RED, **low}, red)
    cni.add({"cniVersion": "1.0.0", **second}, blue)
    blue.run("ip", "link", "set", "eth0", "up")
    if second is SWITCH:
        blue.run("ip", "addr", "add", "10.22.9.9/16", "dev", "eth0")
    if "10.23" in json.dumps(second):
        for place in (red, blue):
            place.run("ip", "route", "replace", "10.0.0.0/8", "dev", "eth0")
    serve(red)
    assert fetch(blue, "http://10.22.0.2/") == "200"
    for name, conf, place in (("red", RED, red), ("blue", second, blue)):
        cni.fine("DEL", {"cniVersion": "1.0.0", **conf}, place)
        if whose == "ours":
            host.netkit("network", "rm", name, check=True)
    assert ("br7" in links(host)) == (whose != "ours")


@pytest.mark.requires("ipv6")
def test_a_second_network_brings_ipv6(cni: Plugins, lab: Lab, host: HostNs) -> None:
    six = network("six", "10.23.0.0/16", "fd23::/64")
    red, one, two = (lab.container(name) for name in ("red", "one", "two"))
    cni.add(RED, red)
    cni.add(six, one)
    cni.add(six, two)
    answer(one)
    assert asks(two, "fd23::2", 80) == "fd23::3"
    assert asks(host, "fd23::2", 80) == "fd23::1"
    cni.fine("DEL", RED, red)
    host.netkit("network", "rm", "red", check=True)
    assert (asks(host, "fd23::2", 80), asks(host, "10.23.0.2", 80)) == ("fd23::1", "10.23.0.1")
    assert host.netkit("check").returncode == 0


def test_a_third_inherits_too(cni: Plugins, lab: Lab, host: HostNs) -> None:
    names = ("one", "two", "three")
    confs = {name: network(name, f"10.{30 + at}.0.0/16") for at, name in enumerate(names)}
    places = {name: lab.container(name) for name in names}
    for name in names:
        cni.add(confs[name], places[name])
    for name in names[:2]:
        cni.fine("DEL", confs[name], places[name])
        host.netkit("network", "rm", name, check=True)
        if name == "one":
            answer(places["three"])
        assert asks(host, "10.32.0.2", 80) == "10.32.0.1"
        assert host.netkit("check").returncode == 0
    host.run("nft", "flush", "ruleset")
    host.run("ip", "link", "del", "br7")
    host.netkit("reload", check=True)
    assert addresses(host, "br7") == ["10.32.0.1/16"]
    cni.fine("DEL", confs["three"], places["three"])
    host.netkit("network", "rm", "three", check=True)
    assert links(host) == {"lo"}


@pytest.mark.parametrize(
    ("keys", "why"),
    [
        ({"ipam": HOST_LOCAL}, "10.22.0.0/16"),
        ({"ingressPolicy": "same-bridge"}, "open from outside"),
        ({"portIsolation": True}, "icc"),
        ({"ipMasq": False, "ipam": {**HOST_LOCAL, "ranges": [[PART]]}}, "masqueraded"),
    ],
    ids=str,
)
def test_what_cannot_live_together_is_told(
    cni: Plugins, lab: Lab, host: HostNs, unchanged: Unchanged, keys: dict[str, Any], why: str
) -> None:
    part = {**PART, "rangeStart": "10.22.0.2", "rangeEnd": "10.22.0.99"}
    cni.add({**RED, "ipam": {**HOST_LOCAL, "ranges": [[part]]}}, lab.container("red"))
    second = lab.container()
    with unchanged(host, [second], allow=("state *",)):
        found = cni.error("ADD", {**BLUE, **keys}, second)
    assert (found["code"], why in found["msg"]) == (101, True), found


def test_a_failure_of_the_second_leaves_the_first(cni: Plugins, lab: Lab, host: HostNs, unchanged: Unchanged) -> None:
    red, blue = lab.container("red"), lab.container("blue")
    found = cni.add(RED, red)
    answer(red)
    blue.run("ip", "link", "add", "eth0", "type", "veth", "peer", "name", "other")
    with unchanged(host, [red, blue], allow=("state *",)):
        assert cni.error("ADD", BLUE, blue)["code"] == 101
    cni.fine("CHECK", after(RED, found), red)
    assert asks(host, "10.22.0.2", 80) == "10.22.0.1"


BREAK = """
import sys
from netkit.engine.service import Engine
from netkit.errors import KernelError, NetkitError
reached = 0
def breaker(op):
    global reached
    reached += 1
    if reached == int(sys.argv[2]):
        raise KernelError("planted", 5)
try:
    Engine(sys.argv[1], before_op=breaker).remove_network("red")
except NetkitError:
    print("failed")
"""


def test_a_handover_that_fails_midway_is_done_the_next_time(cni: Plugins, lab: Lab, host: HostNs) -> None:
    conf = {**BLUE, "ipam": {**HOST_LOCAL, "ranges": [[{"subnet": "10.23.0.0/16"}], [{"subnet": "fd23::/64"}]]}}
    failures = []
    for at in range(1, 9):
        red, blue = lab.container(f"red{at}"), lab.container(f"blue{at}")
        cni.add(RED, red)
        found = cni.add(conf, blue)
        answer(blue)
        cni.fine("DEL", RED, red)
        failures.append(host.python(BREAK, str(host.root), str(at)).stdout.strip() == "failed")
        if failures[-1]:
            host.netkit("network", "rm", "red", check=True)
        assert (asks(host, "10.23.0.2", 80), asks(host, "fd23::2", 80)) == ("10.23.0.1", "fd23::1")
        cni.fine("CHECK", after(conf, found), blue)
        assert addresses(host, "br7") == ["10.23.0.1/16", "fd23::1/64"]
        cni.fine("DEL", conf, blue)
        host.netkit("network", "rm", "blue", check=True)
        assert links(host) == {"lo"}
        if not failures[-1]:
            break
    assert failures[0]
    assert not failures[-1]


def test_what_the_other_has_done_for_the_bridge_is_checked_too(cni: Plugins, lab: Lab, host: HostNs) -> None:
    cni.add(RED, lab.container("red"))
    found = cni.add(BLUE, blue := lab.container("blue"))
    host.run("nft", "delete", "element", "inet", "netkit", "nkif", '{ "br7" }')
    assert cni.error("CHECK", after(BLUE, found), blue)["code"] == 107
    host.netkit("reload", check=True)
    cni.fine("CHECK", after(BLUE, found), blue)
