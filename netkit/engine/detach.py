"""Detaching, and releasing what belongs to the dead."""

from __future__ import annotations

from netkit.engine import bringup, pools
from netkit.engine.recovery import finish_detach, recover, reported
from netkit.errors import NetkitError
from netkit.plan.ops import LoopbackUp
from netkit.plan.steps import Plan
from netkit.state.networks import HOST

TYPE_CHECKING = False
if TYPE_CHECKING:
    from netkit.engine.session import Session
    from netkit.model import Network
    from netkit.state.records import Record


def detach(session: Session, record: Record) -> None:
    """Take an attachment back; works from the record alone, whatever has become of namespace and config."""
    ep = record.endpoint
    with session.network_lock(ep.network):
        recover(session, ep.network)
        if session.records.load(ep.id) is None:
            return
        _hand_over_loopback(session, record)
        with session.host_lock():
            session.records.begin_detach(ep.id)
            finish_detach(session, ep.id)


def alive(session: Session, record: Record) -> bool:
    """Whether the attached namespace still exists: by its path, or because its cable still stands.

    A namespace may outlive the process that it was named by; then the host end of its cable is still there.
    """
    if record.boot_id != session.root.boot_id():
        return False
    ep = record.endpoint
    if session.namespaces.alive(ep.netns):
        return True
    return bool(ep.host_ifname) and session.host().link(ep.host_ifname) is not None


def collect(session: Session, dry_run: bool = False) -> list[str]:
    """Release every dead attachment, every intent that nobody finishes, and every claim without an attachment.

    Returns what was (or would be) released, one line each. Goes on past errors and raises them at the end.
    """
    done: list[str] = []
    errors: list[NetkitError] = []
    for record in session.records.all():
        ep = record.endpoint
        if alive(session, record):
            continue
        done.append(f"attachment {ep.id} ({ep.ifname} of {ep.container} on {ep.network})")
        if not dry_run:
            _try(errors, lambda record=record: detach(session, record))
    for name in session.journal.networks():
        done += [f"unfinished {i.action} of {i.network}" for i in session.journal.open_intents(name)]
        if not dry_run:
            _try(errors, lambda name=name: _recover(session, name))
    done += _unnamed(session, dry_run, errors)
    done += _orphans(session, dry_run, errors)
    if not dry_run:
        with session.host_lock():
            _try(errors, lambda: bringup.take_down_unused_host(session))
    reported(errors)
    return done


def keep_only(session: Session, network: str, valid: frozenset[tuple[str, str]], origin: str = "") -> list[str]:
    """Release every attachment of a network but the valid ones; returns what was released, one line each.

    With an `origin`, those alone that it keeps account of: a person's own attachments are none of its business.
    """
    done: list[str] = []
    errors: list[NetkitError] = []
    _try(errors, lambda: _recover(session, network))
    for record in session.records.all():
        ep = record.endpoint
        mine = ep.network == network and (not origin or ep.origin == origin)
        if mine and (ep.container, ep.ifname) not in valid:
            done.append(f"attachment {ep.id} ({ep.ifname} of {ep.container} on {ep.network})")
            _try(errors, lambda record=record: detach(session, record))
    net = session.networks.load(network)
    done += _orphans_of(session, net, False, errors) if net else []
    reported(errors)
    return done


def _recover(session: Session, name: str) -> None:
    with session.host_lock() if name == HOST else session.network_lock(name):
        recover(session, name)


def _unnamed(session: Session, dry_run: bool, errors: list[NetkitError]) -> list[str]:
    """Networks that are up and have no definition: their creator died before its last step."""
    done: list[str] = []
    for up in session.networks.all_up():
        if up.network == HOST or session.networks.load(up.network) is not None:
            continue
        done.append(f"unfinished network {up.network}")
        if not dry_run:
            _try(errors, lambda name=up.network: _take_down_unnamed(session, name))
    return done


def _take_down_unnamed(session: Session, name: str) -> None:
    with session.network_lock(name):
        if session.networks.load(name) is None:
            bringup.take_down(session, name)
            session.root.forget_network(name)


def _orphans(session: Session, dry_run: bool, errors: list[NetkitError]) -> list[str]:
    """Claims that no attachment and no running transaction stands behind."""
    return [line for net in session.networks.all() for line in _orphans_of(session, net, dry_run, errors)]


def _orphans_of(session: Session, net: Network, dry_run: bool, errors: list[NetkitError]) -> list[str]:
    done: list[str] = []
    with session.network_lock(net.name):
        records = [record.endpoint for record in session.records.all()]
        held = {(ep.container, ep.ifname) for ep in records if ep.network == net.name}
        for pool in pools.pools(session, net):
            for claim in pool.claims():
                if (claim.container, claim.ifname) in held:
                    continue
                done.append(f"address {claim.address} of {claim.container} on {net.name}")
                if not dry_run:
                    _try(errors, lambda pool=pool, claim=claim: pool.drop(claim))
    return done


def _hand_over_loopback(session: Session, record: Record) -> None:
    """Another attachment of the namespace keeps `lo` up, and takes it down when it goes itself."""
    ns = record.endpoint.netns
    mine = tuple(step for step in record.plan if isinstance(step.op, LoopbackUp))
    if not mine:
        return
    for other in session.records.of_netns(ns.inode, ns.cookie):
        if other.endpoint.id != record.endpoint.id:
            session.records.save(other.replace(plan=Plan(mine + other.plan.steps)))
            rest = tuple(step for step in record.plan if step not in mine)
            session.records.save(record.replace(plan=Plan(rest)))
            return


def _try(errors: list[NetkitError], action: object) -> None:
    try:
        action()  # type: ignore[operator]
    except NetkitError as error:
        errors.append(error)
