"""ADD: all that a chain needs in one transaction."""

from __future__ import annotations

from netkit.cni import delegate, result
from netkit.cni.ipamconf import spec
from netkit.cni.open import engine, namespace
from netkit.cni.result import Result
from netkit.cni.roles import role
from netkit.ipam.pool import default_gateway, prefix_length, span, text
from netkit.model import Subnet, family

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

    from netkit.cni.call import Call
    from netkit.cni.wish import Wish
    from netkit.engine.service import Engine
    from netkit.model import AttachRequest, Lease, NsRef
    from netkit.state.records import Record


def add(call: Call) -> dict[str, Any]:
    """Attach, and tell the runtime what there is now; on an error nothing is left, a delegate's lease included."""
    earlier = result.read(call.conf, call.version)
    wish = role(call.role).read(call)
    if wish is None:
        return result.to_document(earlier or Result(), call.version)
    netns = namespace(call)
    leased = delegate.add(call, wish.delegate) if wish.delegate else None
    try:
        found = _attach(call, wish, netns, leased)
        return result.to_document(found.after(earlier) if earlier else found, call.version)
    except BaseException:
        if wish.delegate:
            delegate.withdraw(call, wish.delegate)
        raise


def _attach(call: Call, wish: Wish, netns: NsRef, leased: Result | None) -> Result:
    wish = _with_leases(wish, leased) if leased else wish
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


def _with_leases(wish: Wish, leased: Result) -> Wish:
    """A delegate's addresses tell which subnets the network has, its routes and DNS go to the container."""
    leases = delegate.leases(leased)
    families = {family(lease.address) for lease in leases}
    return wish.replace(
        ports=tuple(port for port in wish.ports if family(port.host_ip) in families),
        network=wish.network.replace(subnets=tuple(dict.fromkeys(map(_subnet, leases)))),
        leases=leases,
        routes=tuple(map(spec, leased.routes)),
        dns=wish.dns or leased.dns,
    )


def _subnet(lease: Lease) -> Subnet:
    version = family(lease.address)
    cidr = f"{text(span(lease.address)[0], version)}/{prefix_length(lease.address)}"
    return Subnet(cidr, lease.gateway or default_gateway(cidr))
