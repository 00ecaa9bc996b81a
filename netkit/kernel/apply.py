"""Carry ops out: the one place where netkit changes the kernel.

Consecutive ops of one sort in one namespace go to the kernel together: rtnetlink ops as one batch, sysctls with one
visit to the namespace, firewall rules as one transaction. Order is kept, and what failed is told op by op.
"""

from __future__ import annotations

import time

from netkit.errors import HostError, KernelError, NetkitError
from netkit.kernel import conntrack, sysctl
from netkit.kernel.links import Batch
from netkit.kernel.outcomes import UNTRIED, is_gone, one_by_one
from netkit.kernel.threads import beside
from netkit.model import bare
from netkit.plan.announce import Announce
from netkit.plan.ops import Errand, Heard, PortsFree, PortsReserve, RulesAdd, RulesDel, SysctlRestore, SysctlSet
from netkit.plan.rules import Publish

__all__ = ["UNTRIED", "Kernel"]

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Hashable, Iterator, Sequence
    from typing import Any, Protocol

    from netkit.kernel.links import Indexes
    from netkit.kernel.namespaces import Namespaces
    from netkit.kernel.outcomes import Outcome
    from netkit.plan.ops import Op
    from netkit.plan.rules import Rule

    class Firewall(Protocol):
        """One firewall backend."""

        def add(self, rules: Sequence[Rule]) -> None:
            """Add all of them in one transaction."""

        def delete(self, rules: Sequence[Rule]) -> None:
            """Delete all of them; what is already gone is no error."""


#: How long an address may take to be heard, in seconds; usually it is 0.001.
PATIENCE = 1.0
#: A published port of these may be met by a flow that was tracked before; a new TCP connection is always a new entry.
_WITHOUT_END = ("udp", "sctp")
_PROTOCOLS = ("tcp", *_WITHOUT_END)


class Kernel:
    """Applies ops through the namespaces of one transaction.

    `firewall` gives the executor of a backend, `errand` does what no kernel does; what errands of the last `apply`
    answered is in `answers`. With `before_op`, ops are carried out one at a time and it is called
    ahead of each: where tests raise or kill.
    """

    def __init__(
        self,
        namespaces: Namespaces,
        firewall: Callable[[str], Firewall],
        before_op: Callable[[Op], None] | None = None,
        errand: Callable[[Errand], object] | None = None,
    ) -> None:
        self.answers: dict[Op, object] = {}
        self._namespaces = namespaces
        self._firewall = firewall
        self._errand = errand
        self._before_op = before_op
        self._indexes: Indexes = {}
        self._running: list[tuple[Op, Callable[[], int]]] = []

    def apply(self, ops: Sequence[Op], *, tolerant: bool = False) -> list[Outcome]:
        """What became of each op, in their order.

        The first failure ends it: ops after it are UNTRIED, or, where they went to the kernel in the same batch, done
        or failed by themselves. `tolerant`, for undo, goes on past failures and takes what is already gone for done.
        """
        self._indexes.clear()
        outcomes: list[Outcome] = []
        for part in self._parts(ops):
            outcomes += [_told(op, outcome, tolerant) for op, outcome in self._carry_out(part, tolerant)]
            if not tolerant and any(isinstance(outcome, NetkitError) for outcome in outcomes):
                break
        self._wait(ops, outcomes)
        return outcomes + [UNTRIED] * (len(ops) - len(outcomes))

    def _wait(self, ops: Sequence[Op], outcomes: list[Outcome]) -> None:
        """See to the end of what goes on beside, and put its failures where they belong."""
        running, self._running = self._running, []
        for op, wait in running:
            try:
                wait()
            except NetkitError as error:
                outcomes[ops.index(op)] = _told(op, error, tolerant=False)

    def _parts(self, ops: Sequence[Op]) -> Iterator[Sequence[Op]]:
        """Runs of consecutive ops that can go together."""
        start = 0
        for place in range(1, len(ops) + 1):
            if place == len(ops) or self._before_op or _lane(ops[place]) != _lane(ops[start]):
                yield ops[start:place]
                start = place

    def _carry_out(self, ops: Sequence[Op], tolerant: bool) -> list[tuple[Op, Outcome]]:
        outcomes: list[Outcome]
        try:
            if self._before_op:
                self._before_op(ops[0])
            outcomes = _carrier(ops[0])(self, ops, tolerant)
        except NetkitError as error:
            outcomes = [error, *[error if tolerant else UNTRIED] * (len(ops) - 1)]
        return list(zip(ops, outcomes, strict=True))

    def _links(self, ops: Sequence[Op], tolerant: bool) -> list[Outcome]:
        return Batch(self._namespaces, ops[0].netns, self._indexes, tolerant).carry_out(ops)

    def _hear(self, ops: Sequence[Heard], tolerant: bool) -> list[Outcome]:
        """No failure: what is not heard by then is heard later."""
        deadline = time.monotonic() + PATIENCE
        for op in ops:
            rtnl = self._namespaces.enter(op.netns).socket()
            link = rtnl.link(op.dev)
            for address in op.addresses if link else ():
                while link and not rtnl.hears(bare(address), link.index) and time.monotonic() < deadline:
                    time.sleep(0.0005)
        return [None] * len(ops)

    def _announce(self, ops: Sequence[Announce], tolerant: bool) -> list[Outcome]:
        """No failure where a port stays shut: whoever asks for the address is answered all the same."""
        host, deadline = self._namespaces.enter(None).socket(), time.monotonic() + PATIENCE
        for op in ops:
            while not host.forwards(op.port) and time.monotonic() < deadline:
                time.sleep(0.0005)
        return self._links(ops, tolerant)

    def _sysctls(self, ops: Sequence[Op], tolerant: bool) -> list[Outcome]:
        return self._namespaces.enter(ops[0].netns).call(lambda: one_by_one(ops, _write, tolerant))

    def _rules_add(self, ops: Sequence[RulesAdd], tolerant: bool) -> list[Outcome]:
        """A flush that fails takes the rules back: an op is done or not done."""
        rules = [rule for op in ops for rule in op.rules]
        firewall = self._firewall(ops[0].backend)
        firewall.add(rules)
        try:
            conntrack.flush_all(_published(rules, _WITHOUT_END))
        except NetkitError:
            firewall.delete(rules[::-1])
            raise
        return [None] * len(ops)

    def _rules_del(self, ops: Sequence[RulesDel], tolerant: bool) -> list[Outcome]:
        rules = [rule for op in ops for rule in op.rules]
        self._firewall(ops[0].backend).delete(rules)
        if targets := _published(rules, _PROTOCOLS):
            # Beside what follows, mostly a link's deletion: there the kernel makes us wait for longer than this takes.
            self._running.append((ops[0], beside(lambda: conntrack.flush_all(targets))))
        return [None] * len(ops)

    def _ports(self, ops: Sequence[PortsReserve | PortsFree], tolerant: bool) -> list[Outcome]:
        for op in ops:
            (sysctl.reserve_ports if isinstance(op, PortsReserve) else sysctl.free_ports)(op.ports)
        return [None] * len(ops)

    def _wireguard(self, ops: Sequence[Op], tolerant: bool) -> list[Outcome]:
        from netkit.kernel import wireguard  # hardly a plan has a tunnel with keys

        return self._namespaces.enter(ops[0].netns).call(lambda: wireguard.carry_out(ops, tolerant))

    def _fast_path(self, ops: Sequence[Op], tolerant: bool) -> list[Outcome]:
        from netkit.kernel import fastpath  # hardly an overlay has one

        return self._namespaces.enter(None).call(lambda: fastpath.carry_out(ops, tolerant))

    def _udp_path(self, ops: Sequence[Op], tolerant: bool) -> list[Outcome]:
        from netkit.kernel import udppath  # only a host of backend udp may have one

        return self._namespaces.enter(None).call(lambda: udppath.carry_out(ops, tolerant))

    def _errands(self, ops: Sequence[Errand], tolerant: bool) -> list[Outcome]:
        def run(op: Op) -> None:
            if self._errand is None or not isinstance(op, Errand):
                raise HostError(f"nobody here does {type(op).__name__}")
            self.answers[op] = self._errand(op)

        return one_by_one(ops, run, tolerant)


_CARRIERS: dict[type[Op], Callable[[Kernel, Any, bool], list[Outcome]]] = {
    Heard: Kernel._hear,
    Announce: Kernel._announce,
    SysctlSet: Kernel._sysctls,
    SysctlRestore: Kernel._sysctls,
    RulesAdd: Kernel._rules_add,
    RulesDel: Kernel._rules_del,
    PortsReserve: Kernel._ports,
    PortsFree: Kernel._ports,
}
#: The same for all ops of a module that is loaded only where there are some.
_CARRIERS_OF: dict[str, Callable[[Kernel, Any, bool], list[Outcome]]] = {
    "netkit.plan.rare.fastpath": Kernel._fast_path,
    "netkit.plan.rare.udppath": Kernel._udp_path,
    "netkit.plan.rare.wireguard": Kernel._wireguard,
}


def _published(rules: Sequence[Rule], protocols: tuple[str, ...]) -> list[conntrack.Target]:
    return [
        (rule.protocol, rule.host_ip, rule.host_port, rule.host_port + rule.count - 1)
        for rule in rules
        if isinstance(rule, Publish) and rule.protocol in protocols
    ]


def _lane(op: Op) -> Hashable:
    """Ops of one lane may go together."""
    backend = op.backend if isinstance(op, (RulesAdd, RulesDel)) else ""
    return _carrier(op), backend, op.netns


def _carrier(op: Op) -> Callable[[Kernel, Any, bool], list[Outcome]]:
    if isinstance(op, Errand):
        return Kernel._errands
    return _CARRIERS.get(type(op)) or _CARRIERS_OF.get(type(op).__module__, Kernel._links)


def _write(op: Op) -> None:
    if isinstance(op, SysctlSet):
        sysctl.write(op.key, op.value)
    elif isinstance(op, SysctlRestore):
        sysctl.restore(op.key, op.value, op.expected)


def _told(op: Op, outcome: Outcome, tolerant: bool) -> Outcome:
    """The outcome as a person is told it."""
    if not isinstance(outcome, NetkitError):
        return outcome
    if tolerant and (is_gone(outcome) or (isinstance(outcome, KernelError) and outcome.errno == op.not_ours != 0)):
        return None
    from netkit.kernel.failures import explain  # brings the renderer of commands, which success has no use for

    return explain(op, outcome)
