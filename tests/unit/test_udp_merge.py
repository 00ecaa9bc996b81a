"""Many packets as one, against scapy: what is merged and cut again is what came, and every checksum is scapy's."""

from __future__ import annotations

import struct

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from netkit.agent.udp.merge import alike, dissect, merged
from netkit.agent.udp.received import Received

scapy = pytest.importorskip("scapy.all")

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import Any

    Make = Callable[..., bytes]

MSS = 100
GSO = {("tcp", 4): 1, ("tcp", 6): 4, ("udp", 4): 5, ("udp", 6): 5}


def ip(family: int, number: int, **fields: Any) -> Any:
    if family == 6:
        return scapy.IPv6(src="fd00:5:1::2", dst="fd00:5:2::2", hlim=63, **fields)
    return scapy.IP(src="10.5.1.2", dst="10.5.2.2", ttl=63, id=(7000 + number) & 0xFFFF, flags="DF", **fields)


def tcp(family: int, number: int, payload: bytes, first: int = 1000, **fields: Any) -> bytes:
    seq = (first + number * MSS) & 0xFFFFFFFF
    options = [("NOP", None), ("NOP", None), ("Timestamp", (5, 6))]
    segment = scapy.TCP(**{"sport": 4000, "dport": 80, "seq": seq, "ack": 9, "flags": "A", "options": options} | fields)
    return bytes(ip(family, number) / segment / payload)


def udp(family: int, number: int, payload: bytes, **fields: Any) -> bytes:
    return bytes(ip(family, number) / scapy.UDP(**{"sport": 4000, "dport": 53} | fields) / payload)


def pieces(count: int, last: int = MSS) -> list[bytes]:
    """Payloads of MSS bytes each, the last of `last`."""
    lengths = [MSS] * (count - 1) + [last]
    return [bytes((number + byte) % 251 for byte in range(length)) for number, length in enumerate(lengths)]


def joined(packets: list[bytes]) -> Received:
    received, data = Received(), b"".join(packets)
    received.memory[: len(data)] = data
    received.filled(len(data), len(packets[0]))
    return received


def together(packets: list[bytes]) -> int:
    """How many of the packets go as one."""
    received = joined(packets)
    shape = dissect(received.packet(0))
    assert shape is not None
    assert shape.kind
    return alike(received, 0, shape)[0]


def large(packets: list[bytes]) -> tuple[tuple[int, ...], bytes]:
    """The virtio header and the packet that all of these make."""
    received = joined(packets)
    shape = dissect(received.packet(0))
    assert shape is not None
    count, pushed = alike(received, 0, shape)
    assert count == len(packets)
    vnet, *rest = merged(received, 0, count, shape, pushed)
    return struct.unpack("=BBHHHH", vnet), b"".join(rest)


def summed(packet: bytes, family: int, start: int, offset: int) -> bytes:
    """The packet after the kernel has filled in the checksum."""
    end = scapy.IP(packet).len if family == 4 else len(packet)
    total = scapy.checksum(packet[start:end])
    return packet[: start + offset] + struct.pack(">H", total) + packet[start + offset + 2 :]


def renewed(packet: bytes, family: int) -> bytes:
    """The packet with lengths and checksums as scapy makes them."""
    layer = (scapy.IP if family == 4 else scapy.IPv6)(packet)
    for one in (layer, layer.payload):
        for field in ("chksum", "len", "plen"):
            if field in one.fields:
                delattr(one, field)
    return bytes(layer)


@pytest.mark.parametrize("last", [MSS, 1, 37])
@pytest.mark.parametrize("make", [tcp, udp])
@pytest.mark.parametrize("family", [4, 6])
def test_a_merged_packet_has_the_lengths_and_checksums_of_scapy(family: int, make: Make, last: int) -> None:
    data = pieces(40, last)
    packets = [make(family, number, payload) for number, payload in enumerate(data)]
    (flags, kind, header, size, start, offset), packet = large(packets)
    assert (flags, kind, size) == (1, GSO[make.__name__, family], MSS)
    assert (start, offset) == (20 if family == 4 else 40, 16 if make is tcp else 6)
    assert packet[header:] == b"".join(data)
    whole = summed(packet, family, start, offset)
    assert whole == renewed(whole, family)


@settings(max_examples=20)
@given(first=st.integers(2**32 - 500, 2**32 - 1), count=st.integers(2, 4))
def test_sequence_numbers_may_wrap(first: int, count: int) -> None:
    assert together([tcp(4, number, piece, first) for number, piece in enumerate(pieces(count))]) == count


def test_a_large_packet_is_no_larger_than_a_packet_can_be() -> None:
    packets = [tcp(4, number, bytes(1420), 1000 + number * (1420 - MSS)) for number in range(60)]
    assert together(packets) == (0xFFFF - 52) // 1420 == 46
    assert together([*packets[:46], packets[46][:2] + b"\0@" + packets[46][4:64]]) == 46


def test_identifications_may_wrap_or_stand_still() -> None:
    packets = [tcp(4, 65535 - 7000 + number, piece, -100 * (65535 - 7000)) for number, piece in enumerate(pieces(3))]
    assert together(packets) == 3
    assert together([tcp(4, 0, piece, number * MSS) for number, piece in enumerate(pieces(3))]) == 3


DIFFERENT: dict[str, Callable[[bytes], bytes]] = {
    "another port": lambda packet: _changed(packet, "sport", 4001),
    "another ack": lambda packet: _changed(packet, "ack", 10),
    "another window": lambda packet: _changed(packet, "window", 1),
    "a hole": lambda packet: _changed(packet, "seq", 77),
    "a FIN": lambda packet: _changed(packet, "flags", "FA"),
    "a CWR": lambda packet: _changed(packet, "flags", "CA"),
    "urgent": lambda packet: _changed(packet, "urgptr", 3),
    "another timestamp": lambda packet: packet.replace(struct.pack(">II", 5, 6), struct.pack(">II", 5, 7)),
    "another TTL": lambda packet: packet[:8] + b"\x05" + packet[9:],
    "another TOS": lambda packet: packet[:1] + b"\x03" + packet[2:],
    "another source": lambda packet: packet[:12] + b"\x0a\x05\x01\x03" + packet[16:],
    "another destination": lambda packet: packet[:16] + b"\x0a\x05\x02\x03" + packet[20:],
    "no DF": lambda packet: packet[:6] + b"\0\0" + packet[8:],
    "IP options": lambda packet: b"\x46" + packet[1:],
    "IPv6": lambda packet: b"\x60" + packet[1:],
    "a wrong length": lambda packet: packet[:2] + b"\0\x50" + packet[4:],
    "UDP": lambda packet: packet[:9] + b"\x11" + packet[10:],
}


def _changed(packet: bytes, field: str, value: Any) -> bytes:
    layer = scapy.IP(packet)
    layer[scapy.TCP].setfieldval(field, value)
    return bytes(layer)


@pytest.mark.parametrize("place", [1, 2, 4])
@pytest.mark.parametrize("change", DIFFERENT.values(), ids=DIFFERENT)
def test_a_packet_that_differs_ends_the_run(change: Callable[[bytes], bytes], place: int) -> None:
    packets = [tcp(4, number, piece) for number, piece in enumerate(pieces(5))]
    assert together(packets) == 5
    packets[place] = change(packets[place])
    assert together(packets) == place


@pytest.mark.parametrize("pushed", [0, 2, 4])
def test_a_push_is_kept(pushed: int) -> None:
    packets = [
        tcp(4, number, piece, flags="PA" if number == pushed else "A") for number, piece in enumerate(pieces(5, 9))
    ]
    _, packet = large(packets)
    assert scapy.IP(packet)[scapy.TCP].flags == "PA"


ALONE = {
    "SYN": tcp(4, 0, b"x" * 9, flags="S"),
    "FIN": tcp(4, 0, b"x" * 9, flags="FA"),
    "RST": tcp(4, 0, b"x" * 9, flags="RA"),
    "an empty ACK": tcp(4, 0, b""),
    "UDP without a checksum": udp(4, 0, b"x" * 9)[:26] + b"\0\0" + b"x" * 9,
    "UDP with a wrong length": udp(4, 0, b"x" * 9, len=8),
    "a fragment": tcp(4, 0, b"x" * 9)[:6] + b"\x20\0" + tcp(4, 0, b"x" * 9)[8:],
    "a later fragment": tcp(4, 0, b"x" * 9)[:6] + b"\0\1" + tcp(4, 0, b"x" * 9)[8:],
    "ICMP": bytes(scapy.IP() / scapy.ICMP()),
    "a TCP header that ends beyond the packet": tcp(4, 0, b"x", dataofs=15),
    "a TCP header of nothing": tcp(4, 0, b"x" * 9, dataofs=0),
    "IPv6 with an extension header": bytes(scapy.IPv6() / scapy.IPv6ExtHdrHopByHop() / scapy.UDP()),
}


@pytest.mark.parametrize("packet", ALONE.values(), ids=ALONE)
def test_what_must_go_alone_does(packet: bytes) -> None:
    shape = dissect(memoryview(packet))
    assert shape is not None
    assert shape.kind == 0


MALFORMED = {
    "nothing": b"",
    "a byte": b"\x45",
    "version 5": b"\x55" + bytes(60),
    "IPv4, short": b"\x45" + bytes(18),
    "IPv4, a header of 4 words": b"\x44\0\0\x28" + bytes(36),
    "IPv4, a header longer than the packet": b"\x4f\0\0\x28" + bytes(36),
    "IPv4, longer than it says": b"\x45\0\0\x14" + bytes(36),
    "IPv4, shorter than it says": b"\x45\0\xff\xff" + bytes(36),
    "IPv6, short": b"\x60" + bytes(38),
    "IPv6, longer than it says": b"\x60" + bytes(60),
}


@pytest.mark.parametrize("packet", MALFORMED.values(), ids=MALFORMED)
def test_what_is_no_packet_is_told(packet: bytes) -> None:
    assert dissect(memoryview(packet)) is None


@given(st.binary(max_size=120), st.sampled_from([b"", b"\x45\0", b"\x60\0\0\0\0"]))
def test_no_bytes_are_too_odd(data: bytes, prefix: bytes) -> None:
    shape = dissect(memoryview(prefix + data))
    assert shape is None or shape.l4 <= shape.payload <= len(prefix + data)
