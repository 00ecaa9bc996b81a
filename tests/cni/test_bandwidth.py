"""Limits by CNI: behind a bridge under the reference's name and keys, and by netkit's own type; as packets see them."""

from __future__ import annotations

import pytest

from tests.cni.client import WEB, after
from tests.cni.test_chains import BRIDGE
from tests.cni.test_stacked import LAN
from tests.features import need, requires
from tests.netns.calls import ip
from tests.netns.flow import rate
from tests.oracle import diff, snapshot

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

    from tests.cni.client import Plugins
    from tests.conftest import Unchanged
    from tests.hosts import HostNs, Lab

pytestmark = requires("tbf", "ifb")
MBIT = 10**6
LIMITS = {"ingressRate": 16 * MBIT, "ingressBurst": 400_000, "egressRate": 8 * MBIT, "egressBurst": 400_000}
BANDWIDTH: dict[str, Any] = {"name": "dbnet", "type": "bandwidth"}


def asked(conf: dict[str, Any], limits: dict[str, int]) -> dict[str, Any]:
    return {**conf, "runtimeConfig": {"bandwidth": limits}}


@pytest.mark.parametrize("written", ["by the runtime", "in the configuration"])
def test_a_chain_limits_each_direction_and_leaves_nothing(cni: Plugins, lab: Lab, host: HostNs, written: str) -> None:
    container = lab.container()
    conf = asked(BANDWIDTH, LIMITS) if written == "by the runtime" else {**BANDWIDTH, **LIMITS}
    first = cni.add(BRIDGE, container)
    before = snapshot(host, (container,))
    found = cni.add(after(conf, first), container)
    (queue,) = ip(host, "link", "show", "type", "ifb")
    assert found["interfaces"] == [*first["interfaces"], {"name": queue["ifname"], "mac": queue["address"]}]
    assert (found["ips"], found["routes"]) == (first["ips"], first["routes"])
    assert rate(host, container, "10.22.0.2") < 16.8 * MBIT
    assert rate(container, host, "10.22.0.1") < 8.4 * MBIT
    cni.fine("CHECK", after(conf, found), container)
    for _ in range(2):
        cni.fine("DEL", after(conf, found), container)
    assert diff(before, snapshot(host, (container,)), ("state *",)) == ""


def test_a_lost_limit_is_a_difference(cni: Plugins, lab: Lab, host: HostNs) -> None:
    container = lab.container()
    conf = asked(BANDWIDTH, LIMITS)
    found = cni.add(after(conf, cni.add(BRIDGE, container)), container)
    host.run("tc", "qdisc", "del", "dev", found["interfaces"][1]["name"], "root")
    told = cni.error("CHECK", after(conf, found), container)
    assert (told["code"], "receives at most 16mbit" in told["msg"]) == (107, True)


def test_without_limits_the_result_passes_through(cni: Plugins, lab: Lab, host: HostNs) -> None:
    container = lab.container()
    first = cni.add(BRIDGE, container)
    for conf in (BANDWIDTH, asked(BANDWIDTH, {})):
        assert cni.add(after(conf, first), container) == first
        cni.fine("CHECK", after(conf, first), container)
        cni.fine("DEL", after(conf, first), container)
    assert ip(host, "link", "show", "type", "ifb") == []


def test_a_dead_namespace_keeps_nothing(cni: Plugins, lab: Lab, host: HostNs) -> None:
    container = lab.container()
    conf = asked(BANDWIDTH, LIMITS)
    found = cni.add(after(conf, cni.add(BRIDGE, container)), container)
    path = container.path
    container.die()
    cni.fine("DEL", after(conf, found), CONTAINERID="container", IFNAME="eth0", NETNS=path)
    assert ip(host, "link", "show", "type", "ifb") == []


def test_netkits_own_type_takes_limits_in_the_same_step(cni: Plugins, lab: Lab, host: HostNs) -> None:
    container = lab.container()
    conf = asked(WEB, LIMITS)
    found = cni.add(conf, container)
    assert rate(host, container, "10.91.0.2") < 16.8 * MBIT
    cni.fine("CHECK", after(conf, found), container)
    cni.fine("DEL", conf, container)
    assert ip(host, "link", "show", "type", "ifb") == []


@pytest.mark.parametrize("written", ["by a chain", "by netkit's own type"])
def test_a_link_of_the_lan_is_limited_in_its_namespace(cni: Plugins, lab: Lab, host: HostNs, written: str) -> None:
    need("macvlan")
    container, lan = lab.container(), lab.host("lan")
    lab.link(host, lan, ("192.0.2.1/24", "192.0.2.2/24"), ("fd00:2::1/64", "fd00:2::2/64"))
    if written == "by a chain":
        conf, first = asked(BANDWIDTH, LIMITS), cni.add(LAN, container)
        found = cni.add(after(conf, first), container)
        assert found["interfaces"] == first["interfaces"], "the queue is nobody's business outside"
    else:
        conf = asked({**LAN, "type": "netkit", "mode": "macvlan"}, LIMITS)
        found = cni.add(conf, container)
    assert (len(ip(container, "link", "show", "type", "ifb")), ip(host, "link", "show", "type", "ifb")) == (1, [])
    assert rate(lan, container, "192.0.2.64") < 16.8 * MBIT
    assert rate(container, lan, "192.0.2.2") < 8.4 * MBIT
    cni.fine("CHECK", after(conf, found), container)
    for _ in range(2):
        cni.fine("DEL", after(conf, found), container)
    assert ip(container, "link", "show", "type", "ifb") == []
    assert '"tbf"' not in container.run("tc", "-j", "qdisc").stdout


@pytest.mark.parametrize(
    ("keys", "code", "says"),
    [
        ({"ingressRate": 8000}, 7, "ingressBurst"),
        ({"egressBurst": 8000}, 7, "egressRate"),
        ({"ingressRate": -1, "ingressBurst": 1}, 7, "ingressRate"),
        ({"ingressRate": "10mbit", "ingressBurst": 1}, 7, "ingressRate"),
        ({"ingressRate": 8000, "ingressBurst": 8 * 2**32}, 7, "ingressBurst"),
        ({"ingressRate": 8000, "ingressBurst": 8}, 7, "rate_in"),
        ({**LIMITS, "unshapedSubnets": ["10.0.0.0/8"]}, 105, "unshapedSubnets"),
        ({**LIMITS, "shapedSubnets": ["10.0.0.0/8"]}, 105, "shapedSubnets"),
    ],
    ids=str,
)
def test_what_makes_no_limit_is_refused(
    cni: Plugins, lab: Lab, host: HostNs, unchanged: Unchanged, keys: dict[str, Any], code: int, says: str
) -> None:
    container = lab.container()
    first = cni.add(BRIDGE, container)
    with unchanged(host, [container], allow=("state *",)):
        found = cni.error("ADD", after({**BANDWIDTH, **keys}, first), container)
    assert (found["code"], says in found["msg"]) == (code, True), found


def test_it_stands_behind_a_link_only(cni: Plugins, lab: Lab) -> None:
    container = lab.container()
    assert "chained" in cni.error("ADD", {**BANDWIDTH, **LIMITS}, container)["msg"]
    alone = {"cniVersion": "1.1.0", "interfaces": [{"name": "eth0", "sandbox": container.path}]}
    assert cni.error("ADD", after({**BANDWIDTH, **LIMITS}, alone), container)["code"] == 7
