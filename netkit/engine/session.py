"""What one operation holds open: the state, the kernel, and one observation of the host."""

from __future__ import annotations

from netkit.errors import ConflictError
from netkit.kernel.apply import Kernel
from netkit.kernel.firewall import choose, open_backend
from netkit.kernel.netns import Namespaces
from netkit.kernel.observe import KernelHost
from netkit.kernel.signals import Undisturbed
from netkit.plan.ops import RulesAdd
from netkit.state.journal import Journal
from netkit.state.locks import lock
from netkit.state.networks import HOST, Networks
from netkit.state.ports import Ledger
from netkit.state.records import Records

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Sequence
    from types import TracebackType
    from typing import Self

    from netkit.engine.membership import Membership
    from netkit.kernel.firewall import Firewall
    from netkit.plan.ops import Errand, Op
    from netkit.plan.rules import Rule
    from netkit.state.root import Root

#: How long a command waits for another that holds the same network, in seconds.
PATIENCE = 30.0


class Session:
    """One operation, from its first lock to its last file; closing it leaves no descriptor behind."""

    def __init__(self, root: Root, firewall: str = "auto", before_op: Callable[[Op], None] | None = None) -> None:
        self.root = root
        self.records = Records(root)
        self.networks = Networks(root)
        self.journal = Journal(root)
        self.ledger = Ledger(root)
        self.namespaces = Namespaces()
        self.memberships: dict[str, Membership] = {}
        self._wanted = firewall
        self._backend = ""
        self._backends: dict[str, Firewall] = {}
        self.kernel = Kernel(self.namespaces, self.firewall, before_op, self._errand)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.namespaces.close()
        self._backends.clear()
        self.memberships.clear()
        del self.kernel  # it knows us: what we hold open would go late, with a collection of garbage

    def host(self) -> KernelHost:
        """A fresh observation of the host."""
        return KernelHost(self.namespaces, self.backend, self._held, _foreign_drops)

    def backend(self) -> str:
        """The firewall backend that new rules are written with: that of the networks which are up, else as wanted."""
        if not self._backend:
            self._backend = self._in_use() or choose(self._wanted)
        return self._backend

    def _in_use(self) -> str:
        """What the base rules that stand were written with; the rules of one host do not go half here, half there."""
        base = self.networks.up(HOST)
        used = next((op.backend for op in base.plan.ops if isinstance(op, RulesAdd)), "") if base else ""
        if used and self._wanted != "auto" and choose(self._wanted) != used:
            raise ConflictError(
                f"the networks that are up were made with {used}, not {self._wanted}",
                f"leave --firewall out, or remove them first: {', '.join(self._names_up())}",
            )
        return used

    def _names_up(self) -> list[str]:
        return [up.network for up in self.networks.all_up() if up.network != HOST]

    def firewall(self, backend: str) -> Firewall:
        """The executor of a backend, opened once."""
        if backend not in self._backends:
            self._backends[backend] = open_backend(backend)
        return self._backends[backend]

    def network_lock(self, network: str) -> Undisturbed:
        """One transaction on a network at a time. Take it before `host_lock`."""
        return Undisturbed(lock(self.root, f"network-{network}", PATIENCE))

    def host_lock(self) -> Undisturbed:
        """One change of what all networks share at a time: the base, ports, the set of networks."""
        return Undisturbed(lock(self.root, "host", PATIENCE))

    def _errand(self, op: Errand) -> object:
        from netkit.engine.errands import run  # hardly an attachment has one

        return run(self, op)

    def _held(self, rules: Sequence[Rule], backend: str) -> Collection[Rule]:
        return self.firewall(backend).held(rules)


def _foreign_drops() -> tuple[str, ...]:
    from netkit.kernel.foreign import foreign_drops  # only a network that comes up asks

    return foreign_drops()
