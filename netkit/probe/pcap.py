"""Writing packets to a file that tcpdump, Wireshark and scapy read: the classic pcap format, in microseconds."""

from __future__ import annotations

import os
import struct

from netkit.errors import NetkitError

_MAGIC, _MAJOR, _MINOR, _ETHERNET = 0xA1B2C3D4, 2, 4, 1
_HEAD = struct.Struct("=IHHiIII")
_RECORD = struct.Struct("=IIII")
#: The most of a packet that is kept: all of it, also of one that segmentation offload has not cut yet.
SNAPLEN = 1 << 18


class PcapWriter:
    """One pcap file; `-` is standard output. NetkitError when it cannot be written."""

    def __init__(self, path: str) -> None:
        self._path = path
        flags = os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_CLOEXEC
        try:
            self._fd = os.dup(1) if path == "-" else os.open(path, flags, 0o600)
        except OSError as error:
            raise self._failure(error) from error
        self._write(_HEAD.pack(_MAGIC, _MAJOR, _MINOR, 0, 0, SNAPLEN, _ETHERNET))

    def add(self, frame: bytes, microseconds: int, length: int) -> None:
        """One frame with the time since 1970; `length` is what it was on the wire."""
        seconds, rest = divmod(microseconds, 1_000_000)
        self._write(_RECORD.pack(seconds, rest, len(frame), length) + frame)

    def close(self) -> None:
        """Close the file."""
        os.close(self._fd)

    def _write(self, data: bytes) -> None:
        try:
            while data:
                data = data[os.write(self._fd, data) :]
        except BrokenPipeError:
            raise
        except OSError as error:
            raise self._failure(error) from error

    def _failure(self, error: OSError) -> NetkitError:
        where = "standard output" if self._path == "-" else self._path
        return NetkitError(f"cannot write packets to {where}: {error.strerror}", "give -w another FILE")
