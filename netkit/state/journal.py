"""The journal of networks: what is being brought up, written before the first change, removed after the last.

Whoever holds a network's lock and finds its intent knows that its writer was killed, and reverses its plan. A crash of
the machine needs no intent (the kernel's state goes with it), so the journal lies on tmpfs and is not synced. The
intent of an attachment is its record (`netkit.state.records`).
"""

from __future__ import annotations

from netkit.plan import rules as _rules  # noqa: F401 - a plan holds rules: reading it needs their kinds
from netkit.plan.steps import Plan
from netkit.value import Value

TYPE_CHECKING = False
if TYPE_CHECKING:
    from netkit.state.root import Root


class Intent(Value):
    """What is about to be done for a network, or for the host itself: the whole plan, in which boot."""

    network: str
    plan: Plan
    boot_id: str = ""


class Journal:
    """The intents of one root, one a network."""

    def __init__(self, root: Root) -> None:
        self.root = root

    def begin(self, intent: Intent) -> None:
        """Note what is about to be done."""
        self.root.intents.save(intent.network, intent)

    def end(self, network: str) -> None:
        """Forget a network's intent: it is done, or undone."""
        self.root.intents.unlink(network)

    def open_intent(self, network: str) -> Intent | None:
        """What was begun on a network and not ended."""
        return self.root.intents.load(network, Intent)

    def networks(self) -> tuple[str, ...]:
        """The networks that have open intents."""
        return tuple(self.root.intents.names())
