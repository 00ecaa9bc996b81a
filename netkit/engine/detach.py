"""Detaching, and releasing what belongs to the dead."""

from __future__ import annotations

from time import monotonic, sleep

from netkit.engine import bringup, pools
from netkit.engine.recovery import finish_detach, recover, recover_locked, reported, unfinished_networks
from netkit.errors import NetkitError
from netkit.naming import host_ifname
from netkit.state.networks import HOST

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable

    from netkit.engine.session import Session
    from netkit.ipam.files import Claim
    from netkit.model import Network
    from netkit.state.records import Record

#: How long the kernel may take to clear away a namespace without processes, in seconds; usually it is 0.06.
CLEARING = 0.5


def detach(session: Session, record: Record) -> None:
    """Take an attachment back; works from the record alone, whatever has become of namespace and config."""
    ep = record.endpoint
    with session.network_lock(ep.network):
        recover(session, ep.network)
        now = session.records.load(ep.id)
        if now is None or now.endpoint != ep:
            return  # another was faster, and may have attached anew by now
        with session.host_lock():
            session.records.begin_detach(ep.id)
            finish_detach(session, now)


def finish(session: Session, ident: str) -> bool:
    """Go on with a detachment that failed midway; False when there is none of this id."""
    found = next((record for record in session.records.detaching() if record.id == ident), None)
    if found is None:
        return False
    with session.network_lock(found.endpoint.network):
        recover(session, found.endpoint.network)
    return True


def alive(session: Session, record: Record) -> bool:
    """Whether the attached namespace still exists: by its path, or because its cable still stands.

    A namespace may outlive the process that it was named by; then the host end of its cable is still there.
    """
    if record.boot_id != session.root.boot_id():
        return False
    ep = record.endpoint
    if not ep.netns.path or session.namespaces.alive(ep.netns):
        return True  # without a path it was adopted from another tool, which alone knows
    return bool(ep.host_ifname) and session.host().link(ep.host_ifname) is not None


def _dead(session: Session) -> list[Record]:
    """Records of namespaces that are gone.

    One that has just lost its last process takes the kernel some milliseconds to clear away, cable and all; what looks
    like that is waited for.
    """
    dead: list[Record] = []
    dying: list[Record] = []
    for record in session.records.all():
        if not alive(session, record):
            dead.append(record)
        elif not session.namespaces.alive(record.endpoint.netns):
            dying.append(record)
    deadline = monotonic() + CLEARING
    while dying and monotonic() < deadline:
        sleep(CLEARING / 100)
        gone = [record for record in dying if not alive(session, record)]
        dying = [record for record in dying if record not in gone]
        dead += gone
    return dead


def collect(session: Session, dry_run: bool = False) -> list[str]:
    """Release every dead attachment, every intent that nobody finishes, and every claim without an attachment.

    Returns what was (or would be) released, one line each. Goes on past errors and raises them at the end.
    """
    done: list[str] = []
    errors: list[NetkitError] = []
    for record in _dead(session):
        ep = record.endpoint
        done.append(f"attachment {ep.id} ({ep.ifname} of {ep.container} on {ep.network})")
        if not dry_run:
            _try(errors, lambda record=record: detach(session, record))
    half = [("attach", r) for r in session.records.attaching()] + [("detach", r) for r in session.records.detaching()]
    for name in unfinished_networks(session):
        done += [f"unfinished network {name}"] if session.journal.open_intent(name) else []
        done += [f"unfinished {what} of {r.id} on {name}" for what, r in half if r.endpoint.network == name]
        if not dry_run:
            _try(errors, lambda name=name: _recover(session, name))
    session.root.host.names()  # removes what a killed writer of the ledger left there
    done += _unnamed(session, dry_run, errors)
    done += _orphans(session, dry_run, errors)
    done += _lost(session, dry_run, errors)
    done += _keys(session, dry_run, errors)
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
    if name == HOST:
        with session.host_lock():
            recover_locked(session, HOST)
        return
    with session.network_lock(name):
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


def _lost(session: Session, dry_run: bool, errors: list[NetkitError]) -> list[str]:
    """What is left of attachments whose record was lost, once their namespace is gone, and the cable into it."""
    done: list[str] = []
    with session.host_lock():
        for ident, netns in session.records.lost():
            # without a path it was adopted from another tool, which alone knows
            if not netns.path or session.namespaces.alive(netns) or session.host().link(host_ifname(ident)) is not None:
                continue
            done.append(f"ports and rules of {ident}, whose record is lost")
            if not dry_run:
                _try(errors, lambda ident=ident: _forget(session, ident))
    return done


def _keys(session: Session, dry_run: bool, errors: list[NetkitError]) -> list[str]:
    """Private keys of overlays that are not there; each goes while nobody can make its overlay."""
    from netkit.engine import keys

    done: list[str] = []
    for network in keys.left(session):
        done.append(f"the private key of {network}, which is no network")
        if not dry_run:
            _try(errors, lambda network=network: keys.forget(session.root, network))
    return done


def _forget(session: Session, ident: str) -> None:
    session.firewall(session.backend()).forget(ident)
    session.ledger.release(ident)
    session.records.forget_lost(ident)


def _orphans(session: Session, dry_run: bool, errors: list[NetkitError]) -> list[str]:
    """Claims that no attachment stands behind, and no namespace that may still use the address."""

    def used(claim: Claim) -> bool:
        here = claim.boot_id == session.root.boot_id()
        return here and claim.netns is not None and session.namespaces.alive(claim.netns)

    return [line for net in session.networks.all() for line in _orphans_of(session, net, dry_run, errors, used)]


def _orphans_of(
    session: Session,
    net: Network,
    dry_run: bool,
    errors: list[NetkitError],
    used: Callable[[Claim], bool] = lambda claim: False,
) -> list[str]:
    done: list[str] = []
    with session.network_lock(net.name):
        records = [record.endpoint for record in session.records.all()]
        held = {(ep.container, ep.ifname) for ep in records if ep.network == net.name}
        for pool in pools.pools(session, net):
            for claim in pool.claims():
                if (claim.container, claim.ifname) in held or used(claim):
                    continue
                done.append(f"address {claim.address} of {claim.container} on {net.name}")
                if not dry_run:
                    _try(errors, lambda pool=pool, claim=claim: pool.drop(claim))
    return done


def _try(errors: list[NetkitError], action: object) -> None:
    try:
        action()  # type: ignore[operator]
    except NetkitError as error:
        errors.append(error)
