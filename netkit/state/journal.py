"""The journal: what was begun, written before the first change, removed after the last.

Whoever holds a network's lock and finds an intent of it knows that its writer was killed, and reverses its plan. A
crash of the machine needs no intent (the kernel's state goes with it), so the journal lies on tmpfs and is not synced.
"""

from __future__ import annotations

from netkit.model import PortMap
from netkit.plan import rules as _rules  # noqa: F401 - a plan holds rules: reading it needs their kinds
from netkit.plan.steps import Plan
from netkit.value import Value

TYPE_CHECKING = False
if TYPE_CHECKING:
    from netkit.state.root import Root

# In no name of a network and in no id.
_SEPARATOR = "+"


class Intent(Value):
    """What is about to be done: the whole plan, and all that it was given to do it with.

    `action` is `attach` or `up`. `leases` are bare addresses.
    """

    id: str
    action: str
    network: str
    plan: Plan
    boot_id: str = ""
    container: str = ""
    ifname: str = ""
    leases: tuple[str, ...] = ()
    ports: tuple[PortMap, ...] = ()


class Journal:
    """The intents of one root."""

    def __init__(self, root: Root) -> None:
        self.root = root

    def begin(self, intent: Intent) -> None:
        """Note what is about to be done, in place of an earlier intent of the same id."""
        self.root.intents.save(f"{intent.network}{_SEPARATOR}{intent.id}", intent)

    def end(self, intent: str) -> None:
        """Forget the intent of this id: it is done, or undone."""
        for name in self.root.intents.names():
            if name.partition(_SEPARATOR)[2] == intent:
                self.root.intents.unlink(name)

    def open_intents(self, network: str) -> tuple[Intent, ...]:
        """What was begun on a network and not ended."""
        intents = self.root.intents
        names = [name for name in intents.names() if name.partition(_SEPARATOR)[0] == network]
        return tuple(found for name in names if (found := intents.load(name, Intent)))

    def networks(self) -> tuple[str, ...]:
        """The networks that have open intents."""
        return tuple(sorted({name.partition(_SEPARATOR)[0] for name in self.root.intents.names()}))
