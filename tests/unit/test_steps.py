"""Plans: how they add up, and what takes them back."""

from __future__ import annotations

import json

from netkit.model import NsRef
from netkit.plan.ops import (
    AddrAdd,
    AddrDel,
    LinkAdd,
    LinkDel,
    LinkSet,
    LoopbackUp,
    Peer,
    RouteAdd,
    RouteDel,
    RulesAdd,
    RulesDel,
    SysctlRestore,
    SysctlSet,
)
from netkit.plan.rules import BaseRules, NetworkRules
from netkit.plan.steps import Plan, Step, undo
from netkit.value import from_json, to_json

TYPE_CHECKING = False
if TYPE_CHECKING:
    from netkit.plan.ops import Op

NS = NsRef("/proc/7/ns/net", 4026532000)
ELSEWHERE = NsRef("/proc/8/ns/net", 4026532001)
CABLE = LinkAdd("nk0", "veth", 28267, peer=Peer("eth0", NS))
NETWORK = NetworkRules("web", "netkit0")


def back(*ops: Op) -> tuple[Op, ...]:
    return undo(Step(op, "why") for op in ops).ops


def test_plans_add_up_in_order() -> None:
    one, two = Plan.of((CABLE, "the cable")), Plan.of((LoopbackUp(NS), "its loopback"))
    assert (one + two).ops == (CABLE, LoopbackUp(NS))
    assert [step.why for step in one + two] == ["the cable", "its loopback"]
    assert len(one + two) == 2
    assert Plan() + one == one


def test_undo_is_newest_first() -> None:
    assert back(RulesAdd((BaseRules(),), "nftables"), LinkAdd("a", "bridge", 1)) == (
        LinkDel("a", "bridge", 1),
        RulesDel((BaseRules(),), "nftables"),
    )


def test_rules_of_one_op_are_taken_back_in_the_other_order() -> None:
    assert back(RulesAdd((BaseRules(), NETWORK), "iptables")) == (RulesDel((NETWORK, BaseRules()), "iptables"),)


def test_what_lives_on_a_new_link_dies_with_it() -> None:
    steps = (
        CABLE,
        SysctlSet("net/ipv6/conf/nk0/accept_ra", "0", "1", dev="nk0"),
        LinkSet("nk0", master="netkit0", up=True),
        LinkSet("eth0", NS, up=True),
        AddrAdd("10.0.0.2/24", "eth0", NS),
        RouteAdd("default", "eth0", "10.0.0.1", NS),
    )
    assert back(*steps) == (LinkDel("nk0", "veth", 28267),)


def test_links_go_down_before_their_rules_and_away_after_them() -> None:
    guard, port = RulesAdd((BaseRules(),), "nftables"), RulesAdd((NETWORK,), "nftables")
    assert back(guard, CABLE, LinkSet("nk0", master="netkit0", up=True), AddrAdd("10.0.0.2/24", "eth0", NS), port) == (
        LinkSet("nk0", up=False),
        RulesDel((NETWORK,), "nftables"),
        RulesDel((BaseRules(),), "nftables"),
        LinkDel("nk0", "veth", 28267),
    )


def test_the_same_name_in_another_namespace_is_another_link() -> None:
    assert back(CABLE, AddrAdd("10.0.0.2/24", "eth0", ELSEWHERE), AddrAdd("10.0.0.3/24", "eth0")) == (
        AddrDel("10.0.0.3/24", "eth0"),
        AddrDel("10.0.0.2/24", "eth0", ELSEWHERE),
        LinkDel("nk0", "veth", 28267),
    )


def test_what_is_put_on_a_link_that_was_there_is_taken_back_one_by_one() -> None:
    was = LinkSet("eth1", master="", mtu=1500)
    assert back(
        LinkSet("eth1", master="br0", mtu=1400, was=was),
        AddrAdd("fd00::1/64", "eth1"),
        RouteAdd("fd01::/64", "eth1", family=6),
        SysctlSet("net/ipv4/conf/eth1/rp_filter", "0", "1", dev="eth1"),
    ) == (
        SysctlRestore("net/ipv4/conf/eth1/rp_filter", "1", "0", dev="eth1"),
        RouteDel("fd01::/64", "eth1", family=6),
        AddrDel("fd00::1/64", "eth1"),
        was,
    )


def test_a_sysctl_of_no_link_is_restored() -> None:
    assert back(SysctlSet("net/ipv4/ip_forward", "1", "0")) == (SysctlRestore("net/ipv4/ip_forward", "0", "1"),)


def test_the_loopback_goes_back_to_how_a_runtime_hands_it_over() -> None:
    assert back(LoopbackUp(NS)) == (AddrDel("127.0.0.1/8", "lo", NS), LinkSet("lo", NS, up=False))


def test_a_link_change_without_a_before_has_nothing_to_take_back() -> None:
    assert back(LinkSet("eth1", up=True)) == ()


def test_the_way_back_says_of_what_it_is_the_way_back() -> None:
    (step,) = Plan.of((CABLE, "the cable")).undo()
    assert step.why == "undo: the cable"


def test_what_is_undone_has_no_undo_of_its_own() -> None:
    assert Plan.of((CABLE, "w"), (RulesAdd((NETWORK,), "nftables"), "w")).undo().undo() == Plan()


def test_a_plan_survives_its_journal() -> None:
    plan = Plan.of((CABLE, "the cable"), (RulesAdd((BaseRules(), NETWORK), "nftables"), "guard \u00fc"))
    assert from_json(json.loads(json.dumps(to_json(plan)))) == plan
