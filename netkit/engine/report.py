"""What the keeper of a network whose hosts share a store saw and did last."""

from __future__ import annotations

from netkit.engine.judge import Refusal as Refusal
from netkit.value import Value


class Known(Value):
    """Another host as the store tells of it: alive, stale or gone, `heard` so many seconds after this host's start.

    `key` is its public key where the overlay is encrypted.
    """

    node: str
    address: str
    state: str
    heard: float
    endpoints: tuple[tuple[str, str], ...] = ()
    key: str = ""


class Report(Value):
    """A full round of process `pid` at `at` (seconds since 1970): who is there, who is refused, what failed.

    `mended` is what was put right the last time that something was, at `mended_at`.
    """

    pid: int = 0
    at: float = 0.0
    reachable: bool = True
    why: str = ""
    peers: tuple[Known, ...] = ()
    refused: tuple[Refusal, ...] = ()
    failed: tuple[str, ...] = ()
    warnings: tuple[str, ...] = ()
    mended_at: float = 0.0
    mended: tuple[str, ...] = ()
