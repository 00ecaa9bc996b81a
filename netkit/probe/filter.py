"""The filter language: which packets are wanted. Pure.

    expression := term { "or" term }      term := factor { "and" factor }      factor := "not" factor | primitive
    primitive  := tcp | udp | icmp | icmp6 | arp | ip | ip6 | host ADDR | net PREFIX | port N | "(" expression ")"

`host`, `net` and `port` look at both ends, as tcpdump's do; of ARP, at who asks and who is asked for.
"""

from __future__ import annotations

import ipaddress

from netkit.errors import ConfigError
from netkit.probe.packet import ARP, ICMP, ICMP6, IPV4, IPV6, TCP, UDP
from netkit.value import Value

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import NoReturn, Union

    from netkit.probe.packet import Packet

    Filter = Callable[[Packet], bool]
    Node = Union["Primitive", "Not", "Every", "Some"]  # noqa: UP007 - a name in quotes knows no `|`

_AT = "--filter"
PROTOCOLS = {"tcp": TCP, "udp": UDP, "icmp": ICMP, "icmp6": ICMP6}
KINDS = {"arp": ARP, "ip": IPV4, "ip6": IPV6}
_WORDS = (*PROTOCOLS, *KINDS, "host", "net", "port", "and", "or", "not", "(", ")")


class Primitive(Value):
    """One test: `tcp` and its like, or `net` and `port` with a value; a host is a net of its own."""

    word: str
    value: str = ""


class Not(Value):
    """What is not so."""

    inner: Node


class Every(Value):
    """All of these hold."""

    parts: tuple[Node, ...]


class Some(Value):
    """One of these holds, or more."""

    parts: tuple[Node, ...]


def everything(_packet: Packet) -> bool:
    """The filter that lets every packet through."""
    return True


def read_filter(text: str) -> Node | None:
    """What a filter's text says, None when it says nothing; ConfigError says which word is off."""
    words = text.replace("(", " ( ").replace(")", " ) ").split()
    return _Reader(words).whole() if words else None


def matcher(node: Node | None) -> Filter:
    """A filter as a function of a packet."""
    if node is None:
        return everything
    if isinstance(node, Not):
        inner = matcher(node.inner)
        return lambda packet: not inner(packet)
    if isinstance(node, Primitive):
        return _primitive(node)
    parts, combine = [matcher(part) for part in node.parts], all if isinstance(node, Every) else any
    return lambda packet: combine(part(packet) for part in parts)


def _primitive(node: Primitive) -> Filter:
    if node.word in PROTOCOLS:
        protocol = PROTOCOLS[node.word]
        return lambda packet: packet.protocol == protocol
    if node.word in KINDS:
        kind = KINDS[node.word]
        return lambda packet: packet.kind == kind
    if node.word == "port":
        number = int(node.value)
        return lambda packet: number in (packet.sport, packet.dport)
    network = ipaddress.ip_network(node.value)
    return lambda packet: any(end and ipaddress.ip_address(end) in network for end in (packet.src, packet.dst))


class _Reader:
    """The words of one filter, read from left to right."""

    def __init__(self, words: list[str]) -> None:
        self._words, self._at = words, 0

    def whole(self) -> Node:
        found = self._either()
        if (word := self._peek()) is not None:
            _refuse(f"{word!r} stands where 'and' or 'or' is expected", word)
        return found

    def _either(self) -> Node:
        parts = [self._both()]
        while self._peek() == "or":
            self._next()
            parts.append(self._both())
        return parts[0] if len(parts) == 1 else Some(tuple(parts))

    def _both(self) -> Node:
        parts = [self._one()]
        while self._peek() == "and":
            self._next()
            parts.append(self._one())
        return parts[0] if len(parts) == 1 else Every(tuple(parts))

    def _one(self) -> Node:
        word = self._next("a filter")
        if word == "not":
            return Not(self._one())
        if word != "(":
            return self._primitive(word)
        inside = self._either()
        if self._peek() != ")":
            _refuse("a '(' is not closed")
        self._next()
        return inside

    def _primitive(self, word: str) -> Node:
        if word in PROTOCOLS or word in KINDS:
            return Primitive(word)
        if word in _WITH_VALUE:
            return _WITH_VALUE[word](self._next(f"a value after {word!r}"))
        return _refuse(f"{word!r} is no word of a filter", word)

    def _peek(self) -> str | None:
        return self._words[self._at] if self._at < len(self._words) else None

    def _next(self, wanted: str = "") -> str:
        word = self._peek()
        if word is None:
            _refuse(f"the filter ends where {wanted} is expected")
        self._at += 1
        return word


def _host(text: str) -> Primitive:
    try:
        return Primitive("net", str(ipaddress.ip_network(ipaddress.ip_address(text))))
    except ValueError:
        _refuse(f"host: {text!r} is no IP address")


def _net(text: str) -> Primitive:
    try:
        return Primitive("net", str(ipaddress.ip_network(text, strict=False)))
    except ValueError:
        _refuse(f"net: {text!r} is no prefix such as 10.90.0.0/16")


def _port(text: str) -> Primitive:
    if not (text.isascii() and text.isdigit() and 0 < int(text) < 65536):
        _refuse(f"port: {text!r} is no port, 1 to 65535")
    return Primitive("port", text)


_WITH_VALUE = {"host": _host, "net": _net, "port": _port}


def _refuse(message: str, word: str = "") -> NoReturn:
    from difflib import get_close_matches

    near = get_close_matches(word, _WORDS, 1) if word and word not in _WORDS else []
    mean = f"did you mean {near[0]}? " if near else ""
    raise ConfigError(_AT, message, f"{mean}for example: tcp and host 10.90.0.2 and not port 22")
