"""Rules by their handles, as `nft list table` writes them, so that a trace can name the one that decided."""

from __future__ import annotations

import re

from netkit.errors import NetkitError
from netkit.kernel import spawn

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable

_CHAIN = re.compile(r"^\tchain (\S+) \{")
_HOOK = re.compile(r"^\t\ttype \S+ hook (\w+)")
_ELEMENTS = re.compile(r"elements = \{ (.*?) \}", re.DOTALL)
_RULE = re.compile(r"^\t\t(.+) # handle (\d+)$")


class Rulebook:
    """The rules of some tables, by the family that a trace tells, which is the packet's."""

    def __init__(self) -> None:
        self._rules: dict[tuple[str, str, int], str] = {}
        self._hooks: dict[tuple[str, str], str] = {}

    def rule(self, place: str, chain: str, handle: int) -> str:
        """A rule's text, `place` being `FAMILY TABLE`; its handle where the text is not known."""
        return self._rules.get((place, chain, handle), f"rule with handle {handle}")

    def hook(self, place: str, chain: str) -> str:
        """The hook that a chain hangs in, "" when in none or not known."""
        return self._hooks.get((place, chain), "")

    def place(self, family: str, table: str, chain: str) -> str:
        """`FAMILY TABLE` of the table that this is: of its own family, or `inet`."""
        own = f"{family} {table}"
        return f"inet {table}" if (own, chain) not in self._hooks and (f"inet {table}", chain) in self._hooks else own

    def add(self, place: str, listing: str) -> None:
        """Learn a table from `nft -a list table`."""
        chain = ""
        for line in listing.splitlines():
            if found := _CHAIN.match(line):
                chain = found[1]
                self._hooks[place, chain] = ""
            elif found := _HOOK.match(line):
                self._hooks[place, chain] = found[1]
            elif found := _RULE.match(line):
                self._rules[place, chain, int(found[2])] = found[1]


def read_rules(tables: Iterable[tuple[str, str]]) -> Rulebook:
    """The rules of these tables, (packet's family, name), of the namespace that we are in; as many as can be read."""
    book = Rulebook()
    for family, table in sorted({pair for seen in tables for pair in _may_be(*seen)}):
        try:
            listed = spawn.run(["nft", "-a", "-t", "list", "table", family, table])
        except NetkitError:
            return book  # libnftables without its program: rules go by their handles
        book.add(f"{family} {table}", listed.text)
    return book


def element(place: str, name: str, key: str) -> str:
    """The element of a map that a key leads to, as nft writes it, "" when there is none."""
    try:
        found = spawn.run(["nft", "get", "element", *place.split(), name, f"{{ {key} }}"])
    except NetkitError:
        return ""
    shown = _ELEMENTS.search(found.text)
    return " ".join(shown[1].split()) if shown else ""


def _may_be(family: str, table: str) -> list[tuple[str, str]]:
    return [(family, table), *([("inet", table)] if family in ("ip", "ip6") else [])]
