"""What still bears an attachment's mark in our nftables tables; only `netkit gc` asks, for one whose record is lost."""

from __future__ import annotations

from netkit.naming import host_ifname
from netkit.plan.nft_when import OWN_CHAIN

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator
    from typing import Any

    from netkit.kernel.libnft import Nft


def deletion(nft: Nft, owner: str) -> str:
    """The script that deletes the elements which bear an owner's comment, or the name of its cable; "" for none.

    The chains that such elements alone lead to go with them.
    """
    found = [
        (f"delete element {family} netkit {each['name']} {{ {_text(key)} }}\n", chain)
        for family in ("inet", "bridge")
        for shown in nft.list(f"table {family} netkit", elements=True) or ()
        for each in (shown.get("set") or shown.get("map"),)
        if each
        for key, comment, chain in _elements(each)
        if comment == owner or host_ifname(owner) in _words(key)
    ]
    chains = [f"flush chain inet netkit {chain}\ndelete chain inet netkit {chain}\n" for _, chain in found if chain]
    return "".join([*(line for line, _ in found), *chains])


def _elements(each: dict[str, Any]) -> Iterator[tuple[Any, str, str]]:
    """Key and comment of every element, and the chain of its own that it leads to, if it has one."""
    for found in each.get("elem", ()):
        key, value = found if isinstance(found, list) else (found, None)
        inner = key.get("elem") if isinstance(key, dict) else None
        goto = value.get("goto", {}).get("target", "") if isinstance(value, dict) else ""
        chain = goto if goto.startswith(OWN_CHAIN) else ""
        yield (inner["val"], inner.get("comment", ""), chain) if inner else (key, "", chain)


def _words(key: Any) -> list[Any]:
    return list(key["concat"]) if isinstance(key, dict) and "concat" in key else [key]


def _text(key: Any) -> str:
    return " . ".join(_word(word) for word in _words(key))


def _word(word: Any) -> str:
    if isinstance(word, dict):
        return "-".join(map(str, word["range"])) if "range" in word else "{addr}/{len}".format(**word["prefix"])
    return f'"{word}"' if isinstance(word, str) else str(word)
