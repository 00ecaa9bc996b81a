"""ADD: all that a chain needs in one transaction."""

from __future__ import annotations

from netkit.cni import result
from netkit.cni.open import engine, namespace
from netkit.cni.result import Result
from netkit.cni.roles import role
from netkit.model import family

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

    from netkit.cni.call import Call
    from netkit.cni.wish import Wish
    from netkit.engine.service import Engine
    from netkit.model import AttachRequest, NsRef
    from netkit.state.records import Record


def add(call: Call) -> dict[str, Any]:
    """Attach, and tell the runtime what there is now; on an error nothing is left, a delegate's lease included."""
    earlier = result.read(call.conf, call.version)
    wish = role(call.role).read(call)
    if wish is None:
        stateless = getattr(role(call.role), "stateless", None)
        return _told(call, stateless(call) if stateless else Result(), earlier)
    netns = namespace(call)
    earlier = None if wish.instead else earlier
    if not wish.delegate:
        return _told(call, _attach(call, wish, netns), earlier)
    from netkit.cni import delegate  # starts programs: not needed without one

    leased = delegate.add(call, wish.delegate)
    try:
        return _told(call, _attach(call, delegate.with_leases(wish, leased), netns), earlier)
    except BaseException:
        delegate.withdraw(call, wish.delegate)
        raise


def _told(call: Call, found: Result, earlier: Result | None) -> dict[str, Any]:
    return result.to_document(found.after(earlier) if earlier else found, call.version)


def _attach(call: Call, wish: Wish, netns: NsRef) -> Result:
    open_engine = engine(call, wish.firewall)
    record = _record(open_engine, wish, wish.request(call.invocation, netns, call.name))
    try:
        answer = role(call.role).answer(call, wish, record, open_engine)
        result.to_document(answer, call.version)
        return answer
    except BaseException:
        open_engine.detach(record.id)
        raise


def _record(open_engine: Engine, wish: Wish, request: AttachRequest) -> Record:
    if wish.defined:
        families = open_engine.families(network=wish.network.name)
        ports = tuple(port for port in request.ports if family(port.host_ip) in families)
        return open_engine.attach(request.replace(ports=ports), network=wish.network.name)
    return open_engine.attach_to(wish.network, request)
