"""Carrying out a plan: all of it, or none of it."""

from __future__ import annotations

from netkit.errors import ApplyError, NetkitError
from netkit.kernel.apply import UNTRIED
from netkit.plan.ops import LinkSet, Together
from netkit.plan.steps import undo

TYPE_CHECKING = False
if TYPE_CHECKING:
    from netkit.kernel.apply import Kernel
    from netkit.plan.steps import Plan, Step


def apply(kernel: Kernel, plan: Plan) -> None:
    """Apply a plan; on the first failure take back what was done, newest first, and raise ApplyError.

    One op is one atomic change, so the op that failed has left nothing and is not reversed; but for those that may be
    several messages and know what was before: a LinkSet of a link that was there, and changes that go together.
    """
    outcomes = kernel.apply(plan.ops)
    failures = [(step, o) for step, o in zip(plan, outcomes, strict=True) if isinstance(o, NetkitError)]
    if not failures:
        return
    done = [
        step
        for step, outcome in zip(plan, outcomes, strict=True)
        if outcome is None or (outcome is not UNTRIED and isinstance(step.op, (LinkSet, Together)))
    ]
    left = revert(kernel, undo(done))
    step, cause = failures[0]
    raise ApplyError(f"{cause.message} ({step.why})", cause, commands(left)) from cause


def revert(kernel: Kernel, plan: Plan) -> list[tuple[Step, NetkitError]]:
    """Apply an undo plan to its end, whatever fails; what is already gone is done. Returns what could not be undone."""
    outcomes = kernel.apply(plan.ops, tolerant=True)
    return [(step, o) for step, o in zip(plan, outcomes, strict=True) if isinstance(o, NetkitError)]


def must_revert(kernel: Kernel, plan: Plan, what: str) -> None:
    """Like `revert`, but what could not be undone is an ApplyError that lists the commands left to run by hand."""
    left = revert(kernel, plan)
    if left:
        cause = left[0][1]
        raise ApplyError(f"{what}: {cause.message}", cause, commands(left)) from cause


def commands(left: list[tuple[Step, NetkitError]]) -> list[str]:
    """What is left to be run by hand."""
    from netkit.plan.render import render  # only when something is left: it costs start-up time

    return [str(command) for step, _ in left for command in render(step.op)]
