"""Making an overlay whose hosts are named, or, where it is there already, changing who they are while it is in use."""

from __future__ import annotations

from netkit.drivers.overlay import Overlay
from netkit.engine import bringup, networks, peers
from netkit.engine.overlay import Wish, overlay
from netkit.engine.recovery import recover
from netkit.errors import ConflictError, NetkitError
from netkit.model import PeerHost
from netkit.plan.steps import Plan

TYPE_CHECKING = False
if TYPE_CHECKING:
    from netkit.engine.session import Session
    from netkit.model import Network
    from netkit.state.networks import Up


def create(session: Session, wish: Wish) -> Network:
    """The overlay that is wished for: made, changed to have these peers, or left as it is.

    ConflictError when there is another of that name, or when other peers would take addresses that are in use from it.
    """
    net = overlay(wish, session.host())
    with session.network_lock(net.name):
        recover(session, net.name)
        known = session.networks.load(net.name)
        if known is None:
            return networks.make(session, net)
        net = net.replace(device=known.device)
        _refuse_other(known, net)
        bringup.bring_up(session, known)
        if known == net:
            return known
        if known.subnets != net.subnets:
            _refuse_used(session, known, net)
            return networks.settle(session, net)[0]
        with session.host_lock():
            _change(session, known, net)
    return net


def _refuse_other(known: Network, net: Network) -> None:
    """Another network of that name, or one that differs in more than its peers, and the parts that follow from them."""
    hint = f"netkit network rm {known.name} removes it; or choose another --name"
    if known.mode != net.mode:
        raise ConflictError(f"there already is a network {known.name}, of mode {known.mode}", hint)
    was, now = dict(known.options), dict(net.options)
    differs = [key.replace("_", "-") for key in sorted({*was, *now} - {"peers"}) if was.get(key) != now.get(key)]
    differs += ["subnet"] if [one.cidr for one in known.subnets] != [one.cidr for one in net.subnets] else []
    differs += ["mtu"] if known.mtu != net.mtu else []
    if differs:
        what = f"there already is an overlay {known.name} with another {', '.join(differs)}"
        raise ConflictError(what, "only its peers can be changed; to make it anew: netkit overlay down")


def _refuse_used(session: Session, known: Network, net: Network) -> None:
    """A host's part of the subnet follows from all hosts: it cannot move below those who have addresses of it."""
    users = [record.id for record in session.records.all() if record.endpoint.network == known.name]
    if users:
        was, now = (", ".join(one.ip_range or one.cidr for one in each.subnets) for each in (known, net))
        what = f"with these peers this host's part is {now}, and {', '.join(users)} have addresses of {was}"
        raise ConflictError(what, "detach them first; or give each host a part for good: --ip-range")


def _change(session: Session, known: Network, net: Network) -> None:
    """Let new peers in and old ones go; whoever stays is not disturbed."""
    mode, host = Overlay(), session.host()
    mode.check_peers(net, host)
    up = session.networks.up(net.name)
    assert up is not None
    named = [PeerHost(peer, peer) for peer in mode.peers(net)]
    met = peers.settle(session, net, _parted(up, known, session), peers.wanted(net, named, host)[0], host)
    if met.failed:
        raise NetkitError(f"{net.name} has not all of its peers: {'; '.join(met.failed)}", "netkit reload tries again")
    session.networks.save(net)


def _parted(up: Up, known: Network, session: Session) -> Up:
    """What is up, with what leads to its peers told apart from the rest."""
    host, mode = session.host(), Overlay()
    theirs = {op for peer in mode.peers(known) for op in mode.peer(known, PeerHost(peer, peer), host).ops}
    rest, led = ([step for step in up.plan if (step.op in theirs) is mine] for mine in (False, True))
    return up.replace(plan=Plan(tuple(rest)), met=up.met + Plan(tuple(led)))
