"""The last gate before a firewall's text: only typed, well-formed values pass, never a string as a user wrote it.

Rules come from parsed requests, but also from records on disk. Whatever their source, a value that could end a word
or begin another one is refused here, with ConfigError.
"""

from __future__ import annotations

from netkit.errors import ConfigError
from netkit.model import bare, family
from netkit.naming import ID_LENGTH, check_ifname, short_id

TYPE_CHECKING = False
if TYPE_CHECKING:
    from netkit.plan.rules import Publish

PROTOCOLS = ("tcp", "udp", "sctp")

_HEX = frozenset("0123456789abcdef")
_OCTETS = frozenset(str(number) for number in range(256))
_CONDITION = frozenset("abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789_.:/-,!=<>&|^@*+%~{}[]()")
_LONGEST_CHAIN, _LONGEST_ZONE = 28, 17
_IDENTIFIER = frozenset("abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789_.-/")
_ZONE = _IDENTIFIER - frozenset("./")


def _refuse(value: object, what: str) -> ConfigError:
    return ConfigError(
        "rule", f"{value!r} is no {what}", "it did not come from netkit's parser; detach and attach anew"
    )


def address(text: str) -> str:
    """An address in canonical text."""
    if _groups6(text) if family(text) == 6 else _is_v4(text):
        return text
    raise _refuse(text, "address")


def prefix(text: str) -> str:
    """A prefix in canonical text, `10.90.0.0/16`."""
    length = text.partition("/")[2]
    if length.isascii() and length.isdecimal() and int(length) <= (128 if family(text) == 6 else 32):
        return f"{address(bare(text))}/{int(length)}"
    raise _refuse(text, "prefix")


def sources(subnet: str) -> list[str]:
    """A subnet, and where that is IPv4 and not everybody, the host's loopback besides."""
    found = prefix(subnet)
    return [found, "127.0.0.0/8"] if family(found) == 4 and not found.endswith("/0") else [found]


def device(name: str) -> str:
    """An interface name: no wildcard, no quote, no option."""
    return check_ifname(name, "rule.device")


def devices(name: str) -> str:
    """An interface name, or what several names begin with and a `*`."""
    return device(name[:-1]) + "*" if name.endswith("*") else device(name)


def mac(text: str) -> str:
    """A MAC address in lower case."""
    parts = text.split(":")
    if len(parts) == 6 and all(len(part) == 2 and _HEX.issuperset(part) for part in parts):
        return text
    raise _refuse(text, "MAC address")


def protocol(name: str) -> str:
    """tcp, udp or sctp."""
    if name in PROTOCOLS:
        return name
    raise _refuse(name, "protocol with ports")


def ports(first: int, count: int) -> tuple[int, int]:
    """The first and last of `count` ports."""
    if type(first) is int and type(count) is int and 1 <= first <= first + count - 1 <= 65535:
        return first, first + count - 1
    raise _refuse((first, count), "range of ports")


def port_id(rule: Publish) -> str:
    """Twelve hexadecimal digits for one published port of one owner."""
    first, _ = ports(rule.host_port, rule.count)
    return short_id("port", mark(rule.owner), protocol(rule.protocol), address(rule.host_ip), str(first))


def mark(owner: str) -> str:
    """Twelve hexadecimal digits for an owner: an attachment's id as it is, anything else by its hash."""
    if len(owner) == ID_LENGTH and _HEX.issuperset(owner):
        return owner
    return short_id("owner", owner)


def identifier(name: str) -> str:
    """Another tool's table or chain name that nft takes without quotes."""
    if name and name[0].isalpha() and _IDENTIFIER.issuperset(name):
        return name
    raise _refuse(name, "plain table or chain name")


def conditions(words: tuple[str, ...]) -> tuple[str, ...]:
    """Matches in a firewall's own language: words that cannot end a line, a command or a quotation."""
    for word in words:
        if not is_condition(word):
            raise _refuse(word, "plain word of a condition")
    return words


def is_condition(word: str) -> bool:
    """Whether a word may stand in a rule of either firewall."""
    return bool(word) and _CONDITION.issuperset(word)


def iptables_chain(name: str) -> str:
    """Another tool's iptables chain."""
    if is_chain(name):
        return name
    raise _refuse(name, "iptables chain")


def is_chain(name: str) -> bool:
    """Whether this can be the name of an iptables chain; netkit's own are not to be had."""
    plain = is_identifier(name) and "/" not in name and len(name) <= _LONGEST_CHAIN
    return plain and not name.startswith("NETKIT-")


def zone(name: str) -> str:
    """A firewalld zone."""
    if is_zone(name):
        return name
    raise _refuse(name, "firewalld zone")


def is_zone(name: str) -> bool:
    """Whether this can be the name of a firewalld zone."""
    return 0 < len(name) <= _LONGEST_ZONE and name[0].isalnum() and _ZONE.issuperset(name)


def is_identifier(name: str) -> bool:
    """Whether nft takes this table or chain name without quotes."""
    return bool(name) and name[0].isalpha() and _IDENTIFIER.issuperset(name)


def number6(text: str) -> int:
    """An IPv6 address as a number."""
    groups = _groups6(text)
    if not groups:
        raise _refuse(text, "IPv6 address")
    return int("".join(group.zfill(4) for group in groups), 16)


def _is_v4(text: str) -> bool:
    parts = text.split(".")
    return len(parts) == 4 and _OCTETS.issuperset(parts)


def _groups6(text: str) -> list[str]:
    """The eight groups of an IPv6 address, [] when it is none."""
    head, gap, tail = text.partition("::")
    left, right = (part.split(":") if part else [] for part in (head, tail))
    missing = 8 - len(left) - len(right)
    groups = [*left, *(["0"] * missing), *right]
    well = all(1 <= len(group) <= 4 and _HEX.issuperset(group) for group in groups)
    return groups if well and len(groups) == 8 and bool(gap) == (missing > 0) else []
