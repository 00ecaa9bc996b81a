"""The agent's status for people and for machines."""

from __future__ import annotations

import time

from netkit.stores.sightings import boottime
from netkit.value import to_json

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence
    from typing import Any

    from netkit.agent.host.status import Peer, Status
    from netkit.kernel.udppath import Passed


def age(peer: Peer) -> str:
    """How long ago a host gave its last sign of life."""
    return f"{max(boottime() - peer.heard, 0):.0f} s ago" if peer.heard else "never"


def in_kernel(peer: Peer, differences: Sequence[tuple[str, str]]) -> str:
    """Whether the kernel leads to a host as is wanted."""
    of_peer = {peer.address, *peer.subnets, *(cidr.partition("/")[0] for cidr in peer.subnets)}
    missing = sum(kind == "missing" and not of_peer.isdisjoint(what.split()) for kind, what in differences)
    return f"{missing} missing" if missing else "as wanted"


def passed(status: Status) -> dict[str, Passed]:
    """By subnet, what has passed in the kernel, and never met the proxy; {} where there is no fast path."""
    if not status.fast_path:
        return {}
    from netkit.kernel import udppath
    from netkit.parts.backends.udp import DEVICE

    return udppath.passed(DEVICE)


def _shortly(peer: Peer, past: Mapping[str, Passed]) -> str:
    """What of a peer has passed in the kernel, "" where there is no fast path."""
    ways = [past[subnet] for subnet in peer.subnets if subnet in past]
    if not any(way.takes for way in ways):
        return "by the proxy" if past else ""
    out, into = sum(way.packets_out for way in ways), sum(way.packets_in for way in ways)
    return f"in the kernel: {out} packets out, {into} in"


def document(
    status: Status, differences: Sequence[tuple[str, str]], past: Mapping[str, Passed] | None = None
) -> dict[str, Any]:
    """All that is known."""
    told: dict[str, Any] = {name: to_json(value) for name, value in vars(status).items()}
    for peer, shown in zip(status.peers, told["peers"], strict=True):
        shown.pop("is", None)
        shown["kernel"] = in_kernel(peer, differences)
        shown["past_proxy"] = {subnet: vars(past[subnet]) for subnet in peer.subnets if past and subnet in past}
        shown["heard_seconds_ago"] = round(boottime() - peer.heard, 1) if peer.heard else None
    return {**told, "differences": [{"kind": kind, "what": what} for kind, what in differences]}


def lines(
    status: Status, differences: Sequence[tuple[str, str]], past: Mapping[str, Passed] | None = None
) -> Iterator[str]:
    """The same as sentences."""
    state = "ready" if status.ready else "not ready" if status.pid else "not running; what it made stays"
    leased = ", ".join(status.subnets) or "no lease"
    yield f"{status.network}  {state}  {leased}  {status.backend} by {status.dev} ({status.why})  MTU {status.mtu}"
    yield f"store {status.store}: {'reachable' if status.reachable else status.store_why}"
    yield f"{len(status.peers)} other hosts, {status.rounds} rounds, {status.repairs} repairs" + (
        f", the last {time.strftime('%F %T', time.localtime(status.mended_at))}:" if status.mended_at else ""
    )
    if status.mended:
        yield from (f"  {line}" for line in (f"because {status.trigger}:", *status.mended))
    if status.lost:
        yield f"takes nobody in: {status.lost}"
    rows = [
        (p.address, ", ".join(p.subnets), p.state, age(p), in_kernel(p, differences), _shortly(p, past or {}))
        for p in status.peers
    ]
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    yield from ("  ".join(map(str.ljust, row, widths)).rstrip() for row in rows)
    for title, found in (("failed", status.failed), ("not believed", status.refused), ("warning", status.warnings)):
        yield from (f"{title}: {line}" for line in found)
    yield from (f"{kind} in the kernel: {what}" for kind, what in differences)
