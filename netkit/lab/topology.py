"""A topology as values: what a file says, checked and typed, before anything is built.

Every value knows the line that it was written in, so that what fails later can still be told with file and line.
"""

from __future__ import annotations

from netkit.lab.tunnels import Outer
from netkit.model import Network
from netkit.value import Value


class Command(Value):
    """A command to run: words, never a shell's."""

    argv: tuple[str, ...]
    line: int = 0


class Server(Value):
    """A server that answers with its client's address: `http 80`, `tcp 5432`, `udp 53`."""

    protocol: str
    port: int
    line: int = 0


class Route(Value):
    """A route of a member, beside those that its addresses bring."""

    to: str
    via: str
    line: int = 0


class Member(Value):
    """A machine or container: a namespace with what runs in it."""

    name: str = ""
    line: int = 0
    sysctls: tuple[tuple[str, str], ...] = ()
    routes: tuple[Route, ...] = ()
    run: tuple[Command, ...] = ()
    start: tuple[Command, ...] = ()
    serve: tuple[Server, ...] = ()


class NetworkWish(Value):
    """A network of a host, as `netkit network create` takes it; `network` is what engine and command mean by it."""

    network: Network
    line: int = 0


class Host(Member):
    """A machine: it runs netkit, with a root of its own."""

    networks: tuple[NetworkWish, ...] = ()
    firewall: str = "auto"


class Joined(Value):
    """One network that a container is attached to, as `netkit attach` takes it."""

    network: str = ""
    mode: str = ""
    ip: tuple[str, ...] = ()
    publish: tuple[str, ...] = ()
    ifname: str = ""
    mac: str = ""
    mtu: int = 0
    rate_in: str = ""
    rate_out: str = ""
    line: int = 0


class Container(Member):
    """A namespace that netkit attaches on a host, to any number of networks."""

    host: str = ""
    joined: tuple[Joined, ...] = ()


class Switch(Value):
    """A learning switch that wires lead to."""

    name: str = ""
    mtu: int = 1500
    line: int = 0


class End(Value):
    """One end of a wire: in which member, under which name, with which addresses."""

    member: str
    ifname: str
    addresses: tuple[str, ...] = ()


class Wire(Value):
    """A cable between two members or switches; `rate`, `delay` and `loss` are in the words of tc, "" for none."""

    ends: tuple[End, End]
    mtu: int = 1500
    rate: str = ""
    delay: str = ""
    loss: str = ""
    line: int = 0


class Step(Value):
    """A command on a member, in order, once everything stands."""

    member: str
    command: Command


class Expectation(Value):
    """What must be seen: a probe from a member, and its outcome; `at` is where an outer header is looked for."""

    kind: str
    member: str
    line: int = 0
    target: str = ""
    port: int = 0
    path: tuple[str, ...] = ()
    text: str = ""
    size: int = 0
    outcome: str = "answer"
    sees: str = ""
    family: int = 0
    why: str = ""
    outer: Outer = Outer()
    at: str = ""


class Lab(Value):
    """A whole topology."""

    name: str
    file: str
    hosts: tuple[Host, ...] = ()
    switches: tuple[Switch, ...] = ()
    wires: tuple[Wire, ...] = ()
    containers: tuple[Container, ...] = ()
    steps: tuple[Step, ...] = ()
    expect: tuple[Expectation, ...] = ()

    @property
    def members(self) -> tuple[Member, ...]:
        """Everything that commands run in."""
        return (*self.hosts, *self.containers)
