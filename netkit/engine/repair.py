"""Comparing records with the kernel, and making the kernel match again: from the same plans that made it so."""

from __future__ import annotations

from netkit.engine import executor
from netkit.engine.calm import compared
from netkit.errors import NetkitError
from netkit.plan.ops import LinkAdd, RulesAdd, SysctlSet, Together
from netkit.plan.steps import Plan, Step
from netkit.state.networks import HOST
from netkit.value import Value

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Collection, Mapping

    from netkit.engine.session import Session
    from netkit.plan.host import Host
    from netkit.plan.rules import Rule
    from netkit.state.networks import Up


#: What is asked of all that a network has.
WHOLE = "whole"


class Difference(Value):
    """One thing that a record says and the kernel does not show; `commands` would put it right."""

    owner: str
    missing: str
    commands: tuple[str, ...] = ()


def unreachable(owner: str) -> Difference:
    """An attachment whose namespace is gone, or held by nothing that leads to it: no step of its plan can be mended."""
    return Difference(owner, "its network namespace", ("netkit gc", f"netkit detach {owner}"))


def check_plan(owner: str, plan: Plan, host: Host) -> list[Difference]:
    """Each step of a plan that no longer holds; where that cannot be told, why not."""
    from netkit.plan.render import render  # costs start-up time that only this answer needs

    try:
        lost = missing(plan, host)
    except NetkitError as error:
        return [Difference(owner, error.message)]
    return [Difference(owner, step.why, tuple(str(command) for command in render(step.op))) for step in lost]


def missing(plan: Plan, host: Host) -> list[Step]:
    """The steps that no longer hold, rules and changes that went together one by one.

    Of several steps that set the same sysctl the last one counts. NotFoundError when the namespace itself is gone.
    """
    lost: list[Step] = []
    held = _held(plan, host)
    final = {(op.key, op.ns): op for op in plan.ops if isinstance(op, SysctlSet)}
    for step in plan:
        if isinstance(step.op, RulesAdd):
            rules = tuple(rule for rule in step.op.rules if rule not in held[step.op.backend])
            lost += [Step(step.op.replace(rules=rules), step.why)] if rules else []
        elif isinstance(step.op, Together):
            parts = tuple(op for op in step.op.ops if not op.holds(host))
            lost += [Step(Together(parts), step.why)] if parts else []
        elif isinstance(step.op, SysctlSet) and final[step.op.key, step.op.ns] is not step.op:
            continue
        elif not step.op.holds(host):
            lost.append(step)
    return lost


def _held(plan: Plan, host: Host) -> dict[str, Collection[Rule]]:
    """By backend, those of a plan's rules that are in force."""
    wanted: dict[str, list[Rule]] = {}
    for op in plan.ops:
        if isinstance(op, RulesAdd):
            wanted.setdefault(op.backend, []).extend(op.rules)
    return {backend: host.held(tuple(rules), backend) for backend, rules in wanted.items()}


def repair(session: Session, plan: Plan, network: str = "") -> int:
    """Carry out again what no longer holds, in the plan's order; returns how many steps that were.

    What a `network` has as a whole may lead to hundreds of hosts, and mostly is as it was.
    """
    host = session.host()
    lost = missing(plan, host) if not network else compared(network, WHOLE, plan, host, lambda h: missing(plan, h))
    half = [step.op.reverse() for step in lost if isinstance(step.op, LinkAdd)]
    session.kernel.apply([op for ops in half for op in ops], tolerant=True)
    executor.apply(session.kernel, Plan(tuple(lost)))
    return len(lost)


def reload(session: Session) -> tuple[dict[str, int], list[NetkitError]]:
    """Make the kernel match every record again: the host's base first (it drops), then networks, then attachments.

    Each is looked up anew under its locks: what is detached meanwhile must not come back. An attachment whose namespace
    cannot be reached is left out.
    """
    repaired: dict[str, int] = {}
    errors: list[NetkitError] = []

    def mend(owner: str, plan: Plan, network: str = "") -> None:
        try:
            if count := repair(session, plan, network):
                repaired[owner] = count
        except NetkitError as error:
            errors.append(error)

    with session.host_lock():
        if base := session.networks.up(HOST):
            mend(HOST, base.plan)
    ups = {up.network: up for up in session.networks.all_up() if up.network != HOST}
    records = session.records.all()
    for name in sorted({*ups, *(r.endpoint.network for r in records)}, key=lambda name: (not _makes(ups, name), name)):
        with session.network_lock(name), session.host_lock():
            if up := session.networks.up(name):
                mend(name, up.whole, name)
            for record in (session.records.load(r.id) for r in records if r.endpoint.network == name):
                if record and session.namespaces.alive(record.endpoint.netns):
                    mend(record.id, record.plan)
    from netkit.engine.tending import see_all_kept

    see_all_kept(session)
    return repaired, errors


def _makes(ups: Mapping[str, Up], name: str) -> bool:
    """Whether a network's plan makes a link, which others may live on."""
    return name in ups and any(isinstance(op, LinkAdd) for op in ups[name].plan.ops)
