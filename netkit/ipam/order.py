"""In which order addresses are given out: first those never used, then the one that has been free for longest.

One file: a header, then a queue of freed addresses as 8-byte numbers. It makes finding an address cost the same
whatever is taken, and is only a hint: the claims are the truth. When it is lost, damaged, used up or of an earlier
boot, it is made again from a look at all claims. So its bytes need no care: what a crash loses of them, the next look
finds.
"""

from __future__ import annotations

import binascii
import errno
import os

from netkit.state import dirfd
from netkit.state.files import Telling

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from netkit.state.files import Directory

NAME = "order"
_MAGIC = b"netkit o"
_HEADER = 32
_ENTRY = 8
#: Longest queue, in addresses; what does not fit is found by a later look at all claims.
LONGEST = 1 << 16
_COMPACT_FROM = 1 << 12
#: So many entries are read at once.
_AT_ONCE = 512


class Order:
    """The order of one pool of `size` addresses, which are numbered from 0.

    `watermark` is the first number that was never given out. Changes stay in memory until `save`, but for `push`.
    """

    def __init__(self, directory: Directory, size: int, boot_id: str, name: str = NAME) -> None:
        self.directory = directory
        self.name = name
        self.size = size
        self.watermark = 0
        self.known = False
        self._boot = binascii.crc32(boot_id.encode()).to_bytes(4, "big")
        self._head = 0
        self._count = 0
        self._fd = -1
        self._anew: list[int] | None = None

    def __del__(self) -> None:
        self._close()

    def open(self, flags: int = os.O_RDWR) -> None:
        """Read what is on disk; `known` stays false when that is nothing, damaged, or of an earlier boot."""
        try:
            with Telling("read", self.directory.where(self.name)):
                fd = dirfd.open_regular(self.name, self.directory.fd, flags)
                if fd is not None:
                    self._fd = fd
                    self.known = self._read_header()
        except dirfd.OddFileError:
            return

    def rebuild(self, taken: Iterable[int]) -> None:
        """Start again from the numbers that are taken."""
        self._close()
        self._anew = []
        self._head = 0
        self.watermark = 0
        for index in sorted(taken):
            room = LONGEST - len(self._anew)
            self._anew.extend(range(self.watermark, min(index, self.watermark + room)))
            self.watermark = index + 1
        self._count = len(self._anew)
        self.known = True

    def next(self) -> int | None:
        """The number whose turn it is, None when this file knows of no free one."""
        if self.watermark < self.size:
            return self.watermark
        return self._entry(self._head) if self._head < self._count else None

    def resting(self) -> int:
        """How many freed numbers wait for their turn."""
        return self._count - self._head

    def rested(self) -> Iterator[int]:
        """The freed numbers, that first which has been free for longest."""
        for start in range(self._head, self._count, _AT_ONCE):
            some = min(_AT_ONCE, self._count - start)
            if self._anew is not None:
                yield from self._anew[start : start + some]
            else:
                data = self._pread(start, some)
                yield from (int.from_bytes(data[at : at + _ENTRY], "big") for at in range(0, len(data), _ENTRY))

    def pass_over(self, index: int) -> None:
        """That number was given out though it was not the next: what stood before it is known to be taken."""
        if index >= self.watermark:
            self.watermark = index + 1
            return
        at = next((at for at, number in enumerate(self.rested()) if number == index), None)
        if at is not None:
            self._head += at + 1

    def advance(self) -> None:
        """Go on to the next number."""
        if self.watermark < self.size:
            self.watermark += 1
        else:
            self._head += 1

    def save(self) -> None:
        """Write down how far we are."""
        if self._anew is not None:
            queue = b"".join(index.to_bytes(_ENTRY, "big") for index in self._anew[self._head :])
        elif self._head >= _COMPACT_FROM and self._head * 2 >= self._count:
            queue = self._pread(self._head, self._count - self._head)
        else:
            with Telling("write", self.directory.where(self.name)):
                os.pwrite(self._fd, self._header(), 0)
            return
        self._head = 0
        self.directory.write(self.name, self._header() + queue)

    def push(self, index: int) -> None:
        """Note that a number is free again: its turn comes after all others."""
        if index >= self.watermark or self._count - self._head >= LONGEST:
            return
        with Telling("write", self.directory.where(self.name)):
            try:
                os.pwrite(self._fd, index.to_bytes(_ENTRY, "big"), self._at(self._count))
            except OSError as error:
                # Giving back must work on a full disk. The address is not lost: when the queue is used up, all claims
                # are looked at.
                if error.errno not in (errno.ENOSPC, errno.EDQUOT):
                    raise

    def _entry(self, at: int) -> int:
        if self._anew is not None:
            return self._anew[at]
        return int.from_bytes(self._pread(at, 1), "big")

    def _pread(self, at: int, count: int) -> bytes:
        with Telling("read", self.directory.where(self.name)):
            return os.pread(self._fd, count * _ENTRY, self._at(at))

    def _at(self, entry: int) -> int:
        return _HEADER + entry * _ENTRY

    def _header(self) -> bytes:
        body = self._boot + self.watermark.to_bytes(8, "big") + self._head.to_bytes(8, "big")
        return _MAGIC + binascii.crc32(body).to_bytes(4, "big") + body

    def _read_header(self) -> bool:
        found = os.fstat(self._fd)
        header = os.pread(self._fd, _HEADER, 0)
        crc, body = header[8:12], header[12:]
        # Written in place: a second hard link to it would be somebody else's file.
        if found.st_nlink != 1 or header[:8] != _MAGIC or crc != binascii.crc32(body).to_bytes(4, "big"):
            return False
        self.watermark = int.from_bytes(body[4:12], "big")
        self._head = int.from_bytes(body[12:20], "big")
        self._count = (found.st_size - _HEADER) // _ENTRY
        return body[:4] == self._boot and self.watermark < 1 << 63

    def _close(self) -> None:
        if self._fd >= 0:
            os.close(self._fd)
            self._fd = -1
