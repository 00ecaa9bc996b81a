"""Forged frames for firewall tests, sent and heard in the namespaces of others by sockets that a thread makes there."""

from __future__ import annotations

import contextlib
import select
import socket
import time

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from tests.hosts import Namespace

#: All frames are read when all are sent: the buffer must hold them, whatever the machine allows others.
ALL, BUFFER, SO_RCVBUFFORCE = 0x0003, 1 << 22, 33
#: Seconds after which no frame is on its way any more.
TIME = 0.2


def send(member: Namespace, ifname: str, frames: Iterable[bytes], count: int) -> None:
    """Send each of these frames so many times."""

    def work() -> None:
        with socket.socket(socket.AF_PACKET, socket.SOCK_RAW) as sock:
            sock.bind((ifname, 0))
            for _ in range(count):
                for frame in frames:
                    sock.send(frame)

    member.inside(work)


@contextlib.contextmanager
def hear(member: Namespace, ifname: str, patterns: dict[str, bytes]) -> Iterator[dict[str, int]]:
    """Count the frames at an interface that hold these bytes; the dict is filled when the block ends."""
    made: list[socket.socket] = []
    member.inside(lambda: made.append(listener(ifname)))
    seen = dict.fromkeys(patterns, 0)
    with made[0] as sock:
        yield seen
        end = time.monotonic() + TIME
        while (left := end - time.monotonic()) > 0 and select.select([sock], [], [], left)[0]:
            frame = sock.recv(65535)
            for kind, pattern in patterns.items():
                seen[kind] += pattern in frame


def listener(ifname: str) -> socket.socket:
    """A socket that gets all frames at an interface of the namespace that the thread is in."""
    sock = socket.socket(socket.AF_PACKET, socket.SOCK_RAW, socket.htons(ALL))
    sock.setsockopt(socket.SOL_SOCKET, SO_RCVBUFFORCE, BUFFER)
    sock.bind((ifname, ALL))
    return sock
