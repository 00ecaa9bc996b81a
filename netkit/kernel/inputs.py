"""Other tools' firewalls before the host's own sockets: which of them drop what no rule of theirs lets in."""

from __future__ import annotations

from netkit.kernel import nfchains, spawn, xtables
from netkit.kernel.libnft import open_nft

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator

_OURS = "netkit"
_FAMILIES = {4: ("ip", "inet"), 6: ("ip6", "inet")}


def unheard_of(port: int, family: int) -> tuple[str, ...]:
    """Input chains of others that drop by policy, and whose rules nowhere name a port, by their names."""
    return (*_nft(port, family), *_legacy(port, family))


def _nft(port: int, family: int) -> Iterator[str]:
    try:
        chains = nfchains.chains()
    except OSError:
        return
    for chain in chains:
        if chain.table == _OURS or (chain.hook, chain.policy) != (nfchains.INPUT, nfchains.DROP):
            continue
        if chain.family not in _FAMILIES[family]:
            continue
        rules = _rules("iptables", family) if chain.table == "filter" and chain.family != "inet" else ""
        if not _names(port, rules or repr(open_nft().list(f"table {chain.family} {chain.table}", elements=True))):
            yield f"nft {chain.family} {chain.table} {chain.name}"


def _legacy(port: int, family: int) -> Iterator[str]:
    tool = {4: "iptables-legacy", 6: "ip6tables-legacy"}[family]
    if "filter" in xtables.legacy_tables(family):
        rules = _rules("iptables-legacy", family)
        if "-P INPUT DROP" in rules and not _names(port, rules):
            yield f"{tool} INPUT"


def _names(port: int, rules: str) -> bool:
    """Whether the number stands there by itself: 4789 is not named by 14789."""
    return str(port) in "".join(char if char.isdigit() else " " for char in rules).split()


def _rules(backend: str, family: int) -> str:
    """All rules of the filter table as iptables writes them: nft does not show what its matches say."""
    path = xtables.find(backend, family)
    return spawn.run([path, "-w", "5", "-S"]).text if path else ""
