"""A network that spans hosts, kept: it stands, and leads to just the hosts that are wanted."""

from __future__ import annotations

from netkit.engine import bringup, networks
from netkit.engine.peers import Met, settle, wanted
from netkit.engine.repair import missing, repair
from netkit.plan.steps import Plan
from netkit.state.networks import Up

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Sequence

    from netkit.engine.session import Session
    from netkit.model import PeerHost
    from netkit.plan.steps import Step


def keep(session: Session, name: str, peers: Sequence[PeerHost] | None) -> Met:
    """One full round; with `peers` None nobody knows who is wanted, and what is recorded is mended."""
    with session.network_lock(name):
        net = networks.find(session, name)
        up = session.networks.up(name)  # read once: with many hosts that is a large file
        if up is None:
            bringup.bring_up(session, net)
            up = session.networks.up(name) or Up(name, Plan())
        with session.host_lock():
            mended = _mended(session, name, up.whole if peers is None else up.plan)
            if peers is None:
                return Met(mended=mended)
            host = session.host()
            plan, failed = wanted(net, peers, host)
            met = settle(session, net, up, plan, host)
            return met.replace(mended=mended + met.mended, failed=(*failed, *met.failed))


def _mended(session: Session, name: str, plan: Plan) -> tuple[Step, ...]:
    """Put back what is lost of a network, and then what is lost of those attached to it."""
    lost = tuple(missing(plan, session.host()))
    if lost:
        repair(session, plan)
        for record in session.records.all():
            if record.endpoint.network == name and session.namespaces.alive(record.endpoint.netns):
                repair(session, record.plan)
    return lost
