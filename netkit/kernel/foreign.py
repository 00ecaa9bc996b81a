"""Other tools' forward chains that would drop our packets, and the accepts that netkit adds there."""

from __future__ import annotations

TYPE_CHECKING = False
if TYPE_CHECKING:
    from netkit.plan.rules import Admit


def foreign_drops() -> tuple[str, ...]:
    """Other tools' forward chains that would drop our packets, as `Admit.where` names them."""
    return ()


def admit(rule: Admit) -> None:
    """Add the accept."""


def dismiss(rule: Admit) -> None:
    """Take the accept back."""


def admits(rule: Admit) -> bool:
    """Whether the accept is there."""
    return True
