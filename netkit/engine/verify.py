"""Does everything that an attachment needs still stand? For those who ask after others have been at work on it."""

from __future__ import annotations

from netkit.engine import pools
from netkit.engine.repair import Difference, check_plan, unreachable
from netkit.engine.sharing import beside
from netkit.errors import NetkitError
from netkit.model import bare
from netkit.plan.ops import LinkAdd, SysctlSet
from netkit.plan.steps import Plan, Step
from netkit.state.networks import HOST

TYPE_CHECKING = False
if TYPE_CHECKING:
    from netkit.engine.session import Session
    from netkit.plan.host import Host
    from netkit.plan.ops import Op
    from netkit.state.records import Record


def verify(session: Session, record: Record, claims: bool) -> list[Difference]:
    """What is missing of the host's base, the network, the attachment, and its addresses' claims."""
    ep = record.endpoint
    if not session.namespaces.alive(ep.netns):
        return [unreachable(ep.id)]
    host = session.host()
    plan = record.plan if ep.mode == "tuning" else _lenient(record.plan)
    found = missing_of_networks(session, ep.network, host) + check_plan(ep.id, plan, host)
    return found + (_unclaimed(session, record) if claims else [])


def missing_of_networks(session: Session, network: str, host: Host) -> list[Difference]:
    """What is missing of the host's base and of a network, what others on its bridge have done for it included."""
    ups = [up for name in (HOST, network) if (up := session.networks.up(name))]
    ups += [each for up in ups if up.network == network for each in beside(session, network, up.plan)]
    return [each for up in ups for each in check_plan(f"network {up.network}", up.whole, host)]


def _lenient(plan: Plan) -> Plan:
    """A plan without what later tools may change inside: a link's MAC, sysctls."""
    return Plan(tuple(Step(_any_mac(step.op), step.why) for step in plan if not _inner_sysctl(step.op)))


def _inner_sysctl(op: Op) -> bool:
    return isinstance(op, SysctlSet) and op.ns is not None


def _any_mac(op: Op) -> Op:
    if not isinstance(op, LinkAdd):
        return op
    return op.replace(mac="", peer=op.peer and op.peer.replace(mac=""))


def _unclaimed(session: Session, record: Record) -> list[Difference]:
    """Addresses of the attachment that IPAM would give to another."""
    ep = record.endpoint
    net = session.networks.load(ep.network)
    if net is None:
        return [Difference(ep.id, f"the definition of network {ep.network}")]
    try:
        held = {address for pool in pools.pools(session, net) for address in pool.find(ep.container, ep.ifname)}
    except NetkitError as error:
        return [Difference(ep.id, error.message)]
    lost = [bare(address) for address in ep.addresses if bare(address) not in held]
    return [Difference(ep.id, f"the claim of address {address}") for address in lost]
