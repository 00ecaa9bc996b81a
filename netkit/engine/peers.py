"""The other hosts of a network: made what they ought to be, again and again, from one list of them.

What leads to them is recorded beside the network's own plan, so `check`, `reload` and taking down work from the record
alone. It is noted before it is done: of a process that dies midway the record says too much rather than too little, and
the next round puts it right.
"""

from __future__ import annotations

from netkit.drivers.registry import driver
from netkit.engine import executor, networks
from netkit.engine.calm import compared, forget
from netkit.engine.repair import WHOLE, missing
from netkit.errors import NetkitError, NotFoundError
from netkit.naming import PROTOCOL
from netkit.plan.ops import RouteAdd, RouteDel, RulesAdd
from netkit.plan.rare.udppath import UdpPathAdd, UdpPeerAdd, UdpPeerDel
from netkit.plan.rare.vxlan import FLOODED, FdbAdd, FdbDel, FdbEntry, NeighAdd, NeighDel
from netkit.plan.rare.wireguard import PeerAdd, PeerDel
from netkit.plan.steps import Plan, Step, undo
from netkit.value import Value

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from netkit.drivers.protocols import Meeting
    from netkit.engine.session import Session
    from netkit.model import Network, PeerHost
    from netkit.plan.host import Host, Route
    from netkit.plan.ops import Op
    from netkit.state.networks import Up


#: For so many rounds the same is wanted of the same peers and routes: what else leads to a peer is looked up then.
_ROUNDS = 5
#: By network: what was asked last, the answer, and how often that has been given again.
_last: dict[str, tuple[tuple[object, ...], tuple[Plan, tuple[str, ...]], int]] = {}


class Met(Value):
    """What a round came to: steps that are new, were missing, are no longer wanted; what could not be, and why."""

    new: tuple[Step, ...] = ()
    mended: tuple[Step, ...] = ()
    dropped: tuple[Step, ...] = ()
    failed: tuple[str, ...] = ()


def meet(session: Session, name: str, peers: Sequence[PeerHost]) -> Met:
    """See that the kernel leads to just these hosts, and no entry of the network's own links is anybody else's.

    Goes on past what fails and tells it. NotFoundError when the network is not up.
    """
    with session.network_lock(name), session.host_lock():
        up = session.networks.up(name)
        if up is None:
            raise NotFoundError(f"network {name} is not up", "its first attachment brings it up")
        net, host = networks.find(session, name), session.host()
        plan, failed = wanted(net, peers, host)
        met = settle(session, net, up, plan, host)
        return met.replace(failed=(*failed, *met.failed))


def differences(session: Session, name: str) -> Iterator[tuple[str, Step]]:
    """What the record has of other hosts and the kernel has not (`missing`), and the other way round (`stale`)."""
    up = session.networks.up(name)
    if up is None:
        return
    net, host = networks.find(session, name), session.host()
    yield from (("missing", step) for step in missing(up.met, host))
    yield from (("stale", step) for step in _strangers(net, up, host))


def wanted(net: Network, peers: Sequence[PeerHost], host: Host) -> tuple[Plan, tuple[str, ...]]:
    """The plan for all of them, rules first, and what could not be planned; as before for the same question."""
    asked = (net, tuple(peers), host.firewall, _lasting(host.routes(4)), _lasting(host.routes(6)))
    known, found, times = _last.get(net.name, ((), (Plan(), ()), 0))
    if known != asked or times >= _ROUNDS:
        found = compared(net.name, "plan", (net, tuple(peers)), host, lambda host: _planned(net, peers, host))
        times = 0
    _last[net.name] = asked, found, times + 1
    return found


def _lasting(routes: Sequence[Route]) -> tuple[Route, ...]:
    """The same routes, without how long those that end have yet."""
    return tuple(route.replace(expires=1) if route.expires else route for route in routes)


def _planned(net: Network, peers: Sequence[PeerHost], host: Host) -> tuple[Plan, tuple[str, ...]]:
    """No op twice."""
    mode: Meeting = driver(net.mode)  # type: ignore[assignment]
    steps: dict[Op, Step] = {}
    failed = []
    for peer in peers:
        try:
            steps |= {step.op: step for step in mode.peer(net, peer, host) if step.op not in steps}
        except NetkitError as error:
            failed.append(error.message)
    return Plan(tuple(sorted(steps.values(), key=lambda step: not isinstance(step.op, RulesAdd)))), tuple(failed)


def settle(session: Session, net: Network, up: Up, wanted: Plan, host: Host) -> Met:
    """Make the kernel and the record have that plan of the others; needs the network's lock and the host's."""
    changed = wanted.steps != up.met.steps  # mostly not: what takes long is left out then
    now, former = set(wanted.ops if changed else ()), set(up.met.ops if changed else ())
    gone = tuple(step for step in up.met if step.op not in now) if changed else ()
    aim = up.replace(met=wanted)
    lost, strangers = compared(
        net.name,
        "peers",
        (net, up, wanted),
        host,
        lambda host: (_to_do(wanted, up.met, host) if changed else missing(wanted, host), _strangers(net, aim, host)),
    )
    dropped = (*_leaving(gone, wanted), *strangers)
    if changed:
        forget(net.name, WHOLE)
        session.networks.save_up(aim.replace(met=wanted + Plan(gone)))
    left = executor.revert(session.kernel, Plan(dropped))
    left += executor.revert(session.kernel, Plan(tuple(lost)))
    if gone:
        session.networks.save_up(aim)
    new = now - former
    return Met(
        tuple(step for step in lost if step.op in new),
        tuple(step for step in lost if step.op not in new),
        tuple(dropped),
        tuple(f"{error.message} ({step.why})" for step, error in left),
    )


def _to_do(wanted: Plan, former: Plan, host: Host) -> list[Step]:
    """What does not hold, or is to be another from now on: a tunnel's peer may hold where it was before."""
    lost, known = missing(wanted, host), set(former.ops)
    replaced = {_key(op) for op in known} - {None}
    turned = {step.op for step in wanted if step.op not in known and _key(step.op) in replaced}
    done = {step.op for step in lost}
    return [*lost, *(step for step in wanted if step.op in turned - done)]


def _leaving(gone: Sequence[Step], wanted: Plan) -> tuple[Step, ...]:
    """What takes away what is no longer wanted; an entry that only leads elsewhere now is replaced instead."""
    if not gone:
        return ()
    kept = {_key(op) for op in wanted.ops}
    return undo(step for step in gone if _key(step.op) is None or _key(step.op) not in kept).steps


def _key(op: Op) -> tuple[str, str] | None:
    """What the kernel has one of, and replaces."""
    if isinstance(op, FdbAdd):
        return (op.mac, op.dev) if op.mac != FLOODED else None
    if isinstance(op, PeerAdd):
        return (op.public, op.dev)
    if isinstance(op, UdpPeerAdd):
        return (op.subnet, op.dev)
    return (op.address, op.dev) if isinstance(op, NeighAdd) else None


def _strangers(net: Network, up: Up, host: Host) -> tuple[Step, ...]:
    """What takes away entries of the network's own links, and routes through them, that no plan has."""
    mode: Meeting = driver(net.mode)  # type: ignore[assignment]
    ops = up.whole.ops
    mine = {FdbEntry(op.mac, op.dst) for op in ops if isinstance(op, FdbAdd)}
    macs = {op.mac for op in ops if isinstance(op, FdbAdd)} - {FLOODED}  # what leads elsewhere is replaced
    known = {(op.address, op.dev) for op in ops if isinstance(op, NeighAdd)}
    keyed = {(op.public, op.dev) for op in ops if isinstance(op, PeerAdd)}
    found: list[Op] = []
    for dev in mode.own(net):
        entries = [e for e in host.forwards(dev) if e.dst and e not in mine and e.mac not in macs]
        found += [FdbDel(e.mac, dev, e.dst, e.mac != FLOODED) for e in entries]
        found += [NeighDel(e.address, e.mac, dev) for e in host.neighbours(dev) if (e.address, dev) not in known]
        found += [PeerDel(dev, p.public) for p in host.wireguard(dev).peers if (p.public, dev) not in keyed]
    for path in (op for op in ops if isinstance(op, UdpPathAdd)):
        led = {op.subnet for op in ops if isinstance(op, UdpPeerAdd)}
        found += [UdpPeerDel(path.dev, subnet) for subnet, *_ in host.udp_path(path.dev).peers if subnet not in led]
    found += _stray_routes(mode.own(net), {(op.dst, op.dev) for op in ops if isinstance(op, RouteAdd)}, host)
    return tuple(Step(op, "no host of this network has that") for op in found)


def _stray_routes(devices: Sequence[str], known: set[tuple[str, str]], host: Host) -> Iterator[RouteDel]:
    for version in (4, 6):
        strange = any(dev in devices and (dst, dev) not in known for dst, _, dev, _ in host.ways(version))
        for r in host.routes(version) if strange else ():
            if r.dev in devices and r.protocol == PROTOCOL and (r.dst, r.dev) not in known:
                yield RouteDel(r.dst, r.dev, r.via, None, version, PROTOCOL, r.metric, r.table)
