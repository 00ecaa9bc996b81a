"""Bringing networks up and down: what the host needs, then what the network needs, each recorded with its undo."""

from __future__ import annotations

from netkit.drivers.registry import driver
from netkit.engine import executor
from netkit.engine.recovery import Raising, recover_locked
from netkit.plan.steps import Plan
from netkit.state.networks import HOST

TYPE_CHECKING = False
if TYPE_CHECKING:
    from netkit.engine.session import Session
    from netkit.model import Network
    from netkit.plan.host import Host


def plan_up(session: Session, net: Network, host: Host) -> tuple[Plan, Plan]:
    """What the host and the network lack, as two plans; both empty when the network is up."""
    mode = driver(net.mode)
    if session.networks.up(net.name) is not None:
        return Plan(), Plan()
    from netkit.engine.sharing import fit

    host_up = getattr(mode, "host_up", None)
    return (host_up(net, host) if host_up else Plan()), fit(session, net.name, mode.network_up(net, host))


def bring_up(session: Session, net: Network) -> bool:
    """Bring a network up unless it is; True when this call did. Needs the network's lock, takes the host's."""
    if session.networks.up(net.name) is not None:
        return False
    with session.host_lock():
        bring_up_locked(session, net)
    return True


def bring_up_locked(session: Session, net: Network) -> None:
    """Bring a network up; needs its lock and the host's."""
    recover_locked(session, HOST)  # what a dead process left half made must not count as the host's own
    for_host, for_network = plan_up(session, net, session.host())
    former = session.networks.up(HOST)
    try:
        _apply(session, HOST, for_host, former.plan if former else Plan())
        _apply(session, net.name, for_network, Plan())
    except BaseException:
        take_down_unused_host(session)
        raise


def take_down(session: Session, name: str) -> None:
    """Take a network down, and with the last one the host's base. Needs the network's lock, takes the host's."""
    with session.host_lock():
        take_down_locked(session, name)


def take_down_locked(session: Session, name: str) -> None:
    """Take a network down; needs its lock and the host's."""
    up = session.networks.up(name)
    if up is not None:
        from netkit.engine.sharing import leave

        executor.must_revert(
            session.kernel, (leave(session, up) + up.met).undo(), f"network {name} could not be taken down"
        )
        session.networks.forget_up(name)
    take_down_unused_host(session)


def _apply(session: Session, name: str, plan: Plan, former: Plan) -> None:
    if plan.steps or not former.steps:
        with Raising(session, name, plan, former) as raising:
            raising.apply()


def take_down_unused_host(session: Session) -> None:
    """Take back what the host got for its networks, if none needs it; needs the host's lock.

    A network that makes nothing of its own (published ports alone, a plugin's cable) needs it while something is
    attached. When nothing is, it goes down with the host, to come up with both at its next attachment.
    """
    ups = [up for up in session.networks.all_up() if up.network != HOST and _needs_host(session, up.network)]
    if any(up.whole.steps for up in ups) or any(session.records.on(up.network) for up in ups):
        return
    base = session.networks.up(HOST)
    if base is None:
        return
    executor.must_revert(session.kernel, base.plan.undo(), "the host's base could not be taken back")
    for up in ups:
        session.networks.forget_up(up.network)
    session.networks.forget_up(HOST)


def _needs_host(session: Session, name: str) -> bool:
    """Whether a network that is up may need the host's base: one whose definition is not written yet, too."""
    net = session.networks.load(name)
    return net is None or hasattr(driver(net.mode), "host_up")
