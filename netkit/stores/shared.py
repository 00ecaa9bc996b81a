"""One directory that several hosts write to, perhaps over NFS.

A new file appears whole by link(2), a host's own file by rename(2). Replies get lost on NFS: whether a link was made is
told by the number of names that the file has then. Nothing is read through a symbolic link, nothing waits for a FIFO,
and what is read or listed has a limit.
"""

from __future__ import annotations

import binascii
import errno
import fcntl
import itertools
import os
import stat

from netkit.errors import StateError
from netkit.state import dirfd
from netkit.state.files import Telling as TellingOfState
from netkit.state.files import refuse_without_links

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable

    #: What tells one writing of a file from another: inode, size and time.
    Sign = tuple[int, int, int]

#: The most names in one directory; beyond that nobody could tell who has what.
NAMES = 200_000
_TRIES = 8
#: Bytes that are read at once: more than nearly all records have.
_AT_ONCE = 1 << 14
_OPEN = os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC
_ROOT = "let root of every host write there; an NFS server does with no_root_squash"
_NEW = os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW | os.O_CLOEXEC


class Telling(TellingOfState):
    """What to do is another thing here: several hosts write, and no host has a place of its own to go to."""

    hints = TellingOfState.hints | {
        errno.ENOENT: "make it, or mount what the hosts share",
        errno.EROFS: "remount it read-write: every host writes there",
        errno.EACCES: _ROOT,
        errno.EPERM: _ROOT,
        errno.ELOOP: "a directory must stand there, and no symbolic link: name another --store",
        errno.ENOTDIR: "a directory must stand there: name another --store",
        errno.ENOLCK: "this filesystem cannot lock files: name another --store",
    }


class Shared:
    """A directory, held open; every refusal of the filesystem is a StateError that names the path.

    Files are for their owner alone (0600), or readable by the group where the group may write to the directory.
    """

    def __init__(self, path: str, fd: int, node: str) -> None:
        self.path = path
        self.fd = fd
        self.node = node
        found = os.fstat(fd)
        if found.st_mode & stat.S_IWOTH:
            raise StateError(f"{path} is writable by everyone: any user could redirect traffic", f"chmod o-w {path}")
        if found.st_uid not in (0, os.geteuid()) and not found.st_mode & stat.S_IWGRP:
            raise StateError(f"{path} belongs to user {found.st_uid}", f"chown {os.geteuid()} {path}, or share a group")
        self._mode = 0o640 if found.st_mode & stat.S_IWGRP else 0o600

    @classmethod
    def open(cls, path: str, node: str) -> Shared:
        """The directory of that path, which must be there."""
        with Telling("open", path):
            fd = os.open(path, _OPEN)
        return cls(path, fd, node)

    def sub(self, name: str) -> Shared:
        """A directory in this one, made if it is missing, with what the group may do here."""
        path = f"{self.path}/{name}"
        with Telling("open", path):
            mode = os.fstat(self.fd).st_mode & 0o2770
            try:
                os.mkdir(name, 0o700, dir_fd=self.fd)
                os.chmod(name, mode, dir_fd=self.fd)
            except FileExistsError:
                pass
            fd = os.open(name, _OPEN, dir_fd=self.fd)
        return Shared(path, fd, self.node)

    def __del__(self, close: Callable[[int], None] = os.close) -> None:
        close(self.fd)

    def status(self) -> list[os.stat_result]:
        """What stands at the path, and what we hold: another file when something was mounted, or is no longer."""
        with Telling("open", self.path):
            return [os.stat(self.path, follow_symlinks=False), os.fstat(self.fd)]

    def changed(self) -> int:
        """When a name came or went here, in nanoseconds by the clock of the filesystem, which may be coarse."""
        with Telling("look at", self.path):
            return os.fstat(self.fd).st_mtime_ns

    def names(self) -> list[str]:
        """All names but those that begin with a dot; StateError when there are too many to know them all."""
        with Telling("list", self.path), os.scandir(self.fd) as entries:
            found = [entry.name for entry in itertools.islice(entries, NAMES + 1)]
        if len(found) > NAMES:
            raise StateError(f"{self.path} has more than {NAMES} files", "see who writes there")
        return sorted(name for name in found if name[0] != ".")

    def look(self, name: str) -> os.stat_result | None:
        """A file's status, None when there is none."""
        with Telling("look at", f"{self.path}/{name}"):
            return dirfd.look(name, self.fd)

    def sign(self, name: str) -> Sign:
        """What tells one writing of a file from another, zeros when there is none; lean: it is asked of thousands."""
        try:
            found = os.stat(name, dir_fd=self.fd, follow_symlinks=False)
        except FileNotFoundError:
            return 0, 0, 0
        except OSError:
            with Telling("look at", f"{self.path}/{name}"):
                raise
        return found.st_ino, found.st_size, found.st_mtime_ns

    def age(self, name: str) -> float:
        """For how many seconds a file has not been written, by the clock that gives files their times; `inf`: never.

        One that is from the future tells nothing.
        """
        found = self.look(name)
        now: list[float] = []

        def look(temp: str) -> bool:
            now.append(os.stat(temp, dir_fd=self.fd).st_mtime)
            return True

        self._place(name, b"", look)
        age = now[-1] - found.st_mtime if found else -1.0
        return age if age >= 0 else float("inf")

    def read(self, name: str, limit: int) -> bytes | None:
        """A regular file's bytes, None when there is none; ValueError when it is something else, or too large."""
        with Telling("read", f"{self.path}/{name}"):
            fd = dirfd.open_regular(name, self.fd)
            if fd is None:
                return None
            try:
                data = os.read(fd, _AT_ONCE)
                while len(data) <= limit and (more := os.read(fd, _AT_ONCE)):
                    data += more
            finally:
                os.close(fd)
        if len(data) > limit:
            raise ValueError(f"larger than {limit} bytes")
        return data

    def create(self, name: str, data: bytes) -> bool:
        """Make a new file; False when the name is taken."""

        def link(temp: str) -> bool:
            try:
                os.link(temp, name, src_dir_fd=self.fd, dst_dir_fd=self.fd, follow_symlinks=False)
            except FileNotFoundError:
                raise
            except OSError as error:
                if os.stat(temp, dir_fd=self.fd).st_nlink == 2:
                    return True
                if isinstance(error, FileExistsError):
                    return False
                refuse_without_links(error, self.path, "share one that has them (NFS, ext4...), or use etcd://")
                raise
            return True

        return self._place(name, data, link)

    def replace(self, name: str, data: bytes) -> None:
        """Put this host's own file in place of what it wrote before."""

        def rename(temp: str) -> bool:
            os.replace(temp, name, src_dir_fd=self.fd, dst_dir_fd=self.fd)
            return True

        try:
            self._place(name, data, rename)
        except StateError:
            if self._says(name, data):
                return  # the rename was made, its reply got lost
            raise

    def remove(self, name: str) -> None:
        """Remove a file; what is not there is no error."""
        with Telling("remove", f"{self.path}/{name}"):
            dirfd.remove(name, self.fd)

    def sweep(self) -> None:
        """Remove what killed processes of this host left half written."""
        with Telling("list", self.path), os.scandir(self.fd) as entries:
            left = [one.name for one in itertools.islice(entries, NAMES) if one.name.startswith(self._temp(""))]
        for name in left:
            dirfd.sweep(name, self.fd)

    def _says(self, name: str, data: bytes) -> bool:
        try:
            return self.read(name, len(data)) == data
        except (StateError, ValueError):
            return False

    def _temp(self, unique: str) -> str:
        return f".tmp.{self.node}.{unique}"

    def _place(self, name: str, data: bytes, put: Callable[[str], bool]) -> bool:
        with Telling("write", f"{self.path}/{name}"):
            for _ in range(_TRIES):
                try:
                    return self._try(data, put)
                except (FileNotFoundError, FileExistsError, BlockingIOError):
                    continue  # a process of this host swept our file before we had locked it
            return self._try(data, put)

    def _try(self, data: bytes, put: Callable[[str], bool]) -> bool:
        temp = self._temp(binascii.hexlify(os.urandom(8)).decode())
        fd = os.open(temp, _NEW, self._mode, dir_fd=self.fd)
        try:
            fcntl.flock(fd, fcntl.LOCK_SH | fcntl.LOCK_NB)
            os.fchmod(fd, self._mode)
            with open(fd, "wb", closefd=False) as file:
                file.write(data)
            os.fsync(fd)
            done = put(temp)
            os.fsync(self.fd)
            return done
        finally:
            dirfd.remove(temp, self.fd)
            os.close(fd)
