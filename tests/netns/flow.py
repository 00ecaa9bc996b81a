"""One TCP stream for a short while, and how fast it got through: `fast = rate(client, server, "10.90.0.1")`.

The receiver tells bits a second, counted from the first bytes on to the last, what may pass at once left out.
"""

from __future__ import annotations

import sys

from tests.hosts import wait_until

TYPE_CHECKING = False
if TYPE_CHECKING:
    from tests.hosts import Namespace

PORT = 5001
_RECEIVE = """
import socket, sys, time
server = socket.create_server((sys.argv[1], int(sys.argv[2])), family=int(sys.argv[3]))
stream, _ = server.accept()
skip, total, began, seen = int(sys.argv[4]), 0, 0.0, 0
while data := stream.recv(65536):
    total += len(data)
    if total > skip:
        began, seen, last = began or time.monotonic(), seen + (len(data) if began else 0), time.monotonic()
print(seen * 8 / max(last - began, 1e-3))
"""
_SEND = """
import socket, sys, time
stream = socket.create_connection((sys.argv[1], int(sys.argv[2])), 10)
end, block = time.monotonic() + float(sys.argv[3]), bytes(65536)
while time.monotonic() < end:
    stream.sendall(block)
"""


def rate(sender: Namespace, receiver: Namespace, address: str, seconds: float = 1.2, skip: int = 100_000) -> float:
    """Bits a second from one to the other, who has that address; the first `skip` bytes are not counted."""
    family = "10" if ":" in address else "2"
    listening = receiver.popen(sys.executable, "-c", _RECEIVE, address, str(PORT), family, str(skip))
    assert wait_until(lambda: f":{PORT} " in receiver.run("ss", "-Hltn").stdout)
    sender.run(sys.executable, "-c", _SEND, address, str(PORT), str(seconds))
    out, err = listening.communicate(timeout=30)
    assert out, err
    return float(out)
