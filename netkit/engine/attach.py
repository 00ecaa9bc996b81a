"""Attaching a namespace to a network: one transaction under the network's lock."""

from __future__ import annotations

from time import time

from netkit.drivers.registry import driver
from netkit.engine import bringup, networks, pools
from netkit.engine.recovery import Attaching, recover
from netkit.errors import ConflictError
from netkit.kernel import sysctl
from netkit.model import ANY, Lease, PortMap, RouteSpec
from netkit.naming import attachment_id
from netkit.plan.ops import Errand, PortsReserve
from netkit.plan.steps import Plan
from netkit.state.probe import free_port, listening, served
from netkit.state.records import Record

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from netkit.drivers.protocols import Attachment, Learning
    from netkit.engine.session import Session
    from netkit.ipam.dhcp import DhcpLease
    from netkit.model import AttachRequest, Network
    from netkit.plan.host import Host
    from netkit.plan.ops import Op


def plan_attach(session: Session, net: Network, req: AttachRequest) -> tuple[Plan, Attachment]:
    """The whole plan of an attachment, the host's and the network's missing parts first; nothing is changed."""
    net = networks.known(session, net)
    refuse_unrenewed(session, net)
    host = session.host()
    for_host, for_network = bringup.plan_up(session, net, host)
    leases = pools.preview(session, net, req)
    req, reserve = _choose_ports(session, net, req, leases)
    attachment = ask_driver(net, req, leases, host)
    plan = for_host + for_network + reserve + attachment.plan
    if any(isinstance(op, Errand) for op in attachment.plan.ops):
        plan += _foreseen(net, req, attachment, host)
    return plan, attachment


def _foreseen(net: Network, req: AttachRequest, first: Attachment, host: Host) -> Plan:
    """What can be said of an attachment's second half before an errand has answered."""
    foresee = getattr(driver(net.mode), "foresee", None)
    if foresee:
        known: Plan = foresee(net, req, first, host)
        return known
    from netkit.plan.rare.later import Later

    what = "with the lease: its address, its routes, its port's guard, and what was asked for besides"
    return Plan.of((Later(what), "known when the DHCP server has answered"))


def attach(session: Session, net: Network, req: AttachRequest) -> Record:
    """Attach, making the network first if need be; on any error nothing is left, not even what was made of it."""
    with session.network_lock(net.name):
        recover(session, net.name)
        _refuse_twice(session, net, req)
        refuse_unrenewed(session, net)
        net, take_back = networks.settle(session, net)
        try:
            if not net.store:
                return _locked(session, net, req)
            from netkit.engine.membership import leased

            with leased(session, net, req) as agreed:
                return _locked(session, net, agreed)
        except BaseException:
            take_back()
            raise


def _locked(session: Session, net: Network, req: AttachRequest) -> Record:
    if not req.ports and not session.records.share(req.netns.inode, req.netns.cookie):
        return _transact(session, net, req)
    with session.host_lock():  # nobody takes the ports, or the `lo` that another attachment has put up
        return _transact(session, net, req)


def _transact(session: Session, net: Network, req: AttachRequest) -> Record:
    host = session.host()
    leases = pools.preview(session, net, req)
    req, reserve = _choose_ports(session, net, req, leases)
    attachment = ask_driver(net, req, leases, host)
    ep, plan = attachment.endpoint, reserve + attachment.plan
    record = Record(ep, plan, boot_id=session.root.boot_id(), created=int(time()))
    with Attaching(session, record) as attaching:
        if pools.claim(session, net, req) != leases:
            raise ConflictError("the address was taken by another meanwhile", "try again")
        session.ledger.claim(ep.id, ep.ports)
        attaching.apply()
        if session.kernel.answers:
            whole = _learn(session, net, req, attachment, host)
            record = record.replace(endpoint=whole.endpoint, plan=reserve + whole.plan)
            attaching.complete(record)
        if net.store:
            from netkit.engine.membership import told

            told(session, net, record.endpoint)
    return record


def ask_driver(net: Network, req: AttachRequest, leases: Sequence[Lease], host: Host) -> Attachment:
    """What the driver answers; where a DHCP server has the addresses, it is asked once the link is up."""
    found = _furnished(net, req, leases, host)
    if net.ipam != pools.DHCP or req.leases is not None:
        return found
    from netkit.plan.rare.dhcp import DhcpBind

    ask = DhcpBind(found.endpoint.id, req.ifname, req.netns, req.name, net.device)
    return found.replace(plan=found.plan + Plan.of((ask, "its address: from the network's own DHCP server")))


def _learn(session: Session, net: Network, req: AttachRequest, first: Attachment, host: Host) -> Attachment:
    """The whole attachment, now that the errands of its first half have answered: the same plan, and more."""
    answers = session.kernel.answers
    if net.ipam != pools.DHCP:
        return learned(net, req, first, answers, session.host())
    granted: DhcpLease = answers[first.plan.ops[-1]]  # type: ignore[assignment]
    return with_lease(net, req, first, granted, host)


def learned(
    net: Network, req: AttachRequest, first: Attachment, answers: Mapping[Op, object], host: Host
) -> Attachment:
    """The whole attachment by what its driver makes of the answers; `host` is the host as it is by now."""
    mode: Learning = driver(net.mode)  # type: ignore[assignment]
    whole = mode.learn(net, req, first, answers, host)
    if not req.wants_more:
        return whole
    from netkit.drivers.common import limited

    return limited(whole, req, host)


def with_lease(net: Network, req: AttachRequest, first: Attachment, granted: DhcpLease, host: Host) -> Attachment:
    """The whole attachment, with the address, the gateway and the routes that a DHCP server granted.

    `host` is the host as it was before the first half.
    """
    known = req.replace(routes=req.routes + tuple(RouteSpec(dst, via) for dst, via in granted.routes))
    whole = _furnished(net, known, [Lease(granted.address, granted.gateway)], host)
    from netkit.plan.rare.dhcp import DhcpAnnounce

    more = Plan(tuple(step for step in whole.plan if step not in first.plan.steps))
    told = DhcpAnnounce(whole.endpoint.id, req.ifname, req.netns, req.name)
    return whole.replace(plan=first.plan + more + Plan.of((told, "its neighbours learn whose the address is now")))


def _furnished(net: Network, req: AttachRequest, leases: Sequence[Lease], host: Host) -> Attachment:
    """The driver's answer, with what no driver sees to by itself."""
    found = driver(net.mode).attach(net, req, leases, host)
    if not req.wants_more:
        return found
    from netkit.drivers.common import furnished  # few ask for it

    return furnished(found, req, host)


def refuse_unrenewed(session: Session, net: Network) -> None:
    """StateError where the network's subnets were leased, and may be another host's by now."""
    if getattr(driver(net.mode), "leased", False):
        from netkit.engine import beats

        beats.refuse_unrenewed(session.root, net)


def _refuse_twice(session: Session, net: Network, req: AttachRequest) -> None:
    for ifname in {req.ifname, "lo"}:
        old = session.records.load(attachment_id(net.name, req.container, ifname))
        if old is not None and old.boot_id == session.root.boot_id():
            raise ConflictError(
                f"{req.container} is already attached to {net.name} as {ifname}",
                f"detach it first (netkit detach {old.endpoint.id}), or choose another --ifname",
            )
    if req.name and (named := session.records.named(req.name)):
        raise ConflictError(f"the name {req.name} is taken by {named[0].id}", "choose another --name")


def _choose_ports(
    session: Session, net: Network, req: AttachRequest, leases: Sequence[Lease]
) -> tuple[AttachRequest, Plan]:
    """Give every port map a host port, and refuse those that another attachment or a listening process has."""
    chosen: list[PortMap] = []
    reserved: list[tuple[int, int]] = []
    free: dict[tuple[str, int, int], int] = {}
    for port in req.ports:
        if not port.host_port:
            key = (port.protocol, port.container_port, port.count)
            if key not in free:
                free[key] = free_port(session.ledger, port, chosen, sysctl.reserved_ports())
                reserved.append((free[key], free[key] + port.count - 1))
            port = port.replace(host_port=free[key])
        if not req.origin:  # a runtime may publish on an address that is still to come, a virtual one for example
            _refuse_foreign(session, port.host_ip)
        _refuse_taken(session, port)
        chosen.append(port)
    steps = ((PortsReserve(tuple(reserved)), "keep the chosen port from being given out as an ephemeral one"),)
    return req.replace(ports=tuple(chosen)), Plan.of(*steps) if reserved else Plan()


def _refuse_foreign(session: Session, host_ip: str) -> None:
    if host_ip not in ANY.values() and not session.namespaces.enter(None).socket().is_local(host_ip):
        raise ConflictError(
            f"{host_ip} is no address of this host, so none of its ports can be published",
            "publish on an address that `ip addr` shows, or leave it out for all of them",
        )


def _refuse_taken(session: Session, port: PortMap) -> None:
    last = port.host_port + port.count - 1
    owner = session.ledger.taken(port.protocol, port.host_ip, port.host_port, last)
    if owner:
        raise ConflictError(
            f"host port {port.host_ip}:{port.host_port}/{port.protocol} is already published by {owner}",
            f"choose another, leave it out for a free one, or run: netkit detach {owner}",
        )
    for number in range(port.host_port, last + 1):
        if listening(port.protocol, port.host_ip, number):
            how = "listens on" if number in served(port.protocol) else "is connected from"
            raise ConflictError(
                f"a process of this host already {how} {port.host_ip}:{number}/{port.protocol}",
                "stop it, choose another port, or leave the host port out for a free one",
            )
