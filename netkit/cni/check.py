"""CHECK: is everything that we made still there, whatever later plugins have added?"""

from __future__ import annotations

from netkit.cni import result
from netkit.cni.failure import CONFIGURATION, DIFFERENT, CniError
from netkit.cni.ipamtype import delegated, forward
from netkit.cni.open import engine, identity, namespace
from netkit.cni.roles import role
from netkit.errors import NotFoundError

TYPE_CHECKING = False
if TYPE_CHECKING:
    from netkit.cni.call import Call
    from netkit.cni.result import Result
    from netkit.engine.service import Engine
    from netkit.model import Endpoint


def check(call: Call) -> None:
    """CniError that lists every missing piece; nothing is changed."""
    expected = result.read(call.conf, call.version)
    if expected is None:
        raise CniError(CONFIGURATION, "required prevResult missing", "CHECK compares with the result of the ADD")
    wish = role(call.role).read(call)
    if wish is None:
        return
    namespace(call)
    found, plugin = engine(call), delegated(call)
    try:
        record, _ = found.attachment(identity(call))
    except NotFoundError as error:
        raise CniError(DIFFERENT, f"netkit has no record of this attachment: {error.message}") from error
    missing = _not_told(record.endpoint, expected)
    claimed = wish.leases is None and not plugin and not wish.network.ipam
    missing += [each.missing for each in found.verify(record.id, claims=claimed)]
    missing += _lost_lease(found, record.id) if wish.network.ipam else []
    if missing:
        details = f"netkit check {record.id} shows it, netkit reload puts it right"
        raise CniError(DIFFERENT, f"missing: {'; '.join(dict.fromkeys(missing))}", details)
    forward(call, plugin)


def _lost_lease(found: Engine, ident: str) -> list[str]:
    lease = found.dhcp_lease(ident)
    if lease is None:
        return ["the DHCP lease"]
    return [f"the DHCP lease of {lease.address}: {lease.why}"] if lease.why else []


def _not_told(ep: Endpoint, expected: Result) -> list[str]:
    """What we made and the runtime's result does not have: then it is another attachment's."""
    told = {ip["address"] for ip in expected.ips}
    return [f"{address} in prevResult" for address in ep.addresses if address not in told]
