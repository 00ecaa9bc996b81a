"""What still bears an attachment's mark in our nftables tables; only `netkit gc` asks, for one whose record is lost."""

from __future__ import annotations

from netkit.naming import host_ifname

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator
    from typing import Any

    from netkit.kernel.libnft import Nft


def deletion(nft: Nft, owner: str) -> str:
    """The script that deletes the elements which bear an owner's comment, or the name of its cable; "" for none."""
    return "".join(
        f"delete element {family} netkit {each['name']} {{ {_text(key)} }}\n"
        for family in ("inet", "bridge")
        for shown in nft.list(f"table {family} netkit", elements=True) or ()
        for each in (shown.get("set") or shown.get("map"),)
        if each
        for key, comment in _elements(each)
        if comment == owner or host_ifname(owner) in _words(key)
    )


def _elements(each: dict[str, Any]) -> Iterator[tuple[Any, str]]:
    """Key and comment of every element; those of a map are listed with what they lead to."""
    for found in each.get("elem", ()):
        key = found[0] if isinstance(found, list) else found
        inner = key.get("elem") if isinstance(key, dict) else None
        yield (inner["val"], inner.get("comment", "")) if inner else (key, "")


def _words(key: Any) -> list[Any]:
    return list(key["concat"]) if isinstance(key, dict) and "concat" in key else [key]


def _text(key: Any) -> str:
    return " . ".join(_word(word) for word in _words(key))


def _word(word: Any) -> str:
    if isinstance(word, dict):
        return "-".join(map(str, word["range"])) if "range" in word else "{addr}/{len}".format(**word["prefix"])
    return f'"{word}"' if isinstance(word, str) else str(word)
