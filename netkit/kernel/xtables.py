"""Talking to iptables: which programs the host has, what own chains hold, and `iptables-restore --noflush -w`.

Only own chains are read, and own lines are told by their mark (a comment), whatever a version of iptables makes of the
way in which a line is written.
"""

from __future__ import annotations

import os

from netkit.errors import BusyError, HostError, KernelError
from netkit.kernel import spawn
from netkit.plan.iptables_text import Chain, Line

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable

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
            from netkit.kernel import refusals

            raise KernelError(f"{os.path.basename(self._path)}-restore: {refusals.of_iptables(text, done.complaint)}")


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
        lines = self.chain(item.table, item.chain) or ()
        return any(item.mark in line.replace('"', " ").split() for line in lines)

    def to_add(self, items: Iterable[Item]) -> list[Item]:
        """What is missing; chains of the frame and their lines are always written anew."""
        return [item for item in items if is_frame(item) or not self.has(item)]

    def to_delete(self, items: Iterable[Item]) -> list[Item]:
        """What is there; the frame's own lines go with their chains."""
        return [item for item in items if not is_frame_line(item) and self.has(item)]


def is_frame(item: Item) -> bool:
    """Whether an item belongs to the chains that are written whole."""
    return item.fixed if isinstance(item, Chain) else is_frame_line(item)


def is_frame_line(item: Item) -> bool:
    """Whether it is a line of the frame's own chains, which no network or port brought."""
    return isinstance(item, Line) and not item.mark and item.chain.startswith("NETKIT-")
