"""Records of hosts that lie: `python -m tests.netns.hostile DIRECTORY COUNT` writes so many, the same ones each time.

Some are sealed as netkit seals, with one field that is wrong, huge, or another's; some are torn, or no records at all.
"""

from __future__ import annotations

import random
import sys

from netkit.state.files import dump
from netkit.stores.model import Endpoint, Host

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

_PUBLIC: tuple[Any, ...] = (
    *("", "0.0.0.0", "127.0.0.1", "224.0.0.1", "255.255.255.255", "10.142.0.9", "192.0.2.1", "192.0.2.2", "fe80::1"),
    *("ff02::1", "::", "fd00:2::7", "192.0.2.300", "host", "1" * 5000, None, 7, [], {}, "192.0.2.1/24", "$(reboot)"),
)
_ADDRESSES: tuple[Any, ...] = (
    *("", "10.142.0.0", "10.142.255.255", "10.142.0.1", "10.142.0.2", "10.143.0.1", "192.0.2.1", "127.0.0.1"),
    *("fd42::1", "0.0.0.0", "224.1.1.1", "10.142.0.999", None, 3, [], "x" * 9000),
)
_MACS: tuple[Any, ...] = (
    *("", "00:00:00:00:00:00", "ff:ff:ff:ff:ff:ff", "01:00:5e:00:00:01", "33:33:00:00:00:01", "02:00", None, 1),
)
_ODD: dict[str, tuple[Any, ...]] = {
    "node": ("another", "", None, "../../etc/passwd"),
    "public": _PUBLIC,
    "vni": (43, -1, "42", 1 << 40, None),
    "endpoints": ("many", None, 4, {"a": 1}),
    "backend": ("udp", "\0", "x" * 99),
    "beat": (-1, 1 << 80, "now"),
    "port": (99, 1 << 20, -7),
}


def record(draw: random.Random, number: int) -> tuple[str, bytes]:
    """A file's name, and what stands in it."""
    node = f"evil{number}"
    if draw.random() < 0.1:
        return node, _torn(draw, node)
    fields: dict[str, Any] = {"node": node, "public": f"192.0.2.{draw.randrange(3, 254)}", "vni": 42}
    fields["endpoints"] = _endpoints(draw, draw.randrange(4))
    for name in draw.sample(sorted(_ODD), draw.randrange(3)):
        fields[name] = draw.choice(_ODD[name])
    if draw.random() < 0.0003:
        fields["endpoints"] = _endpoints(draw, 20_000)
    return node, dump(Host(**fields))


def _endpoints(draw: random.Random, count: int) -> tuple[Endpoint, ...]:
    return tuple(Endpoint(_address(draw), _mac(draw)) for _ in range(count))


def _address(draw: random.Random) -> Any:
    return draw.choice((f"10.142.{draw.randrange(256)}.{draw.randrange(256)}", draw.choice(_ADDRESSES)))


def _mac(draw: random.Random) -> Any:
    return draw.choice((f"02:ee:00:00:{draw.randrange(256):02x}:{draw.randrange(256):02x}", draw.choice(_MACS)))


def _torn(draw: random.Random, node: str) -> bytes:
    whole = dump(Host(node, "192.0.2.9", 42))
    return draw.choice((b"", b"\0" * 4096, whole[:-5], b"[" * 5_000, b"{}", b"\xed\xa0\x80"))


def main() -> None:
    """Write them."""
    draw = random.Random(42)  # noqa: S311 (the same ones each time)
    for number in range(int(sys.argv[2])):
        name, data = record(draw, number)
        with open(f"{sys.argv[1]}/{name}", "wb") as file:
            file.write(data)


if __name__ == "__main__":
    main()
