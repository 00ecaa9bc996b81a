"""What someone may write to a store who means no good, or whose disk is full."""

from __future__ import annotations

import copy
import json

TYPE_CHECKING = False
if TYPE_CHECKING:
    import random
    from typing import Any

JUNK: tuple[Any, ...] = (
    None, True, -1, 0, 1 << 70, 1.5, "", "a", "x" * 5000, "\0", "../../etc", "10.5.72.7", "fe80::1%eth0", "0.0.0.0",
    "::ffff:10.0.0.1", "255.255.255.255", "127.0.0.1", "2001:db8::1", "02:00:00:00:01:07", "ff:ff:ff:ff:ff:ff",
    "\ud800", "$(id)", [], {}, [[]], {"VNI": 1}, {"VtepMAC": 7}, {"Node": "../x"}, {"Node": "b", "Port": 1 << 17},
)  # fmt: skip


def forged(chance: random.Random, document: bytes) -> bytes:
    """A JSON object with some fields forged, perhaps torn."""
    body = json.loads(document)
    for _ in range(chance.randrange(1, 4)):
        part = chance.choice([body, *(one for one in body.values() if isinstance(one, dict))])
        part[chance.choice([*part, "publicIP", "x"])] = copy.deepcopy(chance.choice(JUNK))
    data = json.dumps(body).encode()
    if chance.random() < 0.2:
        data = data[: chance.randrange(len(data))]
    if chance.random() < 0.1:
        data = bytes(chance.randrange(256) if chance.random() < 0.05 else byte for byte in data)
    return data
