"""Capturing: the frames that pass, until there are enough of them, time is up, or someone says stop."""

from __future__ import annotations

import select
import time

from netkit.probe.bpf import program
from netkit.probe.filter import Primitive, Some, everything, matcher, read_filter
from netkit.probe.packet import parse
from netkit.probe.tunnel import OVERLAY_PORTS, layers
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


class Wanted:
    """A filter twice: a program for the kernel that lets through what may be wanted, and the one that decides.

    With `inside` (the ports of VXLAN) it also takes a packet for what that carries, so all tunnels are let through.
    """

    def __init__(self, text: str, inside: tuple[int, ...] = ()) -> None:
        node = read_filter(text)
        alone = matcher(node)
        self.matches: Filter = alone
        if node and inside:
            self.matches = lambda packet: any(alone(layer) for layer in layers(packet, inside))
            node = Some((node, *(Primitive("port", str(port)) for port in (*inside, *OVERLAY_PORTS))))
        self.program = program(node) if node else b""


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
