"""The process around the dispatcher: descriptors, signals, and a quick way out."""

from __future__ import annotations

import _signal  # type: ignore[import-not-found]  # typeshed knows `signal` alone
import gc
import os
import sys

from netkit.cni.dispatch import Streams, dispatch

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import NoReturn

#: SIGHUP, SIGINT, SIGTERM: what was begun is taken back. (`signal` itself would load enum.)
_STOPPING = (1, 2, 15)


def main(role: str, root: str = "") -> NoReturn:
    """Carry out the call that the environment describes as this plugin, and leave without the interpreter's rites."""
    gc.disable()  # a call is over before there is garbage: to look for it takes a tenth of its time
    _fill_standard_descriptors()
    for number in _STOPPING:
        _signal.signal(number, _stop)
    try:
        status = dispatch(role, os.environ, Streams(_read, _write, _say), root or os.environ.get("NETKIT_ROOT", ""))
    except SystemExit as stopped:
        status = stopped.code if isinstance(stopped.code, int) else 1
    os._exit(status)


def _read(most: int) -> bytes:
    parts: list[bytes] = []
    while most > 0 and (part := os.read(0, min(most, 1 << 16))):
        parts.append(part)
        most -= len(part)
    return b"".join(parts)


def _write(data: bytes) -> None:
    left = memoryview(data)
    while left:
        left = left[os.write(1, left) :]


def _say(text: str) -> None:
    try:
        os.write(2, f"{text}\n".encode("utf-8", "backslashreplace"))
    except OSError:
        return


def _stop(number: int, frame: object) -> None:
    for other in _STOPPING:
        _signal.signal(other, _signal.SIG_IGN)
    raise SystemExit(128 + number)


def _fill_standard_descriptors() -> None:
    """Where one is closed, the next file to be opened would take its place; what we put there can take no result."""
    for number, flags in ((0, os.O_WRONLY), (1, os.O_RDONLY), (2, os.O_WRONLY)):
        try:
            os.fstat(number)
        except OSError:
            os.open(os.devnull, flags)


if __name__ == "__main__":
    main(sys.argv[1] if len(sys.argv) > 1 else "netkit")
