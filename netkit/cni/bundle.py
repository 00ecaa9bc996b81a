"""All of netkit's compiled modules in one file, so that a CNI process opens one instead of two hundred.

The interpreter looks for each module in several places, and opens, stats and reads its .pyc: half of what importing
netkit costs. `netkit cni install` writes the bundle beside the stubs; `use` puts it before the ordinary search.
A module is taken from it only if its source file is as it was, by size and time, which is how the interpreter itself
judges a .pyc. Whatever is amiss, the ordinary way is there.
"""

from __future__ import annotations

import marshal
import os
import sys
from _frozen_importlib import ModuleSpec
from _frozen_importlib_external import MAGIC_NUMBER, SourceFileLoader, _LoaderBasics

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Sequence
    from types import CodeType
    from typing import Any

    #: Source file, size, time in nanoseconds, whether it is a package, compiled code.
    Entry = tuple[str, int, int, bool, bytes]

#: Beside the stubs; no runtime takes it for a plugin, since it is not executable and begins with a dot.
NAME = ".netkit-modules"
_HEAD = b"netkit modules 1\n" + MAGIC_NUMBER


class Bundle(_LoaderBasics):
    """An import finder and loader for the modules of one file."""

    def __init__(self, entries: dict[str, Entry]) -> None:
        self.entries = entries

    def find_spec(self, name: str, path: Sequence[str] | None = None, target: object = None) -> ModuleSpec | None:
        """The module, if it is in the bundle and its source has not changed."""
        entry = self.entries.get(name)
        if entry is None:
            return None
        source, size, time, package, _ = entry
        try:
            found = os.stat(source)
        except OSError:
            return None
        if (found.st_size, found.st_mtime_ns) != (size, time):
            return None
        loader: Any = self  # what the interpreter needs of one it has
        spec = ModuleSpec(name, loader, origin=source, is_package=package)
        if package:
            spec.submodule_search_locations = [source.rpartition("/")[0]]
        spec.has_location = True
        return spec

    def get_code(self, name: str) -> CodeType:
        """The module's code, which the interpreter's own loader runs."""
        code: CodeType = marshal.loads(self.entries[name][4])  # noqa: S302 - we wrote it, root owns it
        return code


def use(path: str) -> None:
    """Import from this bundle from now on, if it is there, of this interpreter, and only root could have written it."""
    try:
        descriptor = os.open(path, os.O_RDONLY | os.O_NOFOLLOW | os.O_CLOEXEC)
    except OSError:
        return
    try:
        found = os.fstat(descriptor)
        if found.st_uid not in (0, os.geteuid()) or found.st_mode & 0o022:
            return
        data = os.read(descriptor, found.st_size)
    finally:
        os.close(descriptor)
    if data.startswith(_HEAD):
        try:
            entries = marshal.loads(memoryview(data)[len(_HEAD) :])  # noqa: S302 - see above
        except (EOFError, ValueError, TypeError):
            return
        sys.meta_path.insert(0, Bundle(entries))


def build(package: str, name: str = "netkit", without: Sequence[str] = ("cli", "agent", "lab", "probe")) -> bytes:
    """The bundle of a package's directory, without the parts that no CNI process needs."""
    entries: dict[str, Entry] = {}
    for directory, folders, files in os.walk(package):
        folders[:] = [folder for folder in folders if folder not in (*without, "__pycache__")]
        inner = directory[len(package) :].replace("/", ".")
        for file in files:
            if file.endswith(".py"):
                module = f"{name}{inner}" + ("" if file == "__init__.py" else f".{file[:-3]}")
                entries[module] = _entry(module, f"{directory}/{file}")
    return _HEAD + marshal.dumps(entries)


def _entry(module: str, source: str) -> Entry:
    """The interpreter compiles, or has done so before; what changes meanwhile is another file than was looked at."""
    found = os.stat(source)
    code = SourceFileLoader(module, source).get_code(module)
    return source, found.st_size, found.st_mtime_ns, source.endswith("/__init__.py"), marshal.dumps(code)
