"""Does an attachment cost more when many are there? One more, with a published port, on the same network.

What it makes stays until the private host ends, so it comes last.
"""

from __future__ import annotations

from functools import partial

from bench.engine import Attachments
from bench.place import NETKIT, containers, median, run, timed
from bench.report import Row, table

FIRST_PORT = 20000


def report(count: int, few: int, many: int) -> str:
    """The tables; medians of `count` attachments, with few and with many others present."""
    attachments, others = Attachments(), containers("other", many)
    extra = containers("extra", count)
    engine, process = [], []
    for present in (few, many):
        for number in range(len(attachments), present):
            attachments.attach(others[number], FIRST_PORT + number)
        engine.append(_engine(attachments, extra, present))
        process.append(_process(extra, present))
    verbs = ("attach", "detach")
    return "\n".join(
        table(f"One more attachment, {how} (median of {count})", verbs, rows)
        for how, rows in (("the engine alone", engine), ("a process each", process))
    )


def _engine(attachments: Attachments, extra: list[str], present: int) -> Row:
    times = [(attachments.attach(path, FIRST_PORT - 1), attachments.detach(path)) for path in extra]
    did, undid = zip(*times, strict=True)
    return Row(f"with {present:,} present", median(did), median(undid))


def _process(extra: list[str], present: int) -> Row:
    did, undid = [], []
    for path in extra:
        did.append(timed(partial(run, *NETKIT, "attach", "--netns", path, "-p", f"{FIRST_PORT - 1}:80")))
        undid.append(timed(partial(run, *NETKIT, "detach", "--netns", path)))
    return Row(f"with {present:,} present", median(did), median(undid))
