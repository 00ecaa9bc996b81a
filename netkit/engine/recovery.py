"""Intents: a plan is on disk before its first change, so that a crash at any instant can be taken back.

An open intent means that a process died between its first change and its record. Whoever holds the network's lock next
reverses it; marks in the kernel (link group, route protocol, rule keys) decide what is ours.
"""

from __future__ import annotations

from contextlib import contextmanager

from netkit.engine import executor, pools
from netkit.errors import ApplyError, NetkitError

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator

    from netkit.engine.session import Session
    from netkit.state.journal import Intent


@contextmanager
def intent(session: Session, what: Intent) -> Iterator[None]:
    """Journal a plan while it is carried out; it stays journalled only if its changes could not all be taken back."""
    session.journal.begin(what)
    try:
        yield
    except ApplyError as error:
        if not error.leftovers:
            session.journal.end(what.id)
        raise
    except BaseException:
        session.journal.end(what.id)
        raise
    session.journal.end(what.id)


def recover(session: Session, network: str) -> None:
    """Reverse what died midway on this network, and finish what died while it was being detached. Needs the lock."""
    for open_intent in session.journal.open_intents(network):
        _take_back(session, open_intent)
    for record in session.records.detaching():
        if record.endpoint.network == network:
            finish_detach(session, record.endpoint.id)


def finish_detach(session: Session, ident: str) -> None:
    """Undo a record that is already marked as detaching, and forget it."""
    record = session.records.load_detaching(ident)
    if record is None:
        return
    ep = record.endpoint
    if record.boot_id == session.root.boot_id():
        executor.must_revert(session.kernel, record.plan.undo(), f"{ep.id} could not be detached")
    session.ledger.release(ep.id)
    net = session.networks.load(ep.network)
    if net is not None:
        pools.release(session, net, ep.container, ep.ifname)
    session.records.finish_detach(ident)


def _take_back(session: Session, what: Intent) -> None:
    if session.records.load(what.id) is None and what.boot_id == session.root.boot_id():
        left = executor.revert(session.kernel, what.plan.undo())
        if left:
            session.root.warnings.append(
                f"{what.action} of {what.network} died midway and is not all undone: {left[0][1]}"
            )
            return
    if session.records.load(what.id) is None:
        session.ledger.release(what.id)
        net = session.networks.load(what.network)
        if net is not None and what.container:
            pools.release(session, net, what.container, what.ifname)
    session.journal.end(what.id)


def reported(errors: list[NetkitError]) -> None:
    """Raise the first of several errors, the others told in its hint."""
    if not errors:
        return
    first, *others = errors
    if others:
        first.hint = "\n".join([first.hint, *(f"also: {error.message}" for error in others)]).strip()
    raise first
