"""From a topology file to a checked lab: names lead somewhere, nothing is there twice, ends have their interfaces."""

from __future__ import annotations

import os

from netkit.errors import ConfigError
from netkit.ipam.pool import overlaps
from netkit.lab import words
from netkit.lab.document import load, nearest, shown
from netkit.lab.shapes import NAME, TOPOLOGY
from netkit.lab.topology import Lab, Step, Switch

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator
    from typing import Any

    from netkit.lab.document import Node
    from netkit.lab.topology import Command, Container, End, Expectation, Wire

#: How interfaces are called whose name nobody chose, by the kind of member that they are in.
_NAMED = {"host": "eth", "switch": "port", "container": "wire"}


def read(path: str, name: str = "") -> Lab:
    """The lab that a file describes, under its own name or another; ConfigError says file, line and path."""
    root = load(os.path.abspath(path))
    sections: dict[str, Any] = TOPOLOGY.read(root)
    lab = Lab(
        words.member_name(name) if name else sections.get("name", _stem(path)),
        os.path.abspath(path),
        hosts=tuple(one.replace(name=own) for own, one in sections["hosts"]),
        switches=tuple(Switch(own, mtu, line) for own, (mtu, line) in sections.get("switches", ())),
        containers=tuple(one.replace(name=own) for own, one in sections.get("containers", ())),
    )
    return _Reading(lab, root).finish(sections)


def name_in(path: str) -> str:
    """The name of the lab in a file, which may be wrong otherwise."""
    root = load(os.path.abspath(path))
    named = [value for word, _, value in root.items() if word == "name"]
    return NAME.read(named[0]) if named else _stem(path)


def _stem(path: str) -> str:
    stem = os.path.basename(path).partition(".")[0]
    try:
        return words.member_name(stem)
    except ConfigError as error:
        raise ConfigError(shown(path), f"{stem!r} cannot be a lab's name", "begin the file with name: NAME") from error


class _Reading:
    """What is checked when every section has been read."""

    def __init__(self, lab: Lab, root: Node) -> None:
        self.lab = lab
        self.root = root
        self.kinds: dict[str, str] = {}
        self.used: dict[str, set[str]] = {}

    def finish(self, sections: dict[str, Any]) -> Lab:
        """The lab, whole."""
        self._names()
        self._containers()
        wires = [self._wire(wire, node) for wire, node in sections.get("wires", ())]
        self.lab = self.lab.replace(wires=tuple(wires))
        self._addresses()
        steps = [self._step(*step) for step in sections.get("steps", ())]
        expect = [self._expectation(one, node) for one, node in sections.get("expect", ())]
        return self.lab.replace(steps=tuple(steps), expect=tuple(expect))

    def fail(self, line: int, path: str, message: str, hint: str = "") -> ConfigError:
        """The error that says what is off in that line."""
        return ConfigError(f"{self.root.file}:{line}: {path}", message, hint)

    def _names(self) -> None:
        sections: tuple[tuple[str, Iterable[Any]], ...] = (
            ("host", self.lab.hosts),
            ("switch", self.lab.switches),
            ("container", self.lab.containers),
        )
        lines: dict[str, int] = {}
        for kind, members in sections:
            for one in members:
                if one.name in lines:
                    what = f"{one.name} is the name of a {self.kinds[one.name]} already, in line {lines[one.name]}"
                    raise self.fail(one.line, one.name, what, "choose another name")
                lines[one.name], self.kinds[one.name] = one.line, kind
        if not self.lab.hosts:
            raise self.root.fail("a lab has at least one host", "hosts: {host: }")

    def _containers(self) -> None:
        self.lab = self.lab.replace(containers=tuple(map(self._container, self.lab.containers)))

    def _container(self, container: Container) -> Container:
        path = f"containers.{container.name}"
        host = container.host or self._host_of(container, path)
        hosts = [one.name for one in self.lab.hosts]
        if host not in hosts:
            raise self.fail(container.line, f"{path}.host", f"there is no host {host}", nearest(host, hosts))
        known = [wish.network.name for one in self.lab.hosts if one.name == host for wish in one.networks]
        taken: set[str] = set()
        joined = []
        for one in container.joined:
            if one.network and one.network not in known:
                hint = nearest(one.network, known)
                raise self.fail(one.line, path, f"there is no network {one.network} on {host}", hint)
            joined.append(one.replace(ifname=one.ifname or _free("eth", taken)))
            taken.add(joined[-1].ifname)
        self.used[container.name] = taken
        return container.replace(host=host, joined=tuple(joined))

    def _host_of(self, container: Container, path: str) -> str:
        """The host of a container that names none: the only one that has its networks."""
        wanted = {one.network for one in container.joined if one.network}
        able = [host.name for host in self.lab.hosts if wanted <= {wish.network.name for wish in host.networks}]
        if len(able) == 1:
            return able[0]
        hosts = ", ".join(able or [host.name for host in self.lab.hosts])
        problem = "which host attaches it?" if able or not wanted else f"no host has {' and '.join(sorted(wanted))}"
        raise self.fail(container.line, path, problem, f"host: one of {hosts}")

    def _wire(self, wire: Wire, node: Node) -> Wire:
        for end in wire.ends:
            if end.member not in self.kinds:
                hint = nearest(end.member, self.kinds)
                raise node.fail(f"a wire to nowhere: there is no {end.member}", hint)
            if self.kinds[end.member] == "switch" and end.addresses:
                raise node.fail(f"{end.member} is a switch: it has no addresses", f"write `{end.member}: ` alone")
        one, other = (self._plugged(end, node) for end in wire.ends)
        return wire.replace(ends=(one, other))

    def _plugged(self, end: End, node: Node) -> End:
        taken = self.used.setdefault(end.member, set())
        if end.ifname in taken:
            raise node.fail(f"{end.member} has two interfaces {end.ifname}", "choose another name")
        ifname = end.ifname or _free(_NAMED[self.kinds[end.member]], taken)
        taken.add(ifname)
        return end.replace(ifname=ifname)

    def _addresses(self) -> None:
        """No subnet twice on one member, no address twice on one segment: what a person meant cannot be known."""
        for member in self.kinds:
            seen: list[tuple[str, str, int]] = []
            for cidr, where, line in self._subnets(member):
                for other, other_where, other_line in seen:
                    if overlaps(cidr, other):
                        what = f"{cidr} of {where} overlaps {other} of {other_where}, in line {other_line}"
                        hint = "give each network and wire of a host a subnet of its own"
                        raise self.fail(line, member, f"a subnet used twice: {what}", hint)
                seen.append((cidr, where, line))
        for addresses in self._segments():
            lines: dict[str, int] = {}
            for address, line in addresses:
                if address in lines:
                    message = f"the address {address} is used twice, first in line {lines[address]}"
                    raise self.fail(line, "wires", message, "give each end an address of its own")
                lines[address] = line

    def _subnets(self, member: str) -> Iterator[tuple[str, str, int]]:
        """Of wires and networks; a network with a parent may be of that link's own subnet."""
        for wire in self.lab.wires:
            for end in wire.ends:
                if end.member == member:
                    yield from ((cidr, end.ifname, wire.line) for cidr in end.addresses)
        for host in self.lab.hosts:
            if host.name == member:
                for wish in (each for each in host.networks if not each.network.parent):
                    yield from ((one.cidr, wish.network.name, wish.line) for one in wish.network.subnets)

    def _segments(self) -> Iterator[list[tuple[str, int]]]:
        """The addresses that share a wire, or a switch."""
        for wire in self.lab.wires:
            yield [(address, wire.line) for end in wire.ends for address in end.addresses]
        for switch in self.lab.switches:
            there = [w for w in self.lab.wires if any(end.member == switch.name for end in w.ends)]
            yield [(address, wire.line) for wire in there for end in wire.ends for address in end.addresses]

    def _step(self, member: str, command: Command, node: Node) -> Step:
        self._known(member, node)
        return Step(member, command)

    def _expectation(self, one: Expectation, node: Node) -> Expectation:
        for name in (one.member, one.target, one.sees, one.at, one.outer.src, one.outer.dst):
            if name and ":" not in name and not name.replace(".", "").isdigit():
                self._known(name, node)
        hosts = {container.name: container.host for container in self.lab.containers}
        return one.replace(at=one.at or hosts.get(one.member, one.member))

    def _known(self, name: str, node: Node) -> None:
        if name not in self.kinds:
            raise node.fail(f"there is no {name}", nearest(name, self.kinds))


def _free(prefix: str, taken: set[str]) -> str:
    return next(name for number in range(1000) if (name := f"{prefix}{number}") not in taken)
