"""The clock of the wall decides about no lease and no claim: who asks it is listed, with what for."""

from __future__ import annotations

import ast

from tests.meta.source import imports, modules

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator

#: Who asks what time it is, and for what: most write it down beside something, where people are shown it.
ASKS = {
    "netkit.agent.host.agent": "when the last round and the last repair were",
    "netkit.agent.overlay.report": "the same of a keeper",
    "netkit.engine.adopt": "since when an attachment is there",
    "netkit.engine.attach": "since when an attachment is there, and which is older",
    "netkit.ipam.files": "since when an address is taken",
    "netkit.kernel.wireguard": "how old a handshake is, which the kernel tells by that clock and no other",
    "netkit.probe.stamps": "when a packet was seen",
}
_WALL = ("time.time", "time.time_ns", "time.CLOCK_REALTIME", "datetime")


def asks(tree: ast.Module) -> Iterator[str]:
    """Each use of the wall's clock."""
    names = [f"{node.value.id}.{node.attr}" for node in ast.walk(tree)
             if isinstance(node, ast.Attribute) and isinstance(node.value, ast.Name)]  # fmt: skip
    names += [each.name for each in imports(tree)]
    yield from (name for name in names if any(name == wall or name.startswith(f"{wall}.") for wall in _WALL))


def test_whoever_asks_for_the_time_of_day_says_what_for() -> None:
    assert {module.name for module in modules() if any(asks(module.tree))} == set(ASKS)


def test_no_way_to_ask_for_it_is_overlooked() -> None:
    ways = ("time.time()", "time.time_ns()", "time.clock_gettime(time.CLOCK_REALTIME)", "from time import time")
    for source in (*ways, "import datetime", "from datetime import datetime"):
        assert list(asks(ast.parse(source))), source
    assert not list(asks(ast.parse("time.monotonic(), time.clock_gettime(time.CLOCK_BOOTTIME)")))
