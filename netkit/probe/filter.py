"""The filter language: which packets are wanted. Pure.

    expression := term { "or" term }      term := factor { "and" factor }      factor := "not" factor | primitive
    primitive  := tcp | udp | icmp | icmp6 | arp | ip | ip6 | host ADDR | net PREFIX | port N | "(" expression ")"

`host`, `net` and `port` look at both ends, as tcpdump's do; of ARP, at who asks and who is asked for.
"""

from __future__ import annotations

import ipaddress

from netkit.errors import ConfigError
from netkit.probe.packet import ARP, ICMP, ICMP6, IPV4, IPV6, TCP, UDP

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import NoReturn

    from netkit.probe.packet import Packet

    Filter = Callable[[Packet], bool]

_AT = "--filter"
_PROTOCOLS = {"tcp": TCP, "udp": UDP, "icmp": ICMP, "icmp6": ICMP6}
_KINDS = {"arp": ARP, "ip": IPV4, "ip6": IPV6}
_WORDS = (*_PROTOCOLS, *_KINDS, "host", "net", "port", "and", "or", "not", "(", ")")


def everything(_packet: Packet) -> bool:
    """The filter that lets every packet through."""
    return True


def compile_filter(text: str) -> Filter:
    """What a filter's text says, as a function of a packet; ConfigError says which word is off."""
    words = text.replace("(", " ( ").replace(")", " ) ").split()
    return _Reader(words).whole() if words else everything


class _Reader:
    """The words of one filter, read from left to right."""

    def __init__(self, words: list[str]) -> None:
        self._words, self._at = words, 0

    def whole(self) -> Filter:
        found = self._either()
        if (word := self._peek()) is not None:
            _refuse(f"{word!r} stands where 'and' or 'or' is expected", word)
        return found

    def _either(self) -> Filter:
        parts = [self._both()]
        while self._peek() == "or":
            self._next()
            parts.append(self._both())
        return parts[0] if len(parts) == 1 else lambda packet: any(part(packet) for part in parts)

    def _both(self) -> Filter:
        parts = [self._one()]
        while self._peek() == "and":
            self._next()
            parts.append(self._one())
        return parts[0] if len(parts) == 1 else lambda packet: all(part(packet) for part in parts)

    def _one(self) -> Filter:
        word = self._next("a filter")
        if word == "not":
            inner = self._one()
            return lambda packet: not inner(packet)
        if word == "(":
            inside = self._either()
            if self._peek() != ")":
                _refuse("a '(' is not closed")
            self._next()
            return inside
        return self._primitive(word)

    def _primitive(self, word: str) -> Filter:
        if word in _PROTOCOLS:
            protocol = _PROTOCOLS[word]
            return lambda packet: packet.protocol == protocol
        if word in _KINDS:
            kind = _KINDS[word]
            return lambda packet: packet.kind == kind
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


def _host(text: str) -> Filter:
    try:
        address = str(ipaddress.ip_address(text))
    except ValueError:
        _refuse(f"host: {text!r} is no IP address")
    return lambda packet: address in (packet.src, packet.dst)


def _net(text: str) -> Filter:
    try:
        network = ipaddress.ip_network(text, strict=False)
    except ValueError:
        _refuse(f"net: {text!r} is no prefix such as 10.90.0.0/16")
    return lambda packet: any(end and ipaddress.ip_address(end) in network for end in (packet.src, packet.dst))


def _port(text: str) -> Filter:
    if not (text.isascii() and text.isdigit() and 0 < int(text) < 65536):
        _refuse(f"port: {text!r} is no port, 1 to 65535")
    number = int(text)
    return lambda packet: number in (packet.sport, packet.dport)


_WITH_VALUE = {"host": _host, "net": _net, "port": _port}


def _refuse(message: str, word: str = "") -> NoReturn:
    from difflib import get_close_matches

    near = get_close_matches(word, _WORDS, 1) if word and word not in _WORDS else []
    mean = f"did you mean {near[0]}? " if near else ""
    raise ConfigError(_AT, message, f"{mean}for example: tcp and host 10.90.0.2 and not port 22")
