"""Joining a network whose hosts share a store, and leaving it.

What all agree on is told by the store: who comes first decides, who says otherwise is refused. Each host has a gateway
of its own, the first address that no other has.
"""

from __future__ import annotations

from netkit import stores
from netkit.drivers.overlay import SEALED, Overlay
from netkit.engine import keys, membership, networks
from netkit.engine.node import node_of
from netkit.engine.overlay import Wish, overlay
from netkit.engine.tending import see_kept
from netkit.errors import ConfigError, ConflictError, NetkitError, PoolFullError
from netkit.ipam.pool import Pool, default_gateway
from netkit.kernel.vxlan import rival
from netkit.model import ANY, Subnet, family
from netkit.parts.sealed import HINT
from netkit.state.probe import listening

TYPE_CHECKING = False
if TYPE_CHECKING:
    from netkit.engine.membership import Membership
    from netkit.engine.session import Session
    from netkit.model import Network
    from netkit.stores.model import Settings

#: So many hosts may have come before this one.
_GATEWAYS = 4096


def join(session: Session, wish: Wish) -> Network:
    """Make this host's end of an overlay, in agreement with all others, and tell them of it."""
    if wish.encrypt:
        keys.ready(HINT)
    net = overlay(wish, session.host())
    with session.network_lock(net.name):
        _refuse_known(session, net.name)
        private = keys.draw() if wish.encrypt else b""
        if private:
            wish = wish.replace(key=keys.place(session.root, net.name), public=keys.public_of(private))
            net = overlay(wish, session.host())
        _refuse_unfit(session, net)  # before anybody hears of it: whoever comes first decides for all
        agreed = _agree(session, net, wish)
        net = overlay(wish.replace(subnets=_subnets(agreed), port=agreed.port), session.host())
        _refuse_unfit(session, net)
        member = membership.of(session, net)
        _enter(session, member)
        try:
            net = member.net = net.replace(subnets=tuple(_with_gateway(member, subnet) for subnet in net.subnets))
            if private:
                keys.keep(session.root, net.name, private)
            net = member.net = networks.make(session, net)
            member.settle()
        except BaseException:
            _withdraw(session, member)
            raise
    see_kept(session.root)
    return net


def _enter(session: Session, member: Membership) -> None:
    """Be the only one of this host's id, or nothing is left of the attempt."""
    try:
        member.enter()
    except NetkitError:
        session.root.stores.unlink(member.net.name)
        raise


def leave(session: Session, net: Network) -> None:
    """Say farewell and give everything back; needs the network's lock. What the store cannot be told is a warning."""
    try:
        membership.of(session, net).farewell()
    except NetkitError as error:
        session.root.warnings.append(
            f"the other hosts of {net.name} could not be told, and keep its addresses for this host: {error.message}"
        )
    session.root.stores.unlink(net.name)
    session.root.keeper.unlink(net.name)
    keys.forget(session.root, net.name)


def _withdraw(session: Session, member: Membership) -> None:
    networks.drop(session, member.net.name)
    leave(session, member.net)


def _refuse_known(session: Session, name: str) -> None:
    try:
        networks.refuse_known(session, name)
    except ConflictError as error:
        raise ConflictError(error.message, _hint(session.networks.load(name))) from error


def _hint(known: Network | None) -> str:
    vni = dict(known.options).get("vni", "") if known and known.mode == "overlay" else ""
    return f"to make it anew: netkit overlay down --vni {vni}" if vni else "choose another --name"


def _refuse_unfit(session: Session, net: Network) -> None:
    """Raise what stops this host from having such an overlay."""
    whole = networks.complete(session, net)
    host = session.host()
    mode = Overlay()
    mode.network_up(whole, host)
    options = mode.parse_options(dict(net.options), "options")
    rtnl, vxlan, port = session.namespaces.enter(None).socket(), options.tunnel, options.port
    tunnels = any(link.kind == "vxlan" for link in rtnl.links())
    if tunnels and (other := rival(rtnl, vxlan)):
        raise ConflictError(
            f"the link {other} of this host has VNI {vxlan.vni} at UDP port {vxlan.port}",
            "`ip -d link show type vxlan` shows it; choose another VNI, or another port",
        )
    wanted = [] if tunnels else [(ANY[family(vxlan.local)], vxlan.port)]
    wanted += [(address, port) for address in ANY.values()] if options.public else []  # shared with nobody
    if taken := next((port for address, port in wanted if listening("udp", address, port)), 0):
        raise ConflictError(f"UDP port {taken} is taken by a process", "`ss -lunp` shows which; see --port")


def _agree(session: Session, net: Network, wish: Wish) -> Settings:
    """What all hosts have agreed on, or agree on now; ConflictError names what differs, and both."""
    from netkit.stores.model import Settings

    four, six = _cidr(net, 4), _cidr(net, 6)
    backend = SEALED if wish.encrypt else "vxlan"
    wanted = Settings(four or six, vni=wish.vni, cidr6=six if four else "", backend=backend, port=wish.its_port)
    node = node_of(session.root)
    session.root.stores.unlink(net.name)  # what an earlier store of that name held
    try:
        return stores.open(wish.store, net.name, node, wanted).settings
    except ConflictError:
        found = stores.open(wish.store, net.name, node).settings
    if found.vni != wish.vni:
        raise ConflictError(f"{net.name} has VNI {found.vni} in {wish.store}, not {wish.vni}", "choose another --name")
    if found.backend != backend:
        raise ConflictError(*_otherwise(net.name, wish, found.backend))
    given = {subnet.cidr for subnet in wish.subnets}
    agreed = {cidr for cidr in (found.cidr, found.cidr6) if cidr}
    if given and given != agreed:
        raise ConflictError(
            f"{net.name} has the subnets {', '.join(sorted(agreed))} in {wish.store}, not {', '.join(sorted(given))}",
            "leave --subnet out",
        )
    if wish.port not in (found.port, 0):
        raise ConflictError(f"{net.name} has port {found.port} in {wish.store}, not {wish.port}", "leave --port out")
    return found


def _otherwise(name: str, wish: Wish, backend: str) -> tuple[str, str]:
    """That the others are encrypted and this host would not be, or the other way round; and what to do."""
    what = f"in {wish.store} {name} is a network with other settings: "
    if backend == SEALED:
        return f"{what}it is encrypted", "say --encrypt, too"
    if backend == "vxlan":
        return (
            f"{what}it is not encrypted",
            "leave --encrypt out, or choose another --name",
        )
    return f"{what}its hosts speak {backend}", "choose another --name"


def _cidr(net: Network, version: int) -> str:
    found = [subnet.cidr for subnet in net.subnets if family(subnet.cidr) == version]
    if len(found) > 1:
        raise ConfigError("subnet", f"{' and '.join(found)} are both IPv{version}", "a store agrees on one of each")
    return found[0] if found else ""


def _subnets(agreed: Settings) -> tuple[Subnet, ...]:
    return tuple(Subnet(cidr, default_gateway(cidr)) for cidr in (agreed.cidr, agreed.cidr6) if cidr)


def _with_gateway(member: Membership, subnet: Subnet) -> Subnet:
    """A subnet with this host's own gateway in it, claimed."""
    pool = Pool.of(subnet.replace(gateway=""))
    taken = {claim.resource.partition("/")[2] for claim in member.store.snapshot().claims if claim.node}
    for index in range(min(pool.size, _GATEWAYS)):
        address = pool.address(index)
        if address in taken:
            continue
        try:
            member.store.acquire(f"addresses/{address}")
        except ConflictError:
            continue
        return subnet.replace(gateway=address)
    raise PoolFullError(f"no address of {subnet.cidr} is left for this host's gateway", "choose a larger --subnet")
