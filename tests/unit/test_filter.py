"""The filter language: what it lets through, and what it says to words that are off."""

from __future__ import annotations

import struct
from socket import inet_aton

import pytest

from netkit.errors import ConfigError
from netkit.probe.filter import compile_filter
from netkit.probe.packet import ICMP, TCP, UDP, parse
from netkit.probe.tunnel import layers, unwrap


def frame(protocol: int, src: str = "10.90.0.2", dst: str = "192.0.2.1", sport: int = 40000, dport: int = 80) -> bytes:
    rest = struct.pack(">HH", sport, dport) + bytes(16)
    head = struct.pack(">BBHHHBBH", 0x45, 0, 20 + len(rest), 1, 0x4000, 64, protocol, 0)
    return bytes(12) + b"\x08\x00" + head + inet_aton(src) + inet_aton(dst) + rest


ARP = bytes(12) + b"\x08\x06" + bytes.fromhex("0001080006040001") + bytes(6) + inet_aton("10.90.0.2") + bytes(6)
ARP += inet_aton("10.90.0.1")
SEEN = {
    "tcp": frame(TCP),
    "udp": frame(UDP, dport=53),
    "icmp": frame(ICMP),
    "arp": ARP,
    "other": frame(TCP, "198.51.100.7", "198.51.100.8", 22, 50000),
}


@pytest.mark.parametrize(
    ("text", "lets_through"),
    [
        ("", "tcp udp icmp arp other"),
        ("tcp", "tcp other"),
        ("arp", "arp"),
        ("ip6", ""),
        ("host 10.90.0.2", "tcp udp icmp arp"),
        ("net 198.51.100.0/24", "other"),
        ("port 53 or port 22", "udp other"),
        ("tcp and not port 22", "tcp"),
        ("not (tcp or udp)", "icmp arp"),
        ("not tcp and not arp or port 22", "udp icmp other"),
    ],
)
def test_a_filter_lets_through_what_it_says(text: str, lets_through: str) -> None:
    wanted = compile_filter(text)
    assert [name for name, seen in SEEN.items() if wanted(parse(seen))] == lets_through.split()


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("tpc", "'tpc' is no word"),
        ("tcp udp", "'udp' stands where 'and' or 'or' is expected"),
        ("tcp and", "ends where a filter is expected"),
        ("host", "ends where a value after 'host' is expected"),
        ("host example.org", "'example.org' is no IP address"),
        ("net 10.0.0.0/40", "no prefix"),
        ("port 0", "no port, 1 to 65535"),
        ("port 70000", "no port, 1 to 65535"),
        ("(tcp", "'(' is not closed"),
        ("()", "')' is no word"),
    ],
)
def test_words_that_are_off_are_named(text: str, says: str) -> None:
    with pytest.raises(ConfigError) as caught:
        compile_filter(text)
    assert says in caught.value.message
    assert "for example" in caught.value.hint


def test_the_nearest_word_is_suggested() -> None:
    with pytest.raises(ConfigError) as caught:
        compile_filter("hots 10.0.0.1")
    assert "did you mean host?" in caught.value.hint


@pytest.mark.parametrize("length", range(60))
def test_a_frame_cut_short_anywhere_is_no_error(length: int) -> None:
    for seen in SEEN.values():
        assert layers(parse(seen[:length]))


def test_a_vlan_tag_is_stepped_over() -> None:
    plain = SEEN["tcp"]
    tagged = parse(plain[:12] + b"\x81\x00\x00\x07" + plain[12:])
    assert (tagged.src, tagged.dport, tagged.at) == ("10.90.0.2", 80, 18)


def test_what_a_tunnel_carries_is_found() -> None:
    inner = SEEN["icmp"]
    outer = frame(UDP, dport=4789)[:-12] + b"\x08\0\0\0\0\0\x2a\0" + inner
    tunnel = unwrap(parse(outer))
    assert tunnel is not None
    assert (tunnel.kind, tunnel.vni, tunnel.offset, tunnel.inner.frame) == ("vxlan", 42, 50, inner)
    overlay = unwrap(parse(frame(UDP, dport=8285)[:-12] + inner[14:]))
    assert overlay is not None
    assert (overlay.kind, overlay.offset, overlay.inner.protocol) == ("udp", 42, ICMP)
    assert unwrap(parse(frame(UDP, dport=5000))) is None
