"""Capturing: the frames that pass, until there are enough of them, time is up, or someone says stop."""

from __future__ import annotations

import select
import time

from netkit.probe.filter import everything
from netkit.probe.packet import parse
from netkit.probe.tunnel import layers
from netkit.value import Value

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from netkit.probe.filter import Filter
    from netkit.probe.packet import Packet
    from netkit.probe.sniffer import Frame, Sniffer
    from netkit.probe.stopping import Stopping

    Want = Callable[[Packet], bool]

#: How many frames are read before the clock and the wish to stop are looked at again.
_BURST = 256


class Limits(Value):
    """When a capture ends by itself; 0 is never."""

    count: int = 0
    seconds: float = 0.0


def inside_too(wanted: Filter, vxlan_ports: tuple[int, ...]) -> Filter:
    """A filter that also takes a packet for what it carries."""
    return lambda packet: any(wanted(layer) for layer in layers(packet, vxlan_ports))


def frames(sniffer: Sniffer, stop: Stopping, limits: Limits, wanted: Filter = everything) -> Iterator[Frame]:
    """The wanted frames, each once it has passed."""
    left = limits.count or -1
    for frame in _passing(sniffer, stop, limits.seconds):
        if wanted(parse(frame.data)):
            yield frame
            left -= 1
            if not left:
                return


def _passing(sniffer: Sniffer, stop: Stopping, seconds: float) -> Iterator[Frame]:
    poll = select.poll()
    for descriptor in (sniffer.fileno(), stop.fileno()):
        poll.register(descriptor, select.POLLIN)
    end = time.monotonic() + seconds if seconds else 0.0
    while True:
        left = max(end - time.monotonic(), 0) * 1000 if end else None
        ready = {descriptor for descriptor, _ in poll.poll(left)}
        for _ in range(_BURST):
            if (frame := sniffer.read()) is None:
                break
            yield frame
        if stop.fileno() in ready or (end and time.monotonic() >= end):
            return
