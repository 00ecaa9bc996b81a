"""What became of an op: None when it is done, the error when it failed, UNTRIED when something before it failed."""

from __future__ import annotations

import errno

from netkit.errors import KernelError, NetkitError, NotFoundError

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Sequence

    from netkit.plan.ops import Op


class Untried:
    """The outcome of an op that was not tried, because one before it failed."""

    def __repr__(self) -> str:
        return "UNTRIED"


UNTRIED = Untried()

if TYPE_CHECKING:
    Outcome = NetkitError | Untried | None

#: What undoing may find: that which it would take away has gone, that which it would put back is there.
_GONE = frozenset({errno.ENODEV, errno.ENOENT, errno.ENOTDIR, errno.ESRCH, errno.EADDRNOTAVAIL, errno.EEXIST})


def is_gone(failure: NetkitError) -> bool:
    """Whether the failure says that what undoing would do is done already."""
    return isinstance(failure, NotFoundError) or (isinstance(failure, KernelError) and failure.errno in _GONE)


def worst(answers: Iterable[KernelError | None]) -> KernelError | None:
    """One outcome for the several messages of an op: a real failure before "it is gone", None when all are done."""
    failures = [answer for answer in answers if answer is not None]
    return next((failure for failure in failures if not is_gone(failure)), failures[0] if failures else None)


def one_by_one(ops: Sequence[Op], carry_out: Callable[[Op], None], tolerant: bool) -> list[Outcome]:
    """The outcomes of ops that are carried out singly; the first failure ends it, unless tolerant."""
    outcomes: list[Outcome] = [UNTRIED] * len(ops)
    for place, op in enumerate(ops):
        try:
            carry_out(op)
            outcomes[place] = None
        except NetkitError as error:
            outcomes[place] = error
            if not tolerant:
                break
    return outcomes
