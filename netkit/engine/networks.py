"""Making, finding and removing networks."""

from __future__ import annotations

from netkit.drivers.registry import driver, written
from netkit.engine import bringup, pools
from netkit.engine.recovery import recover
from netkit.errors import ConfigError, ConflictError, NotFoundError, UsageError
from netkit.ipam.pool import Pool, default_gateway, overlaps, span
from netkit.model import Network, Subnet, family
from netkit.naming import check_name
from netkit.parts.egress import default_parent

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from netkit.engine.session import Session
    from netkit.plan.host import Host, Route

#: Where subnets come from when nobody names one: 10.90.0.0/16 to 10.99.0.0/16.
DEFAULT_POOL = tuple(f"10.{second}.0.0/16" for second in range(90, 100))


def find(session: Session, name: str) -> Network:
    """The network of that name, or NotFoundError."""
    net = session.networks.load(name)
    if net is None:
        known = ", ".join(sorted(n.name for n in session.networks.all())) or "none yet"
        raise NotFoundError(
            f"there is no network {name!r}", f"known networks: {known}; netkit network create makes one"
        )
    return net


def of_mode(session: Session, mode: str, parent: str = "") -> Network:
    """The implicit network of a mode, of its own for each parent that is named; as it is or still to be made."""
    immovable = getattr(written(mode), "immovable", None)
    if immovable:
        raise immovable()
    if getattr(written(mode), "made_by_hand", False):
        return _only(session, mode)
    wanted = implicit(mode, parent)
    found = session.networks.load(wanted.name)
    if found is not None and (found.mode, found.parent) != (mode, parent or found.parent):
        what = f"of mode {found.mode}{f' on {found.parent}' if found.parent else ''}"
        raise ConflictError(f"network {wanted.name} is {what}", f"use --network with a network of mode {mode}")
    return found or wanted


def _only(session: Session, mode: str) -> Network:
    """The one network of a mode that makes none by itself."""
    found = sorted((net for net in session.networks.all() if net.mode == mode), key=lambda net: net.name)
    if not found:
        raise NotFoundError(f"there is no network of mode {mode}", f"make one: netkit {mode} up")
    if len(found) > 1:
        raise UsageError(f"there are several: {', '.join(net.name for net in found)}", "name one with --network")
    return found[0]


def known(session: Session, net: Network) -> Network:
    """A network as it is defined, or as it would be."""
    return session.networks.load(net.name) or complete(session, net)


def implicit(mode: str, parent: str = "") -> Network:
    """The network that `--mode M [--parent IF]` stands for, still to be completed; `cni:ptp` is called cni-ptp."""
    name = mode.replace(":", "-")
    return Network(f"{name}-{parent}" if parent else name, mode, parent=parent, made_by_mode=True)


def complete(session: Session, net: Network) -> Network:
    """A network with its device and subnets filled in and checked against the host and the other networks."""
    check_name(net.name, "name", "network name")
    if net.ipam and net.ipam not in pools.IPAMS:
        raise ConfigError("ipam", f"there is no {net.ipam!r}", f"known: {', '.join(pools.IPAMS)}; none is netkit's own")
    mode = driver(net.mode)
    mode.parse_options(dict(net.options), "options")
    device = getattr(mode, "device", None)
    if device is None:
        if net.subnets or net.internal or not net.icc or net.mtu or net.parent or net.ipam:
            raise UsageError(f"a {net.mode} network has no subnets and no options", "leave them out")
        return net
    _refuse_unheard(net)
    host = session.host()
    net = _on_parent(net, host)
    net = net.replace(device=device(net))
    subnets = net.subnets
    if not subnets and not net.ipam and mode.needs_subnet(net):  # type: ignore[attr-defined]
        subnets = (_free_subnet(session, net, host),)
    for at, subnet in enumerate(subnets):
        Pool.of(subnet)
        if net.device:
            _refuse_overlap(session, net, host, subnet, subnets[:at], f"subnets[{at}]")
    if net.device:
        _refuse_device(session, net)
    return net.replace(subnets=subnets)


def _refuse_unheard(net: Network) -> None:
    """No lease where no DHCP server is, or where a plugin is to ask it."""
    if net.ipam != pools.DHCP:
        return
    mode = driver(net.mode)
    if hasattr(mode, "learn"):
        raise ConfigError(
            "ipam", f"a {net.mode} network has its plugin ask for a lease", """-o 'ipam={"type": "dhcp"}'"""
        )
    if getattr(mode, "on_no_lan", False):
        raise ConfigError(
            "ipam", f"no DHCP server hears a {net.mode} network: its cables are routed", "--mode macvlan, for example"
        )


def _on_parent(net: Network, host: Host) -> Network:
    """A network with its parent, which is fit to be one."""
    mode = driver(net.mode)
    if not getattr(mode, "takes_parent", False):
        if net.parent:
            raise UsageError(f"a {net.mode} network is built on no link of the host", "leave --parent out")
        return net
    net = net.replace(parent=net.parent or default_parent(host))
    if ready := getattr(mode, "ready", None):
        ready(net, host)
    return net


def create(session: Session, net: Network) -> Network:
    """Make a network and bring it up; ConflictError when there is one of that name."""
    check_name(net.name, "name", "network name")
    with session.network_lock(net.name):
        return make(session, net)


def make(session: Session, net: Network) -> Network:
    """The same with the network's lock held."""
    refuse_known(session, net.name)
    with session.host_lock():
        return _make(session, net)


def refuse_known(session: Session, name: str) -> None:
    """ConflictError when there is a network of that name, after what died midway there is cleared away."""
    recover(session, name)
    if session.networks.load(name) is not None:
        raise ConflictError(f"there already is a network {name}", f"netkit network rm {name} removes it")


def settle(session: Session, net: Network) -> tuple[Network, Callable[[], None]]:
    """See that a network is defined as given, and up. Needs its lock.

    Returns the network, and what takes back what this call did. One that is defined otherwise is changed if that
    disturbs nobody: when nothing is attached to it, or only other ranges of the same subnets are to be used, or other
    options that the driver asks for at an attachment alone.
    """
    known = session.networks.load(net.name)
    if known is not None and _same(known, net):
        made = bringup.bring_up(session, known)
        return known, (lambda: bringup.take_down(session, net.name)) if made else (lambda: None)
    with session.host_lock():
        if known is not None:
            if changed := _with_ranges(known, net) or _with_options(known, net):
                session.networks.save(changed)
                _reserve_taken(session, changed)
                return changed, lambda: session.networks.save(known)
            _refuse_used(session, known)
            bringup.take_down_locked(session, known.name)
        return _make(session, net), lambda: drop(session, net.name)


def is_defined(session: Session, net: Network) -> bool:
    """Whether there is a network that is defined just so."""
    known = session.networks.load(net.name)
    return known is not None and _same(known, net)


def establish(session: Session, net: Network) -> Network:
    """See that a network is defined as given, and up. If something is attached, its links are made anew beneath.

    Those attached keep what they have, and are plugged in again. ConflictError when their subnets are no longer its.
    """
    with session.network_lock(net.name):
        recover(session, net.name)
        known = session.networks.load(net.name)
        used = known is not None and any(r.endpoint.network == net.name for r in session.records.all())
        if known is None or not used or _same(known, net) or _with_options(known, net):
            return settle(session, net)[0]
        if (known.mode, known.subnets) != (net.mode, net.subnets):
            _refuse_used(session, known)
        with session.host_lock():
            _make_anew(session, known, complete(session, net))
            return find(session, net.name)


def _make_anew(session: Session, known: Network, net: Network) -> None:
    """Take a network down and bring it up as another, under those that are attached to it."""
    from netkit.engine.repair import repair

    bringup.take_down_locked(session, net.name)
    try:
        bringup.bring_up_locked(session, net)
        session.networks.save(net)
    except BaseException:
        bringup.bring_up_locked(session, known)
        raise
    finally:
        for record in session.records.all():
            if record.endpoint.network == net.name and session.namespaces.alive(record.endpoint.netns):
                repair(session, record.plan)


def _make(session: Session, net: Network) -> Network:
    """Make a network; its definition is written last, so that a failure or crash leaves none."""
    bringup.take_down_locked(session, net.name)  # what a process made that died before the definition was written
    net = complete(session, net)
    bringup.bring_up_locked(session, net)
    try:
        pools.pools(session, net)
        _reserve_taken(session, net)
        session.networks.save(net)
    except BaseException:
        bringup.take_down_locked(session, net.name)
        forget(session, net.name)
        raise
    return net


def _reserve_taken(session: Session, net: Network) -> None:
    """What the network's subnets have in use already, beyond netkit, is nobody's to get (but who has it keeps it)."""
    taken = getattr(driver(net.mode), "taken", None)
    for address in taken(net, session.host()) if taken else ():
        try:
            pools.pool_of(session, net, address).reserve(address)
        except ConflictError:
            continue


def drop(session: Session, name: str) -> None:
    """Take a network down and forget it; needs its lock."""
    bringup.take_down(session, name)
    forget(session, name)


def _same(known: Network, wanted: Network) -> bool:
    """Whether a network is what is wanted, as far as that says anything."""
    wanted = wanted.replace(parent=wanted.parent or known.parent, subnets=wanted.subnets or known.subnets)
    device = driver(wanted.mode).device(wanted) if hasattr(driver(wanted.mode), "device") else ""  # type: ignore[attr-defined]
    return known == wanted.replace(device=device)


def _with_ranges(known: Network, wanted: Network) -> Network | None:
    """The known network with the wanted one's ranges, if those are all that differs.

    Not where two of its pools are of one subnet: what one has given out could come to lie in the other.
    """
    if len({s.cidr for s in known.subnets}) < len(known.subnets):
        return None
    if [(s.cidr, s.gateway) for s in known.subnets] != [(s.cidr, s.gateway) for s in wanted.subnets]:
        return None
    changed = known.replace(subnets=wanted.subnets)
    return changed if _same(changed, wanted) else None


def _with_options(known: Network, wanted: Network) -> Network | None:
    """The known network with the wanted one's options, if those are all that differs and concern attachments alone."""
    free = getattr(driver(known.mode), "per_attachment", ())
    fixed = [[option for option in net.options if option[0] not in free] for net in (known, wanted)]
    changed = known.replace(options=wanted.options)
    return changed if fixed[0] == fixed[1] and _same(changed, wanted) else None


def remove(session: Session, name: str) -> None:
    """Take a network down and forget it; refused while something is attached to it."""
    net = find(session, name)
    with session.network_lock(name):
        recover(session, name)
        users = [r.endpoint.id for r in session.records.all() if r.endpoint.network == name]
        if users:
            raise ConflictError(
                f"network {name} is in use by {', '.join(users)}", "detach them first, or run: netkit gc"
            )
        bringup.take_down(session, name)
        if net.store:
            from netkit.engine.joining import leave

            leave(session, net)
        forget(session, name)


def forget(session: Session, name: str) -> None:
    """Remove a network's definition and what IPAM knows of it; the kernel is not touched."""
    session.root.forget_network(name)
    session.networks.remove(name)


def _refuse_used(session: Session, net: Network) -> None:
    users = [record.id for record in session.records.all() if record.endpoint.network == net.name]
    if users:
        raise ConflictError(
            f"network {net.name} is in use by {', '.join(users)}", "detach them first, or run: netkit gc"
        )


def _free_subnet(session: Session, net: Network, host: Host) -> Subnet:
    for cidr in DEFAULT_POOL:
        subnet = Subnet(cidr, default_gateway(cidr))
        if _clash(session, net, host, subnet) is None:
            return subnet
    raise ConflictError("10.90.0.0/16 to 10.99.0.0/16 are all in use on this host", "choose one with --subnet")


def _refuse_overlap(
    session: Session, net: Network, host: Host, subnet: Subnet, earlier: tuple[Subnet, ...], at: str
) -> None:
    clash = _clash(session, net, host, subnet)
    for other in earlier:
        if overlaps(subnet.cidr, other.cidr) and not _parted(subnet, other):
            raise ConfigError(at, f"{subnet.cidr} overlaps {other.cidr} of the same network", "choose another --subnet")
    if clash:
        raise ConflictError(f"{at}: {subnet.cidr} overlaps {clash}", "choose another --subnet")


def _clash(session: Session, net: Network, host: Host, subnet: Subnet) -> str | None:
    """What a subnet overlaps with: another network, or a route of the host that is not this network's own.

    A network without a device gives out addresses for links that others make, whose routes are there too. Two on one
    bridge may each give out a part of the same subnet.
    """
    for other in session.networks.all():
        for theirs in other.subnets if other.name != net.name and other.device else ():
            parted = other.device == net.device and _parted(subnet, theirs)
            if overlaps(subnet.cidr, theirs.cidr) and not parted:
                return f"{theirs.cidr} of network {other.name}"
    route = next(foreign_routes(net, subnet, host), None)
    return f"the host's route {route.dst} dev {route.dev}" if route else None


def foreign_routes(net: Network, subnet: Subnet, host: Host) -> Iterator[Route]:
    """Routes of the host into a subnet of a network, and not by the network's own links."""
    mode = driver(net.mode)
    links = mode.own(net) if hasattr(mode, "own") else ()
    for route in host.routes(family(subnet.cidr)):
        own = net.has(route.dev) or route.dev in links or (net.parent and route.dev == net.parent)
        if route.dst != "default" and not own and overlaps(subnet.cidr, route.dst):
            yield route


def _parted(one: Subnet, other: Subnet) -> bool:
    """Whether these are the same subnet, and no address of it is in both their ranges."""
    ranges = [[span(each.ip_range or each.cidr) for each in (subnet, *subnet.also)] for subnet in (one, other)]
    meet = any(first <= end and start <= last for first, last in ranges[0] for start, end in ranges[1])
    return one.cidr == other.cidr and not meet


def _refuse_device(session: Session, net: Network) -> None:
    """No two networks live on one link, unless both only stand on it as their parent, or their driver lets them."""
    share = getattr(driver(net.mode), "share", None)
    for other in session.networks.all():
        if other.name == net.name or other.device != net.device:
            continue
        both_stand = net.device == net.parent and other.device == other.parent
        otherwise = "" if both_stand else "it cannot be shared"
        why = share(net, other) if share and other.mode == net.mode else otherwise
        if why:
            hint = "choose another with -o bridge=NAME"
            if net.device.endswith("*"):
                hint = "give one of them another name"
            elif net.device == net.parent:
                hint = "choose another with --parent"
            raise ConflictError(f"{net.device} is the device of network {other.name}, and {why}", hint)
