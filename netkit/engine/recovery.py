"""Intents: a plan is on disk before its first change, so that a crash at any instant can be taken back.

An open intent means that a process died between its first change and its record. Whoever holds the network's lock next
reverses it; marks in the kernel (link group, route protocol, rule keys) decide what is ours.
"""

from __future__ import annotations

from netkit.engine import executor, pools
from netkit.errors import ApplyError, NetkitError, StateError
from netkit.plan.ops import LoopbackUp
from netkit.plan.steps import Plan

TYPE_CHECKING = False
if TYPE_CHECKING:
    from types import TracebackType
    from typing import Self

    from netkit.engine.session import Session
    from netkit.state.journal import Intent
    from netkit.state.records import Record


class Transaction:
    """A plan that is journalled while it is carried out: done whole and noted, or taken back whole.

    Whatever ends its block early counts: a full disk after the last change, a signal between two. The intent outlives
    it only if its changes could not all be taken back; then whoever comes next tries again.
    """

    def __init__(self, session: Session, intent: Intent) -> None:
        self.session = session
        self.intent = intent
        self._begun = False

    def __enter__(self) -> Self:
        self.session.journal.begin(self.intent)
        return self

    def apply(self) -> None:
        """Carry the plan out; ApplyError when that failed."""
        self._begun = True
        executor.apply(self.session.kernel, self.intent.plan)

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if error is not None and not self._taken_back(error):
            return
        self.session.journal.end(self.intent.id)

    def _taken_back(self, error: BaseException) -> bool:
        if isinstance(error, ApplyError):  # it was, but for what it lists
            if error.leftovers:
                return False
        elif self._begun:
            if self.intent.action == "up" and _is_done(self.session, self.intent):
                return True
            self.session.records.forget(self.intent.id)
            what = f"{error or type(error).__name__}, and {self.intent.action} of {self.intent.network} is not undone"
            executor.must_revert(self.session.kernel, self.intent.plan.undo(), what)
        _release(self.session, self.intent)
        return True


def recover(session: Session, network: str) -> None:
    """Reverse what died midway on this network, and finish what died while it was being detached.

    Needs the network's lock; takes the host's if there is anything to do.
    """
    if session.journal.open_intents(network) or _detaching(session, network):
        with session.host_lock():
            recover_locked(session, network)


def recover_locked(session: Session, network: str) -> None:
    """The same with the host's lock held; it alone does for the host's own base."""
    for open_intent in session.journal.open_intents(network):
        _take_back(session, open_intent)
    for record in _detaching(session, network):
        finish_detach(session, record.endpoint.id)


def finish_detach(session: Session, ident: str) -> None:
    """Undo a record that is already marked as detaching, and forget it; needs the host's lock."""
    record = session.records.load_detaching(ident)
    if record is None:
        return
    ep = record.endpoint
    if record.boot_id == session.root.boot_id():
        plan = _without_shared_loopback(session, record)
        executor.must_revert(session.kernel, plan.undo(), f"{ep.id} could not be detached")
    session.ledger.release(ep.id)
    net = session.networks.load(ep.network)
    if net is not None:
        pools.release(session, net, ep.container, ep.ifname)
    session.records.finish_detach(ident)


def _detaching(session: Session, network: str) -> list[Record]:
    return [record for record in session.records.detaching() if record.endpoint.network == network]


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


def _take_back(session: Session, what: Intent) -> None:
    if not _is_done(session, what):
        left = []
        if what.boot_id == session.root.boot_id():
            left = executor.revert(session.kernel, what.plan.undo())
        if left:
            session.root.warnings.append(
                f"{what.action} of {what.network} died midway and is not all undone: {left[0][1]}"
            )
            return
        _release(session, what)
    session.journal.end(what.id)


def _is_done(session: Session, what: Intent) -> bool:
    """Whether all was done and noted, and only the intent was left when its writer died."""
    if what.action == "up":
        up = session.networks.up(what.network)
        return up is not None and up.plan.steps[-len(what.plan) :] == what.plan.steps
    record = session.records.load(what.id)
    return record is not None and record.boot_id == what.boot_id


def _release(session: Session, what: Intent) -> None:
    """Give back the ports and addresses that an intent was about."""
    if not what.container:
        return
    session.ledger.release(what.id)
    net = session.networks.load(what.network)
    if net is not None:
        pools.release(session, net, what.container, what.ifname)


def reported(errors: list[NetkitError]) -> None:
    """Raise the first of several errors, the others told in its hint."""
    if not errors:
        return
    first, *others = errors
    if others:
        first.hint = "\n".join([first.hint, *(f"also: {error.message}" for error in others)]).strip()
    raise first
