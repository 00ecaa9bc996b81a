"""Talking to nftables: libnftables through ctypes (4 ms to load, then 0.3 ms a transaction), or the `nft` program.

A script is one kernel transaction. Elements are written and looked for by key, tables are read without their elements.
"""

from __future__ import annotations

import os

from netkit.errors import HostError
from netkit.jsontext import loads
from netkit.kernel import spawn

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any, Protocol
else:
    Protocol = object

_LIBRARY = "libnftables.so.1"
_HANDLE, _JSON, _TERSE = 1 << 3, 1 << 4, 1 << 11


class Nft(Protocol):
    """A way to talk to nftables."""

    def run(self, script: str) -> str:
        """Carry out a script; returns nft's complaint, "" when it went well."""

    def list(self, what: str, elements: bool = False) -> list[dict[str, Any]] | None:
        """What `list table`, `list chain` or `list set` shows; None when there is no such thing."""


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

    def __del__(self) -> None:
        """Give the context back, for it holds a socket: a process that attaches many must not collect them."""
        if getattr(self, "_context", None):
            self._lib.nft_ctx_free(self._context)

    def run(self, script: str) -> str:
        lib, context = self._lib, self._context
        failed = lib.nft_run_cmd_from_buffer(context, script.encode())
        text = (lib.nft_ctx_get_error_buffer(context) or b"").decode("utf-8", "replace").strip()
        return (text or "nft failed without a word") if failed else ""

    def list(self, what: str, elements: bool = False) -> list[dict[str, Any]] | None:
        lib, context = self._lib, self._context
        lib.nft_ctx_output_set_flags(context, _JSON | _HANDLE | (0 if elements else _TERSE))
        try:
            failed = self.run(f"list {what}")
            return None if failed else _objects(lib.nft_ctx_get_output_buffer(context) or b"")
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

    def list(self, what: str, elements: bool = False) -> list[dict[str, Any]] | None:
        terse = [] if elements else ["-t"]
        done = spawn.run([self._path, "-j", "-a", *terse, "-f", "-"], f"list {what}".encode())
        return None if done.status else _objects(done.stdout)


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


def _objects(text: bytes) -> list[dict[str, Any]]:
    try:
        found: list[dict[str, Any]] = loads(text.decode("utf-8", "replace")).get("nftables", [])
    except ValueError:
        return []
    return found
