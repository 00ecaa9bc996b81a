"""Bandwidth: how fast a container may receive and send, held where it cannot reach: on the host's end of its cable."""

from __future__ import annotations

from netkit.errors import ConfigError
from netkit.naming import GROUP, mac, queue_ifname
from netkit.parts.quiet import quiet
from netkit.plan.ops import LinkAdd, LinkSet
from netkit.plan.rare.shaping import IngressAdd, RedirectAdd, TokenBucketAdd
from netkit.plan.steps import Plan

TYPE_CHECKING = False
if TYPE_CHECKING:
    from netkit.model import Rate
    from netkit.plan.host import Host

#: How long a packet may wait for its turn before it is dropped, in milliseconds: the reference's.
LATENCY = 25
#: What may pass at once unless told: so many milliseconds' worth, and this many bytes at least.
BURST_TIME, LEAST_BURST = 10, 32768
#: The kernel counts a queue's bytes in 32 bits.
LARGEST = (1 << 32) - 1
#: What an Ethernet frame has besides its MTU.
HEADER = 18


def shaping(ident: str, device: str, mtu: int, rate_in: Rate | None, rate_out: Rate | None, host: Host) -> Plan:
    """Limits for the container behind `device`, the host's end of a cable; `ident` is its attachment."""
    plan = Plan()
    if rate_in:
        plan += Plan.of((_bucket(device, rate_in, mtu, "rate_in"), f"it receives at most {shown(rate_in.bits)}"))
    return plan + (_sending(queue_ifname(ident), device, mtu, rate_out, host) if rate_out else Plan())


def shown(bits: int) -> str:
    """A rate as people write it: `10mbit`."""
    for factor, unit in ((10**12, "tbit"), (10**9, "gbit"), (10**6, "mbit"), (10**3, "kbit")):
        if bits % factor == 0:
            return f"{bits // factor}{unit}"
    return f"{bits}bit"


def _sending(queue: str, device: str, mtu: int, rate: Rate, host: Host) -> Plan:
    """A link can delay what it sends alone, so what arrives from the container is sent through one more."""
    made = LinkAdd(queue, "ifb", GROUP, mac=mac("queue", queue), mtu=mtu)
    return (
        Plan.of((made, "where that which it sends waits for its turn"))
        + quiet(queue, "", (), host)
        + Plan.of(
            (_bucket(queue, rate, mtu, "rate_out"), f"it sends at most {shown(rate.bits)}"),
            (LinkSet(queue, up=True), "it passes packets on"),
            (IngressAdd(device), "a place on the host's end for what comes from the container"),
            (RedirectAdd(device, queue), "all of it goes through that queue; the container cannot undo that"),
        )
    )


def _bucket(device: str, rate: Rate, mtu: int, at: str) -> TokenBucketAdd:
    speed = rate.bits // 8
    if not speed:
        raise ConfigError(at, f"{rate.bits} bits a second let nothing through", "for example 10mbit")
    burst = rate.burst // 8 or max(speed * BURST_TIME // 1000, LEAST_BURST, mtu + HEADER)
    limit = burst + speed * LATENCY // 1000
    if burst < mtu + HEADER:
        raise ConfigError(at, f"a burst of {burst} bytes holds no packet of {mtu}", f"use {mtu + HEADER} or more")
    if limit > LARGEST:
        raise ConfigError(at, f"{shown(rate.bits)} is more than the kernel's queue holds", "leave it out for no limit")
    return TokenBucketAdd(device, speed * 8, burst, limit)
