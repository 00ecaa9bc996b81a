"""iptables: `iptables-restore --noflush -w` of the variant that the host uses, one transaction a table and family.

Own lines are told by their mark (a comment), read from own chains only; so adding twice adds once, and deleting what is
gone deletes nothing, whatever a version of iptables makes of the way in which a line is written.
"""

from __future__ import annotations

import os

from netkit.errors import BusyError, HostError, KernelError
from netkit.kernel import foreign
from netkit.kernel.xtables import Sight, Tables, is_frame_line
from netkit.plan import admit, iptables
from netkit.plan.iptables_base import GROWING
from netkit.plan.iptables_text import Chain, Line, restore
from netkit.plan.rules import Admit, BaseRules

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Collection, Iterable, Sequence

    from netkit.plan.rules import Rule

    Item = Chain | Line


class Iptables:
    """The iptables executor, for one variant."""

    def __init__(self, name: str, lasting: bool = False) -> None:
        if name not in ("iptables", "iptables-legacy"):
            raise HostError(f"there is no firewall backend {name!r}", "use nftables or iptables")
        self.name = name
        families = (4, 6) if os.path.exists("/proc/net/if_inet6") else (4,)
        self._tables = {family: _tables(name, family, lasting) for family in families}

    def add(self, rules: Sequence[Rule]) -> None:
        """Add rules; when one family fails, what the other got is taken back."""
        change, elsewhere = iptables.add(_own(rules)), _elsewhere(rules, self.name)
        foreign.admit_all(elsewhere)
        done: dict[int, list[Item]] = {}
        try:
            for family, tables in self._tables.items():
                done[family] = Sight(tables).to_add(_of(family, change.items))
                tables.write(restore(done[family], "add"))
        except (KernelError, BusyError):
            for family, items in done.items():
                self._take_back(family, items)
            foreign.dismiss_all(elsewhere)
            raise

    def delete(self, rules: Sequence[Rule]) -> None:
        """Delete rules; what is gone is no error."""
        foreign.dismiss_all(_elsewhere(rules, self.name))
        change = iptables.delete(_own(rules))
        for family in self._tables:
            self._take_back(family, _of(family, change.items))

    def forget(self, owner: str) -> None:
        """Delete every line that bears an attachment's mark, and the chains that those alone lead to."""
        for family in self._tables:
            tables = Tables(self.name, family)  # the program, for the library tells of a line's mark alone
            listed = [(table, name, line) for table, name in GROWING for line in tables.chain(table, name) or ()]
            marked = [(table, name, line) for table, name, line in listed if f"nk:{owner}:" in line]
            lines = [Line(family, table, name, line.removeprefix(f"-A {name} ")) for table, name, line in marked]
            targets = [line.spec.rpartition("-j ")[2] for line in lines if line.chain == "NETKIT-DNAT"]
            own = [Chain(family, "nat", target) for target in targets if target.startswith("NETKIT-")]
            tables.write(restore([*lines, *own], "delete"))

    def held(self, rules: Sequence[Rule]) -> Collection[Rule]:
        """Those of the rules that are in force, as far as our own chains and the jumps to them tell."""
        return {rule for rule in rules if self._is_held(rule)}

    def _is_held(self, rule: Rule) -> bool:
        if isinstance(rule, Admit):
            return not admit.needed(rule, self.name) or foreign.admits(rule)
        return all(self._holds(family, _of(family, iptables.items(rule)), rule) for family in self._tables)

    def _holds(self, family: int, items: list[Item], rule: Rule) -> bool:
        sight = Sight(self._tables[family])
        if isinstance(rule, BaseRules):
            for chain in (item for item in items if isinstance(item, Chain) and item.fixed):
                wanted = [item for item in items if isinstance(item, Line) and item.chain == chain.name]
                if len(sight.chain(chain.table, chain.name) or ()) != len(wanted) + 1:
                    return False
        return all(sight.has(item) for item in items if not is_frame_line(item))

    def _take_back(self, family: int, items: Iterable[Item]) -> None:
        tables = self._tables[family]
        tables.write(restore(Sight(tables).to_delete(items), "delete"))


def _tables(name: str, family: int, lasting: bool) -> Tables:
    if lasting and name == "iptables-legacy":
        from netkit.kernel import pyiptables

        if pyiptables.available():
            return pyiptables.LibraryTables(family)
    return Tables(name, family)


def _elsewhere(rules: Iterable[Rule], backend: str) -> list[Admit]:
    return [rule for rule in rules if isinstance(rule, Admit) and admit.needed(rule, backend)]


def _own(rules: Iterable[Rule]) -> list[Rule]:
    return [rule for rule in rules if not isinstance(rule, Admit)]


def _of(family: int, items: Iterable[Item]) -> list[Item]:
    return [item for item in items if item.family == family]
