"""Bandwidth: how fast a container may receive and send.

Limits stand where the container cannot reach them, on the host's end of its cable. A container whose link has no such
end has them in its own namespace, on the link itself: there a process with CAP_NET_ADMIN could lift them.
"""

from __future__ import annotations

from netkit.errors import ConfigError
from netkit.naming import GROUP, mac, queue_ifname
from netkit.parts.quiet import mute
from netkit.plan.ops import LinkAdd, LinkSet
from netkit.plan.rare.shaping import IngressAdd, RedirectAdd, TokenBucketAdd
from netkit.plan.steps import Plan
from netkit.value import Value

TYPE_CHECKING = False
if TYPE_CHECKING:
    from netkit.model import NsRef, Rate
    from netkit.plan.host import Host

#: How long a packet may wait for its turn before it is dropped, in milliseconds: the reference's.
LATENCY = 25
#: What may pass at once unless told: so many milliseconds' worth, and this many bytes at least.
BURST_TIME, LEAST_BURST = 10, 32768
#: The kernel counts a queue's bytes in 32 bits.
LARGEST = (1 << 32) - 1
#: What an Ethernet frame has besides its MTU.
HEADER = 18


class Limit(Value):
    """One direction's limit: the rate, the field that says it, and what the container does at most so fast."""

    rate: Rate
    at: str
    verb: str


def shaping(
    ident: str, device: str, mtu: int, rate_in: Rate | None, rate_out: Rate | None, host: Host, ns: NsRef | None = None
) -> Plan:
    """Limits on `device`: the host's end of a container's cable, or in its namespace `ns` its own link.

    `ident` is its attachment. What the device sends waits there; what arrives at it waits on one link more.
    """
    received = Limit(rate_in, "rate_in", "receives") if rate_in else None
    sent = Limit(rate_out, "rate_out", "sends") if rate_out else None
    leaving, arriving = (sent, received) if ns else (received, sent)
    plan = _bucket(device, leaving, mtu, ns) if leaving else Plan()
    return plan + (_arriving(queue_ifname(ident), device, mtu, arriving, host, ns) if arriving else Plan())


def shown(bits: int) -> str:
    """A rate as people write it: `10mbit`."""
    for factor, unit in ((10**12, "tbit"), (10**9, "gbit"), (10**6, "mbit"), (10**3, "kbit")):
        if bits % factor == 0:
            return f"{bits // factor}{unit}"
    return f"{bits}bit"


def _arriving(queue: str, device: str, mtu: int, limit: Limit, host: Host, ns: NsRef | None) -> Plan:
    """A link can delay what it sends alone, so what arrives is sent through one more."""
    made = LinkAdd(queue, "ifb", GROUP, ns, mac=mac("queue", queue), mtu=mtu)
    where, come = ("the link", "to") if ns else ("the host's end", "from")
    sure = "" if ns else "; the container cannot undo that"
    return (
        Plan.of((made, f"where that which it {limit.verb} waits for its turn"))
        + mute(queue, host, ns)
        + _bucket(queue, limit, mtu, ns)
        + Plan.of(
            (LinkSet(queue, ns, up=True), "it passes packets on"),
            (IngressAdd(device, ns), f"a place on {where} for what comes {come} the container"),
            (RedirectAdd(device, queue, ns), f"all of it goes through that queue{sure}"),
        )
    )


def _bucket(device: str, limit: Limit, mtu: int, ns: NsRef | None) -> Plan:
    rate, at = limit.rate, limit.at
    speed = rate.bits // 8
    if not speed:
        raise ConfigError(at, f"{rate.bits} bits a second let nothing through", "for example 10mbit")
    burst = rate.burst // 8 or max(speed * BURST_TIME // 1000, LEAST_BURST, mtu + HEADER)
    most = burst + speed * LATENCY // 1000
    if burst < mtu + HEADER:
        raise ConfigError(at, f"a burst of {burst} bytes holds no packet of {mtu}", f"use {mtu + HEADER} or more")
    if most > LARGEST:
        raise ConfigError(at, f"{shown(rate.bits)} is more than the kernel's queue holds", "leave it out for no limit")
    bucket = TokenBucketAdd(device, speed * 8, burst, most, ns)
    return Plan.of((bucket, f"it {limit.verb} at most {shown(rate.bits)}"))
