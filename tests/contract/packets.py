"""Real clients and servers for firewall tests, in the namespaces of others.

A socket stays in the namespace that it was made in, whoever uses it: a thread makes it there, and this process serves
and asks, which takes a thousandth of what an interpreter in the namespace would.
"""

from __future__ import annotations

import contextlib
import selectors
import socket
import threading
import time

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Sequence

    from tests.hosts import Namespace

    Question = tuple[str, str, int]

KINDS = {"tcp": (socket.SOCK_STREAM, 0), "udp": (socket.SOCK_DGRAM, 0), "sctp": (socket.SOCK_STREAM, 132)}


def _socket(proto: str, address: str) -> socket.socket:
    kind, number = KINDS[proto]
    return socket.socket(socket.AF_INET6 if ":" in address else socket.AF_INET, kind, number)


class Server:
    """Answers every client at PROTO:ADDRESS:PORT with "NAME CLIENT-ADDRESS", until it is closed or the member is."""

    def __init__(self, member: Namespace, name: str, *places: str) -> None:
        self.name = name
        self._wanted = selectors.DefaultSelector()
        self._end, wake = socket.socketpair()
        self._wanted.register(wake, selectors.EVENT_READ)
        member.inside(lambda: self._listen(places))
        self._thread = threading.Thread(target=self._serve, daemon=True)
        self._thread.start()
        member.open.callback(self.close)

    def _listen(self, places: Sequence[str]) -> None:
        for place in places:
            self._wanted.register(_listen(place), selectors.EVENT_READ)

    def _serve(self) -> None:
        while True:
            for key, _ in self._wanted.select():
                assert isinstance(key.fileobj, socket.socket)
                if key.fileobj.family == socket.AF_UNIX:
                    return
                with contextlib.suppress(OSError):
                    _answer(key.fileobj, self.name)

    def close(self) -> None:
        """Nobody listens there any more; twice is once."""
        if not self._thread.is_alive():
            return
        self._end.close()
        self._thread.join()
        for key in list(self._wanted.get_map().values()):
            assert isinstance(key.fileobj, socket.socket)
            key.fileobj.close()
        self._wanted.close()


def _listen(what: str) -> socket.socket:
    proto, _, rest = what.partition(":")
    address, _, port = rest.rpartition(":")
    sock = _socket(proto, address)
    sock.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    if ":" in address:
        sock.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, 1)
    sock.bind(socket.getaddrinfo(address, int(port))[0][4])
    if sock.type == socket.SOCK_STREAM:
        sock.listen(64)
    return sock


def _answer(sock: socket.socket, name: str) -> None:
    if sock.type == socket.SOCK_STREAM:
        connection, client = sock.accept()
        with connection:
            connection.sendall(f"{name} {client[0]}".encode())
    else:
        _, client = sock.recvfrom(100)
        sock.sendto(f"{name} {client[0]}".encode(), client)


def ask(member: Namespace, questions: Sequence[Question], patience: float) -> list[str]:
    """The answer to each [proto, address, port], "" for none; all are asked at once, until all have answered.

    So a hundred silent drops take no longer than one, and patience costs nothing where all answer.
    """
    answers = [""] * len(questions)
    with selectors.DefaultSelector() as open_:
        member.inside(lambda: _ask_all(open_, questions))
        end = time.monotonic() + patience
        while open_.get_map() and (left := end - time.monotonic()) > 0:
            for key, _ in open_.select(left):
                assert isinstance(key.fileobj, socket.socket)
                open_.unregister(key.fileobj)
                with contextlib.suppress(OSError), key.fileobj as sock:
                    answers[key.data] = sock.recv(100).decode()
        for key in open_.get_map().values():
            assert isinstance(key.fileobj, socket.socket)
            key.fileobj.close()
    return answers


def _ask_all(open_: selectors.BaseSelector, questions: Sequence[Question]) -> None:
    for number, (proto, address, port) in enumerate(questions):
        sock = _socket(proto, address)
        sock.setblocking(False)
        try:
            with contextlib.suppress(BlockingIOError):
                sock.connect(socket.getaddrinfo(address, port)[0][4])
            if proto == "udp":
                sock.send(b"?")
        except OSError:  # refused at once
            sock.close()
        else:
            open_.register(sock, selectors.EVENT_READ, number)
