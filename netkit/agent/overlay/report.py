"""What the keeper saw and did last, kept in a file for those who ask."""

from __future__ import annotations

import os
import time

from netkit.engine.report import Known, Report
from netkit.errors import StateError
from netkit.stores.model import GONE
from netkit.stores.sightings import boottime

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator

    from netkit.agent.overlay.watch import Watch
    from netkit.engine.tending import Tended
    from netkit.plan.steps import Step
    from netkit.state.root import Root
    from netkit.stores.model import Snapshot

_SHOWN = 20


def report(root: Root, network: str, watch: Watch, tended: Tended | None, failed: tuple[str, ...]) -> None:
    """Write down a round; of one that failed (`tended` is None), why, beside what was known before."""
    try:
        before = root.keeper.load(network, Report) or Report()
    except StateError:
        before = Report()  # another netkit's
    found = watch.found
    now = before.replace(pid=os.getpid(), at=time.time(), failed=failed)
    if found is not None:
        now = now.replace(reachable=found.reachable, why=found.why, warnings=found.warnings[:_SHOWN])
    if found is not None and tended is not None:
        met = tended.met
        now = now.replace(failed=failed + met.failed)
        if done := (*_lines("again", met.mended), *_lines("away", met.dropped)):
            now = now.replace(mended_at=time.time(), mended=done)
        if tended.judged is not None:
            peers = {peer.node: peer for peer in tended.judged.peers}
            now = now.replace(
                refused=tended.judged.refused[:1000],
                peers=tuple(
                    Known(
                        node,
                        address,
                        state,
                        watch.heard.get(node, boottime()),
                        *((peers[node].endpoints, peers[node].key) if node in peers else ()),
                    )
                    for node, address, state in _all(found)
                    if node != watch.node
                ),
            )
    try:
        root.keeper.save(network, now)
    except StateError as error:
        root.warnings.append(error.message)


def _all(found: Snapshot) -> Iterator[tuple[str, str, str]]:
    """All hosts, those that have parted as well: node, address and state."""
    yield from ((seen.host.node, seen.host.public, seen.state) for seen in found.hosts)
    yield from ((node, address, GONE) for node, address in found.parted)


def _lines(word: str, steps: tuple[Step, ...]) -> list[str]:
    return [f"{word}: {step.why}" for step in steps[:_SHOWN]]
