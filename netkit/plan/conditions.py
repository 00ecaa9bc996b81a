"""Conditions of a published port: words of iptables or statements of nft, for whichever of both writes the rules.

Words that begin with `-` or `!` are iptables'. What people mostly ask for, an address or an interface, is put into
nft's words where it is nft that writes; anything else is refused.
"""

from __future__ import annotations

from netkit.errors import ConfigError

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Sequence

_MATCHES = {
    "-s": "saddr",
    "--source": "saddr",
    "--src": "saddr",
    "-d": "daddr",
    "--destination": "daddr",
    "--dst": "daddr",
    "-i": "iifname",
    "--in-interface": "iifname",
}


def are_iptables(words: Sequence[str]) -> bool:
    """Whether these are words of iptables; no words at all are nobody's."""
    return bool(words) and words[0][:1] in ("-", "!")


def in_words_of(backend: str, family: int, words: Sequence[str]) -> tuple[str, ...]:
    """The conditions as this backend says them, or ConfigError that names the word it cannot say."""
    if not words or are_iptables(words) == (backend != "nftables"):
        return tuple(words)
    key = f"conditionsV{family}"
    if backend != "nftables":
        hint = "write them as iptables would have them, -s 192.0.2.0/24 for example"
        raise ConfigError(key, f"{words[0]!a} begins a statement of nft, and this host's rules are iptables'", hint)
    said: list[str] = []
    rest = list(words)
    while rest:
        phrase = " ".join(rest[:3])
        no = rest[0] == "!" and bool(rest.pop(0))
        name, value = [*rest[:2], "", ""][:2]
        if name not in _MATCHES or not value:
            hint = f'write nft statements, or say "backend": "iptables"; translated are {", ".join(_MATCHES)}'
            raise ConfigError(key, f"netkit cannot say {phrase!a} in nft's words", hint)
        said += [*_match(_MATCHES[name], family), *(["!="] if no else []), *_value(name, value)]
        del rest[:2]
    return tuple(said)


def _match(name: str, family: int) -> list[str]:
    return [name] if name == "iifname" else ["ip6" if family == 6 else "ip", name]


def _value(name: str, value: str) -> list[str]:
    if _MATCHES[name] == "iifname":
        return [f"{value[:-1]}*" if value.endswith("+") else value]
    return ["{", *value.replace(",", ", ").split(), "}"] if "," in value else [value]
