"""Rules as iptables lines: own chains, hung once into the built-in ones, for IPv4 and IPv6 alike.

    raw    PREROUTING  -> NETKIT-RAW     loopback protection -> NETKIT-DIRECT  no way in by a route
    nat    PREROUTING  -> NETKIT-DNAT    published ports, for addresses of this host only; from OUTPUT too
    nat    POSTROUTING -> NETKIT-POST    -> NETKIT-HAIRPIN, NETKIT-EGRESS      masquerade
    filter FORWARD     -> NETKIT-FWD     -> NETKIT-FROM (by where from), NETKIT-TO (by where to)
                          NETKIT-NAT, NETKIT-INT, NETKIT-IN                    what those lead to
                          NETKIT-PAIRS                                         networks whose containers may talk
                          NETKIT-CLOSED                                        transit that netkit must not open
                          NETKIT-ADMIN                                         administrators' own chains

Chains of the frame are fixed and written whole; the others hold one marked line per network or port. The executor
(`kernel.iptables`) leaves out what is there already, or gone already, by that mark.
"""

from __future__ import annotations

from netkit.errors import ConfigError, HostError
from netkit.model import ANY, alone, family
from netkit.naming import short_id
from netkit.plan import checked
from netkit.plan.iptables_base import FIXED, GROWING, JUMPS
from netkit.plan.iptables_text import Chain, Line, devices, marked, restore
from netkit.plan.rules import (
    AdminChain,
    BaseRules,
    ClosedTransit,
    Hairpin,
    KeepSource,
    Neighbour,
    NetworkRules,
    PortGuard,
    Publish,
    PublishIf,
    Road,
    Switched,
    Tunnel,
    TunnelFrom,
)
from netkit.value import Value

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator
    from typing import Any

    from netkit.plan.rules import Rule


class Change(Value):
    """Chains and lines to add, or to delete."""

    verb: str
    items: tuple[Chain | Line, ...]


def add(rules: Iterable[Rule]) -> Change:
    """What adding these rules means."""
    return Change("add", tuple(item for rule in rules for item in items(rule)))


def delete(rules: Iterable[Rule]) -> Change:
    """What deleting these rules means; the lines of a chain go in the reverse order."""
    return Change("delete", tuple(item for rule in rules for item in reversed(items(rule))))


def commands(change: Change, backend: str) -> list[tuple[list[str], str]]:
    """A change as (argv, standard input) pairs for a host that holds none (add) or all (delete) of it."""
    legacy = "-legacy" if backend == "iptables-legacy" else ""
    out: list[tuple[list[str], str]] = []
    for number, tool in ((4, f"iptables{legacy}"), (6, f"ip6tables{legacy}")):
        mine = [item for item in change.items if item.family == number]
        if len(mine) == 1 and isinstance(mine[0], Line):
            out.append(([tool, "-w", *mine[0].words(change.verb)], ""))
        elif mine:
            out.append(([f"{tool}-restore", "--noflush", "-w"], restore(mine, change.verb)))
    return out


def items(rule: Rule) -> list[Chain | Line]:
    """The chains and lines that stand for a rule, in the order in which they are added."""
    if type(rule) not in _ITEMS:
        raise HostError(f"the iptables backend has no {type(rule).__name__}", "use --firewall nftables")
    return list(_ITEMS[type(rule)](rule))


def _base(_: BaseRules) -> Iterator[Chain | Line]:
    for number in (4, 6):
        for table, name in GROWING:
            yield Chain(number, table, name)
        for families, table, name, specs in FIXED:
            if number in families:
                yield Chain(number, table, name, fixed=True)
                yield from (Line(number, table, name, spec) for spec in specs)
        for families, table, name, spec, head in JUMPS:
            if number in families:
                yield Line(number, table, name, spec, head)


def _network(rule: NetworkRules) -> Iterator[Line]:
    owner = short_id("network", rule.device)
    for number in (4, 6):
        subnets = [checked.prefix(each) for each in rule.subnets if family(each) == number]
        device_lines = () if rule.guest else _device_lines(rule, number)
        for line in (*_subnet_lines(rule, number, subnets), *device_lines):
            yield marked(owner, line)


def _subnet_lines(rule: NetworkRules, number: int, subnets: list[str]) -> Iterator[Line]:
    device, multicast = devices(rule.device), {4: "224.0.0.0/4", 6: "ff00::/8"}[number]
    for subnet in subnets:
        if not rule.by_route:
            yield Line(number, "raw", "NETKIT-DIRECT", f"-d {subnet} -j DROP")
        hairpin = f"-s {subnet} -o {device} -m conntrack --ctstate DNAT -j MASQUERADE"
        yield Line(number, "nat", "NETKIT-HAIRPIN", hairpin)
        if rule.masquerade and not rule.internal:
            yield Line(number, "nat", "NETKIT-EGRESS", f"-s {subnet} ! -d {multicast} -j MASQUERADE")


def _device_lines(rule: NetworkRules, number: int) -> Iterator[Line]:
    device = devices(rule.device)
    yield Line(number, "raw", "NETKIT-DIRECT", f"-i {device} -j RETURN", head=True)
    if rule.bundled:
        yield Line(number, "raw", "NETKIT-DIRECT", f"-i {device} -m rpfilter --invert -j DROP", head=True)
    if number == 4:
        yield Line(4, "nat", "NETKIT-HAIRPIN", f"-s 127.0.0.0/8 -o {device} -j MASQUERADE")
    yield Line(number, "nat", "NETKIT-EGRESS", f"-o {device} -j RETURN", head=True)
    if rule.icc:
        yield Line(number, "filter", "NETKIT-PAIRS", f"-i {device} -o {device} -j ACCEPT")
    way_in = "-j DROP" if rule.internal else "-j ACCEPT" if rule.routed else "-g NETKIT-IN"
    yield Line(number, "filter", "NETKIT-TO", f"-o {device} {way_in}")
    yield Line(number, "filter", "NETKIT-FROM", f"-i {device} -g {'NETKIT-INT' if rule.internal else 'NETKIT-NAT'}")


def _closed(rule: ClosedTransit) -> Iterator[Line]:
    for line in (*(f"-i {checked.device(device)} -j RETURN" for device in rule.routers), "-j DROP"):
        yield marked(short_id("closed"), Line(rule.family, "filter", "NETKIT-CLOSED", line))


def _publish(rule: Publish) -> Iterator[Line]:
    spec = f"{_to_host(rule)}{_to_port(rule)} -j DNAT --to-destination {_target(rule)}"
    yield marked(checked.mark(rule.owner), Line(family(rule.address), "nat", "NETKIT-DNAT", spec))


def _publish_if(rule: PublishIf) -> Iterator[Chain | Line]:
    """A chain of its own, so that conditions may say `-s` and `-d` although the port's lines do."""
    number, own = family(rule.address), f"NETKIT-{checked.port_id(rule)}"
    yield Chain(number, "nat", own)
    sources = [f"-s {checked.prefix(each)} -j {checked.iptables_chain(rule.mark_chain)}" for each in rule.sources]
    dnat = f"{_to_port(rule)} -j DNAT --to-destination {_target(rule)}"
    lines = [(own, f"{_to_host(rule)}{spec}") for spec in (*sources, dnat)]
    way_in = " ".join([_to_port(rule), *checked.conditions(rule.conditions)])
    for chain, spec in (*lines, ("NETKIT-DNAT", f"{way_in} -j {own}")):
        yield marked(checked.mark(rule.owner), Line(number, "nat", chain, spec))


def _to_host(rule: Publish) -> str:
    host = checked.address(rule.host_ip)
    return "" if host in ANY.values() else f"-d {host} "


def _to_port(rule: Publish) -> str:
    name = checked.protocol(rule.protocol)
    first, last = checked.ports(rule.host_port, rule.count)
    return f"-p {name} -m {name} --dport {first if rule.count == 1 else f'{first}:{last}'}"


def _target(rule: Publish) -> str:
    number, target = family(rule.address), checked.address(rule.address)
    if family(rule.host_ip) != number:
        hint = "publish IPv4 to IPv4 and IPv6 to IPv6"
        raise ConfigError("rule", f"port of {rule.host_ip} cannot lead to {target}", hint)
    port, end = checked.ports(rule.port, rule.count)
    to = f"[{target}]" if number == 6 else target
    if rule.count == 1:
        return f"{to}:{port}"
    return to if port == rule.host_port else f"{to}:{port}-{end}/{rule.host_port}"


def _hairpin(rule: Hairpin) -> Iterator[Line]:
    address, number = checked.address(rule.address), family(rule.address)
    for source in checked.sources(rule.subnet):
        spec = f"-s {source} -d {address} -m conntrack --ctstate DNAT -j MASQUERADE"
        yield marked(short_id("hairpin", address), Line(number, "nat", "NETKIT-HAIRPIN", spec))


def _keep(rule: KeepSource) -> Iterator[Line]:
    address = checked.address(rule.address)
    spec = f"-d {address} -m conntrack --ctstate DNAT -j RETURN"
    yield marked(short_id("keep", address), Line(family(address), "nat", "NETKIT-HAIRPIN", spec, head=True))


def _neighbour(rule: Neighbour) -> Iterator[Line]:
    device, owner = checked.device(rule.device), short_id("neighbour", rule.device)
    specs = [("NETKIT-LET", f"-{way} {device} -j ACCEPT") for way in "io"]
    if rule.walled:
        specs += [("NETKIT-WALL", f"-i {device} ! -o {device} -j NETKIT-WALLED")]
        specs += [("NETKIT-WALLED", f"-o {device} -j DROP")]
    for number in (4, 6):
        for chain, spec in specs:
            yield marked(owner, Line(number, "filter", chain, spec))


def _switched(rule: Switched) -> Iterator[Line]:
    device = checked.device(rule.device)
    for number in (4, 6):
        line = Line(number, "filter", "NETKIT-LET", f"-i {device} -o {device} -j ACCEPT")
        yield marked(short_id("switched", device), line)


def _admin(rule: AdminChain) -> Iterator[Chain | Line]:
    chain, owner = checked.iptables_chain(rule.chain), short_id("admin", rule.owner)
    if rule.parent not in ("FORWARD", "NETKIT-ADMIN"):
        raise ConfigError(
            "rule.parent", f"{rule.parent!a} leads to no chain of an administrator", "detach and attach anew"
        )
    for number in (4, 6):
        yield Chain(number, "filter", chain, foreign=True)
        yield marked(owner, Line(number, "filter", rule.parent, f"-j {chain}", head=rule.parent == "FORWARD"))


def _tunnel(rule: Tunnel) -> Iterator[Line]:
    """Of the port as a whole: iptables sees no VNI.

    Nor can it drop what is masqueraded already, and looks as if this host's tunnel had sent it: so what is forwarded to
    other hosts' tunnels from elsewhere is dropped, whether it would be or not.
    """
    number, owner = family(rule.local), short_id("tunnel", str(rule.vni), str(rule.port))
    if rule.anybody:
        yield from _let_in(number, owner, "", rule)
    for kind in ("LOCAL", "BROADCAST", "MULTICAST") if number == 4 else ("LOCAL", "MULTICAST"):
        spec = f"-p udp -m udp --dport {rule.port} -m addrtype --dst-type {kind} -j DROP"
        yield marked(owner, Line(number, "raw", "NETKIT-TUNNEL", spec))
    device = checked.device(rule.device)
    spec = f"! -i {device} -o {device} -p udp -m udp --dport {rule.port} -j DROP"
    yield marked(owner, Line(number, "filter", "NETKIT-WALL", spec))


def _tunnel_from(rule: TunnelFrom) -> Iterator[Line]:
    owner = short_id("tunnel", str(rule.vni), str(rule.port), rule.peer)
    return _let_in(family(rule.peer), owner, f"-s {alone(checked.address(rule.peer))} ", rule)


def _let_in(number: int, owner: str, source: str, rule: Tunnel | TunnelFrom) -> Iterator[Line]:
    for kind in ("LOCAL", "MULTICAST"):
        to = f"-p udp -m udp --dport {rule.port} -m addrtype --dst-type {kind}"
        spec = f"{source}-i {checked.device(rule.device)} {to} -j RETURN"
        yield marked(owner, Line(number, "raw", "NETKIT-TUNNEL", spec, head=True))


def _road(rule: Road) -> Iterator[Line]:
    device, peer, local = checked.device(rule.device), checked.prefix(rule.peer), checked.prefix(rule.local)
    number, comes = family(peer), f"-s {peer} -d {local} -i {device}"
    for table, chain, spec in (
        ("raw", "NETKIT-DIRECT", f"{comes} -j RETURN"),
        ("filter", "NETKIT-TO", f"{comes} -j ACCEPT"),
        ("nat", "NETKIT-EGRESS", f"-s {local} -d {peer} -o {device} -j RETURN"),
    ):
        yield marked(short_id("road", rule.device, peer, local), Line(number, table, chain, spec, head=True))


def _guard(rule: PortGuard) -> Iterator[Line]:
    raise HostError(f"iptables cannot guard the port {rule.device}", "use --firewall nftables")


_ITEMS: dict[type[Rule], Callable[[Any], Iterator[Chain | Line]]] = {
    AdminChain: _admin,
    BaseRules: _base,
    ClosedTransit: _closed,
    NetworkRules: _network,
    Publish: _publish,
    PublishIf: _publish_if,
    Hairpin: _hairpin,
    KeepSource: _keep,
    Neighbour: _neighbour,
    Switched: _switched,
    Road: _road,
    Tunnel: _tunnel,
    TunnelFrom: _tunnel_from,
    PortGuard: _guard,
}
