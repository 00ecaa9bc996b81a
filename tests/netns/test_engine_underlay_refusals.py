"""NICs that an underlay cannot have, and hosts that it would cut off: each is told by name, and nothing changes."""

from __future__ import annotations

from typing import NamedTuple

import pytest

from netkit.model import PortMap
from tests.contract.test_engine_faults import ALLOWED
from tests.features import need
from tests.hosts import Lab
from tests.netns.calls import RefusedError
from tests.netns.lan import HOST, SUBNETS, YES, Lan
from tests.oracle import diff, snapshot

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

pytestmark = [pytest.mark.root, pytest.mark.requires("veth", "bridge", "ipv6", "nftables")]


class Case(NamedTuple):
    """What is so on the host, how the network differs from the usual one, and what is said."""

    says: str
    lines: tuple[str, ...] = ()
    net: dict[str, Any] = {}
    needs: tuple[str, ...] = ()
    kind: str = "conflict"


#: A subnet that is nobody's.
FREE = (SUBNETS[0].replace(cidr="10.3.0.0/24", gateway="10.3.0.1", ip_range="10.3.0.64/26"),)
NFT = "nft table inet own { chain input { type filter hook input priority 0; "
CASES = {
    "macvlan on it": Case("mv0 would stop", ("ip link add mv0 link eth0 type macvlan",), needs=("macvlan",)),
    "vxlan on it": Case("vx0 would stop", ("ip link add vx0 type vxlan id 7 dev eth0 dstport 4789",), needs=("vxlan",)),
    "enslaved": Case("is a port of br0", ("ip link add br0 type bridge", "ip link set eth0 master br0")),
    "no carrier": Case(
        "v0 has no carrier",
        ("ip link add v0 type veth peer name v1", "ip link set v0 up"),
        {"parent": "v0", "subnets": FREE},
        kind="host",
    ),
    "down": Case(
        "v1 is down", ("ip link add v0 type veth peer name v1",), {"parent": "v1", "subnets": FREE}, kind="host"
    ),
    "missing": Case("no link eth7", (), {"parent": "eth7", "subnets": FREE}, kind="not-found"),
    "loopback": Case("lo leads nowhere", (), {"parent": "lo", "subnets": FREE}, kind="config"),
    "a bridge": Case(
        "br0 is a bridge itself",
        ("ip link add br0 type bridge", "ip link set br0 up"),
        {"parent": "br0", "subnets": FREE},
    ),
    "a macvlan": Case(
        "mv0 is a macvlan link",
        ("ip link add mv0 link eth0 type macvlan", "ip link set mv0 up"),
        {"parent": "mv0", "subnets": FREE},
        ("macvlan",),
    ),
    "a tunnel": Case(
        "t0 carries no Ethernet",
        ("ip tuntap add t0 mode tun", "ip link set t0 up"),
        {"parent": "t0", "subnets": FREE},
        ("tun",),
    ),
    "wireless": Case(
        "eth0 is a Wi-Fi link",
        ("mount -t tmpfs tmpfs /sys/class/net", "mkdir -p /sys/class/net/eth0/phy80211"),
        kind="host",
    ),
    "several next hops": Case(
        "has several next hops",
        ("ip route add 10.9.0.0/16 nexthop via 192.0.2.2 dev eth0 nexthop via 192.0.2.3 dev eth0",),
    ),
    "a gateway out of reach": Case(
        "by 10.9.0.1, to which no other route leads",
        (
            "ip addr add 10.9.0.2/24 dev eth0",
            "ip route add 10.8.0.0/16 via 10.9.0.1",
            "ip addr del 10.9.0.2/24 dev eth0",
        ),
    ),
    "equal routes": Case("are equal", ("ip route append default via 192.0.2.3 dev eth0",)),
    "nft rule": Case("nft inet own input", (NFT + 'iifname "eth0" tcp dport 22 accept; }; }',)),
    "nft pattern": Case("nft inet own input", (NFT + 'iifname "eth*" drop; }; }',)),
    "nft index": Case("nft inet own input", (NFT + 'iif "eth0" accept; }; }',)),
    "nft set": Case("set wan", ("nft table inet own { set wan { type ifname; elements = { lo, eth0 }; }; }",)),
    "iptables rule": Case(
        "nft ip filter INPUT", ("iptables-nft -A INPUT -i eth0 -p tcp --dport 22 -j ACCEPT",), needs=("iptables",)
    ),
    "legacy rule": Case(
        "iptables-legacy nat POSTROUTING",
        ("iptables-legacy -t nat -A POSTROUTING -o eth+ -j MASQUERADE",),
        needs=("iptables-legacy",),
    ),
    "policy routing": Case("ip rule", ("ip rule add iif eth0 lookup 100",)),
    "the only way": Case("eth0 is the way to this host", (), {"options": ()}, kind="usage"),
    "the only address": Case(
        "eth0 is the way to this host",
        ("ip route del default", "ip -6 route del default"),
        {"options": ()},
        kind="usage",
    ),
    "no range": Case("no part of it is named", (), {"subnets": (SUBNETS[0].replace(ip_range=""),)}, kind="config"),
    "no subnet": Case("none are named", (), {"subnets": ()}, kind="usage"),
    "internal": Case("is the LAN itself", (), {"internal": True}, kind="usage"),
    "large": Case("more than eth0 carries", (), {"mtu": 9000}, kind="config"),
    "option": Case("no such option", (), {"options": (*YES, ("masquerade", "on"))}, kind="config"),
}


@pytest.mark.parametrize("name", CASES)
def test_what_would_break_is_refused_and_nothing_changes(lab: Lab, name: str) -> None:
    case = CASES[name]
    need(*case.needs)
    lan = Lan(lab)
    lan.create()
    lan.engine.call("rm", name="lan")
    for line in case.lines:
        words = line.split(" ", 1) if line.startswith("nft ") else line.split()
        lan.host.run(*words)
    lan.host.settled()
    before = snapshot(lan.host)
    with pytest.raises(RefusedError, match=case.says) as refused:
        lan.create(**case.net)
    assert refused.value.kind == case.kind
    assert diff(before, snapshot(lan.host), ALLOWED) == ""


def test_rules_that_name_the_bridge_as_well_are_in_nobodys_way(lab: Lab) -> None:
    lan = Lan(lab)
    rules = NFT + 'policy drop; meta l4proto ipv6-icmp accept; iifname { "eth0", "nk-lan" } accept; }; }'
    lan.host.run(*rules.split(" ", 1))
    lan.create()
    assert lan.peer.run("ping", "-c1", "-W3", HOST[4]).returncode == 0


def test_a_second_nic_is_taken_without_a_word(lab: Lab) -> None:
    lan = Lan(lab)
    lab.link(lan.host, lab.host("far"), ("198.51.100.1/24", "198.51.100.2/24"))
    subnets = (SUBNETS[0].replace(cidr="198.51.100.0/24", gateway="198.51.100.2", ip_range="198.51.100.64/26"),)
    lan.create(parent="eth1", subnets=subnets, options=())
    web = lab.container("web")
    lan.attach(web)
    assert web.run("ping", "-c1", "-W3", "198.51.100.2").returncode == 0


def test_without_a_parent_it_is_the_link_of_the_default_route(lab: Lab) -> None:
    lan = Lan(lab)
    lan.create(parent="")
    (net,) = lan.engine.call("networks")
    assert net.parent == "eth0"


def test_no_port_is_published(lab: Lab) -> None:
    lan = Lan(lab)
    lan.create()
    with pytest.raises(RefusedError, match="an address of its own"):
        lan.engine.call("attach", pid=lab.container().pid, network="lan", ports=(PortMap("tcp", "0.0.0.0", 80, 80),))


def test_a_nic_has_one_underlay(lab: Lab) -> None:
    lan = Lan(lab)
    lan.create()
    with pytest.raises(RefusedError, match="eth0 is a port of nk-lan"):
        lan.engine.call("create", net=lan.network(name="other"))
    with pytest.raises(RefusedError, match="is a port of nk-lan"):
        lan.engine.call("create", net=lan.network(name="other", subnets=FREE))
