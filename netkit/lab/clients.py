"""Clients of a lab's servers: what a connection or a datagram to a port brings back."""

from __future__ import annotations

import errno
import socket

from netkit.model import family
from netkit.value import Value

#: What an attempt ends with. `refused` is an answer, too, if one that says no: the packet has arrived.
ANSWER, REFUSED, BLOCKED = "answer", "refused", "blocked"


class Outcome(Value):
    """How an attempt ended: one of the words above, who the server took us for, and the story for people."""

    word: str
    seen: str = ""
    says: str = ""


def tcp(target: str, port: int, wait: float) -> Outcome:
    """Connect; servers of a lab then say the client's address. One that says nothing is an answer, too."""
    return _try(socket.SOCK_STREAM, target, port, wait, b"")


def udp(target: str, port: int, wait: float) -> Outcome:
    """Send a datagram and wait for one; once more when none comes."""
    first = _try(socket.SOCK_DGRAM, target, port, wait / 2, b"netkit\n")
    return _try(socket.SOCK_DGRAM, target, port, wait / 2, b"netkit\n") if first.word == BLOCKED else first


def http(target: str, port: int, wait: float) -> Outcome:
    """Ask for `/`; an answer is one with status 200."""
    host = f"[{target}]" if family(target) == 6 else target
    found = _try(socket.SOCK_STREAM, target, port, wait, f"GET / HTTP/1.0\r\nHost: {host}\r\n\r\n".encode())
    if found.word != ANSWER:
        return found
    status, _, rest = found.seen.partition("\r\n")
    if " 200 " not in f"{status} ":
        return Outcome(BLOCKED, "", f"connected, and got {status[:60] or 'nothing'}")
    return _answered(rest.partition("\r\n\r\n")[2])


def _try(kind: int, target: str, port: int, wait: float, data: bytes) -> Outcome:
    version = socket.AF_INET6 if family(target) == 6 else socket.AF_INET
    with socket.socket(version, kind) as connection:
        connection.settimeout(wait)
        try:
            connection.connect((target, port))
            if data:
                connection.sendall(data)
        except OSError as error:
            return _failure(error, wait)
        try:
            return _answered(_received(connection, kind))
        except TimeoutError:
            silent = kind == socket.SOCK_DGRAM or bool(data)
            return Outcome(BLOCKED, "", f"no answer within {wait:g} s") if silent else Outcome(ANSWER, "", "connected")
        except OSError as error:
            return _failure(error, wait)


def _received(connection: socket.socket, kind: int) -> str:
    parts = [connection.recv(65535)]
    while kind == socket.SOCK_STREAM and parts[-1] and len(parts) < 64:
        parts.append(connection.recv(65535))
    return b"".join(parts).decode("utf-8", "replace")


def _answered(text: str) -> Outcome:
    seen = text.strip() if text.startswith("HTTP/") else text.partition("\n")[0].strip()
    return Outcome(ANSWER, seen, f"answered: {seen[:60]}" if seen else "connected")


def _failure(error: OSError, wait: float) -> Outcome:
    if isinstance(error, TimeoutError):
        return Outcome(BLOCKED, "", f"no answer within {wait:g} s")
    says = (error.strerror or str(error)).lower()
    return Outcome(REFUSED if error.errno == errno.ECONNREFUSED else BLOCKED, "", says)
