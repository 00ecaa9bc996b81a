"""Rules as nftables text: one script, one transaction, however many rules.

The base is a frame of chains (`nft_base`); everything else is elements of its sets and maps. Adding an element that is
there already is no error; one whose key leads elsewhere is. Deleting writes each element before it deletes it: that
succeeds whether or not it was there, and fails when the key belongs to someone else by now (nft 1.0.6 has no
`destroy`).
"""

from __future__ import annotations

from netkit.errors import ConfigError
from netkit.model import ANY, family
from netkit.plan import checked, nft_base
from netkit.plan.rules import (
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


_PROTO = {4: "ipv4", 6: "ipv6"}


class Element(Value):
    """One element of a set (`value` "") or map of `table FAMILY netkit`."""

    family: str
    set: str
    key: str
    value: str = ""
    comment: str = ""

    def __str__(self) -> str:
        comment = f' comment "{self.comment}"' if self.comment else ""
        return f"{self.key}{comment}" + (f" : {self.value}" if self.value else "")


def add(rules: Iterable[Rule]) -> str:
    """The script that adds these rules."""
    return "".join(
        nft_base.frame() if isinstance(rule, BaseRules) else _chain(rule) + _lines("add", elements(rule))
        for rule in rules
    )


def delete(rules: Iterable[Rule]) -> str:
    """The script that deletes these rules, whether or not they are there."""
    parts: list[str] = []
    for rule in rules:
        if isinstance(rule, BaseRules):
            parts += [f"add table {name} netkit\ndelete table {name} netkit\n" for name in ("inet", "bridge")]
            continue
        found = elements(rule)
        opening, closing = _around(rule)
        parts += [opening, _lines("add", found)]
        parts += [_lines("delete", [each.replace(value="", comment="") for each in found]), closing]
    return "".join(parts)


def commands(text: str, _backend: str = "nftables") -> list[tuple[list[str], str]]:
    """A script as (argv, standard input) pairs: one line is one command, more are one transaction."""
    lines = text.splitlines()
    if len(lines) == 1:
        return [(["nft", *lines[0].split(" ", 5)], "")]
    return [(["nft", "-f", "-"], text)] if lines else []


def farewell(rule: Rule) -> str:
    """The script that removes the chain of a rule that has one, whether or not it is there; "" for all others."""
    return "".join(_around(rule))


def chain_of(rule: Rule) -> tuple[str, int]:
    """The chain of a rule that has one, and how many rules that has; ("", 0) for all others."""
    return (_when().chain(rule), len(_when().rules(rule))) if isinstance(rule, PublishIf) else ("", 0)


def elements(rule: Rule) -> list[Element]:
    """The elements that stand for a rule; none for the base."""
    return list(_ELEMENTS[type(rule)](rule)) if type(rule) in _ELEMENTS else []


def _chain(rule: Rule) -> str:
    return _when().written(rule) if isinstance(rule, PublishIf) else ""


def _around(rule: Rule) -> tuple[str, str]:
    """What stands before and behind the deletion of a rule's elements."""
    return (_when().opening(rule), _when().closing(rule)) if isinstance(rule, PublishIf) else ("", "")


def _when() -> Any:
    """What writes chains; loaded for a rule that has one."""
    from netkit.plan import nft_when

    return nft_when


def _lines(verb: str, found: Iterable[Element]) -> str:
    grouped: dict[tuple[str, str], list[str]] = {}
    for each in found:
        grouped.setdefault((each.family, each.set), []).append(str(each))
    return "".join(
        f"{verb} element {family_} netkit {name} {{ {', '.join(members)} }}\n"
        for (family_, name), members in grouped.items()
    )


def _network(rule: NetworkRules) -> Iterator[Element]:
    device = f'"{checked.devices(rule.device)}"'
    if not rule.guest and not rule.bundled:
        yield Element("inet", "nkif", device)
    if rule.icc and not rule.guest:
        yield Element("inet", "pairs" if rule.bundled else "switches", f"{device} . {device}")
    for subnet in map(checked.prefix, rule.subnets):
        number = family(subnet)
        if not rule.by_route:
            yield Element("inet", f"nets{number}", subnet)
        if rule.masquerade and not rule.internal:
            yield Element("inet", f"masq{number}", subnet)
        yield Element("inet", f"hair{number}", f"{device} . {subnet}")
    if not rule.guest:
        yield from _ways(rule, device)


def _ways(rule: NetworkRules, device: str) -> Iterator[Element]:
    out = "goto from_int" if rule.internal else "goto from_nat"
    way_in = "drop" if rule.internal else "accept" if rule.routed else "goto to_nat"
    for name, verdict in (("from", out), ("to", way_in)):
        if rule.bundled:
            for number in sorted({family(subnet) for subnet in rule.subnets}):
                yield Element("inet", f"cable_{name}", f"{device} . {_PROTO[number]}", verdict)
        else:
            yield Element("inet", f"fwd_{name}", device, verdict)


def _closed(rule: ClosedTransit) -> Iterator[Element]:
    protocol = _PROTO[rule.family]
    yield Element("inet", "closed", protocol)
    for device in rule.routers:
        yield Element("inet", "routers", f'{protocol} . "{checked.device(device)}"')


def _publish(rule: Publish) -> Iterator[Element]:
    number, owner = family(rule.address), checked.mark(rule.owner)
    host, target = checked.address(rule.host_ip), checked.address(rule.address)
    if family(host) != number:
        raise ConfigError("rule", f"port of {host} cannot lead to {target}", "publish IPv4 to IPv4 and IPv6 to IPv6")
    name, key = ("any", "") if host in ANY.values() else ("host", f"{host} . ")
    key += f"{checked.protocol(rule.protocol)} . "
    first, last = checked.ports(rule.host_port, rule.count)
    checked.ports(rule.port, rule.count)
    if rule.count > 1 and rule.port == rule.host_port:
        yield Element("inet", f"r{name}{number}", f"{key}{first}-{last}", target, owner)
        return
    for step in range(rule.count):
        yield Element("inet", f"{name}{number}", f"{key}{first + step}", f"{target} . {rule.port + step}", owner)


def _hairpin(rule: Hairpin) -> Iterator[Element]:
    address, number = checked.address(rule.address), family(rule.address)
    for source in checked.sources(rule.subnet):
        yield Element("inet", f"back{number}", f"{source} . {address}")


def _publish_if(rule: PublishIf) -> Iterator[Element]:
    name, key, value = _when().element(rule)
    yield Element("inet", name, key, value, checked.mark(rule.owner))


def _keep(rule: KeepSource) -> Iterator[Element]:
    yield Element("inet", f"keep{family(rule.address)}", checked.address(rule.address))


def _neighbour(rule: Neighbour) -> Iterator[Element]:
    device = f'"{checked.device(rule.device)}"'
    yield Element("inet", "let", device)
    if rule.walled:
        yield Element("inet", "walls", device)
        yield Element("inet", "selves", f"{device} . {device}")


def _switched(rule: Switched) -> Iterator[Element]:
    device = f'"{checked.device(rule.device)}"'
    yield Element("inet", "selves", f"{device} . {device}")


def _tunnel(rule: Tunnel) -> Iterator[Element]:
    what, device = f"{rule.port} . 0x{rule.vni:06x}", f'"{checked.device(rule.device)}"'
    yield Element("inet", "tunnels", what)
    if rule.anybody:
        yield Element("inet", "tunnel_any", f"{device} . {what}")


def _tunnel_from(rule: TunnelFrom) -> Iterator[Element]:
    device, peer = f'"{checked.device(rule.device)}"', checked.address(rule.peer)
    yield Element("inet", f"tunnel{family(peer)}", f"{device} . {peer} . {rule.port} . 0x{rule.vni:06x}")


def _road(rule: Road) -> Iterator[Element]:
    device, peer, local = f'"{checked.device(rule.device)}"', checked.prefix(rule.peer), checked.prefix(rule.local)
    yield Element("inet", f"road{family(peer)}", f"{device} . {peer} . {local}")


def _guard(rule: PortGuard) -> Iterator[Element]:
    device, mac = f'"{checked.device(rule.device)}"', checked.mac(rule.mac)
    yield Element("bridge", "ports", device)
    for number, unspecified in ANY.items():
        own = [checked.address(each) for each in rule.addresses if family(each) == number]
        for each in dict.fromkeys((*own, unspecified)) if own else ():
            yield Element("bridge", f"bind{number}", f"{device} . {mac} . {each}")
        for each in own if number == 6 else ():
            yield Element("bridge", "targets6", f"{device} . 0x{checked.number6(each):032x}")


_ELEMENTS: dict[type[Rule], Callable[[Any], Iterator[Element]]] = {
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
