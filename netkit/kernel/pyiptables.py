"""Legacy chains read through python-iptables (extra `[iptables]`), in a process that lives long.

It binds the legacy tables only, and loading it takes 250 ms: more than a whole attach, so short commands never do.
Once loaded, reading a chain takes 0.7 ms, half of what a program takes to start. Writing stays with iptables-restore:
one transaction, under the lock that all iptables programs share.
"""

from __future__ import annotations

from netkit.kernel.xtables import Tables

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any


def available() -> bool:
    """Whether python-iptables can be loaded here."""
    try:
        _library()
    except (ImportError, OSError):
        return False
    return True


class LibraryTables(Tables):
    """One family of the legacy variant; reads through the library, writes as `Tables` does."""

    def __init__(self, family: int) -> None:
        super().__init__("iptables-legacy", family)
        iptc = _library()
        self._iptc, self._kind = iptc, iptc.Table6 if family == 6 else iptc.Table

    def chain(self, table: str, name: str) -> list[str] | None:
        """The chain and, for each of its lines, the comment: all that is asked of it.

        What the library cannot read (1.2.0 finds no MASQUERADE for IPv6 beside iptables 1.8.9) the program reads.
        """
        try:
            shown = self._kind(table)
            shown.refresh()
            if not shown.is_chain(name):
                return None
            rules = self._iptc.Chain(shown, name).rules
            return [f"-N {name}", *(f"-A {name} {_comment(rule)}" for rule in rules)]
        except (self._iptc.XTablesError, self._iptc.IPTCError):
            return super().chain(table, name)


def _comment(rule: Any) -> str:
    return " ".join(match.comment for match in rule.matches if match.name == "comment")


def _library() -> Any:
    from importlib import import_module

    return import_module("iptc")
