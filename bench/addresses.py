"""Does an address cost more when many are taken? The figures of `bench.ipam`, as a table."""

from __future__ import annotations

from bench.ipam import SUBNET, measure
from bench.report import Row, table
from netkit.ipam.files import FilePool
from netkit.state.root import Root


def report(rounds: int, few: int, many: int) -> str:
    """The table; medians of `rounds` claims with few and with many addresses taken."""
    pool = FilePool(Root("/run/bench-addresses"), "bench", SUBNET)
    measured = [(few, *measure(pool, 0, few, rounds)), (many, *measure(pool, few, many, rounds))]
    rows = [Row(f"with {taken:,} taken", claim / 1000, release / 1000) for taken, claim, release in measured]
    return table(f"One address in a /16 (median of {rounds})", ("claim", "release"), rows)
