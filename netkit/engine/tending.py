"""A network whose hosts share a store, tended: it stands, and leads to just those hosts that the store tells of.

The kernel is compared and mended, whoever changed it. A store that is away takes nothing from anybody: what is recorded
is mended, and no more.
"""

from __future__ import annotations

from netkit.engine import detached, networks
from netkit.engine.upkeep import keep
from netkit.errors import BusyError, NotFoundError
from netkit.state.locks import lock
from netkit.value import Value

TYPE_CHECKING = False
if TYPE_CHECKING:
    from netkit.engine.judge import Judged
    from netkit.engine.peers import Met
    from netkit.engine.session import Session
    from netkit.model import Network
    from netkit.state.root import Root
    from netkit.stores.model import Snapshot

#: The lock of the process that tends all such networks of a root.
KEEPER = "keeper"
_MODULE = "netkit.agent.overlay.keeper"


class Tended(Value):
    """What a round came to; `judged` is None where the store is away."""

    met: Met
    judged: Judged | None = None


def see_kept(root: Root) -> None:
    """See that this root has a keeper: start one where none lives. It ends by itself when there is nothing to keep."""
    try:
        with lock(root, KEEPER, 0):
            pass
    except BusyError:
        return
    detached.start(_MODULE, root.path, "the keeper of overlays")


def see_all_kept(session: Session) -> None:
    """See that this root has a keeper if any of its networks needs one."""
    if any(net.store for net in session.networks.all()):
        see_kept(session.root)


def beat(session: Session, name: str) -> tuple[str, ...]:
    """Say that this host lives, and set right what it has in the store; see `Membership.settle`."""
    from netkit.engine.membership import of

    with session.network_lock(name):
        return of(session, _known(session, name)).settle()


def tend(session: Session, name: str, found: Snapshot) -> Tended:
    """One full round. NotFoundError when the network is gone."""
    net = _known(session, name)
    if not found.reachable:
        return Tended(keep(session, name, None))
    from netkit.engine.judge import judged
    from netkit.engine.membership import itself

    result = judged(found, net, itself(session, net))
    return Tended(keep(session, name, result.peers), result)


def _known(session: Session, name: str) -> Network:
    net = networks.find(session, name)
    if not net.store:
        raise NotFoundError(f"network {name} has no store", "see netkit overlay ls")
    return net
