"""Networks that live on one bridge: what belongs to the bridge is made by the first of them and goes with the last.

A network that comes plans as if it were alone, and leaves out what another has put there already. One that goes leaves
to an heir what the heir needs, so that its undo takes its own and no more. All calls need the host's lock.
"""

from __future__ import annotations

from netkit.ipam.pool import overlaps
from netkit.model import bare
from netkit.plan.ops import AddrAdd, LinkAdd, RulesAdd, SysctlSet
from netkit.plan.rules import Admit, NetworkRules
from netkit.plan.steps import Plan, Step
from netkit.state.networks import HOST

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from netkit.engine.session import Session
    from netkit.plan.rules import Rule
    from netkit.state.networks import Up


def beside(session: Session, name: str, plan: Plan) -> list[Up]:
    """The other networks that are up on the bridge of a network with this plan."""
    device = _device(plan)
    ups = session.networks.all_up() if device else ()
    return [up for up in ups if up.network not in (name, HOST) and _device(up.plan) == device]


def fit(session: Session, name: str, plan: Plan) -> Plan:
    """The plan of a network that comes, without what others on its bridge have done."""
    others = beside(session, name, plan)
    if not others:
        return plan
    there = {rule for up in others for rule in _rules(up.plan)}
    subnets = {subnet for rule in there if isinstance(rule, NetworkRules) for subnet in rule.subnets}

    def rest(rule: Rule) -> Rule | None:
        if isinstance(rule, NetworkRules):
            return rule.replace(subnets=tuple(each for each in rule.subnets if each not in subnets), guest=True)
        return None if rule in there else rule

    return _with_rules(plan, rest)


def leave(session: Session, up: Up) -> Plan:
    """What a network that goes takes back; the rest is noted as its heir's."""
    heirs = beside(session, up.network, up.plan)
    if not heirs:
        return up.plan
    subnets = [subnet for heir in heirs for subnet in _subnets(session, heir)]
    kept = [step for step in up.plan if _is_of_use(step, up.plan, subnets)]
    _bequeath(session, heirs[0], kept, up.plan, subnets)

    def own(rule: Rule) -> Rule | None:
        if isinstance(rule, NetworkRules):
            return rule.replace(subnets=tuple(each for each in rule.subnets if each not in subnets), guest=True)
        return None if isinstance(rule, Admit) else rule

    return _with_rules(Plan(tuple(step for step in up.plan if step not in kept)), own)


def _is_of_use(step: Step, plan: Plan, subnets: list[str]) -> bool:
    """Whether heirs with these subnets need what a step did to the bridge itself.

    What the first network made, they do. What a later one has changed was mostly for IPv6.
    """
    op, rule = step.op, _network_rules(plan)
    if isinstance(op, RulesAdd) or op.netns or op.on() != rule.device:
        return False
    if isinstance(op, AddrAdd) and not op.address.startswith("fe80:"):
        return any(overlaps(subnet, bare(op.address)) for subnet in subnets)
    return not rule.guest or any(":" in subnet for subnet in subnets)


def _bequeath(session: Session, heir: Up, kept: list[Step], plan: Plan, subnets: list[str]) -> None:
    """Note what an heir is answerable for from now on, behind the bridge if it has made that itself."""
    former, has, rules = _network_rules(plan), _rules(heir.plan), _rules(plan)
    inherited = tuple(each for each in former.subnets if each in subnets)

    def whole(rule: Rule) -> Rule | None:
        if not isinstance(rule, NetworkRules):
            return rule
        together = tuple(dict.fromkeys((*rule.subnets, *inherited)))
        return rule.replace(subnets=together, guest=rule.guest and former.guest)

    changed = {op.key for op in heir.plan.ops if isinstance(op, SysctlSet)}
    steps = [s for s in kept if s not in heir.plan.steps and not (isinstance(s.op, SysctlSet) and s.op.key in changed)]
    more = tuple(rule for rule in rules if isinstance(rule, Admit) and rule not in has)
    if more:
        backend = next(op.backend for op in plan.ops if isinstance(op, RulesAdd))
        steps.append(Step(RulesAdd(more, backend), "what the bridge needs elsewhere"))
    own = _with_rules(heir.plan, whole).steps
    at = next((place + 1 for place, step in enumerate(own) if isinstance(step.op, LinkAdd)), 0)
    session.networks.save_up(heir.replace(plan=Plan((*own[:at], *steps, *own[at:]))))


def _device(plan: Plan) -> str:
    """The bridge of a network, "" for one that has none."""
    return next((rule.device for rule in _rules(plan) if isinstance(rule, NetworkRules)), "")


def _network_rules(plan: Plan) -> NetworkRules:
    return next(rule for rule in _rules(plan) if isinstance(rule, NetworkRules))


def _subnets(session: Session, up: Up) -> list[str]:
    net = session.networks.load(up.network)
    return [subnet.cidr for subnet in net.subnets] if net else []


def _rules(plan: Plan) -> list[Rule]:
    return [rule for op in plan.ops if isinstance(op, RulesAdd) for rule in op.rules]


def _with_rules(plan: Plan, change: Callable[[Rule], Rule | None]) -> Plan:
    """The plan with its rules changed, one by one; None leaves a rule out, and a step without any is none."""
    return Plan(tuple(_changed(plan, change)))


def _changed(plan: Plan, change: Callable[[Rule], Rule | None]) -> Iterator[Step]:
    for step in plan:
        if not isinstance(step.op, RulesAdd):
            yield step
            continue
        rules = tuple(changed for rule in step.op.rules if (changed := change(rule)) is not None)
        if rules:
            yield step.replace(op=step.op.replace(rules=rules))
