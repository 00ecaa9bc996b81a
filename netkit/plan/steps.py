"""A plan: what will be done, in order, and why.

Plans are values. The same one is printed by `--dry-run`, applied by the executor, kept in the record, compared with
the kernel by `check`, and turned round by `undo` for detach, rollback and crash recovery.
"""

from __future__ import annotations

from netkit.plan.ops import Errand, LinkSet, Op, RulesDel
from netkit.value import Value

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from netkit.model import NsRef


class Step(Value):
    """One op, and the reason that a person is told."""

    op: Op
    why: str


class Plan(Value):
    """Steps in the order in which they are applied."""

    steps: tuple[Step, ...] = ()

    @classmethod
    def of(cls, *steps: tuple[Op, str]) -> Plan:
        """A plan from (op, why) pairs."""
        return cls(tuple(Step(op, why) for op, why in steps))

    def __add__(self, other: Plan) -> Plan:
        return Plan(self.steps + other.steps)

    def __iter__(self) -> Iterator[Step]:
        return iter(self.steps)

    def __len__(self) -> int:
        return len(self.steps)

    @property
    def ops(self) -> tuple[Op, ...]:
        """The ops alone."""
        return tuple(step.op for step in self.steps)

    def undo(self) -> Plan:
        """The plan that takes this one back, newest first."""
        return undo(self.steps)


def undo(steps: Iterable[Step]) -> Plan:
    """The reverse of these steps, newest first, without what dies by itself.

    An address, route or sysctl of a link that the same steps created goes when that link goes; deleting it first would
    only cost time (and, in a namespace that has died, could not be done).

    Where links of the host and rules were made, the links go down first of all, which takes no time: from then on no
    packet passes, so the rules can go in one transaction ahead of the links, and the kernel clears away both at once.
    Only what programs have yet to say over those links goes before.
    """
    steps = tuple(steps)
    born: set[tuple[NsRef | None, str]] = set()
    for step in steps:
        born.update(step.op.creates())
    back: list[Step] = []
    for step in reversed(steps):
        if not step.op.creates() and (step.op.netns, step.op.on()) in born:
            continue
        back.extend(Step(op, f"undo: {step.why}") for op in step.op.reverse())
    down = [Step(LinkSet(name, up=False), "undo: no packet passes from here on") for name in _put_up(steps, born)]
    rules = [step for step in back if isinstance(step.op, RulesDel)]
    if not down or not rules:
        return Plan(tuple(back))
    said = [step for step in back if isinstance(step.op, Errand)]
    rest = (step for step in back if not isinstance(step.op, (RulesDel, Errand)))
    return Plan((*said, *down, *rules, *rest))


def _put_up(steps: Iterable[Step], born: set[tuple[NsRef | None, str]]) -> list[str]:
    """The host's links that these steps made and put up."""
    ops = [step.op for step in steps]
    return [op.dev for op in ops if isinstance(op, LinkSet) and op.up and op.ns is None and (None, op.dev) in born]
