"""How ops read as commands, and that a shell reads back what was meant.

Whether the commands do what the ops do is for the contract suite; the whole of a plan's script for the golden tests.
"""

from __future__ import annotations

import shlex
import subprocess

import pytest
from hypothesis import given
from hypothesis import strategies as st

from netkit.model import NsRef
from netkit.naming import passing_name
from netkit.plan import ops
from netkit.plan.host import Address
from netkit.plan.kinds import Ipvlan, Macvlan
from netkit.plan.ops import (
    AddrAdd,
    AddrDel,
    Errand,
    Heard,
    LinkAdd,
    LinkDel,
    LinkMove,
    LinkReclaim,
    LinkReturn,
    LinkSet,
    LoopbackUp,
    Op,
    Peer,
    PortsFree,
    PortsReserve,
    RouteAdd,
    RouteDel,
    RulesAdd,
    RulesDel,
    SysctlRestore,
    SysctlSet,
    Together,
)
from netkit.plan.rare import shaping, tuning, vlan
from netkit.plan.rare.shaping import IngressAdd, IngressDel, RedirectAdd, TokenBucketAdd, TokenBucketDel
from netkit.plan.rare.tuning import LinkTune
from netkit.plan.rare.vlan import VlanAdd, VlanDel, VlanFilter
from netkit.plan.render import Command, quote, render, script
from netkit.plan.rules import Publish
from netkit.plan.steps import Plan

NS = NsRef("/proc/7/ns/net")
LINES: dict[Op, str] = {
    LinkAdd("nk0", "veth", 28267, mtu=1450, peer=Peer("eth0", NS, "02:00:00:00:00:01", 1450)): (
        "ip link add name nk0 group 28267 mtu 1450 type veth"
        " peer name eth0 netns /proc/7/ns/net address 02:00:00:00:00:01 mtu 1450"
    ),
    LinkAdd("br0", "bridge", 28267, mac="02:00:00:00:00:01"): (
        "ip link add name br0 group 28267 address 02:00:00:00:00:01 type bridge"
    ),
    LinkAdd("eth1", "macvlan", 28267, NS, info=Macvlan("eth0", "private", NS, 500)): (
        "nsenter --net=/proc/7/ns/net ip link add name eth1 link eth0 group 28267"
        " type macvlan mode private bcqueuelen 500"
    ),
    LinkAdd("eth0", "ipvlan", 28267, NS, info=Ipvlan("nic", "l3s", NS)): (
        "nsenter --net=/proc/7/ns/net ip link add name eth0 link nic group 28267 type ipvlan mode l3s"
    ),
    LinkMove("enp3s0", "eth0", NS): "ip link set dev enp3s0 netns /proc/7/ns/net name eth0 alias enp3s0",
    LinkReturn("eth0", "enp3s0", NS): ("nsenter --net=/proc/7/ns/net ip link set dev eth0 netns $$ name enp3s0"),
    LinkReclaim("enp3s0", "LAN"): (
        'for link in /sys/class/net/*; do [ "$(cat $link/ifalias)" = enp3s0 ]'
        " && ip link set dev ${link##*/} name enp3s0 alias LAN; done; :"
    ),
    LinkDel("nk0", "veth", 28267): "ip link del dev nk0",
    LinkSet("nk0", master="br0", up=True): "ip link set dev nk0 master br0 up",
    LinkSet("nk0", master="", up=False): "ip link set dev nk0 nomaster down",
    LinkSet("eth0", NS, mtu=1400): "nsenter --net=/proc/7/ns/net ip link set dev eth0 mtu 1400",
    LinkSet("br0", no_addrgen=True, up=True): "ip link set dev br0 addrgenmode none up",
    LinkSet("nk0", isolated=True): "bridge link set dev nk0 isolated on",
    LoopbackUp(NS): "nsenter --net=/proc/7/ns/net ip link set dev lo up",
    AddrAdd("10.0.0.2/24", "eth0", NS): "nsenter --net=/proc/7/ns/net ip addr add 10.0.0.2/24 dev eth0",
    AddrAdd("fd00::2/64", "eth0"): "ip addr add fd00::2/64 dev eth0 nodad",
    AddrAdd("fd00::2/64", "eth0", nodad=False): "ip addr add fd00::2/64 dev eth0",
    AddrDel("fd00::2/64", "eth0"): "ip addr del fd00::2/64 dev eth0",
    RouteAdd(
        "default", "eth0", "10.0.0.1", NS
    ): "nsenter --net=/proc/7/ns/net ip route add default via 10.0.0.1 dev eth0 proto 142",
    RouteAdd("fd01::/64", "eth0", family=6, metric=7): "ip -6 route add fd01::/64 dev eth0 proto 142 metric 7",
    AddrAdd(
        "10.0.0.1/32", "e", nodad=False, like=Address("", "10.0.0.2", "10.0.0.9", "e:1", 253, 7, 16, 0x201, 9, 5)
    ): (
        "ip addr replace 10.0.0.1 peer 10.0.0.2/32 dev e brd 10.0.0.9 label e:1 metric 7 scope 253"
        " valid_lft 9 preferred_lft 5 noprefixroute"
    ),
    AddrDel("10.0.0.1/32", "e", peer="10.0.0.2"): "ip addr del 10.0.0.1 peer 10.0.0.2/32 dev e",
    RouteAdd("10.1.0.0/16", "e", "10.0.0.2", src="10.0.0.1", tos=16, onlink=True, metrics=((1, 256), (8, 900))): (
        "ip route add 10.1.0.0/16 via 10.0.0.2 dev e proto 142 tos 16 src 10.0.0.1 onlink advmss lock 900"
    ),
    RouteAdd("default", "e", "fe80::1", family=6, pref=1, expires=30): (
        "ip -6 route replace default via fe80::1 dev e proto 142 pref high expires 30"
    ),
    Together((LinkSet("e", up=True), RouteAdd("default", "e", "fe80::1", family=6), AddrDel("10.0.0.1/8", "e"))): (
        "ip -force -batch - <<'EOF'\nlink set dev e up\nroute add ::/0 via fe80::1 dev e proto 142\n"
        "addr del 10.0.0.1/8 dev e\nEOF"
    ),
    RouteDel("10.1.0.0/16", "eth0"): "ip route del 10.1.0.0/16 dev eth0 proto 142",
    SysctlSet("net/ipv4/ip_forward", "1", "0"): "sysctl -qw net/ipv4/ip_forward=1",
    SysctlRestore("net/ipv4/conf/e.1/rp_filter", "2", "0", NS): (
        "nsenter --net=/proc/7/ns/net sysctl -qw net/ipv4/conf/e.1/rp_filter=2"
    ),
    TokenBucketAdd("nk0", 10**7, 32768, 64018): (
        "tc qdisc add dev nk0 root handle 6e6b: tbf rate 10000000bit burst 32768 limit 64018"
    ),
    LinkTune("eth0", NS, mac="02:00:00:00:00:01", allmulti=True): (
        "nsenter --net=/proc/7/ns/net ip link set dev eth0 address 02:00:00:00:00:01 allmulticast on"
    ),
    LinkTune("eth0", mtu=1400, promisc=True): "ip link set dev eth0 mtu 1400 promisc on",
    LinkTune("eth0", txqlen=0): "ip link set dev eth0 txqueuelen 0",
    VlanFilter("br0"): "ip link set dev br0 type bridge vlan_filtering 1",
    VlanAdd("nk0", 10, 10, access=True): "bridge vlan add dev nk0 vid 10 pvid untagged",
    VlanAdd("br0", 10, 10, access=True, own=True): "bridge vlan add dev br0 vid 10 pvid untagged self",
    VlanAdd("nk0", 20, 30): "bridge vlan add dev nk0 vid 20-30",
    VlanDel("nk0", 1, 1): "bridge vlan del dev nk0 vid 1",
    TokenBucketDel("nk0"): "tc qdisc del dev nk0 root handle 6e6b:",
    IngressAdd("nk0"): "tc qdisc add dev nk0 ingress",
    IngressDel("nk0"): "tc qdisc del dev nk0 ingress",
    RedirectAdd("nk0", "nq0"): (
        "tc filter replace dev nk0 ingress protocol all prio 1 handle 800::800"
        " u32 match u32 0 0 action mirred egress redirect dev nq0"
    ),
}


@pytest.mark.parametrize(("op", "line"), LINES.items(), ids=lambda value: value if isinstance(value, str) else "")
def test_an_op_reads_as_an_admin_would_type_it(op: Op, line: str) -> None:
    assert [str(command) for command in render(op)] == [line]


def test_one_change_may_take_two_commands() -> None:
    assert [command.argv[0] for command in render(LinkSet("nk0", up=True, isolated=True))] == ["ip", "bridge"]


def test_a_link_comes_from_its_parents_namespace_under_a_passing_name() -> None:
    """Kernels before 6.15 refuse one that is called as its parent is."""
    op = LinkAdd("eth0", "macvlan", 28267, NS, "02:00:00:00:00:01", 1400, info=Macvlan("eth0", "bridge"))
    passing = passing_name("eth0")
    assert [str(command) for command in render(op)] == [
        f"ip link add name {passing} link eth0 group 28267 address 02:00:00:00:00:01 mtu 1400 netns /proc/7/ns/net"
        " type macvlan mode bridge",
        f"nsenter --net=/proc/7/ns/net ip link set dev {passing} name eth0",
    ]


def test_every_kind_of_op_can_be_rendered() -> None:
    words = {**vars(ops), **vars(shaping), **vars(tuning), **vars(vlan)}
    kinds = {kind for kind in words.values() if isinstance(kind, type) and issubclass(kind, Op)} - {Op, Errand}
    rules = {RulesAdd, RulesDel, PortsReserve, PortsFree, Heard}
    assert kinds == {type(op) for op in LINES} | rules


@pytest.mark.parametrize("backend", ["nftables", "iptables", "iptables-legacy"])
def test_a_published_port_that_comes_or_goes_ends_its_old_connections(backend: str) -> None:
    rule = Publish("3f9c1a2b7d10", "udp", "192.0.2.1", 53, "10.90.0.2", 5353, "netkit0", count=2)
    for op in (RulesAdd((rule,), backend), RulesDel((rule,), backend)):
        forgets = [str(command) for command in render(op) if command.argv[0] == "conntrack"]
        assert forgets == [
            f"conntrack -D -f ipv4 -p udp --orig-dst 192.0.2.1 --orig-port-dst {port} || :" for port in (53, 54)
        ]


def test_a_script_runs_to_its_first_failure_and_may_explain_itself() -> None:
    plan = Plan.of((LinkDel("nk0", "veth", 1), "the cable"))
    assert script(plan) == "#!/bin/sh\nset -e\nip link del dev nk0\n"
    assert script(plan, explain=True) == "#!/bin/sh\nset -e\n# the cable\nip link del dev nk0\n"


def test_what_a_command_reads_stands_below_it() -> None:
    assert str(Command(("nft", "-f", "-"), "add table t\n")) == "nft -f - <<'EOF'\nadd table t\nEOF"


@given(st.text(st.characters(codec="utf-8", exclude_characters="\0")))
def test_a_quoted_word_is_read_back_as_it_was(word: str) -> None:
    assert shlex.split(quote(word)) == [word]


@pytest.mark.parametrize(
    "word", ["", " ", "$(id)", "`id`", "'", "''", '"', "\\", "a\nb", "*", "~", "#x", "a;b", "x&", "\u00fc"]
)
def test_a_real_shell_reads_it_back_too(word: str) -> None:
    shown = subprocess.run(["sh", "-c", f"printf %s {quote(word)}"], capture_output=True, text=True, check=True)
    assert shown.stdout == word
