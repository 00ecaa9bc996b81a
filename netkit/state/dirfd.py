"""What Linux offers for files relative to a directory descriptor: no links followed, whole files or none.

All functions raise plain OSErrors; `netkit.state.files` turns them into sentences.
"""

from __future__ import annotations

import errno
import fcntl
import os
import stat

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable

TEMP = ".tmp-"
_TRIES = 16
_DIRECTORY = os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC
# O_NONBLOCK: a FIFO in place of a file must not make us wait for its other end.
_FILE = os.O_NOFOLLOW | os.O_CLOEXEC | os.O_NONBLOCK


class OddFileError(ValueError):
    """Something other than a regular file stands where a file should be."""


def open_directory(name: str, parent: int | None = None, durable: bool = False) -> int:
    """Open a directory, made with mode 0700, together with missing parents of an absolute name, if need be."""
    try:
        return os.open(name, _DIRECTORY, dir_fd=parent)
    except FileNotFoundError:
        above = open_directory(name.rpartition("/")[0] or "/") if parent is None else os.dup(parent)
        try:
            return _make_directory(name.rpartition("/")[2], above, durable)
        finally:
            os.close(above)


def others_may_write(fd: int) -> str:
    """Why a directory cannot be trusted with state, "" when it can."""
    found = os.fstat(fd)
    if found.st_uid != os.geteuid():
        return f"belongs to user {found.st_uid}"
    return "is writable by others" if found.st_mode & 0o022 else ""


def look(name: str, directory: int) -> os.stat_result | None:
    """A file's status, a link's own, None when there is none."""
    try:
        return os.stat(name, dir_fd=directory, follow_symlinks=False)
    except FileNotFoundError:
        return None


def open_regular(name: str, directory: int, flags: int = os.O_RDONLY) -> int | None:
    """Open a regular file, None when there is none, OddFileError when it is no such file."""
    try:
        fd = os.open(name, flags | _FILE, 0o600, dir_fd=directory)
    except FileNotFoundError:
        return None
    except OSError as error:
        if error.errno in (errno.ELOOP, errno.ENXIO, errno.EISDIR):
            raise OddFileError("not a regular file") from error
        raise
    if stat.S_ISREG(os.fstat(fd).st_mode):
        return fd
    os.close(fd)
    raise OddFileError("not a regular file")


def read(name: str, directory: int) -> tuple[bytes, int] | None:
    """A regular file's bytes and inode number, None when there is none."""
    fd = open_regular(name, directory)
    if fd is None:
        return None
    try:
        found = os.fstat(fd)
        chunks = [os.read(fd, found.st_size + 1)]
        while chunks[-1]:
            chunks.append(os.read(fd, 1 << 16))
        return b"".join(chunks), found.st_ino
    finally:
        os.close(fd)


def place(data: bytes, directory: int, durable: bool, put: Callable[[str], bool]) -> bool:
    """Write a temporary file, then let `put` rename or link it; returns what `put` does."""
    for attempt in range(_TRIES):
        temp = f"{TEMP}{os.getpid()}-{attempt // 2}"
        try:
            fd = os.open(temp, os.O_WRONLY | os.O_CREAT | os.O_EXCL | _FILE, 0o600, dir_fd=directory)
        except FileExistsError:
            sweep(temp, directory)
            continue
        try:
            # The lock tells `sweep` that the writer lives. If a sweeper is faster, the file vanishes: we try again.
            fcntl.flock(fd, fcntl.LOCK_EX | fcntl.LOCK_NB)
            _fill(fd, data, durable)
            return put(temp)
        except (FileNotFoundError, BlockingIOError):
            continue
        except OSError:
            remove(temp, directory)
            raise
        finally:
            os.close(fd)
    raise OSError(errno.EBUSY, os.strerror(errno.EBUSY))


def sweep(temp: str, directory: int) -> None:
    """Remove a temporary file whose writer was killed; one that is still being written stays."""
    try:
        fd = os.open(temp, os.O_RDONLY | _FILE, dir_fd=directory)
    except OSError:
        return  # it has just become what it was made for
    try:
        fcntl.flock(fd, fcntl.LOCK_EX | fcntl.LOCK_NB)
        os.unlink(temp, dir_fd=directory)
    except OSError:
        return  # its writer lives, or nothing can be removed here: it costs nobody anything
    finally:
        os.close(fd)


def remove(name: str, directory: int) -> bool:
    """Unlink a name, False when there is none."""
    try:
        os.unlink(name, dir_fd=directory)
    except FileNotFoundError:
        return False
    return True


def remove_tree(name: str, directory: int) -> None:
    """Remove a directory and all below it, following no link."""
    try:
        fd = os.open(name, _DIRECTORY, dir_fd=directory)
    except FileNotFoundError:
        return
    try:
        for entry in os.listdir(fd):
            try:
                remove(entry, fd)
            except IsADirectoryError:
                remove_tree(entry, fd)
    finally:
        os.close(fd)
    os.rmdir(name, dir_fd=directory)


def _fill(fd: int, data: bytes, durable: bool) -> None:
    left = memoryview(data)
    while left:
        left = left[os.write(fd, left) :]
    if durable:
        os.fsync(fd)


def _make_directory(name: str, above: int, durable: bool) -> int:
    try:
        os.mkdir(name, 0o700, dir_fd=above)
        if durable:
            os.fsync(above)
    except FileExistsError:
        pass  # another netkit was faster: the open judges what is there
    return os.open(name, _DIRECTORY, dir_fd=above)
