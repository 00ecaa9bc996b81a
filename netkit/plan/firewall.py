"""A change of firewall rules as the commands that a person would type, whichever firewalls it concerns."""

from __future__ import annotations

from netkit.plan import admit, checked, iptables, nftables
from netkit.plan.rules import Admit, ZoneSource

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable

    from netkit.plan.rules import Rule


def commands(rules: Iterable[Rule], backend: str, verb: str) -> list[tuple[list[str], str]]:
    """(argv, standard input) pairs that add or delete these rules: one transaction for ours, accepts elsewhere last."""
    rules = tuple(rules)
    if backend == "firewalld":
        return [(["firewall-cmd", *words(rule, verb)], "") for rule in rules if isinstance(rule, ZoneSource)]
    own = [rule for rule in rules if not isinstance(rule, Admit)]
    admits = [rule for rule in rules if isinstance(rule, Admit) and admit.needed(rule, backend)]
    elsewhere = [command for rule in admits for command in admit.commands(rule, verb)]
    if backend == "nftables":
        ours = nftables.commands(nftables.add(own) if verb == "add" else nftables.delete(own))
    else:
        ours = iptables.commands(iptables.add(own) if verb == "add" else iptables.delete(own), backend)
    return [*ours, *elsewhere] if verb == "add" else [*elsewhere, *ours]


def words(rule: ZoneSource, verb: str) -> list[str]:
    """What firewall-cmd is told to `add`, `delete` or `query` a source."""
    way = {"add": "add", "delete": "remove", "query": "query"}[verb]
    return [f"--zone={checked.zone(rule.zone)}", f"--{way}-source={checked.prefix(rule.source)}"]
