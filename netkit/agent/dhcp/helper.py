"""The process: takes requests on a socket, renews what it has granted, and ends when there has long been nothing to do.

A request is a line of JSON, and so is its answer:

    {"do": "bind", "link": {...}}                       {"lease": {...}}
    {"do": "announce", "id": "..."}                     {"announced": true}
    {"do": "release", "id": "...", "path": "..."}       {"released": true}
    any                                                 {"error": {"message", "hint"}}

When it dies, whoever wants a lease next starts another, which goes on from the files.
"""

from __future__ import annotations

import contextlib
import json
import os
import selectors
import signal
import socket
import sys
import threading
import time

from netkit.agent.dhcp.keeper import Keeper
from netkit.agent.listening import listen
from netkit.errors import BusyError, NetkitError
from netkit.ipam.dhcp import SOCKET
from netkit.state.locks import lock
from netkit.state.root import Root
from netkit.value import from_json, to_json

TYPE_CHECKING = False
if TYPE_CHECKING:
    from types import FrameType
    from typing import Any

#: Without leases and requests for so long, it ends; in seconds.
IDLE = 60.0
_LARGEST = 1 << 16
#: So many may knock at once.
_WAITING = 64
#: What a thread says on the bell when its caller is served.
_DONE = b"!"


class Server:
    """The socket, and the keeper behind it."""

    def __init__(self, root: Root) -> None:
        self.keeper = Keeper(root)
        self._busy = time.monotonic()
        self._open = 0
        self._stopping = False
        self._wake, self._bell = socket.socketpair()
        self._listener = listen(root.dhcp, SOCKET, _WAITING)
        self._place = root.dhcp.path

    def run(self) -> None:
        """Serve until a signal comes, or nothing has been wanted for long."""
        with selectors.DefaultSelector() as selector:
            for end in (self._listener, self._wake):
                selector.register(end, selectors.EVENT_READ)
            while not self._stopping and not self._idle():
                ready = selector.select(min(self.keeper.tend(), IDLE))
                if any(key.fileobj is self._wake for key, _ in ready):
                    self._open -= self._wake.recv(_LARGEST).count(_DONE)
                if any(key.fileobj is self._listener for key, _ in ready):
                    caller, _ = self._listener.accept()
                    self._open += 1
                    threading.Thread(target=self._serve, args=(caller,), daemon=True).start()
        self.keeper.close()

    def stop(self, number: int, frame: FrameType | None) -> None:
        """End when what is under way is done; the leases stay, in the files and in the containers."""
        self._stopping = True
        self._bell.send(b"stop")

    def _idle(self) -> bool:
        """Nobody has wanted anything for long, or can: the place of the leases is gone."""
        if self.keeper.leases or self._open:
            self._busy = time.monotonic()
        return time.monotonic() - self._busy > IDLE or not os.path.exists(self._place)

    def _serve(self, caller: socket.socket) -> None:
        try:
            with caller, caller.makefile("rb") as stream:
                answer = self._answer(stream.readline(_LARGEST))
                with contextlib.suppress(OSError):  # who asked may have gone; netkit's journal knows what to release
                    caller.sendall(json.dumps(answer).encode() + b"\n")
        finally:
            self._bell.send(_DONE)

    def _answer(self, line: bytes) -> dict[str, Any]:
        try:
            asked = json.loads(line)
            if asked["do"] == "bind":
                return {"lease": to_json(self.keeper.bind(from_json(asked["link"])))}
            if asked["do"] == "announce":
                return {"announced": self.keeper.announce(asked["id"])}
            return {"released": self.keeper.release(asked["id"], str(asked.get("path", "")))}
        except NetkitError as error:
            return {"error": {"message": error.message, "hint": error.hint}}
        except (ValueError, LookupError, TypeError) as error:
            return {"error": {"message": f"no request: {error}", "hint": ""}}


def main() -> None:
    """`python -m netkit.agent.dhcp.helper [ROOT]`: one for each root; a second one ends at once."""
    root = Root(sys.argv[1] if len(sys.argv) > 1 else None)
    try:
        with lock(root, "dhcp", 0):
            server = Server(root)
            signal.signal(signal.SIGTERM, server.stop)
            signal.signal(signal.SIGINT, server.stop)
            server.run()
    except BusyError:
        return


if __name__ == "__main__":
    main()
