"""The last gate before a firewall's text: only typed, well-formed values pass, never a string as a user wrote it.

Rules come from parsed requests, but also from records on disk. Whatever their source, a value that could end a word
or begin another one is refused here, with ConfigError.
"""

from __future__ import annotations

from netkit.errors import ConfigError
from netkit.model import bare, family
from netkit.naming import ID_LENGTH, check_ifname, short_id

PROTOCOLS = ("tcp", "udp", "sctp")

_HEX = frozenset("0123456789abcdef")
_V4 = frozenset("0123456789.")
_V6 = _HEX | {":"}
_IDENTIFIER = frozenset("abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789_.-/")


def _refuse(value: object, what: str) -> ConfigError:
    return ConfigError(
        "rule", f"{value!r} is no {what}", "it did not come from netkit's parser; detach and attach anew"
    )


def address(text: str) -> str:
    """An address in canonical text."""
    allowed = _V6 if family(text) == 6 else _V4
    if isinstance(text, str) and 2 <= len(text) <= 39 and allowed.issuperset(text):
        return text
    raise _refuse(text, "address")


def prefix(text: str) -> str:
    """A prefix in canonical text, `10.90.0.0/16`."""
    length = text.partition("/")[2]
    if length.isascii() and length.isdecimal() and int(length) <= (128 if family(text) == 6 else 32):
        return f"{address(bare(text))}/{int(length)}"
    raise _refuse(text, "prefix")


def device(name: str) -> str:
    """An interface name: no wildcard, no quote, no option."""
    return check_ifname(name, "rule.device")


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


def is_identifier(name: str) -> bool:
    """Whether nft takes this table or chain name without quotes."""
    return bool(name) and name[0].isalpha() and _IDENTIFIER.issuperset(name)


def words6(text: str) -> int:
    """An IPv6 address as a number."""
    head, _, tail = address(text).partition("::")
    left, right = (part.split(":") if part else [] for part in (head, tail))
    gap = ["0"] * (8 - len(left) - len(right)) if "::" in text else []
    groups = [int(group, 16) for group in (*left, *gap, *right)]
    if len(groups) != 8 or max(groups) > 0xFFFF:
        raise _refuse(text, "IPv6 address")
    return int.from_bytes(b"".join(group.to_bytes(2, "big") for group in groups), "big")
