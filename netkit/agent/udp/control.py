"""The socket by which an agent, the one that started it or a later one, tells a proxy what to do.

A request is a line of JSON, and so is its answer:

    {"do": "table", "routes": {"10.5.2.0/24": ["192.0.2.2", 8285]}}     {"routes": 1}
    {"do": "counters"}                                                  {"counters": {...}}
    {"do": "settings"}                                                  {"settings": {...}, "pid": 4711}
    {"do": "stop", "remove": true}                                      {"stopped": true}
    any                                                                 {"error": {"message", "hint"}}
"""

from __future__ import annotations

import contextlib
import json
import os
import socket

from netkit.agent.listening import listen
from netkit.errors import NetkitError

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import Any

    from netkit.state.files import Directory

#: A table of 65,536 routes has 4 MB.
_LARGEST = 16 << 20
_SO_SNDBUFFORCE = 32
#: So many may knock at once.
_WAITING = 16


class Control:
    """The listening socket and those who talk; no call waits, since packets do."""

    def __init__(self, directory: Directory, name: str, answer: Callable[[dict[str, Any]], dict[str, Any]]) -> None:
        self.listener = listen(directory, name, _WAITING)
        self.listener.setblocking(False)
        self._path = directory.where(name)
        self._answer = answer
        self._callers: dict[int, tuple[socket.socket, bytearray]] = {}

    def accept(self) -> int:
        """The descriptor of a new caller, to be watched; -1 when there is none."""
        try:
            caller, _ = self.listener.accept()
        except OSError:
            return -1
        caller.setblocking(False)
        self._callers[caller.fileno()] = caller, bytearray()
        return caller.fileno()

    def serve(self, fd: int) -> bool:
        """Take what a caller says, and answer whole lines; False when the caller has gone."""
        caller, heard = self._callers[fd]
        try:
            part = caller.recv(1 << 16)
        except BlockingIOError:
            return True
        except OSError:
            part = b""
        heard += part
        while (end := heard.find(b"\n")) >= 0:
            line, heard[: end + 1] = bytes(heard[:end]), b""
            self._tell(caller, self._reply(line))
        if part and len(heard) < _LARGEST:
            return True
        del self._callers[fd]
        caller.close()
        return False

    def _reply(self, line: bytes) -> dict[str, Any]:
        try:
            return self._answer(json.loads(line))
        except NetkitError as error:
            return {"error": {"message": error.message, "hint": error.hint}}
        except (ValueError, LookupError, TypeError, AttributeError) as error:
            return {"error": {"message": f"no request: {error}", "hint": ""}}

    def _tell(self, caller: socket.socket, answer: dict[str, Any]) -> None:
        """An answer that does not go out at once, to one who does not listen, is lost."""
        with contextlib.suppress(OSError):
            caller.setsockopt(socket.SOL_SOCKET, _SO_SNDBUFFORCE, _LARGEST)
            caller.send(json.dumps(answer).encode() + b"\n")

    def close(self) -> None:
        """Take the socket away."""
        with contextlib.suppress(FileNotFoundError):
            os.unlink(self._path)
        self.listener.close()
