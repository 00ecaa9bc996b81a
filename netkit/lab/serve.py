"""Servers for labs that answer with their client's address: `python3 -m netkit.lab.serve http:80 udp:53`.

Returns once every port is listened on; a child of it serves on until it is killed. IPv4 and IPv6, by one socket.
"""

from __future__ import annotations

import os
import socket
import sys

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import NoReturn

_TYPES = {"http": socket.SOCK_STREAM, "tcp": socket.SOCK_STREAM, "udp": socket.SOCK_DGRAM}
_PATIENCE = 2.0


def main(words: list[str]) -> int:
    """Listen on every `protocol:port`, then serve in the background; the exit code."""
    served = []
    for word in words:
        protocol, _, port = word.partition(":")
        try:
            served.append((protocol, listen(protocol, int(port))))
        except OSError as error:
            print(f"cannot listen on {word}: {error.strerror}", file=sys.stderr)
            return 1
    for protocol, listener in served:
        if os.fork() == 0:
            _serve(protocol, listener)
    return 0


def listen(protocol: str, port: int) -> socket.socket:
    """A socket that listens on a port of every address; a client of IPv4 is seen as IPv4."""
    listener = socket.socket(socket.AF_INET6, _TYPES[protocol])
    listener.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, 0)
    if protocol == "udp":
        # answer from the address that was asked, also on a machine with several
        listener.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_RECVPKTINFO, 1)
    else:
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    listener.bind(("::", port))
    if protocol != "udp":
        listener.listen(64)
    return listener


def plain(address: str) -> str:
    """An address as its own family writes it."""
    return address.removeprefix("::ffff:") if "." in address else address


def _serve(protocol: str, listener: socket.socket) -> NoReturn:
    os.setsid()
    null = os.open(os.devnull, os.O_RDWR)
    for number in (0, 1, 2):
        os.dup2(null, number)
    while True:
        try:
            if protocol == "udp":
                _answer_datagram(listener)
            else:
                _answer(protocol, *listener.accept())
        except OSError:
            continue  # that client has gone; the next one


def _answer_datagram(listener: socket.socket) -> None:
    _, ancillary, _, client = listener.recvmsg(2048, 256)
    sent = [(level, kind, data) for level, kind, data in ancillary if kind == socket.IPV6_PKTINFO]
    listener.sendmsg([f"{plain(client[0])}\n".encode()], sent, 0, client)


def _answer(protocol: str, connection: socket.socket, client: tuple[str, ...]) -> None:
    with connection:
        connection.settimeout(_PATIENCE)
        body = f"{plain(client[0])}\n".encode()
        if protocol == "http":
            connection.recv(4096)
            head = f"HTTP/1.0 200 OK\r\nContent-Type: text/plain\r\nContent-Length: {len(body)}\r\n\r\n"
            body = head.encode() + body
        connection.sendall(body)
        connection.shutdown(socket.SHUT_WR)
        connection.recv(4096)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
