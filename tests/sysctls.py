"""Every key below /proc/sys/net of a namespace, read again and again; it stays open from one look to the next.

To open a key takes many times as long as to read it. A key that is open answers for its own namespace for as long as
it is there, and says so when it is gone, even where another of the same name has come.
"""

from __future__ import annotations

import errno
import fcntl
import os
import resource
from functools import lru_cache

TYPE_CHECKING = False
if TYPE_CHECKING:
    import re

#: The longest sysctl's bytes; the kernel sets as much aside, each time that one is read.
_LONGEST = 4096
_ROOT = "/proc/sys/"
#: Directories of one device each: what is in there comes and goes with it, all at once.
_OF_DEVICES = tuple(f"{_ROOT}net/{family}/{kind}/" for family in ("ipv4", "ipv6") for kind in ("conf", "neigh"))
#: They are kept at high numbers, for select(2) knows none above 1023; this many are open at most.
_FIRST, _MOST = 4096, 12_000
_soft, _hard = resource.getrlimit(resource.RLIMIT_NOFILE)
if _soft < _FIRST + _MOST:
    resource.setrlimit(resource.RLIMIT_NOFILE, (min(_FIRST + _MOST + 1024, _hard), _hard))
_ROOM = resource.getrlimit(resource.RLIMIT_NOFILE)[0] > _FIRST + _MOST


class Sysctls:
    """Those of one namespace; whoever reads must be in there."""

    _open = 0

    def __init__(self) -> None:
        self._held: dict[str, int] = {}
        #: Those that were gone once; and those that are opened for each look: they give errors, or go again and again.
        self._gone: set[str] = set()
        self._unsteady: set[str] = set()
        #: A directory's names, the directories among them, and the keys.
        self._listed: dict[str, tuple[list[str], list[str], list[str]]] = {}
        self._seen: tuple[list[bytes], dict[str, str]] = [], {}

    def __del__(self) -> None:
        for key in list(self._held):
            self._close(key)

    def read(self, skip: re.Pattern[str]) -> dict[str, str]:
        """The value of each readable key, "" for what can't be read; not to be changed."""
        keys = self._keys(skip)
        others = {key: self._once(key) for key in keys if key not in self._held and not self._hold(key)}
        try:
            values = [os.pread(descriptor, _LONGEST, 0) for descriptor in self._held.values()]
        except OSError:
            self._let_go()
            return self.read(skip)
        if values != self._seen[0]:
            self._seen = values, dict(zip(self._held, map(_words, values), strict=True))
        return {**self._seen[1], **others} if others else self._seen[1]

    def _keys(self, skip: re.Pattern[str]) -> list[str]:
        keys, folders = [], [f"{_ROOT}net"]
        while folders:
            folder = folders.pop()
            if folder not in self._listed or not folder.startswith(_OF_DEVICES):
                self._list(folder, os.listdir(folder), skip)
            folders += self._listed[folder][1]
            keys += self._listed[folder][2]
        return keys

    def _list(self, folder: str, names: list[str], skip: re.Pattern[str]) -> None:
        if folder in self._listed and names == self._listed[folder][0]:
            return
        entries = list(os.scandir(folder))
        folders = [entry.path for entry in entries if entry.is_dir(follow_symlinks=False)]
        keys = [entry.path.removeprefix(_ROOT) for entry in entries if entry.path not in folders]
        self._listed[folder] = names, folders, [key for key in keys if not skip.fullmatch(key)]

    def _hold(self, key: str) -> bool:
        """Open it, to stay open; whether that can be."""
        if not _ROOM or Sysctls._open >= _MOST or key in self._unsteady:
            return False
        try:
            descriptor = os.open(_ROOT + key, os.O_RDONLY)
        except OSError:  # write-only, or gone with its link
            return False
        self._held[key] = fcntl.fcntl(descriptor, fcntl.F_DUPFD_CLOEXEC, _FIRST)
        Sysctls._open += 1
        os.close(descriptor)
        return True

    def _once(self, key: str) -> str:
        try:
            descriptor = os.open(_ROOT + key, os.O_RDONLY)
        except OSError:
            return ""
        try:
            return _words(os.pread(descriptor, _LONGEST, 0))
        except OSError:
            return ""
        finally:
            os.close(descriptor)

    def _let_go(self) -> None:
        """Close what can't be read: its device is gone, or it gives an error and never a value."""
        for key, descriptor in list(self._held.items()):
            try:
                os.pread(descriptor, _LONGEST, 0)
            except OSError as error:
                self._close(key)
                self._listed.pop(_ROOT + os.path.dirname(key), None)
                if error.errno != errno.ENOENT or key in self._gone:
                    self._unsteady.add(key)
                self._gone.add(key)

    def _close(self, key: str) -> None:
        os.close(self._held.pop(key))
        Sysctls._open -= 1
        self._seen = [], {}


@lru_cache(4096)
def _words(value: bytes) -> str:
    return " ".join(value.decode(errors="replace").split())
