"""What a topology file may say: each mapping's keys, what stands there and what it is for.

Read by `netkit.lab.read`; printed as JSON Schema by `schema` (topologies/schema.json, for editors).
"""

from __future__ import annotations

from netkit import parse
from netkit.errors import ConfigError
from netkit.lab import words
from netkit.lab.kinds import Field, Flag, ListOf, MapOf, Number, OneOf, Shape, Text
from netkit.lab.topology import Command, Container, End, Expectation, Host, Joined, NetworkWish, Route, Server, Wire
from netkit.lab.tunnels import Outer
from netkit.model import Network
from netkit.value import Value

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import Any

    from netkit.lab.document import Node

_MTU = Number(68, 65535)
_PORTS = ("tcp", "udp", "http")
#: What an expectation is about; each names exactly one.
KINDS = ("ping", *_PORTS, "mtu", "path", "rule", "outer")


class Lined(Value):
    """A text from which a value is made that knows its line."""

    make: Callable[[Any, int], Any]
    parse: Callable[[str], Any]

    def read(self, node: Node) -> Any:
        """The value."""
        return self.make(Text(self.parse).read(node), node.line)

    def schema(self) -> dict[str, Any]:
        """A string."""
        return {"type": "string"}


class Words(Value):
    """A command: a text that is split into words, or a list of words, taken as they are."""

    def read(self, node: Node) -> Command:
        """The command."""
        if node.is_list():
            argv = tuple(word.text() for word in node.elements())
            if not argv:
                raise node.fail("the command is empty")
            return Command(argv, node.line)
        found: tuple[str, ...] = Text(words.words).read(node)
        return Command(found, node.line)

    def schema(self) -> dict[str, Any]:
        """A string or an array of strings."""
        word = {"type": ["string", "number"]}
        return {"anyOf": [{"type": "string"}, {"type": "array", "items": word, "minItems": 1}]}


class Commands(Value):
    """Commands in order: a list of texts, or of lists of words."""

    def read(self, node: Node) -> tuple[Command, ...]:
        """The commands."""
        if node.is_null():
            return ()
        return tuple(Words().read(one) for one in (node.elements() if node.is_list() else [node]))

    def schema(self) -> dict[str, Any]:
        """A string, or an array of commands."""
        return {"anyOf": [{"type": "string"}, {"type": "array", "items": Words().schema()}, {"type": "null"}]}


def _network(
    line: int,
    mode: str = "bridge",
    subnet: tuple[str, ...] = (),
    gateway: tuple[str, ...] = (),
    ip_range: tuple[str, ...] = (),
    options: tuple[tuple[str, str], ...] = (),
    **rest: Any,
) -> NetworkWish:
    if (gateway or ip_range) and not subnet:
        raise ConfigError("", "gateway and ip-range need a subnet", "give the subnet that they belong to")
    subnets = parse.subnets(subnet, gateway, ip_range)
    return NetworkWish(Network("network", mode, subnets=subnets, options=options, **rest), line)


def _host(line: int, networks: tuple[tuple[str, NetworkWish], ...] = (), **rest: Any) -> Host:
    named = tuple(wish.replace(network=wish.network.replace(name=name)) for name, wish in networks)
    return Host(line=line, networks=named, **_routed(rest))


def _routed(member: dict[str, Any]) -> dict[str, Any]:
    """A member's fields; its routes, read as pairs, know where they lead to."""
    routes = tuple(route.replace(to=to) for to, route in member.get("routes", ()))
    return {**member, "routes": routes}


#: What belongs to one network of a container.
_OWN = ("ip", "publish", "ifname", "mac", "mtu", "rate_in", "rate_out")


def _container(
    line: int,
    network: str = "",
    mode: str = "",
    networks: tuple[tuple[str, Joined], ...] | None = None,
    **rest: Any,
) -> Container:
    own = {key: rest.pop(key) for key in _OWN if key in rest}
    ways = [word for word, given in (("network", network), ("mode", mode), ("networks", networks is not None)) if given]
    if len(ways) > 1:
        raise ConfigError("", f"{ways[0]} and {ways[1]} exclude each other", "a container on several: networks alone")
    if own and ways != ["network"] and ways != ["mode"]:
        raise ConfigError("", f"{next(iter(own))} belongs to a network", "name one with network: or mode:")
    joined = [one.replace(network=name) for name, one in networks or ()]
    if network or mode:
        joined = [Joined(network, mode, line=line, **own)]
    return Container(line=line, joined=tuple(joined), **_routed(rest))


def _wire(
    line: int,
    ends: tuple[tuple[str, tuple[str, ...]], ...],
    names: tuple[tuple[str, str], ...] = (),
    **rest: Any,
) -> Wire:
    if len(ends) != 2:
        raise ConfigError("", f"a wire has two ends, and here are {len(ends)}", "ends: {a: 192.0.2.1/24, b: }")
    named = dict(names)
    if stranger := next((name for name in named if name not in dict(ends)), None):
        raise ConfigError("", f"{stranger} is no end of this wire", "names: takes the members of ends:")
    one, other = (End(member, named.get(member, ""), addresses) for member, addresses in ends)
    return Wire((one, other), line=line, **rest)


def _expectation(line: int, **given: Any) -> Expectation:
    kinds = [kind for kind in KINDS if kind in given]
    if len(kinds) != 1:
        seen = " and ".join(kinds) or "none"
        raise ConfigError("", f"an expectation is about one thing, and here is {seen}", f"one of {', '.join(KINDS)}")
    kind = kinds[0]
    value = given.pop(kind)
    member = given.pop("from", "")
    if not member:
        raise ConfigError("", f"{kind} needs from: the member where it is looked from")
    outcome = _outcome(kind, given)
    made = Expectation(kind, member, line, outcome=outcome, **_about(kind, value, given))
    left = {key: given.pop(key) for key in ("sees", "family", "why") if key in given}
    left["family"] = int(left.get("family", 0))
    if "sees" in left and (kind not in _PORTS or outcome != "answer"):
        raise ConfigError("", "sees needs a server that answers: tcp, udp or http")
    if given:
        raise ConfigError("", f"{next(iter(given))} says nothing about {kind}", "leave it out")
    found: Expectation = made.replace(**left)
    return found


def _outcome(kind: str, given: dict[str, Any]) -> str:
    words_given = [word for word in ("blocked", "refused", "absent") if given.pop(word, False)]
    if len(words_given) > 1:
        raise ConfigError("", f"{words_given[0]} and {words_given[1]} exclude each other")
    fitting = {"ping": ("blocked",), "rule": ("absent",), **dict.fromkeys(_PORTS, ("blocked", "refused"))}
    outcome = words_given[0] if words_given else "answer"
    if words_given and outcome not in fitting.get(kind, ()):
        raise ConfigError("", f"{outcome} says nothing about {kind}", "leave it out")
    return outcome


def _about(kind: str, value: Any, given: dict[str, Any]) -> dict[str, Any]:
    if kind in _PORTS:
        return {"target": value[0], "port": value[1]}
    if kind == "mtu":
        if "to" not in given:
            raise ConfigError("", "mtu needs to: where the packets go")
        return {"size": value, "target": given.pop("to")}
    if kind == "path":
        if not value:
            raise ConfigError("", "the path is empty", "path: [gateway's address, ..., target's address]")
        return {"path": value, "target": given.pop("to", value[-1])}
    if kind == "outer":
        if "to" not in given:
            raise ConfigError("", "outer needs to: where the packet in the tunnel goes")
        return {"outer": value, "target": given.pop("to"), "at": given.pop("at", "")}
    if kind == "ping":
        return {"target": value}
    return {"text": value}


_ROUTES = MapOf(Lined(lambda via, line: Route("", via, line), words.address), words.destination)
_MEMBER = {
    "sysctls": Field(MapOf(Text(), words.sysctl), "Kernel settings below net, for example net.ipv4.ip_forward: 1."),
    "routes": Field(_ROUTES, "Routes: prefix (or default) to gateway."),
    "run": Field(Commands(), "Commands that run once, before networks are made and servers start."),
    "start": Field(Commands(), "Commands that go on running in the background until the lab goes down."),
    "serve": Field(
        ListOf(Lined(lambda server, line: Server(server[0], server[1], line), words.server)),
        "Servers that answer with their client's address: http 80, tcp 5432, udp 53.",
    ),
}
_NETWORK = Shape(
    _network,
    {
        "mode": Field(Text(), "What its links are [bridge]."),
        "subnet": Field(ListOf(Text(words.interface)), "Subnets, one of each family [a free 10.90-99.0.0/16]."),
        "gateway": Field(ListOf(Text(words.address)), "The gateway of a subnet [its first address]."),
        "ip-range": Field(ListOf(Text()), "The part of a subnet to give out."),
        "ipam": Field(OneOf(("static", "dhcp")), "Who says its addresses [netkit's own files]."),
        "mtu": Field(_MTU, "What its links carry [as the link of the default route]."),
        "internal": Field(Flag(), "No way out and no way in."),
        "icc": Field(Flag(), "Whether its containers reach each other [true]."),
        "parent": Field(Text(words.ifname), "The host's link that the mode builds on [that of the default route]."),
        "options": Field(
            MapOf(Text()),
            "Options of the mode, as `netkit network create -o` takes them; an overlay's as `netkit overlay up`.",
        ),
    },
)
_JOINED = {
    "ip": Field(ListOf(Text(words.address)), "This address [the next free one]; once a subnet."),
    "publish": Field(ListOf(Text(words.publish)), "Ports: [IP:][HOST[-END]:]CTR[-END][/tcp|udp|sctp]."),
    "ifname": Field(Text(words.ifname), "The interface's name in the container [eth0, eth1...]."),
    "mac": Field(Text(words.mac), "This MAC address [made from the id]."),
    "mtu": Field(_MTU, "At most what the network carries [as the network]."),
    "rate-in": Field(Text(words.rate), "At most so much towards it: 10mbit."),
    "rate-out": Field(Text(words.rate), "At most so much from it: 10mbit."),
}
_HOST = Shape(
    _host,
    {
        **_MEMBER,
        "networks": Field(MapOf(_NETWORK, words.network_name), "Networks that netkit makes here."),
        "firewall": Field(OneOf(("auto", "nftables", "iptables")), "What netkit writes rules with here [auto]."),
    },
)
_CONTAINER = Shape(
    _container,
    {
        "host": Field(Text(words.member_name), "The host that attaches it [the one that has its networks]."),
        "network": Field(Text(words.network_name), "The network that it is attached to [none]."),
        "mode": Field(Text(), "Instead of a network: a mode, whose own network is used."),
        "networks": Field(MapOf(Shape(Joined, _JOINED), words.network_name), "Several networks, in order."),
        **_JOINED,
        **_MEMBER,
    },
)
_ENDS = MapOf(ListOf(Text(words.interface)), words.member_name)
_WIRE = Shape(
    _wire,
    {
        "ends": Field(_ENDS, "Two members or switches, each with its addresses there.", needed=True),
        "names": Field(MapOf(Text(words.ifname), words.member_name), "Interface names [eth0, eth1...]."),
        "mtu": Field(_MTU, "What fits through [1500]."),
        "rate": Field(Text(words.rate), "How much fits through in a second: 10mbit."),
        "delay": Field(Text(words.delay), "How long a packet takes: 10ms; needs the kernel's netem."),
        "loss": Field(Text(words.loss), "How much gets lost: 1%; needs the kernel's netem."),
    },
)
_PORT = Text(words.target_port)
_TARGET = Text(words.target)
_OUTER = Shape(
    Outer,
    {
        "kind": Field(OneOf(("vxlan", "udp")), "The kind of tunnel."),
        "src": Field(_TARGET, "The address, or the member, that it comes from."),
        "dst": Field(_TARGET, "The address, or the member, that it goes to."),
        "port": Field(Number(1, 65535), "The port that it goes to."),
        "vni": Field(Number(0, (1 << 24) - 1), "VXLAN's number of the network."),
    },
)
_EXPECT = Shape(
    _expectation,
    {
        "from": Field(_TARGET, "The member that the probe starts from, or whose rules are looked at."),
        "ping": Field(_TARGET, "An echo request to a member or address is answered."),
        "tcp": Field(_PORT, "A TCP connection to TARGET:PORT is taken."),
        "udp": Field(_PORT, "A datagram to TARGET:PORT is answered."),
        "http": Field(_PORT, "An HTTP request to TARGET:PORT is answered with 200."),
        "mtu": Field(_MTU, "A packet of this size passes unfragmented, one byte more does not."),
        "to": Field(_TARGET, "Where the packets of mtu, path or outer go."),
        "path": Field(ListOf(Text(words.address)), "The routers on the way and the target, as traceroute sees them."),
        "rule": Field(Text(), "This text is in the host's firewall rules (nft list ruleset, iptables-save)."),
        "outer": Field(_OUTER, "An echo request travels in a tunnel; of its outer header this is known."),
        "at": Field(_TARGET, "The member whose links the tunnelled packet passes [the host of from]."),
        "blocked": Field(Flag(), "Nothing must come back."),
        "refused": Field(Flag(), "The target itself must say no: there is no such port."),
        "absent": Field(Flag(), "The rule must not be there."),
        "sees": Field(_TARGET, "The address, or the member, that the server takes its client for."),
        "family": Field(OneOf(("4", "6")), "Which address of a member is meant [4 if it has one]."),
        "why": Field(Text(), "What this shows; printed with the result."),
    },
)


class Steps(Value):
    """Commands on members, in order: a list of mappings with one entry, member to command."""

    def read(self, node: Node) -> tuple[tuple[str, Command, Node], ...]:
        """Member, command and place of each."""
        if node.is_null():
            return ()
        return tuple(self._one(element) for element in node.elements())

    def _one(self, element: Node) -> tuple[str, Command, Node]:
        entries = element.items()
        if len(entries) != 1:
            raise element.fail("a step is one member and one command", "- web: ip addr show")
        (member, _, command) = entries[0]
        return member, Words().read(command), element

    def schema(self) -> dict[str, Any]:
        """An array of objects with one key."""
        one = {"type": "object", "minProperties": 1, "maxProperties": 1, "additionalProperties": Words().schema()}
        return {"anyOf": [{"type": "array", "items": one}, {"type": "null"}]}


class Each(Value):
    """A list of one shape, each with its place, for what can only be checked when all is read."""

    shape: Shape

    def read(self, node: Node) -> tuple[tuple[Any, Node], ...]:
        """Values and places."""
        return () if node.is_null() else tuple((self.shape.read(one), one) for one in node.elements())

    def schema(self) -> dict[str, Any]:
        """An array."""
        return {"anyOf": [{"type": "array", "items": self.shape.schema()}, {"type": "null"}]}


def _topology(line: int, **sections: Any) -> dict[str, Any]:
    return sections


#: A lab's name.
NAME = Text(words.member_name)
TOPOLOGY = Shape(
    _topology,
    {
        "name": Field(NAME, "What the lab is called [as its file]."),
        "hosts": Field(MapOf(_HOST, words.member_name), "Machines: namespaces in which netkit runs.", needed=True),
        "switches": Field(
            MapOf(Shape(lambda line, mtu=1500: (mtu, line), {"mtu": Field(_MTU, "What fits through [1500].")}),
                  words.member_name),
            "Learning switches that wires lead to.",
        ),
        "wires": Field(Each(_WIRE), "Cables between hosts and switches."),
        "containers": Field(MapOf(_CONTAINER, words.member_name), "Namespaces that netkit attaches on a host."),
        "steps": Field(Steps(), "Commands in order, once everything stands; {web} is the namespace of web."),
        "expect": Field(Each(_EXPECT), "What must be seen; `netkit lab check` looks."),
    },
)  # fmt: skip


def schema() -> dict[str, Any]:
    """The JSON Schema of a topology file."""
    head = {"$schema": "https://json-schema.org/draft/2020-12/schema", "title": "netkit topology"}
    return {**head, **TOPOLOGY.schema()}
