"""nftables: every operation is one script, so one kernel transaction.

Nothing here lists another's rules, nor its own: elements are written and looked for by key.
"""

from __future__ import annotations

import errno

from netkit.errors import ConflictError, KernelError
from netkit.kernel import nfelements
from netkit.kernel.libnft import Nft, open_nft
from netkit.kernel.nfnetlink import Writer
from netkit.plan import nft_base, nftables
from netkit.plan.rules import Admit, BaseRules, Publish

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Collection, Iterable, Sequence
    from types import ModuleType

    from netkit.plan.rules import Rule

#: What libnftables would say.
_COMPLAINTS = {errno.EBUSY: "File exists", errno.EEXIST: "File exists", errno.ENOENT: "No such file or directory"}
_TAKEN = ("File exists", "overlap", "conflicts", "Directory not empty")


class _Sought:
    """Rules that are looked for; `others` are those that no element stands for."""

    def __init__(self, rules: tuple[Rule, ...]) -> None:
        self.rules = rules
        self.others = [rule for rule in rules if isinstance(rule, (Admit, BaseRules))]
        self._own = {rule: tuple(nftables.elements(rule)) for rule in _own(rules) if not isinstance(rule, BaseRules)}
        self._chained = [rule for rule in self._own if nftables.chain_of(rule)[0]]
        self._search = nfelements.Search([element for elements in self._own.values() for element in elements])
        self._there: frozenset[nftables.Element] | None = None
        self._held: set[Rule] = set()

    def held(self) -> set[Rule]:
        """Those whose elements are there, and whose chain is whole if they have one."""
        there = self._search.held()
        if there is not self._there:
            self._there = there
            self._held = {rule for rule, elements in self._own.items() if there.issuperset(elements)}
        return self._held - {rule for rule in self._chained if not _chain_stands(rule)}


#: The many rules that were looked for last, how often so many are remembered, and what is many: an agent looks for the
#: same hundreds each round.
_sought: list[_Sought] = []
_REMEMBERED, _MANY = 2, 32


def _looked_for(rules: tuple[Rule, ...]) -> _Sought:
    found = next((one for one in _sought if one.rules == rules), None) or _Sought(rules)
    if len(rules) > _MANY:
        _sought[:] = [found, *(one for one in _sought if one is not found)][:_REMEMBERED]
    return found


class Nftables:
    """The nftables executor."""

    name = "nftables"

    def __init__(self, nft: Nft | None = None) -> None:
        self._nft = nft
        self._opened: Writer | None = None

    @property
    def nft(self) -> Nft:
        """libnftables, loaded when something is written: looking needs none."""
        if self._nft is None:
            self._nft = open_nft()
        return self._nft

    def add(self, rules: Sequence[Rule]) -> None:
        """Add rules in one transaction; what is there already, equal, is no error.

        Raises ConflictError when a port or network of these leads elsewhere already, KernelError for any other refusal.
        """
        elsewhere = _elsewhere(rules, self.name)
        if elsewhere:
            foreign().admit_all(elsewhere)
        if failed := self._written(rules):
            if elsewhere:
                foreign().dismiss_all(elsewhere)
            raise _error("add", rules, failed)

    def delete(self, rules: Sequence[Rule]) -> None:
        """Delete rules in one transaction; what is gone, or belongs to another by now, is left alone."""
        if elsewhere := _elsewhere(rules, self.name):
            foreign().dismiss_all(elsewhere)
        if not self._deleted(rules):
            self._delete_singly(rules)

    def held(self, rules: Sequence[Rule]) -> Collection[Rule]:
        """Those of the rules that are in force, as far as our own tables tell."""
        sought = _looked_for(tuple(rules))
        return sought.held() | {rule for rule in sought.others if self._is_held(rule)}

    def _is_held(self, rule: Rule) -> bool:
        if isinstance(rule, Admit):
            return not _elsewhere([rule], self.name) or foreign().admits(rule)
        return _frame_stands()

    def forget(self, owner: str) -> None:
        """Delete what bears an attachment's mark, whatever it is."""
        from netkit.kernel import leftovers  # asked for by nobody but gc

        script = leftovers.deletion(self.nft, owner)
        if script and (failed := self.nft.run(script)):
            raise _error("delete", (), failed)

    def _writer(self) -> Writer:
        self._opened = self._opened or Writer()
        return self._opened

    def _written(self, rules: Sequence[Rule]) -> str:
        """Write rules; what the kernel or libnftables complains of, "" when all is written."""
        elements = _plain(rules)
        if elements is None:
            script = nftables.add(_own(rules))
            return self.nft.run(script) if script else ""
        try:
            nfelements.add(self._writer(), elements)
        except OSError as error:
            return _COMPLAINTS.get(error.errno or 0, error.strerror or "the kernel refuses")
        return ""

    def _deleted(self, rules: Sequence[Rule]) -> bool:
        elements = _plain(rules)
        if elements is None:
            script = nftables.delete(_own(rules))
            return not script or not self.nft.run(script)
        try:
            nfelements.delete(self._writer(), elements)
        except OSError:
            return False
        return True

    def _delete_singly(self, rules: Iterable[Rule]) -> None:
        """What one transaction could not delete, element by element: each is gone, ours, or another's."""
        for rule in _own(rules):
            for element in nftables.elements(rule):
                path = f"element {element.family} netkit {element.set}"
                script = f"add {path} {{ {element} }}\ndelete {path} {{ {element.key} }}\n"
                if (failed := self.nft.run(script)) and not _harmless(failed):
                    raise _error("delete", (rule,), failed)
            if (script := nftables.farewell(rule)) and (failed := self.nft.run(script)) and not _harmless(failed):
                raise _error("delete", (rule,), failed)
            if isinstance(rule, BaseRules) and (failed := self.nft.run(nftables.delete([rule]))):
                raise _error("delete", (rule,), failed)


def _frame_stands() -> bool:
    """Whether every chain of our tables has as many rules as it should."""
    from netkit.kernel import nfchains

    try:
        return all(nft_base.lengths(f).items() <= nfchains.rule_counts(f, "netkit").items() for f in ("inet", "bridge"))
    except OSError:
        return False


def _chain_stands(rule: Rule) -> bool:
    """Whether the chain of a rule that has one is whole."""
    name, length = nftables.chain_of(rule)
    if not name:
        return True
    from netkit.kernel import nfchains

    try:
        return nfchains.rule_counts("inet", "netkit").get(name) == length
    except OSError:
        return False


def _plain(rules: Iterable[Rule]) -> list[nftables.Element] | None:
    """The elements of rules that need no libnftables; None when some do."""
    own = _own(rules)
    elements = [element for rule in own for element in nftables.elements(rule)]
    return None if any(isinstance(rule, BaseRules) for rule in own) or not nfelements.plain(elements) else elements


def _elsewhere(rules: Iterable[Rule], backend: str) -> list[Admit]:
    admits = [rule for rule in rules if isinstance(rule, Admit)]
    if admits:
        from netkit.plan import admit  # like `foreign`, of no use to most attachments

        admits = [rule for rule in admits if admit.needed(rule, backend)]
    return admits


def foreign() -> ModuleType:
    """What writes into other tools' chains; loaded when a rule is for one."""
    from netkit.kernel import foreign as module

    return module


def _own(rules: Iterable[Rule]) -> list[Rule]:
    return [rule for rule in rules if not isinstance(rule, Admit)]


def _harmless(complaint: str) -> bool:
    return "No such file" in complaint or any(word in complaint for word in _TAKEN)


def _error(verb: str, rules: Sequence[Rule], complaint: str) -> ConflictError | KernelError:
    ports = ", ".join(f"{r.protocol} {r.host_ip} {r.host_port}" for r in rules if isinstance(r, Publish))
    if ports and any(word in complaint for word in _TAKEN):
        return ConflictError(f"a port is published already: {ports}", "`nft list table inet netkit` shows by whom")
    hint = "run `netkit reload`: the firewall was flushed" if "No such file" in complaint else ""
    from netkit.kernel import refusals

    script = (nftables.add if verb == "add" else nftables.delete)(_own(rules))
    return KernelError(f"nftables cannot {verb} rules: {refusals.of_nft(script, complaint)}", hint=hint)
