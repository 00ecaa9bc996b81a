"""Forged frames for firewall tests, run inside a namespace: `python -m tests.contract.frames VERB ...`.

send IFNAME COUNT    reads frames as JSON, hexadecimal by kind; sends each COUNT times
hear IFNAME          reads patterns as JSON, one line, hexadecimal by kind; says `ready`; when its input ends it
                     writes how many frames held each of them
"""

from __future__ import annotations

import json
import select
import socket
import sys
import time
from collections import Counter

ALL, BUFFER, TIME = 0x0003, 1 << 21, 0.2


def send(ifname: str, count: str) -> None:
    frames = [bytes.fromhex(frame) for frame in json.load(sys.stdin).values()]
    with socket.socket(socket.AF_PACKET, socket.SOCK_RAW) as sock:
        sock.bind((ifname, 0))
        for _ in range(int(count)):
            for frame in frames:
                sock.send(frame)


def hear(ifname: str) -> None:
    patterns = {kind: bytes.fromhex(text) for kind, text in json.loads(sys.stdin.readline()).items()}
    seen: Counter[str] = Counter()
    with socket.socket(socket.AF_PACKET, socket.SOCK_RAW, socket.htons(ALL)) as sock:
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, BUFFER)
        sock.bind((ifname, ALL))
        print("ready", flush=True)
        deadline = float("inf")
        while time.monotonic() < deadline:
            readable, _, _ = select.select([sock, *([sys.stdin] if deadline == float("inf") else [])], [], [], TIME)
            if sys.stdin in readable:
                deadline = time.monotonic() + TIME
            if sock in readable:
                frame = sock.recv(65535)
                seen.update(kind for kind, pattern in patterns.items() if pattern in frame)
    json.dump(seen, sys.stdout)


if __name__ == "__main__":
    send(*sys.argv[2:]) if sys.argv[1] == "send" else hear(*sys.argv[2:])
