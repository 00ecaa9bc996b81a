"""What a plan that is only shown cannot say yet."""

from __future__ import annotations

from netkit.plan.ops import Op


class Later(Op):
    """Steps that are known when a program has answered; `what` says which. Shown, never carried out."""

    what: str
