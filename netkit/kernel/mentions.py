"""Rules of other tools that name a link: they would miss its packets once those come in by another.

Read is what a person would read: the nftables rule set without the elements of sets (but those of interface names),
and the legacy iptables tables that the kernel has. iptables of the nft kind writes into the former.
"""

from __future__ import annotations

from netkit.errors import HostError
from netkit.kernel import nfchains, spawn, xtables
from netkit.kernel.libnft import open_nft

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator
    from typing import Any

_OWN_TABLE, _OWN_CHAINS = "netkit", ("NETKIT-", "netkit_")
_SWITCHES = ("-i", "--in-interface", "-o", "--out-interface", "--physdev-in", "--physdev-out")


def of(dev: str) -> tuple[str, ...]:
    """The chains and sets that name this link, or a pattern that it fits, each once."""
    return tuple(dict.fromkeys([*_in_nft(dev), *_in_legacy(dev)]))


def _in_nft(dev: str) -> Iterator[str]:
    if not nfchains.usable():
        return
    try:
        nft = open_nft()
    except HostError:
        return  # whoever has rules has nft
    for entry in nft.list("ruleset") or ():
        for kind, item in entry.items():
            where = f"{item.get('family')} {item.get('table')}"
            if item.get("table") == _OWN_TABLE or str(item.get("chain", item.get("name", ""))).startswith(_OWN_CHAINS):
                continue
            if kind == "rule" and _names(item.get("expr"), dev):
                yield f"nft {where} {item['chain']}"
            elif kind in ("set", "map") and "ifname" in _flat(item.get("type")):
                found = nft.list(f"{kind} {where} {item['name']}", elements=True) or ()
                if any(_names(each.get(kind, {}).get("elem"), dev) for each in found):
                    yield f"nft {where} {kind} {item['name']}"


def _names(thing: Any, dev: str) -> bool:
    """Whether a link's name stands anywhere in a rule's expressions or a set's elements."""
    if isinstance(thing, dict):
        return any(_names(value, dev) for key, value in thing.items() if key != "comment")
    if isinstance(thing, list):
        return any(_names(item, dev) for item in thing)
    return isinstance(thing, str) and _fits(thing, dev, "*")


def _flat(kind: Any) -> tuple[str, ...]:
    return tuple(kind) if isinstance(kind, list) else (str(kind),)


def _fits(text: str, dev: str, wildcard: str) -> bool:
    return text == dev or (len(text) > 1 and text.endswith(wildcard) and dev.startswith(text[:-1]))


def _in_legacy(dev: str) -> Iterator[str]:
    for family, tool in ((4, "iptables-legacy"), (6, "ip6tables-legacy")):
        tables = xtables.legacy_tables(family)
        path = xtables.find("iptables-legacy", family) if tables else None
        for table in tables if path else ():
            listed = spawn.run([str(path), "-w", "20", "-t", table, "-S"]).text.splitlines()
            yield from (f"{tool} {table} {line.split()[1]}" for line in listed if _in_line(line.split(), dev))


def _in_line(words: list[str], dev: str) -> bool:
    if words[0] != "-A" or words[1].startswith(_OWN_CHAINS):
        return False
    return any(words[at] in _SWITCHES and _fits(words[at + 1], dev, "+") for at in range(len(words) - 1))
