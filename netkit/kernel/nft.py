"""nftables: libnftables through ctypes (4 ms to load, then 0.3 ms a transaction), or the `nft` program without it.

Every operation is one script, so one kernel transaction. Nothing here lists another's rules: elements are written and
looked for by key, and only `table inet netkit` and `table bridge netkit` are ever read, without their elements.
"""

from __future__ import annotations

import json
import os

from netkit.errors import ConflictError, HostError, KernelError
from netkit.kernel import foreign, spawn
from netkit.plan import nft_base, nftables
from netkit.plan.rules import Admit, BaseRules, Publish

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence
    from typing import Any, Protocol

    from netkit.plan.nftables import Element
    from netkit.plan.rules import Rule
else:
    Protocol = object

_LIBRARY = "libnftables.so.1"
_HANDLE, _JSON, _TERSE = 1 << 3, 1 << 4, 1 << 11
_TAKEN = ("File exists", "overlap", "conflicts", "Directory not empty")


class Nft(Protocol):
    """A way to talk to nftables."""

    def run(self, script: str) -> str:
        """Carry out a script; returns nft's complaint, "" when it went well."""

    def read(self, command: str) -> list[dict[str, Any]]:
        """The objects that a `list` command shows without set elements, or a `get` command; [] when there is none."""


class Library:
    """libnftables in this process. A context belongs to the network namespace in which it was made."""

    def __init__(self) -> None:
        import ctypes

        try:
            lib = ctypes.CDLL(_LIBRARY)
        except OSError as error:
            raise HostError(f"{_LIBRARY} is missing", "install libnftables1 (or nftables)") from error
        lib.nft_ctx_new.restype = ctypes.c_void_p
        for name in ("get_output_buffer", "get_error_buffer"):
            getattr(lib, f"nft_ctx_{name}").restype = ctypes.c_char_p
        self._lib, self._context = lib, ctypes.c_void_p(lib.nft_ctx_new(0))
        if not self._context:
            raise HostError("libnftables cannot talk to the kernel", "is this root, with nf_tables in the kernel?")
        lib.nft_ctx_buffer_output(self._context)
        lib.nft_ctx_buffer_error(self._context)

    def run(self, script: str) -> str:
        lib, context = self._lib, self._context
        failed = lib.nft_run_cmd_from_buffer(context, script.encode())
        text = (lib.nft_ctx_get_error_buffer(context) or b"").decode("utf-8", "replace").strip()
        return (text or "nft failed without a word") if failed else ""

    def read(self, command: str) -> list[dict[str, Any]]:
        lib, context = self._lib, self._context
        lib.nft_ctx_output_set_flags(context, _JSON | _HANDLE | (_TERSE if command.startswith("list") else 0))
        try:
            failed = self.run(command)
            return [] if failed else _objects(lib.nft_ctx_get_output_buffer(context) or b"{}")
        finally:
            lib.nft_ctx_output_set_flags(context, 0)


class Program:
    """The same through the `nft` program."""

    def __init__(self) -> None:
        path = spawn.find("nft")
        if path is None:
            raise HostError("neither libnftables nor nft is installed", "install nftables")
        self._path = path

    def run(self, script: str) -> str:
        done = spawn.run([self._path, "-f", "-"], script.encode())
        return (done.complaint or f"nft failed with status {done.status}") if done.status else ""

    def read(self, command: str) -> list[dict[str, Any]]:
        terse = ["-t"] if command.startswith("list") else []
        done = spawn.run([self._path, "-j", "-a", *terse, "-f", "-"], command.encode())
        return [] if done.status else _objects(done.stdout)


def open_nft() -> Nft:
    """The library where the host has it, else the program; HostError when there is neither."""
    try:
        return Library()
    except HostError:
        return Program()


def installed() -> bool:
    """Whether the host has nftables' user space; asks without loading the library."""
    triplet = f"{os.uname().machine}-linux-gnu"
    homes = ("/usr/lib64", f"/usr/lib/{triplet}", f"/lib/{triplet}", "/usr/lib", "/lib64", "/lib")
    return any(os.path.exists(f"{home}/{_LIBRARY}") for home in homes) or spawn.find("nft") is not None


class Nftables:
    """The nftables executor."""

    name = "nftables"

    def __init__(self, nft: Nft | None = None) -> None:
        self.nft = nft or open_nft()

    def add(self, rules: Sequence[Rule]) -> None:
        """Add rules in one transaction; what is there already, equal, is no error.

        Raises ConflictError when a port or network of these leads elsewhere already, KernelError for any other refusal.
        """
        script = nftables.add(_own(rules))
        if script and (failed := self.nft.run(script)):
            raise _error("add", rules, failed)
        for rule in rules:
            if isinstance(rule, Admit):
                foreign.admit(rule)

    def delete(self, rules: Sequence[Rule]) -> None:
        """Delete rules in one transaction; what is gone, or belongs to another by now, is left alone."""
        for rule in rules:
            if isinstance(rule, Admit):
                foreign.dismiss(rule)
        script = nftables.delete(_own(rules))
        if script and self.nft.run(script):
            self._delete_singly(rules)

    def holds(self, rule: Rule) -> bool:
        """Whether this rule is in force, as far as our own tables tell."""
        if isinstance(rule, Admit):
            return foreign.admits(rule)
        if isinstance(rule, BaseRules):
            return self._frame_stands()
        return all(self._has(element) for element in nftables.elements(rule))

    def _has(self, element: Element) -> bool:
        """Whether an element is there, and leads where it should."""
        command = f"get element {element.family} netkit {element.set} {{ {element.key} }}"
        shown = [each for each in self.nft.read(command) if "set" in each or "map" in each]
        return bool(shown) and set(element.value.replace(" . ", " ").split()) <= _scalars(shown)

    def _delete_singly(self, rules: Iterable[Rule]) -> None:
        """What one transaction could not delete, element by element: each is gone, ours, or another's."""
        for rule in _own(rules):
            for element in nftables.elements(rule):
                path = f"element {element.family} netkit {element.set}"
                script = f"add {path} {{ {element} }}\ndelete {path} {{ {element.key} }}\n"
                if (failed := self.nft.run(script)) and not _harmless(failed):
                    raise _error("delete", (rule,), failed)
            if isinstance(rule, BaseRules) and (failed := self.nft.run(nftables.delete([rule]))):
                raise _error("delete", (rule,), failed)

    def _frame_stands(self) -> bool:
        wanted = nft_base.lengths()
        count = dict.fromkeys(wanted, 0)
        for family in ("inet", "bridge"):
            for found in self.nft.read(f"list table {family} netkit"):
                if "rule" in found:
                    where = (family, str(found["rule"].get("chain")))
                    count[where] = count.get(where, 0) + 1
        return count == wanted


def _scalars(data: object) -> set[str]:
    """Every word and number in JSON data, keys too: `{"goto": {"target": "to_nat"}}` has goto, target and to_nat."""
    if isinstance(data, dict):
        return _scalars(list(data)) | _scalars(list(data.values()))
    if isinstance(data, list):
        return set().union(*map(_scalars, data))
    return {str(data)}


def _own(rules: Iterable[Rule]) -> list[Rule]:
    return [rule for rule in rules if not isinstance(rule, Admit)]


def _harmless(complaint: str) -> bool:
    return "No such file" in complaint or any(word in complaint for word in _TAKEN)


def _error(verb: str, rules: Iterable[Rule], complaint: str) -> ConflictError | KernelError:
    reason = " ".join(complaint.splitlines()[:2]).replace("Error: ", "", 1)
    ports = ", ".join(f"{r.protocol} {r.host_ip} {r.host_port}" for r in rules if isinstance(r, Publish))
    if ports and any(word in complaint for word in _TAKEN):
        return ConflictError(f"a port is published already: {ports}", "`nft list table inet netkit` shows by whom")
    hint = "run `netkit reload`: the firewall was flushed" if "No such file" in complaint else ""
    return KernelError(f"nftables: cannot {verb} rules: {reason}", hint=hint)


def _objects(text: bytes) -> list[dict[str, Any]]:
    try:
        found: list[dict[str, Any]] = json.loads(text or b"{}").get("nftables", [])
    except ValueError:
        return []
    return found
