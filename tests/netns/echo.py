"""One ICMP echo, made by hand, so that every byte of it is known."""

from __future__ import annotations

import socket
import struct


def ping(address: str, payload: bytes, ident: int, sequence: int, seconds: float = 2) -> bool:
    """Send one echo request; whether its answer came in time."""
    body = struct.pack(">BBHHH", 8, 0, 0, ident, sequence) + payload
    body = body[:2] + struct.pack(">H", checksum(body)) + body[4:]
    with socket.socket(socket.AF_INET, socket.SOCK_RAW, socket.IPPROTO_ICMP) as sock:
        sock.settimeout(seconds)
        sock.sendto(body, (address, 0))
        try:
            while (answer := sock.recv(2048))[20:21] != b"\0":
                continue
        except TimeoutError:
            return False
        return answer[28:] == payload


def checksum(data: bytes) -> int:
    """The Internet checksum."""
    total: int = sum(struct.unpack(f">{len(data) // 2}H", data))
    total = (total & 0xFFFF) + (total >> 16)
    return ~(total + (total >> 16)) & 0xFFFF
