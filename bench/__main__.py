"""`python -m bench`: take all figures and print them. `--quick` takes seconds, and its figures are worth nothing."""

from __future__ import annotations

import argparse
import sys

from bench import addresses, agent, attach, backends, cni, overlay, scale, udp
from bench.place import enter, machine


def main() -> int:
    """Take the figures that were asked for."""
    parser = argparse.ArgumentParser(prog="python -m bench", description="Measure netkit beside public tools.")
    parser.add_argument(
        "what", nargs="*", metavar="agent|attach|addresses|backends|cni|overlay|scale|udp", help="which figures [all]"
    )
    parser.add_argument(
        "--churns", type=int, default=50, metavar="N", help="agent: so many hosts come, and as many leave [50]"
    )
    parser.add_argument("--quick", action="store_true", help="small counts: does it run?")
    options = parser.parse_args()
    reports = {
        "agent": lambda: agent.report(*((3, 1, 1, 4) if options.quick else (500, 20, 30, options.churns))),
        "attach": lambda: attach.report(3 if options.quick else 40),
        "addresses": lambda: addresses.report(*((5, 10, 100) if options.quick else (500, 10, 60_000))),
        "backends": lambda: backends.report(*((1, 1) if options.quick else (5, 2))),
        "cni": lambda: cni.report(*((2, 6) if options.quick else (40, 1_000))),
        "overlay": lambda: overlay.report(*((1, 0, (10, 100)) if options.quick else (10, 1, (10, 100, 1_000)))),
        "udp": lambda: udp.report(*((1, 0) if options.quick else (3, 4))),
        "scale": lambda: scale.report(*((3, 1, 10) if options.quick else (20, 1, 1_000))),
    }
    if unknown := [name for name in options.what if name not in reports]:
        parser.error(f"there is no {unknown[0]}: choose of {', '.join(reports)}")
    enter()
    print(machine(), flush=True)
    for name in (name for name in reports if name in options.what or not options.what):
        print(f"\n{reports[name]()}", end="", flush=True)
    return 0


if __name__ == "__main__":
    sys.exit(main())
