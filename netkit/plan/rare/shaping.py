"""Ops of traffic shaping: at what rate a link sends, and through which other link goes what it receives.

    host ==> [tbf| nk3f9c... ]==veth== eth0                  towards the container: the cable's host end sends slowly
    host <== nk3f9c... <== [tbf| nq3f9c... ] <== redirect    from it: what arrives there first waits on a link of ours

A queue dies with its link. Ours bear a handle of their own, so undo leaves alone what another has put in their place.
"""

from __future__ import annotations

from netkit.model import NsRef
from netkit.plan.ops import Op
from netkit.value import Value

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import ClassVar

    from netkit.plan.host import Host

#: The handle of our root queues: `6e6b:`, the letters nk.
HANDLE = 0x6E6B
_EINVAL = 22


class Queueing(Value):
    """How a link's packets wait: its root queue's handle, bits a second and limit in bytes, as far as it is a tbf.

    `ingress` tells whether it has a queue for what arrives, `redirect` the link that all of that is sent through.
    """

    handle: int = 0
    rate: int = 0
    limit: int = 0
    ingress: bool = False
    redirect: str = ""


class TokenBucketAdd(Op):
    """Let a link send at most `rate` bits a second, `burst` bytes of them at once; `limit` bytes may wait (tbf)."""

    dev: str
    rate: int
    burst: int
    limit: int
    ns: NsRef | None = None

    def reverse(self) -> tuple[Op, ...]:
        return (TokenBucketDel(self.dev, self.ns),)

    def holds(self, host: Host) -> bool:
        seen = host.queueing(self.dev, self.ns)
        return (seen.handle, seen.rate, seen.limit) == (HANDLE, self.rate, self.limit)


class TokenBucketDel(Op):
    """Let a link send as fast as it can, if the queue is ours."""

    dev: str
    ns: NsRef | None = None
    not_ours: ClassVar[int] = _EINVAL

    def holds(self, host: Host) -> bool:
        return host.queueing(self.dev, self.ns).handle != HANDLE


class IngressAdd(Op):
    """Give a link a place for filters of what arrives there (the ingress queue); there is one, with a fixed handle."""

    dev: str
    ns: NsRef | None = None

    def reverse(self) -> tuple[Op, ...]:
        return (IngressDel(self.dev, self.ns),)

    def holds(self, host: Host) -> bool:
        return host.queueing(self.dev, self.ns).ingress


class IngressDel(Op):
    """Take that place away, and the filters in it."""

    dev: str
    ns: NsRef | None = None
    not_ours: ClassVar[int] = _EINVAL

    def holds(self, host: Host) -> bool:
        return not host.queueing(self.dev, self.ns).ingress


class RedirectAdd(Op):
    """Send all that arrives on a link through another, after whose queue it goes on as if nothing had been.

    It goes with the ingress queue that it stands in.
    """

    dev: str
    to: str
    ns: NsRef | None = None

    def holds(self, host: Host) -> bool:
        return host.queueing(self.dev, self.ns).redirect == self.to
