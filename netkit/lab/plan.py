"""What builds a lab, as data: namespaces to hold, then commands in order. `up` runs it, `plan` prints it.

A word of a command may hold what is only known when namespaces are there: `{web}` is the path of web's namespace,
`{root}` the directory in which netkit keeps its state on that host, `{netkit}` what starts netkit in a shell.
"""

from __future__ import annotations

import re

from netkit.value import Value

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator
    from typing import TypeAlias

    from netkit.lab.topology import Container, Host, Joined, Lab, Member, NetworkWish, Switch, Wire
    from netkit.model import Subnet

    Part: TypeAlias = "str | Place | Home | Netkit"

#: First words that stand for a program of ours, wherever it is installed.
NETKIT, SERVE = "netkit", "netkit-serve"
_NETEM = "delay and loss need netem (sch_netem) in the kernel: load the module, or leave them out"


class Place(Value):
    """The path of a member's network namespace."""

    member: str

    def __str__(self) -> str:
        return f"{{{self.member}}}"


class Home(Value):
    """The directory of a member's netkit root."""

    member: str

    def __str__(self) -> str:
        return "{root}"


class Netkit(Value):
    """The words that start this netkit, for commands inside a shell's."""

    def __str__(self) -> str:
        return "{netkit}"


class Word(Value):
    """One word of a command, in parts; as text, as it is written in a file."""

    parts: tuple[Part, ...]

    def __str__(self) -> str:
        return "".join(part if isinstance(part, str) else str(part) for part in self.parts)


class Hold(Value):
    """A namespace to be made and held: lo is up in hosts, down in what a container runtime hands over."""

    member: str
    kind: str
    line: int


class Act(Value):
    """One command in a member, run to its end or in the background; `hint` says what to do when it fails."""

    member: str
    argv: tuple[Word, ...]
    line: int
    hint: str = ""
    background: bool = False


def plan(lab: Lab) -> tuple[Hold | Act, ...]:
    """Everything that builds a lab, in order."""
    return tuple(_plan(lab))


def _plan(lab: Lab) -> Iterator[Hold | Act]:
    names = frozenset([*(one.name for one in lab.members), *(one.name for one in lab.switches)])
    yield from (Hold(one.name, "host", one.line) for one in lab.hosts)
    yield from (Hold(one.name, "switch", one.line) for one in lab.switches)
    yield from (Hold(one.name, "container", one.line) for one in lab.containers)
    yield from map(_bridge, lab.switches)
    switches = frozenset(one.name for one in lab.switches)
    for wire in lab.wires:
        yield from _wire(wire, switches)
    for host in lab.hosts:
        yield from _prepared(host, names)
        yield from (_network(host, wish) for wish in host.networks)
    for host in lab.hosts:
        yield from _started(host, names)
    for container in lab.containers:
        yield from (_attach(lab, container, one, at) for at, one in enumerate(container.joined))
        yield from _prepared(container, names)
    for container in lab.containers:
        yield from _started(container, names)
    yield from (_written(step.member, step.command.argv, step.command.line, names) for step in lab.steps)


def _bridge(switch: Switch) -> Act:
    mtu = ("mtu", str(switch.mtu))
    return _act(switch.name, switch.line, "ip", "link", "add", "br0", *mtu, "up", "type", "bridge")


def _wire(wire: Wire, switches: frozenset[str]) -> Iterator[Act]:
    one, other = wire.ends
    peer = ("peer", "name", other.ifname, "mtu", str(wire.mtu), "netns", Place(other.member))
    cable = ("ip", "link", "add", one.ifname, "mtu", str(wire.mtu), "type", "veth", *peer)
    yield _act(one.member, wire.line, *cable)
    for end in wire.ends:
        at, dev = end.member, ("dev", end.ifname)
        for address in end.addresses:
            nodad = ("nodad",) if ":" in address else ()
            yield _act(at, wire.line, "ip", "addr", "add", address, *dev, *nodad)
        master = ("master", "br0") if at in switches else ()
        yield _act(at, wire.line, "ip", "link", "set", *dev, *master, "up")
        yield from _shaped(wire, at, end.ifname)


def _shaped(wire: Wire, member: str, ifname: str) -> Iterator[Act]:
    head = ("tc", "qdisc", "add", "dev", ifname, "root")
    if wire.delay or wire.loss:
        words = [("delay", wire.delay), ("loss", wire.loss), ("rate", wire.rate)]
        given = [word for pair in words if pair[1] for word in pair]
        yield _act(member, wire.line, *head, "netem", *given, hint=_NETEM)
    elif wire.rate:
        yield _act(member, wire.line, *head, "tbf", "rate", wire.rate, "burst", "64kb", "latency", "50ms")


def _prepared(member: Member, names: frozenset[str]) -> Iterator[Act]:
    for key, value in member.sysctls:
        yield _act(member.name, member.line, "sysctl", "-qw", f"{key}={value}")
    for route in member.routes:
        family = ("-6",) if ":" in route.via else ()
        yield _act(member.name, route.line, "ip", *family, "route", "add", route.to, "via", route.via)
    yield from (_written(member.name, command.argv, command.line, names) for command in member.run)


def _started(member: Member, names: frozenset[str]) -> Iterator[Act]:
    for server in member.serve:
        yield _act(member.name, server.line, SERVE, f"{server.protocol}:{server.port}")
    for command in member.start:
        yield _written(member.name, command.argv, command.line, names).replace(background=True)


def _network(host: Host, wish: NetworkWish) -> Act:
    net = wish.network
    if net.mode == "overlay":
        return _overlay(host, wish)
    words = ["network", "create", net.name, "--mode", net.mode]
    for subnet in net.subnets:
        words += _subnet(subnet)
        words += ["--gateway", subnet.gateway] if subnet.gateway else []
    words += ["--ipam", net.ipam] if net.ipam else []
    words += ["--mtu", str(net.mtu)] if net.mtu else []
    words += ["--parent", net.parent] if net.parent else []
    words += ["--internal"] if net.internal else []
    words += [] if net.icc else ["--no-icc"]
    for key, value in net.options:
        words += ["-o", f"{key}={value}"]
    return _act(host.name, wish.line, NETKIT, *_firewall(host), *words)


def _overlay(host: Host, wish: NetworkWish) -> Act:
    """An overlay is made by its own command, whose options are the network's: `peer` may name several."""
    net = wish.network
    words = ["overlay", "up", "--name", net.name]
    for key, value in net.options:
        words += [word for one in value.split(",") for word in (f"--{key}", one.strip())]
    words += [word for subnet in net.subnets for word in _subnet(subnet)]
    words += ["--mtu", str(net.mtu)] if net.mtu else []
    return _act(host.name, wish.line, NETKIT, *_firewall(host), *words)


def _subnet(subnet: Subnet) -> list[str]:
    return ["--subnet", subnet.cidr, *(["--ip-range", subnet.ip_range] if subnet.ip_range else [])]


def _attach(lab: Lab, container: Container, joined: Joined, at: int) -> Act:
    host = next(one for one in lab.hosts if one.name == container.host)
    words: list[Part] = ["attach", "--netns", Place(container.name)]
    words += ["--network", joined.network] if joined.network else ["--mode", joined.mode]
    words += ["--name", container.name if at == 0 else f"{container.name}-{joined.ifname}"]
    words += ["--ifname", joined.ifname]
    words += ["--mac", joined.mac] if joined.mac else []
    words += ["--mtu", str(joined.mtu)] if joined.mtu else []
    words += ["--rate-in", joined.rate_in] if joined.rate_in else []
    words += ["--rate-out", joined.rate_out] if joined.rate_out else []
    words += [word for ip in joined.ip for word in ("--ip", ip)]
    words += [word for ports in joined.publish for word in ("-p", ports)]
    return _act(host.name, joined.line, NETKIT, *_firewall(host), *words)


def _firewall(host: Host) -> tuple[str, ...]:
    return () if host.firewall == "auto" else ("--firewall", host.firewall)


def _act(member: str, line: int, *words: Part, hint: str = "") -> Act:
    return Act(member, tuple(Word((word,)) for word in words), line, hint)


def _written(member: str, argv: tuple[str, ...], line: int, names: frozenset[str]) -> Act:
    """A command as a person wrote it, `{web}`, `{root}`, `{netkit}` understood, all other braces left alone."""
    return Act(member, tuple(Word(tuple(_parts(word, member, names))) for word in argv), line)


def _parts(word: str, member: str, names: frozenset[str]) -> Iterator[Part]:
    for text in re.split(r"(\{[\w.-]+\})", word):
        name = text[1:-1]
        if text == "{root}":
            yield Home(member)
        elif text == "{netkit}":
            yield Netkit()
        elif text.startswith("{") and name in names:
            yield Place(name)
        elif text:
            yield text
