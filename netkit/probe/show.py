"""A captured frame for people (a line, a diagram) and for programs (a document)."""

from __future__ import annotations

import time

from netkit.probe.diagram import side_by_side
from netkit.probe.packet import parse
from netkit.probe.tunnel import unwrap

TYPE_CHECKING = False
if TYPE_CHECKING:
    from netkit.probe.dissect import Dissector, Header
    from netkit.probe.sniffer import Frame

_MICROSECOND, _MILLION = 1_000, 1_000_000
#: The Ethernet header that a bare IP packet was given, which is not in the frame around it.
_BARE = 14


class Shown:
    """How frames are shown; `width` is the columns that there are for a diagram, 0 when it does not matter."""

    def __init__(self, dissector: Dissector, vxlan_ports: tuple[int, ...], width: int = 0) -> None:
        self._dissector = dissector
        self._vxlan_ports = vxlan_ports
        self._width = width

    def line(self, frame: Frame) -> str:
        """In a line: `11:52:45.000123 out eth0  IP / TCP 10.90.0.2:41234 > 192.0.2.1:80 S`."""
        way = "out" if frame.outgoing else "in"
        return f"{_clock(frame.time // _MICROSECOND)} {way:<3} {frame.link:<14}  {self._dissector.summary(frame.data)}"

    def decoded(self, frame: Frame) -> str:
        """The line, and the headers: of a tunnel's packet, the outer ones beside the inner ones."""
        return f"{self.line(frame)}\n\n{side_by_side(self._columns(frame.data), self._width)}\n"

    def document(self, frame: Frame, decode: bool) -> dict[str, object]:
        """The same as data; `headers` with --decode only."""
        told: dict[str, object] = {
            "time": frame.time // _MICROSECOND / _MILLION,
            "direction": "out" if frame.outgoing else "in",
            "link": frame.link,
            "length": frame.length,
            "summary": self._dissector.summary(frame.data),
        }
        if decode:
            told["headers"] = [[_header(header) for header in column] for _, column in self._columns(frame.data)]
        return told

    def _columns(self, data: bytes) -> list[tuple[str, list[Header]]]:
        """The headers of each packet, from the outside in."""
        headers = self._dissector.headers(data)
        starts, titles = [0], ["packet"]
        packet, base = parse(data), 0
        while tunnel := unwrap(packet, self._vxlan_ports):
            vni = f", VNI {tunnel.vni}" if tunnel.vni >= 0 else ""
            starts.append(base + tunnel.offset)
            base = starts[-1] - (_BARE if tunnel.kind == "udp" else 0)
            titles[-1:] = ["outer" if len(starts) == 2 else titles[-1], f"inner ({tunnel.kind}{vni})"]
            packet = tunnel.inner
        ends = [*starts[1:], len(data) + 1]
        return [
            (title, [header for header in headers if start <= header.offset < end])
            for title, start, end in zip(titles, starts, ends, strict=True)
        ]


def _header(header: Header) -> dict[str, object]:
    fields = [{"name": field.name, "bits": field.bits, "value": field.value} for field in header.fields]
    return {"name": header.name, "offset": header.offset, "length": header.length, "fields": fields}


def _clock(microseconds: int) -> str:
    seconds, rest = divmod(microseconds, _MILLION)
    return f"{time.strftime('%H:%M:%S', time.localtime(seconds))}.{rest:06}"
