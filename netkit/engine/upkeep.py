"""A network that spans hosts, kept: it stands, and leads to just the hosts that are wanted."""

from __future__ import annotations

from netkit.engine import bringup, networks
from netkit.engine.peers import Met, meet
from netkit.engine.repair import missing, repair

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Sequence

    from netkit.engine.session import Session
    from netkit.model import PeerHost
    from netkit.plan.steps import Step


def keep(session: Session, name: str, peers: Sequence[PeerHost] | None) -> Met:
    """One full round; with `peers` None nobody knows who is wanted, and what is recorded is mended."""
    with session.network_lock(name):
        bringup.bring_up(session, networks.find(session, name))
    mended = mend(session, name, whole=peers is None)
    if peers is None:
        return Met(mended=mended)
    met = meet(session, name, peers)
    return met.replace(mended=mended + met.mended)


def mend(session: Session, name: str, whole: bool) -> tuple[Step, ...]:
    """Put back what is lost of a network, its other hosts too if `whole`; then what is lost of those attached to it."""
    with session.network_lock(name), session.host_lock():
        up = session.networks.up(name)
        plan = up and (up.whole if whole else up.plan)
        lost = tuple(missing(plan, session.host())) if plan else ()
        if plan and lost:
            repair(session, plan)
            for record in session.records.all():
                if record.endpoint.network == name and session.namespaces.alive(record.endpoint.netns):
                    repair(session, record.plan)
        return lost
