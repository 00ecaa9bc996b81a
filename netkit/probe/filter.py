"""The filter language: which packets are wanted. Pure.

    expression := term { "or" term }      term := factor { "and" factor }      factor := "not" factor | primitive
    primitive  := tcp | udp | icmp | icmp6 | arp | ip | ip6 | host ADDR | net PREFIX | port N | "(" expression ")"

`host`, `net` and `port` look at both ends, as tcpdump's do; of ARP, at who asks and who is asked for.
"""

from __future__ import annotations

import ipaddress
import re

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
_WORD = re.compile(r"[()]|[^\s()]+")
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
    """What a filter's text says, None when it says nothing; ConfigError points at the word that is off."""
    return _Reader(text).whole() if text.strip() else None


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

    def __init__(self, text: str) -> None:
        self._text, self._at = text, 0
        found = list(_WORD.finditer(text))
        self._words, self._starts = [one[0] for one in found], [*(one.start() for one in found), len(text.rstrip())]

    def whole(self) -> Node:
        found = self._either()
        if (word := self._peek()) is not None:
            self._refuse(f"{word!r} stands where 'and' or 'or' is expected", self._at)
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
        begun, word = self._at, self._next("a filter")
        if word == "not":
            return Not(self._one())
        if word != "(":
            return self._primitive(word)
        inside = self._either()
        if self._peek() not in (")", None):
            self._refuse(f"{self._peek()!r} stands where 'and', 'or' or ')' is expected", self._at)
        if self._peek() is None:
            self._refuse("this '(' is not closed", begun)
        self._next()
        return inside

    def _primitive(self, word: str) -> Node:
        if word in PROTOCOLS or word in KINDS:
            return Primitive(word)
        if word not in _WITH_VALUE:
            self._refuse(f"{word!r} is no word of a filter", self._at - 1)
        text = self._next(f"a value after {word!r}")
        read, wrong = _WITH_VALUE[word]
        try:
            return read(text)
        except ValueError:
            self._refuse(f"{word}: {text!r} is {wrong}", self._at - 1)

    def _peek(self) -> str | None:
        return self._words[self._at] if self._at < len(self._words) else None

    def _next(self, wanted: str = "") -> str:
        word = self._peek()
        if word is None:
            self._refuse(f"the filter ends where {wanted} is expected", self._at)
        self._at += 1
        return word

    def _refuse(self, message: str, at: int) -> NoReturn:
        """Say what is off, and show which word that is; the one after the last is the end."""
        from difflib import get_close_matches

        word, start = [*self._words, ""][at], self._starts[at]
        near = get_close_matches(word, _WORDS, 1) if word and word not in _WORDS else []
        mean = f"did you mean {near[0]}? " if near else ""
        line = "".join(" " if letter.isspace() else letter for letter in self._text)
        pointed = f"{line}\n{' ' * start}{'^' * max(len(word), 1)}"
        raise ConfigError(_AT, message, f"{pointed}\n{mean}for example: tcp and host 10.90.0.2 and not port 22")


def _host(text: str) -> Primitive:
    return Primitive("net", str(ipaddress.ip_network(ipaddress.ip_address(text))))


def _net(text: str) -> Primitive:
    return Primitive("net", str(ipaddress.ip_network(text, strict=False)))


def _port(text: str) -> Primitive:
    if not (text.isascii() and text.isdigit() and 0 < int(text) < 65536):
        raise ValueError
    return Primitive("port", text)


#: How a value is read, and what a wrong one is told to be.
_WITH_VALUE = {
    "host": (_host, "no IP address"),
    "net": (_net, "no prefix such as 10.90.0.0/16"),
    "port": (_port, "no port, 1 to 65535"),
}
