"""Real clients and servers for firewall tests, run inside a namespace: `python -m tests.contract.packets VERB ...`.

    serve NAME PROTO:ADDRESS:PORT...   answers every client with "NAME CLIENT-ADDRESS"; says `ready` when it listens
    ask SECONDS                        reads [[proto, address, port], ...] as JSON, writes the answers, "" for none

All questions are asked at once, so that a hundred silent drops take no longer than one.
"""

from __future__ import annotations

import contextlib
import json
import selectors
import socket
import sys
import threading

KINDS = {"tcp": (socket.SOCK_STREAM, 0), "udp": (socket.SOCK_DGRAM, 0), "sctp": (socket.SOCK_STREAM, 132)}


def _socket(proto: str, address: str) -> socket.socket:
    kind, number = KINDS[proto]
    return socket.socket(socket.AF_INET6 if ":" in address else socket.AF_INET, kind, number)


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


def serve(name: str, *places: str) -> None:
    selector = selectors.DefaultSelector()
    for place in places:
        selector.register(_listen(place), selectors.EVENT_READ)
    print("ready", flush=True)
    while True:
        for key, _ in selector.select():
            assert isinstance(key.fileobj, socket.socket)
            with contextlib.suppress(OSError):
                _answer(key.fileobj, name)


def ask_one(patience: float, proto: str, address: str, port: int) -> str:
    with contextlib.suppress(OSError), _socket(proto, address) as sock:
        sock.settimeout(patience)
        sock.connect(socket.getaddrinfo(address, port)[0][4])
        if proto == "udp":
            sock.send(b"?")
        return sock.recv(100).decode()
    return ""


def ask(patience: float) -> None:
    questions = json.load(sys.stdin)
    answers = [""] * len(questions)

    def one(index: int) -> None:
        answers[index] = ask_one(patience, *questions[index])

    threads = [threading.Thread(target=one, args=(index,)) for index in range(len(questions))]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    json.dump(answers, sys.stdout)


if __name__ == "__main__":
    ask(float(sys.argv[2])) if sys.argv[1] == "ask" else serve(*sys.argv[2:])
