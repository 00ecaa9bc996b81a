"""A comparison with the host is made again when what is compared has changed, or any answer of the host."""

from __future__ import annotations

import pytest

from netkit.engine import calm
from netkit.engine.repair import missing
from netkit.plan.host import Link
from netkit.plan.ops import LinkSet, RulesAdd, SysctlSet
from netkit.plan.rules import BaseRules, KeepSource
from netkit.plan.steps import Plan
from tests.fakes import FakeHost

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

    from netkit.plan.host import Host
    from netkit.plan.rules import Rule
    from netkit.plan.steps import Step

UP = LinkSet("eth0", up=True)
FORWARD = SysctlSet("net/ipv4/ip_forward", "1", "0")
RULES = RulesAdd((BaseRules(), KeepSource("10.5.0.2")), "nftables")
PLAN = Plan.of((UP, "on"), (FORWARD, "forward"), (RULES, "let in"))


class Compared:
    """Comparisons of a plan with a host, counted."""

    def __init__(self) -> None:
        self.count = 0

    def lost(self, plan: Plan, host: Host, name: str = "it") -> list[str]:
        return [step.why for step in calm.compared("web", name, plan, host, lambda seen: self._missing(plan, seen))]

    def _missing(self, plan: Plan, host: Host) -> list[Step]:
        self.count += 1
        return missing(plan, host)


@pytest.fixture
def compared(monkeypatch: pytest.MonkeyPatch) -> Compared:
    monkeypatch.setattr(calm, "_last", {})
    return Compared()


def host(up: bool = True, forward: str = "1", rules: tuple[Rule, ...] = RULES.rules) -> Host:
    return FakeHost(links=(Link("eth0", 2, up=up),), sysctls={FORWARD.key: forward}, rules=rules)


def test_the_same_answers_come_to_the_same_without_a_comparison(compared: Compared) -> None:
    assert compared.lost(PLAN, host()) == []
    assert compared.lost(PLAN, host()) == []
    assert compared.count == 1
    for _ in range(2):
        assert compared.lost(PLAN, host(up=False)) == ["on"]
    assert compared.count == 2


@pytest.mark.parametrize(
    ("changed", "lost"),
    [
        (host(up=False), ["on"]),
        (host(forward="0"), ["forward"]),
        (host(rules=RULES.rules[:1]), ["let in"]),
        (FakeHost(rules=RULES.rules, sysctls={FORWARD.key: "1"}), ["on"]),
    ],
    ids=["link", "sysctl", "rule", "no link"],
)
def test_any_other_answer_is_seen_and_so_is_its_end(compared: Compared, changed: Host, lost: list[str]) -> None:
    assert compared.lost(PLAN, host()) == []
    assert compared.lost(PLAN, changed) == lost
    assert compared.lost(PLAN, host()) == []


def test_another_plan_is_compared_and_each_name_has_its_own(compared: Compared) -> None:
    assert compared.lost(PLAN, host()) == []
    assert compared.lost(Plan.of((LinkSet("eth0", up=False), "off")), host()) == ["off"]
    assert compared.lost(PLAN, host(), "other") == []
    assert compared.lost(PLAN, host()) == []
    assert compared.count == 4


def test_of_what_is_forgotten_nothing_is_held(compared: Compared) -> None:
    for name in ("it", "other"):
        compared.lost(PLAN, host(), name)
    calm.forget("web", "it")
    assert list(calm._last) == [("web", "other")]
    assert compared.lost(PLAN, host(up=False)) == ["on"]


def test_a_witness_answers_as_the_host_does_and_asks_each_question_once() -> None:
    known: Host = FakeHost(links=(Link("eth0", 2),), firewall="iptables")
    witness: Any = calm.Witness(known)
    assert witness.firewall == "iptables"
    assert witness.link("eth0") is witness.link("eth0") is known.link("eth0")
    assert witness.link("eth7") is None
    with pytest.raises(AttributeError, match="of_no_kind"):
        witness.of_no_kind()
