"""Directories of small files that survive crashes, full disks and planted links.

A `Directory` is a descriptor: every file is reached relative to it, never through a link, and appears whole or not at
all (temp + rename, or temp + link where it must be new). What is damaged is set aside under another name and reported,
so that one bad file blocks nobody.
"""

from __future__ import annotations

import errno
import os

from netkit.errors import StateError
from netkit.state import dirfd
from netkit.state.document import dump, load, quoted
from netkit.value import Value

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from typing import TypeVar

    T = TypeVar("T")
    V = TypeVar("V", bound=Value)
    #: What makes a value of that kind of bytes, which stand at that path: `load`, or what remembers.
    Read = Callable[[bytes, type[V], str], V]

__all__ = ["Directory", "Telling", "dump", "is_full", "load", "refuse_without_links"]

_CORRUPT = ".corrupt-"
#: What link(2) says of a file just made where there are no hard links: vfat, exFAT, FUSE whose server knows none.
_NO_LINKS = (errno.EPERM, errno.EOPNOTSUPP, errno.ENOSYS)
_ROOT = "netkit needs root for its state: use sudo, or choose your own place with --root DIR"
_FULL = "free some space and try again"
_HINTS = {
    errno.ENOSPC: _FULL,
    errno.EDQUOT: _FULL,
    errno.EROFS: "remount it read-write, or choose another place with --root DIR",
    errno.EACCES: _ROOT,
    errno.EPERM: _ROOT,
    errno.ELOOP: "netkit follows no symbolic links in its state: remove this one",
    errno.ENOTDIR: "a directory must stand here, and no symbolic link: remove what does",
    errno.EIO: "the disk fails: see the kernel's log (dmesg)",
    errno.ENOLCK: "this filesystem cannot lock files: choose another place with --root DIR",
}


class Telling:
    """Turns an OSError inside its block into a StateError that names the path and says what to do."""

    hints = _HINTS

    def __init__(self, doing: str, path: str) -> None:
        self.doing = doing
        self.path = path

    def __enter__(self) -> None:
        pass

    def __exit__(self, kind: object, error: BaseException | None, trace: object) -> None:
        if isinstance(error, OSError):
            number = error.errno or errno.EIO
            message = f"cannot {self.doing} {self.path}: {os.strerror(number)}"
            raise StateError(message, self.hints.get(number, "")) from error


def is_full(error: StateError) -> bool:
    """Whether it was the lack of space that an error tells of."""
    return isinstance(error.__cause__, OSError) and error.__cause__.errno in (errno.ENOSPC, errno.EDQUOT)


def refuse_without_links(error: OSError, path: str, instead: str) -> None:
    """StateError when a link to a file that was just made is refused because its filesystem has none."""
    if error.errno in _NO_LINKS:
        what = f"{path} is on a filesystem without hard links, and netkit makes new files by them"
        raise StateError(what, instead) from error


class Directory:
    """One directory of state, held open.

    `durable` makes every change reach the disk before it returns (fsync of file and directory). `warnings` collects
    what was set aside, in sentences for people. Everything that the filesystem refuses is a StateError.
    """

    def __init__(self, path: str, fd: int, durable: bool, warnings: list[str]) -> None:
        self.fd = fd
        self.path = path
        self.durable = durable
        self.warnings = warnings
        if why := dirfd.others_may_write(fd):
            hint = f"run: chown {os.geteuid()} {path} && chmod 700 {path}  (look first at who put files there)"
            raise StateError(f"{path} {why}, so netkit does not trust it with its state", hint)

    @classmethod
    def open(cls, path: str, durable: bool = False, warnings: list[str] | None = None) -> Directory:
        """The directory at an absolute path, made with mode 0700 together with its missing parents."""
        with Telling("open", path):
            fd = dirfd.open_directory(path, durable=durable)
        return cls(path, fd, durable, [] if warnings is None else warnings)

    def sub(self, name: str) -> Directory:
        """A directory in this one, made with mode 0700 if it is missing."""
        path = self.where(name)
        with Telling("open", path):
            fd = dirfd.open_directory(name, self.fd, self.durable)
        return Directory(path, fd, self.durable, self.warnings)

    def __del__(self, close: Callable[[int], None] = os.close) -> None:
        close(self.fd)  # bound early: when the interpreter ends, `os` may be emptied before us

    def where(self, name: str) -> str:
        """The path of a file here; StateError unless the name is one plain component of a path."""
        if not name or name[0] == "." or "/" in name or "\0" in name or len(name) > 200:
            raise StateError(f"{name!r} cannot be the name of a state file")
        return f"{self.path}/{name}"

    def names(self) -> list[str]:
        """The names of all files, sorted; without what was set aside or is still being written.

        Temporary files that a killed netkit left behind are removed on the way.
        """
        with Telling("list", self.path):
            found = os.listdir(self.fd)
        for name in found:
            if name.startswith(dirfd.TEMP):
                dirfd.sweep(name, self.fd)
        return sorted(name for name in found if name[0] != "." and _CORRUPT not in name)

    def exists(self, name: str) -> bool:
        """Whether anything stands under that name."""
        with Telling("look at", self.where(name)):
            return dirfd.look(name, self.fd) is not None

    def read(self, name: str) -> bytes | None:
        """A file's bytes, None when there is no such file; StateError when it is no regular file."""
        try:
            with Telling("read", self.where(name)):
                found = dirfd.read(name, self.fd)
        except dirfd.OddFileError as error:
            raise StateError(f"cannot read {self.where(name)}: {error}") from error
        return found and found[0]

    def write(self, name: str, data: bytes) -> None:
        """Put a file in place of what was there, whole or not at all."""

        def replace(temp: str) -> bool:
            try:
                os.replace(temp, name, src_dir_fd=self.fd, dst_dir_fd=self.fd)
            except IsADirectoryError:
                self.set_aside(name)
                os.replace(temp, name, src_dir_fd=self.fd, dst_dir_fd=self.fd)
            return True

        with Telling("write", self.where(name)):
            dirfd.place(data, self.fd, self.durable, replace)
            self._sync()

    def create(self, name: str, data: bytes) -> bool:
        """Make a new file, which nobody ever sees empty or half written; False when the name is taken."""

        def link(temp: str) -> bool:
            try:
                os.link(temp, name, src_dir_fd=self.fd, dst_dir_fd=self.fd, follow_symlinks=False)
            except FileExistsError:
                return False
            except OSError as error:
                refuse_without_links(error, self.path, "choose another place with --root DIR")
                raise
            finally:
                dirfd.remove(temp, self.fd)
            return True

        with Telling("write", self.where(name)):
            made = dirfd.place(data, self.fd, self.durable, link)
            self._sync()
        return made

    def unlink(self, name: str) -> bool:
        """Remove a file; False when there is none. A directory in its place is set aside."""
        with Telling("remove", self.where(name)):
            try:
                removed = dirfd.remove(name, self.fd)
            except IsADirectoryError:
                removed = bool(self.set_aside(name))
            self._sync()
        return removed

    def clear(self, name: str) -> None:
        """Remove a directory here with all that is in it; what is not there is no error."""
        with Telling("remove", self.where(name)):
            dirfd.remove_tree(name, self.fd)
            self._sync()

    def rename(self, name: str, other: Directory, newname: str) -> bool:
        """Move a file to another directory of the same filesystem, which needs no new bytes; False if there is none."""
        path = f"{self.where(name)} to {other.where(newname)}"
        with Telling("move", path):
            try:
                os.replace(name, newname, src_dir_fd=self.fd, dst_dir_fd=other.fd)
            except FileNotFoundError:
                return False
            self._sync()
            other._sync()
        return True

    def point(self, name: str, word: str) -> None:
        """Note one word under a name that must be new: as a symbolic link, which is atomic and is never followed."""
        with Telling("write", self.where(name)):
            os.symlink(word, name, dir_fd=self.fd)
            self._sync()

    def pointed(self, name: str) -> str | None:
        """The word that `point` noted, None when there is none; what is no link there is set aside."""
        with Telling("read", self.where(name)):
            try:
                return os.readlink(name, dir_fd=self.fd)
            except FileNotFoundError:
                return None
            except OSError as error:
                if error.errno != errno.EINVAL:
                    raise
        self._quarantine(name, 0, "not a link")
        return None

    def save(self, name: str, value: Value) -> None:
        """Put a value in a file, in place of what was there."""
        self.write(name, dump(value))

    def load(self, name: str, kind: type[V], read: Read[V] | None = None) -> V | None:
        """The value of that kind in a file, None when there is no such file; `read` makes it of the file's bytes.

        A damaged file counts as none: it is set aside and named in `warnings`. One that a newer netkit wrote stays,
        with a StateError.
        """
        return self.parse(name, lambda data: (read or load)(data, kind, self.where(name)))

    def parse(self, name: str, parser: Callable[[bytes], T]) -> T | None:
        """What `parser` makes of a file, None when there is no such file, or when it is damaged (ValueError).

        A damaged file is set aside and named in `warnings`.
        """
        inode = 0
        try:
            with Telling("read", self.where(name)):
                found = dirfd.read(name, self.fd)
            if found is None:
                return None
            data, inode = found
            return parser(data)
        except ValueError as error:
            self._quarantine(name, inode, str(error))
            return None

    def values(self, kind: type[V], holding: str = "", read: Read[V] | None = None) -> Iterator[V]:
        """All values of that kind, in the order of their names; what a newer netkit wrote is skipped with a warning.

        `holding` passes over files that do not contain this string, before they are parsed; `read` as in `load`.
        """
        for name in self.names():
            try:
                if holding and not self._mentions(name, quoted(holding)):
                    continue
                value = self.load(name, kind, read)
            except StateError as error:
                self.warnings.append(error.message)
                continue
            if value is not None:
                yield value

    def set_aside(self, name: str) -> str:
        """Move what is damaged out of the way, to `<name>.corrupt-N`; returns that name."""
        number = 1
        with Telling("set aside", self.where(name)):
            while dirfd.look(f"{name}{_CORRUPT}{number}", self.fd):
                number += 1
            aside = f"{name}{_CORRUPT}{number}"
            os.rename(name, aside, src_dir_fd=self.fd, dst_dir_fd=self.fd)
            self._sync()
        return aside

    def _quarantine(self, name: str, inode: int, reason: str) -> None:
        """Set a damaged file aside and say so, unless someone has replaced it since it was read."""
        with Telling("look at", self.where(name)):
            now = dirfd.look(name, self.fd)
        if now is None or inode not in (0, now.st_ino):
            return
        try:
            fate = f"kept as {self.set_aside(name)}"
        except StateError as error:
            fate = error.message
        self.warnings.append(f"{self.where(name)} is damaged ({reason}) and was passed over; {fate}")

    def _mentions(self, name: str, needle: bytes) -> bool:
        try:
            with Telling("read", self.where(name)):
                found = dirfd.read(name, self.fd)
        except dirfd.OddFileError:
            return True
        return found is not None and needle in found[0]

    def _sync(self) -> None:
        if self.durable:
            os.fsync(self.fd)
