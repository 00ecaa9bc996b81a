"""iptables: `iptables-restore --noflush -w` of the variant that the host uses, one transaction a table and family.

Own lines are told by their mark (a comment), read from own chains only; so adding twice adds once, and deleting what is
gone deletes nothing, whatever a version of iptables makes of the way in which a line is written.
"""

from __future__ import annotations

import os

from netkit.errors import BusyError, HostError, KernelError
from netkit.kernel import foreign, spawn
from netkit.plan import iptables
from netkit.plan.iptables_text import Chain, Line, restore
from netkit.plan.rules import Admit, BaseRules

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from netkit.plan.rules import Rule

    Item = Chain | Line

#: Seconds that iptables waits for the lock that all iptables programs share.
_WAIT = "20"
_LOCKED = 4

#: The programs that may be a backend's, first choice first.
_PROGRAMS = {
    ("iptables", 4): ("iptables-nft", "iptables"),
    ("iptables", 6): ("ip6tables-nft", "ip6tables"),
    ("iptables-legacy", 4): ("iptables-legacy", "iptables"),
    ("iptables-legacy", 6): ("ip6tables-legacy", "ip6tables"),
}


def find(backend: str, family: int = 4) -> str | None:
    """The path of a backend's `iptables` (or `ip6tables`), None when the host lacks that variant."""
    exact, plain = _PROGRAMS[backend, family]
    if path := spawn.find(exact):
        return path
    path = spawn.find(plain)
    return path if path and _is_nft(path) == (backend == "iptables") else None


def host_variant() -> str | None:
    """The backend that the host's plain `iptables` is, None without iptables."""
    path = spawn.find("iptables")
    if path is None:
        return next((name for name in ("iptables", "iptables-legacy") if find(name)), None)
    return "iptables" if _is_nft(path) else "iptables-legacy"


def legacy_rules() -> bool:
    """Whether legacy iptables holds rules here; asks only where the kernel has its tables loaded."""
    program = find("iptables-legacy") if legacy_tables() else None
    if program is None:
        return False
    for table in legacy_tables():
        listed = spawn.run([program, "-w", _WAIT, "-t", table, "-S"])
        if any(line.startswith("-A") or line.endswith(" DROP") for line in listed.text.splitlines()):
            return True
    return False


def legacy_tables(family: int = 4) -> list[str]:
    """The legacy tables that this network namespace has."""
    try:
        with open(f"/proc/net/{'ip' if family == 4 else 'ip6'}_tables_names", encoding="ascii") as file:
            return file.read().split()
    except OSError:
        return []


def _is_nft(path: str) -> bool:
    return "nf_tables" in spawn.run([path, "--version"]).text


class Tables:
    """One family of one variant: reads chains, and writes restore text."""

    def __init__(self, backend: str, family: int) -> None:
        path = find(backend, family)
        if path is None:
            raise HostError(
                f"{_PROGRAMS[backend, family][0]} is missing", "install iptables, or use --firewall nftables"
            )
        self._path = path

    def chain(self, table: str, name: str) -> list[str] | None:
        """The lines of a chain as iptables writes them, None when there is no such chain."""
        done = spawn.run([self._path, "-w", _WAIT, "-t", table, "-S", name])
        return None if done.status else done.text.splitlines()

    def has(self, line: Line) -> bool:
        """Whether a line without a mark is there."""
        argv = [self._path, "-w", _WAIT, "-t", line.table, "-C", line.chain, *line.spec.split()]
        return spawn.run(argv).status == 0

    def write(self, text: str) -> None:
        """Carry out restore text; BusyError when another holds the lock, KernelError for any other refusal."""
        if not text:
            return
        done = spawn.run([f"{self._path}-restore", "--noflush", "-w", _WAIT], text.encode())
        if done.status == _LOCKED and "lock" in done.complaint:
            raise BusyError("another program holds the iptables lock", "try again")
        if done.status:
            raise KernelError(f"{os.path.basename(self._path)}-restore: {done.complaint}")


class Sight:
    """What own chains hold, each read once."""

    def __init__(self, tables: Tables) -> None:
        self._tables = tables
        self._seen: dict[tuple[str, str], list[str] | None] = {}

    def chain(self, table: str, name: str) -> list[str] | None:
        if (table, name) not in self._seen:
            self._seen[table, name] = self._tables.chain(table, name)
        return self._seen[table, name]

    def has(self, item: Item) -> bool:
        """Whether a chain, a marked line or a jump is there."""
        if isinstance(item, Chain):
            return self.chain(item.table, item.name) is not None
        if not item.mark:
            return self._tables.has(item)
        return any(
            f'"{item.mark}"' in line or f" {item.mark} " in line for line in self.chain(item.table, item.chain) or ()
        )

    def to_add(self, items: Iterable[Item]) -> list[Item]:
        """What is missing; chains of the frame and their lines are always written anew."""
        return [item for item in items if _is_frame(item) or not self.has(item)]

    def to_delete(self, items: Iterable[Item]) -> list[Item]:
        """What is there; the frame's own lines go with their chains."""
        return [item for item in items if not _is_frame_line(item) and self.has(item)]


class Iptables:
    """The iptables executor, for one variant."""

    def __init__(self, name: str) -> None:
        if name not in ("iptables", "iptables-legacy"):
            raise HostError(f"there is no firewall backend {name!r}", "use nftables or iptables")
        self.name = name
        families = (4, 6) if os.path.exists("/proc/net/if_inet6") else (4,)
        self._tables = {family: Tables(name, family) for family in families}

    def add(self, rules: Sequence[Rule]) -> None:
        """Add rules; when one family fails, what the other got is taken back."""
        change = iptables.add(_own(rules))
        done: dict[int, list[Item]] = {}
        try:
            for family, tables in self._tables.items():
                done[family] = Sight(tables).to_add(_of(family, change.items))
                tables.write(restore(done[family], "add"))
        except (KernelError, BusyError):
            for family, items in done.items():
                self._take_back(family, items)
            raise
        for rule in rules:
            if isinstance(rule, Admit):
                foreign.admit(rule)

    def delete(self, rules: Sequence[Rule]) -> None:
        """Delete rules; what is gone is no error."""
        for rule in rules:
            if isinstance(rule, Admit):
                foreign.dismiss(rule)
        change = iptables.delete(_own(rules))
        for family in self._tables:
            self._take_back(family, _of(family, change.items))

    def holds(self, rule: Rule) -> bool:
        """Whether this rule is in force, as far as our own chains and the jumps to them tell."""
        if isinstance(rule, Admit):
            return foreign.admits(rule)
        return all(self._holds(family, _of(family, iptables.items(rule)), rule) for family in self._tables)

    def _holds(self, family: int, items: list[Item], rule: Rule) -> bool:
        sight = Sight(self._tables[family])
        if isinstance(rule, BaseRules):
            for chain in (item for item in items if isinstance(item, Chain) and item.fixed):
                wanted = [item for item in items if isinstance(item, Line) and item.chain == chain.name]
                if len(sight.chain(chain.table, chain.name) or ()) != len(wanted) + 1:
                    return False
        return all(sight.has(item) for item in items if not _is_frame_line(item))

    def _take_back(self, family: int, items: Iterable[Item]) -> None:
        tables = self._tables[family]
        tables.write(restore(Sight(tables).to_delete(items), "delete"))


def _own(rules: Iterable[Rule]) -> list[Rule]:
    return [rule for rule in rules if not isinstance(rule, Admit)]


def _of(family: int, items: Iterable[Item]) -> list[Item]:
    return [item for item in items if item.family == family]


def _is_frame(item: Item) -> bool:
    """Whether an item belongs to the chains that are written whole."""
    return item.fixed if isinstance(item, Chain) else _is_frame_line(item)


def _is_frame_line(item: Item) -> bool:
    return isinstance(item, Line) and not item.mark and item.chain.startswith("NETKIT-")
