"""Telling the neighbours who has an address now, as an op of its own: when the link goes up is sometimes too early."""

from __future__ import annotations

from netkit.model import NsRef
from netkit.plan.ops import Op


class Announce(Op):
    """Announce the addresses of `dev` (gratuitous ARP, unsolicited NA) once `port`, its cable's other end, forwards.

    A port of a bridge is shut while its other end is down, and opened when the kernel gets round to it, which on a busy
    host is later than the announcement that the kernel itself makes. Linux announces when a MAC is set, also if it was
    the same before.
    """

    dev: str
    port: str
    mac: str
    ns: NsRef | None = None
