"""Other tools' forward chains that would drop our packets, and the accepts that netkit adds there.

They are found by asking for chains, not rules: a base chain whose policy drops, Docker's DOCKER-USER, firewalld's
chain (it ends in a reject). The one place where netkit reads another's rules is the forward chain that it put a jump
into, to find that jump again.
"""

from __future__ import annotations

from netkit.errors import HostError, KernelError, NetkitError
from netkit.kernel import nfchains, xtables
from netkit.kernel.libnft import open_nft
from netkit.plan import admit as plan
from netkit.plan import checked
from netkit.plan.iptables_text import Chain, Line, restore

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Sequence

    from netkit.kernel.libnft import Nft
    from netkit.kernel.nfchains import Chain as ForeignChain
    from netkit.plan.admit import NftChain
    from netkit.plan.rules import Admit

_OURS = "netkit"
_FIREWALLD = ("inet", "firewalld", "filter_FORWARD")


def foreign_drops() -> tuple[str, ...]:
    """Other tools' forward chains that would drop our packets, as `Admit.where` names them."""
    return (*_nft_drops(), *_legacy_drops())


def admit_all(rules: Sequence[Admit]) -> None:
    """Add these accepts, or none of them."""
    for number, rule in enumerate(rules):
        try:
            admit(rule)
        except NetkitError:
            dismiss_all(rules[:number])
            raise


def dismiss_all(rules: Sequence[Admit]) -> None:
    """Take these accepts back, newest first."""
    for rule in reversed(rules):
        dismiss(rule)


def admit(rule: Admit) -> None:
    """Add the accept; HostError when that tool lets nobody into its table."""
    if chain := plan.nft_chain(rule):
        nft = open_nft()
        there = _jump(nft, chain) is not None
        _run(nft, plan.device(rule, chain, "add") if there else plan.script(rule, chain), chain, rule.device)
        return
    tables, items = _tables(rule)
    tables.write(restore(xtables.Sight(tables).to_add(items), "add"))


def dismiss(rule: Admit) -> None:
    """Take the accept back, and with the last device our chain there."""
    if chain := plan.nft_chain(rule):
        _dismiss_nft(open_nft(), rule, chain)
        return
    tables, items = _tables(rule)
    sight = xtables.Sight(tables)
    there = sight.to_delete(items)
    mine = [item for item in there if isinstance(item, Line) and item.mark]
    last = len(sight.chain("filter", plan.CHAIN) or ()) == len(mine) + 1
    tables.write(restore(there if last else mine, "delete"))


def admits(rule: Admit) -> bool:
    """Whether the accept is there."""
    if chain := plan.nft_chain(rule):
        nft = open_nft()
        return _jump(nft, chain) is not None and _mine(rule) in (_admitted(nft, chain) or ())
    tables, items = _tables(rule)
    return not xtables.Sight(tables).to_add(items)


def _tables(rule: Admit) -> tuple[xtables.Tables, list[Chain | Line]]:
    backend, items = plan.items(rule)
    return xtables.Tables(backend, items[0].family), items


def _nft_drops() -> list[str]:
    try:
        chains = nfchains.chains()
    except OSError:
        return []
    found = [where for chain in chains if (where := _where(chain, chains))]
    return list(dict.fromkeys(found))


def _where(chain: ForeignChain, chains: list[ForeignChain]) -> str:
    """How `Admit` names this chain, "" when it is no chain that would drop our packets."""
    if chain.table == _OURS or chain.hook != nfchains.FORWARD or chain.family not in ("ip", "ip6", "inet"):
        return ""
    number = 6 if chain.family == "ip6" else 4
    if chain.family != "inet" and chain.table == "filter" and xtables.find("iptables", number):
        tool = "ip6tables" if number == 6 else "iptables"
        users = any((each.family, each.table, each.name) == (chain.family, "filter", "DOCKER-USER") for each in chains)
        return f"{tool} DOCKER-USER" if users else f"{tool} FORWARD" if chain.policy == nfchains.DROP else ""
    drops = chain.policy == nfchains.DROP or (chain.family, chain.table, chain.name) == _FIREWALLD
    plain = checked.is_identifier(chain.table) and checked.is_identifier(chain.name)
    return f"nft {chain.family} {chain.table} {chain.name}" if drops and plain else ""


def _legacy_drops() -> list[str]:
    found: list[str] = []
    for family, tool in ((4, "iptables-legacy"), (6, "ip6tables-legacy")):
        if "filter" not in xtables.legacy_tables(family) or not xtables.find("iptables-legacy", family):
            continue
        tables = xtables.Tables("iptables-legacy", family)
        if tables.chain("filter", "DOCKER-USER") is not None:
            found.append(f"{tool} DOCKER-USER")
        elif "-P FORWARD DROP" in (tables.chain("filter", "FORWARD") or ()):
            found.append(f"{tool} FORWARD")
    return found


def _jump(nft: Nft, chain: NftChain) -> int | None:
    """The handle of our jump in another's chain, None when it is not there."""
    for found in nft.list(f"chain {chain.place} {chain.name}") or ():
        if {"jump": {"target": plan.NFT_CHAIN}} in found.get("rule", {}).get("expr", ()):
            return int(found["rule"]["handle"])
    return None


def _mine(rule: Admit) -> tuple[str, ...]:
    name = plan.member(rule)
    return (name, name) if rule.switched else (name,)


def _admitted(nft: Nft, chain: NftChain) -> set[tuple[str, ...]] | None:
    """The devices admitted in another's table, those that only switch twice; None when we have no sets there."""
    lists = [nft.list(f"set {chain.place} {name}", elements=True) for name in (plan.NFT_DEVICES, plan.NFT_SWITCHES)]
    if None in lists:
        return None
    elements = [each for shown in lists for found in shown or () for each in found.get("set", {}).get("elem", ())]
    return {tuple(each["concat"]) if isinstance(each, dict) else (str(each),) for each in elements}


def _dismiss_nft(nft: Nft, rule: Admit, chain: NftChain) -> None:
    there = _admitted(nft, chain)
    if there is None:
        return
    if there - {_mine(rule)}:
        if _mine(rule) in there:
            _run(nft, plan.device(rule, chain, "delete"), chain, rule.device)
        return
    handle = _jump(nft, chain)
    jump = "" if handle is None else f"delete rule {chain.place} {chain.name} handle {handle}\n"
    _run(nft, jump + plan.farewell(chain), chain, rule.device)


def _run(nft: Nft, script: str, chain: NftChain, device: str) -> None:
    failed = nft.run(script)
    if "not permitted" in failed:
        raise HostError(
            f"the owner of nftables table {chain.place} lets nobody else in",
            f"let it accept our links: firewall-cmd --zone=trusted --add-interface={device.replace('*', '+')}",
        )
    if failed:
        raise KernelError(f"nftables: cannot change {chain.place} {chain.name}: {failed.splitlines()[0]}")
