"""Intents: a plan is on disk before its first change, so that a crash at any instant can be taken back.

An open intent means that a process died between its first change and its record. Whoever holds the network's lock next
reverses it; marks in the kernel (link group, route protocol, rule keys) decide what is ours.
"""

from __future__ import annotations

from netkit.engine import executor, pools
from netkit.errors import ApplyError, NetkitError, StateError
from netkit.kernel.signals import waiting
from netkit.plan.ops import LoopbackUp
from netkit.plan.steps import Plan
from netkit.state.journal import Intent
from netkit.state.networks import Up

TYPE_CHECKING = False
if TYPE_CHECKING:
    from types import TracebackType
    from typing import Self

    from netkit.engine.session import Session
    from netkit.state.records import Record


class Transaction:
    """A plan that is journalled while it is carried out: done whole and noted, or taken back whole.

    Whatever ends its block early counts: a full disk after the last change, a signal between two. The intent outlives
    it only if its changes could not all be taken back; then whoever comes next tries again.
    """

    def __init__(self, session: Session, plan: Plan, what: str) -> None:
        self.session = session
        self.plan = plan
        self.what = what
        self._begun = False

    def __enter__(self) -> Self:
        _heed_signals()
        try:
            self.note()
        except BaseException:
            self.forget()
            raise
        return self

    def apply(self) -> None:
        """Carry the plan out; ApplyError when that failed."""
        self._begun = True
        executor.apply(self.session.kernel, self.plan)

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if error is not None:
            self._take_back(error)
            return
        try:
            _heed_signals()
            self.done()
            _heed_signals()
        except BaseException as late:
            self._take_back(late)
            raise

    def _take_back(self, error: BaseException) -> None:
        if isinstance(error, ApplyError):  # it was taken back, but for what the error lists
            if error.leftovers:
                return
        elif self._begun:
            self.reopen()
            what = f"{error or type(error).__name__}, and {self.what} is not undone"
            executor.must_revert(self.session.kernel, self.plan.undo(), what)
        self.forget()

    def note(self) -> None:
        """Write down what is about to be done."""

    def done(self) -> None:
        """Write down that it is."""

    def reopen(self) -> None:
        """See that it is not noted as done."""

    def forget(self) -> None:
        """It is not, and nothing is left of it: forget the intent and what was claimed for it."""


def _heed_signals() -> None:
    if waiting():
        raise NetkitError("stopped by a signal", "nothing was changed")


class Raising(Transaction):
    """A network, or the host's base, coming up: an intent beside the note of what is up."""

    def __init__(self, session: Session, name: str, plan: Plan, former: Plan) -> None:
        super().__init__(session, plan, f"bringing up {name}")
        boot = session.root.boot_id()
        self.intent = Intent(name, plan, boot)
        known = session.networks.up(name) if former.steps else None
        self.up = Up(name, former + plan, boot, known.met if known else Plan())
        self.former = former

    def note(self) -> None:
        self.session.journal.begin(self.intent)

    def done(self) -> None:
        self.session.networks.save_up(self.up)
        self.session.journal.end(self.intent.network)

    def reopen(self) -> None:
        if not _is_up(self.session, self.intent):
            return
        if self.former.steps:
            self.session.networks.save_up(self.up.replace(plan=self.former))
        else:
            self.session.networks.forget_up(self.up.network)

    def forget(self) -> None:
        self.session.journal.end(self.intent.network)


class Attaching(Transaction):
    """An attachment coming to be: its record is the intent, and moves on when all is done."""

    def __init__(self, session: Session, record: Record) -> None:
        super().__init__(session, record.plan, f"attaching {record.id}")
        self.record = record

    def note(self) -> None:
        self.session.records.begin_attach(self.record)

    def complete(self, record: Record) -> None:
        """Carry out what its whole plan has beyond the first half, whose errands have answered."""
        self.record, first = record, self.plan
        self.note()
        self.plan = record.plan
        try:
            executor.apply(self.session.kernel, Plan(record.plan.steps[len(first) :]))
        except ApplyError as error:
            left = executor.revert(self.session.kernel, first.undo())
            raise ApplyError(error.message, error.cause, (*error.leftovers, *executor.commands(left))) from error

    def done(self) -> None:
        self.session.records.finish_attach(self.record.id)

    def reopen(self) -> None:
        self.session.records.reopen(self.record.id)

    def forget(self) -> None:
        _release(self.session, self.record)
        self.session.records.abandon(self.record)


def recover(session: Session, network: str) -> None:
    """Reverse what died midway on this network, and finish what died while it was being detached.

    Needs the network's lock; takes the host's if there is anything to do.
    """
    if session.journal.open_intent(network) or _unfinished(session, network):
        with session.host_lock():
            recover_locked(session, network)


def recover_locked(session: Session, network: str) -> None:
    """The same with the host's lock held; it alone does for the host's own base."""
    intent = session.journal.open_intent(network)
    if intent is not None:
        what = f"bringing up {network}"
        if _is_up(session, intent) or _reversed(session, intent.plan, intent.boot_id, what):
            session.journal.end(network)
    for record in session.records.attaching():
        what = f"attaching {record.id}"
        if record.endpoint.network == network and _reversed(session, record.plan, record.boot_id, what):
            _release(session, record)
            session.records.abandon(record)
    for record in session.records.detaching():
        if record.endpoint.network == network:
            finish_detach(session, record)


def unfinished_networks(session: Session) -> list[str]:
    """The networks on which something died midway, HOST among them if it did there."""
    records = (*session.records.attaching(), *session.records.detaching())
    return sorted({*session.journal.networks(), *(record.endpoint.network for record in records)})


def finish_detach(session: Session, record: Record) -> None:
    """Undo a record that is already marked as detaching, and forget it; needs the host's lock."""
    if record.boot_id == session.root.boot_id():
        plan = _without_shared_loopback(session, record)
        executor.must_revert(session.kernel, plan.undo(), f"{record.id} could not be detached")
    _release(session, record)
    session.records.finish_detach(record)


def _is_up(session: Session, intent: Intent) -> bool:
    """Whether all was done and noted, and only the intent is left."""
    up = session.networks.up(intent.network)
    return up is not None and up.plan.steps[-len(intent.plan) :] == intent.plan.steps


def _unfinished(session: Session, network: str) -> bool:
    records = (*session.records.attaching(), *session.records.detaching())
    return any(record.endpoint.network == network for record in records)


def _reversed(session: Session, plan: Plan, boot_id: str, what: str) -> bool:
    """Take back a plan that died midway; False, with a warning, when not all of it could be."""
    left = executor.revert(session.kernel, plan.undo()) if boot_id == session.root.boot_id() else []
    if left:
        session.root.warnings.append(f"{what} died midway and is not all undone: {left[0][1]}")
    return not left


def _without_shared_loopback(session: Session, record: Record) -> Plan:
    """The record's plan; `lo` stays up for another attachment of the namespace, which takes it down when it goes."""
    ns = record.endpoint.netns
    mine = tuple(step for step in record.plan if isinstance(step.op, LoopbackUp))
    heirs = session.records.of_netns(ns.inode, ns.cookie) if mine else ()
    if not heirs:
        return record.plan
    heir = heirs[0]
    if mine[0] not in heir.plan.steps:
        try:
            session.records.save(heir.replace(plan=Plan(mine + heir.plan.steps)))
        except StateError as error:  # a full disk must not keep anybody here: `lo` stays up for good then
            session.root.warnings.append(error.message)
    return Plan(tuple(step for step in record.plan if step not in mine))


def _release(session: Session, record: Record) -> None:
    """Give back the ports and addresses of an attachment."""
    ep = record.endpoint
    session.ledger.release(ep.id)
    net = session.networks.load(ep.network)
    if net is None:
        return
    pools.release(session, net, ep.container, ep.ifname)
    if net.store:
        from netkit.engine.membership import released

        released(session, net, ep)


def reported(errors: list[NetkitError]) -> None:
    """Raise the first of several errors, the others told in its hint."""
    if not errors:
        return
    first, *others = errors
    if others:
        first.hint = "\n".join([first.hint, *(f"also: {error.message}" for error in others)]).strip()
    raise first
