"""Does an address cost more when many are taken? One claim and its release in a /16."""

from __future__ import annotations

from bench.place import median, timed
from bench.report import Row, table
from netkit.ipam.files import FilePool
from netkit.model import Subnet
from netkit.state.root import Root


def report(count: int, few: int, many: int) -> str:
    """The table; medians of `count` claims with few and with many addresses taken."""
    rows = [_row(taken, count) for taken in (few, many)]
    return table(f"One address in a /16 (median of {count})", ("claim", "release"), rows)


def _row(taken: int, count: int) -> Row:
    pool = FilePool(Root(f"/run/ipam-{taken}"), "bench", Subnet("10.88.0.0/16", "10.88.0.1"))
    for number in range(taken):
        pool.claim(f"holder{number}", "eth0")
    times = [_one(pool, f"one{number}") for number in range(count)]
    did, undid = zip(*times, strict=True)
    return Row(f"with {taken:,} taken", median(did), median(undid))


def _one(pool: FilePool, owner: str) -> tuple[float, float]:
    return timed(lambda: pool.claim(owner, "eth0")), timed(lambda: pool.release(owner, "eth0"))
