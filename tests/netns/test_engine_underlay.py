"""Containers in the host's LAN, and a host whose addresses and routes move there and back, all of them, exactly."""

from __future__ import annotations

import pytest

from tests.contract.test_engine_faults import ALLOWED
from tests.features import need
from tests.hosts import Lab, Namespace
from tests.netns.calls import RefusedError
from tests.netns.lan import HOST, PEER, ROUTER, SUBNETS, Lan, Stream, asks, serve, shown
from tests.oracle import diff, snapshot

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

pytestmark = [pytest.mark.root, pytest.mark.requires("veth", "bridge", "ipv6", "nft-bridge")]

#: A host that has a bit of everything on its NIC.
MANIFOLD = """
addr add 192.0.2.7/24 dev eth0 label eth0:1
addr add 10.0.0.1 peer 10.0.0.2/32 dev eth0
addr add 198.51.100.1/24 metric 300 dev eth0
addr add 198.51.200.9/24 brd + scope link dev eth0
addr add 203.0.113.5/24 dev eth0 valid_lft 3600 preferred_lft 1800
addr add fd00:2::7/64 dev eth0 nodad
addr add fd00:7::6/64 dev eth0 noprefixroute
addr add fd00:8::6/128 dev eth0
route replace default via 192.0.2.2 proto dhcp metric 100 src 192.0.2.7
route add 172.16.0.0/16 via 192.0.2.3 mtu lock 1400 initcwnd 20 table 77
route add 172.17.0.0/16 via 192.0.9.1 dev eth0 onlink tos 0x10
route add 172.18.0.0/16 dev eth0 scope link proto static metric 9
route add 172.19.0.0/16 via inet6 fd00:2::3 dev eth0
route add fd00:9::/64 dev eth0 metric 77 pref high
route add fd00:a::/64 via fe80::99 dev eth0 proto bird table 78
"""


def test_all_of_a_nic_is_on_the_bridge_and_then_again_on_the_nic(lab: Lab) -> None:
    lan = Lan(lab)
    lan.host.run("ip", "route", "del", "default")
    lan.host.run("ip", "-batch", "-", input=MANIFOLD)
    for key in ("net.ipv4.conf.eth0.rp_filter=1", "net.ipv6.conf.eth0.accept_ra=0", "net.ipv4.conf.eth0.arp_ignore=1"):
        lan.host.run("sysctl", "-qw", key)
    lan.host.settled()
    lan.engine.call("gc")
    before, whole = shown(lan.host, "eth0"), snapshot(lan.host)
    lan.create()
    lan.host.settled()
    assert _ageless(shown(lan.host, "nk-lan"), "dynamic") == _ageless(before, "dynamic"), "a lease lasts there"
    assert shown(lan.host, "eth0") == [[], [], []]
    assert lan.engine.call("check") == ()
    for key in ("ipv4/conf/{}/rp_filter", "ipv6/conf/{}/accept_ra", "ipv4/conf/{}/arp_ignore"):
        mine, its = (lan.host.run("cat", f"/proc/sys/net/{key.format(dev)}").stdout for dev in ("nk-lan", "eth0"))
        assert mine == its, key
    lan.engine.call("rm", name="lan")
    lan.host.settled()
    assert _ageless(shown(lan.host, "eth0")) == _ageless(before)
    assert diff(whole, snapshot(lan.host), (*ALLOWED, "state *")) == ""


def _ageless(seen: Any, *but: str) -> Any:
    """The same without lifetimes, and without these keys."""
    if isinstance(seen, dict):
        return {k: _ageless(v) for k, v in seen.items() if not k.endswith(("_life_time", *but))}
    return [_ageless(each, *but) for each in seen] if isinstance(seen, list) else seen


@pytest.mark.parametrize("version", [4, 6])
def test_a_stream_of_the_host_survives_there_and_back(
    lab: Lab, version: int, record_property: object, capsys: pytest.CaptureFixture[str]
) -> None:
    lan = Lan(lab)
    stream = Stream(lan, version)
    lan.create()
    assert lan.host.run("ip", "-br", "link", "show", "master", "nk-lan").stdout.startswith("eth0")
    lan.engine.call("rm", name="lan")
    sender, sent, received, gap = stream.end()
    assert sender == HOST[version]
    assert received == sent > 50
    with capsys.disabled():
        print(f"  IPv{version}: {sent} bytes, the largest gap there and back {gap * 1000:.1f} ms", end="")


def test_containers_the_host_and_the_lan_see_each_other_as_they_are(lab: Lab) -> None:
    lan = Lan(lab)
    lan.create()
    web, sibling = lab.container("web"), lab.container("sibling")
    there, other = lan.attach(web), lan.attach(sibling)
    for place in (web, sibling, lan.host, lan.peer):
        serve(place)
    for version in (4, 6):
        everybody: dict[Namespace, dict[int, str]] = {web: there, sibling: other, lan.host: HOST, lan.peer: PEER}
        for client, own in everybody.items():
            for server, address in everybody.items():
                if client is not server:
                    assert asks(client, address[version]) == own[version], (client, server)
        route = web.run("ip", f"-{version}", "route", "show", "default").stdout
        assert f"via {ROUTER[version]}" in route, "its gateway is the LAN's router"


def test_a_container_has_the_nics_mtu_or_the_networks(lab: Lab) -> None:
    lan = Lan(lab)
    lan.host.run("ip", "link", "set", "eth0", "mtu", "1400")
    for mtu, expected in ((0, 1400), (1300, 1300)):
        lan.create(mtu=mtu)
        web = lab.container(f"web{mtu}")
        lan.attach(web)
        assert f" mtu {expected} " in web.run("ip", "link", "show", "eth0").stdout
        assert " mtu 1400 " in lan.host.run("ip", "link", "show", "nk-lan").stdout
        lan.engine.call("leave", pid=web.pid)
        lan.engine.call("rm", name="lan")
    with pytest.raises(RefusedError, match="more than eth0 carries"):
        lan.create(mtu=1500)


def test_addresses_that_are_known_to_be_taken_are_not_given_out(lab: Lab) -> None:
    lan = Lan(lab)
    lan.host.run("ip", "addr", "add", "192.0.2.100/24", "dev", "eth0")
    lan.create(subnets=(SUBNETS[0].replace(gateway="192.0.2.9"),))
    assert lan.attach(lab.container())[4] == "192.0.2.101"


DROPS: dict[str, list[tuple[str, ...]]] = {
    "iptables": [("iptables-nft", "-P", "FORWARD", "DROP"), ("ip6tables-nft", "-P", "FORWARD", "DROP")],
    "iptables-legacy": [("iptables-legacy", "-P", "FORWARD", "DROP"), ("ip6tables-legacy", "-P", "FORWARD", "DROP")],
    "nftables": [("nft", "table inet own { chain f { type filter hook forward priority 0; policy drop; }; }")],
}


@pytest.mark.parametrize("backend", ["nftables", "iptables", "iptables-legacy"])
@pytest.mark.parametrize("foreign", DROPS)
def test_a_foreign_drop_policy_does_not_cut_what_the_bridge_switches(lab: Lab, foreign: str, backend: str) -> None:
    need(foreign, backend)
    lan = Lan(lab, backend)
    for command in DROPS[foreign]:
        lan.host.run(*command)
    for kind in ("iptables", "ip6tables"):
        assert lan.host.run("sysctl", "-n", f"net.bridge.bridge-nf-call-{kind}").stdout == "1\n"
    lan.create()
    lan.engine.call("rm", name="lan")  # iptables leaves its empty tables behind, once
    lan.host.settled()
    before = snapshot(lan.host)
    lan.create()
    web = lab.container("web")
    there = lan.attach(web)
    serve(web)
    for version in (4, 6):
        assert asks(lan.peer, there[version]) == PEER[version]
    assert _is_dropped_when_routed(lan)
    lan.engine.call("leave", pid=web.pid)
    lan.engine.call("rm", name="lan")
    lan.host.settled()
    assert diff(before, snapshot(lan.host), (*ALLOWED, "state *")) == ""


def _is_dropped_when_routed(lan: Lan) -> bool:
    """What the host would route from the LAN to a network of the other tool is not let through."""
    behind = lan.lab.container("behind")
    lan.lab.link(lan.host, behind, ("10.5.0.1/24", "10.5.0.2/24"))
    behind.run("ip", "route", "add", "default", "via", "10.5.0.1")
    serve(behind)
    lan.host.run("sysctl", "-qw", "net.ipv4.ip_forward=1")
    lan.peer.run("ip", "route", "add", "10.5.0.0/24", "via", HOST[4])
    answer = asks(lan.peer, "10.5.0.2")
    lan.host.run("sysctl", "-qw", "net.ipv4.ip_forward=0")
    lan.host.run("ip", "link", "del", "eth1")
    return answer == ""


def test_a_bridge_network_beside_it_closes_the_hosts_transit_and_not_the_bridge(lab: Lab) -> None:
    """Even where the host's own routes say that what a container sends leads elsewhere."""
    lan = Lan(lab)
    lan.create()
    lan.router.run("ip", "addr", "add", "198.51.100.9/32", "dev", "lo")
    lan.host.run("ip", "route", "add", "unreachable", "198.51.100.0/24")
    nat, web = lab.container("nat"), lab.container("web")
    lan.engine.call("attach", pid=nat.pid)
    lan.attach(web)
    serve(lan.router)
    assert asks(web, "198.51.100.9") == "192.0.2.100"
    assert asks(nat, ROUTER[4]) == HOST[4]


MIDWAY = """
import sys
from netkit.engine import executor
from netkit.engine.service import Engine
from netkit.errors import ApplyError
from netkit.parts.uplink import uplink
from netkit.plan.ops import RouteAdd, Together
from netkit.plan.steps import Plan

with Engine(sys.argv[1])._session() as session:
    host = session.host()
    steps = list(uplink("nk-lan", host.link("eth0"), host))
    at = next(at for at, step in enumerate(steps) if isinstance(step.op, Together))
    op = steps[at].op
    bad = RouteAdd("203.0.113.0/24", "nk-lan", "198.51.100.7")
    ops = list(op.ops)
    ops.insert(int(sys.argv[2]), bad)
    steps[at] = steps[at].replace(op=op.replace(ops=tuple(ops)))
    try:
        executor.apply(session.kernel, Plan(tuple(steps)))
    except ApplyError as error:
        assert error.leftovers == (), error.hint
        print(len(op.ops), error.message)
"""


def test_what_the_kernel_refuses_midway_is_taken_back_with_all_around_it(lab: Lab) -> None:
    lan = Lan(lab)
    before = snapshot(lan.host)
    at, last = 2, 3
    while at <= last:
        count, _, told = lan.host.python(MIDWAY, str(lan.host.root), str(at)).stdout.partition(" ")
        assert "nexthop" in told.lower() or "unreachable" in told.lower(), told
        last = int(count)
        lan.host.settled()
        assert diff(before, snapshot(lan.host), (*ALLOWED, "state *")) == "", f"refused as change {at} of {last}"
        at += 3


def test_a_bridge_that_was_deleted_by_hand_gives_the_nic_back_all_the_same(lab: Lab) -> None:
    lan = Lan(lab)
    before = shown(lan.host, "eth0")
    lan.create()
    lan.host.run("ip", "link", "del", "nk-lan")
    assert lan.engine.call("check") != ()
    lan.engine.call("reload")
    assert lan.engine.call("check") == ()
    lan.host.settled()
    assert shown(lan.host, "nk-lan") == before
    lan.host.run("ip", "link", "del", "nk-lan")
    lan.engine.call("rm", name="lan")
    lan.host.settled()
    assert shown(lan.host, "eth0") == before


def test_what_is_lost_on_the_bridge_is_told_and_mended(lab: Lab) -> None:
    lan = Lan(lab)
    lan.create()
    lan.host.run("ip", "route", "del", "default")
    lan.host.run("ip", "addr", "add", "192.0.2.1/24", "dev", "eth0")
    (lost,) = lan.engine.call("check")
    assert "addr del 192.0.2.1/24 dev eth0" in lost.commands[0]
    assert "route add default via 192.0.2.2 dev nk-lan" in lost.commands[0]
    lan.engine.call("reload")
    assert lan.engine.call("check") == ()
    assert "default via 192.0.2.2 dev nk-lan" in lan.host.run("ip", "route").stdout
