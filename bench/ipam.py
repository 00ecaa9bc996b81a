"""What an address costs: claim and release in a /16 with few and with many addresses taken.

    python bench/ipam.py [--many 60000] [--rounds 500] [--dir /dev/shm]

Prints microseconds for one claim and one release (the median of all rounds), with 10 addresses taken and with many, and
the ratio. No root needed. Each claim of the many takes a page (4 KiB) on tmpfs: 60,000 need 240 MB of `--dir`.
"""

from __future__ import annotations

import argparse
import statistics
import sys
import tempfile
import time
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

from netkit.ipam.files import FilePool
from netkit.model import Subnet
from netkit.state.root import Root

SUBNET = Subnet("10.90.0.0/16", "10.90.0.1")


def main() -> None:
    """Measure and print."""
    words = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    words.add_argument("--many", type=int, default=60_000)
    words.add_argument("--rounds", type=int, default=500)
    words.add_argument("--dir", default="/dev/shm")  # noqa: S108 - a fresh directory is made below it
    given = words.parse_args()
    with tempfile.TemporaryDirectory(dir=given.dir, prefix="netkit-bench-") as home:
        pool = FilePool(Root(home), "bench", SUBNET)
        few = measure(pool, 0, 10, given.rounds)
        many = measure(pool, 10, given.many, given.rounds)
    print(f"{'taken':>8}  {'claim':>8}  {'release':>8}   (microseconds, median of {given.rounds})")
    print(f"{10:>8}  {few[0]:>8.0f}  {few[1]:>8.0f}")
    print(f"{given.many:>8}  {many[0]:>8.0f}  {many[1]:>8.0f}")
    print(f"ratio: {sum(many) / sum(few):.2f}")


def measure(pool: FilePool, taken: int, wanted: int, rounds: int) -> tuple[float, float]:
    """Fill the pool up to `wanted` claims, then the median cost of one claim and one release, in microseconds."""
    for number in range(taken, wanted):
        pool.claim(f"c{number}", "eth0")
    claims, releases = [], []
    for _ in range(rounds):
        start = time.perf_counter()
        pool.claim("one-more", "eth0")
        middle = time.perf_counter()
        pool.release("one-more", "eth0")
        claims.append(middle - start)
        releases.append(time.perf_counter() - middle)
    return statistics.median(claims) * 1e6, statistics.median(releases) * 1e6


if __name__ == "__main__":
    main()
