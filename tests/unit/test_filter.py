"""The filter language: what it lets through, and what it says to words that are off."""

from __future__ import annotations

import ctypes
import socket
import struct
from socket import AF_INET6, inet_aton, inet_pton

import pytest
from hypothesis import given
from hypothesis import strategies as st

from netkit.errors import ConfigError
from netkit.probe.bpf import program
from netkit.probe.filter import matcher, read_filter
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
    wanted = matcher(read_filter(text))
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
        read_filter(text)
    assert says in caught.value.message
    assert "for example" in caught.value.hint


@pytest.mark.parametrize(
    ("text", "mark"),
    [
        ("tcp and hots 10.0.0.1", "        ^^^^"),
        ("tcp and port 99999", "             ^^^^^"),
        ("not\t(tcp and ", "            ^"),
        ("udp or (tcp", "       ^"),
        ("(tcp udp)", "     ^^^"),
        ("tcp)", "   ^"),
        ("host", "    ^"),
    ],
)
def test_the_place_that_is_off_is_pointed_at(text: str, mark: str) -> None:
    with pytest.raises(ConfigError) as caught:
        read_filter(text)
    assert caught.value.hint.splitlines()[:2] == [text.replace("\t", " "), mark]


def test_the_nearest_word_is_suggested() -> None:
    with pytest.raises(ConfigError) as caught:
        read_filter("hots 10.0.0.1")
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


def kernel_takes(text: str, seen: bytes) -> bool:
    """Whether the kernel, given the program, lets a frame through a pair of sockets."""
    node = read_filter(text)
    assert node is not None
    made = program(node, on_links=False)
    assert made
    held = ctypes.create_string_buffer(made, len(made))
    here, there = socket.socketpair(socket.AF_UNIX, socket.SOCK_DGRAM)
    with here, there:
        there.setsockopt(socket.SOL_SOCKET, 26, struct.pack("@HP", len(made) // 8, ctypes.addressof(held)))
        try:
            here.send(seen)  # a filter that takes nothing refuses the sender
            return bool(there.recv(2048, socket.MSG_DONTWAIT))
        except OSError:
            return False


def padded(seen: bytes) -> bytes:
    return seen.ljust(80, b"\0")


def six(src: str, dst: str, protocol: int, sport: int, dport: int) -> bytes:
    head = struct.pack(">IHBB", 6 << 28, 40, protocol, 64) + inet_pton(AF_INET6, src) + inet_pton(AF_INET6, dst)
    return bytes(12) + b"\x86\xdd" + head + struct.pack(">HH", sport, dport) + bytes(36)


FRAGMENT = padded(SEEN["udp"][:20] + b"\x20\x05" + SEEN["udp"][22:])
PLAIN = [
    *map(padded, SEEN.values()),
    FRAGMENT,
    six("fd00::1", "fd00:0:0:1::2", TCP, 80, 40000),
    six("fe80::1", "ff02::1", 58, 0x8700, 80),
    bytes(12) + b"\x88\xcc" + bytes(60),
]
WORDS = [
    *("tcp", "udp", "icmp", "icmp6", "arp", "ip", "ip6", "port 80", "port 53", "port 22"),
    *("host 10.90.0.2", "host 10.90.0.1", "host fd00::1", "net 198.51.100.0/29", "net 10.0.0.0/8", "net 0.0.0.0/0"),
    *("net fd00::/16", "net fd00:0:0:1::/64", "net ::/0", "net 10.90.0.2/31"),
]
EXPRESSIONS = st.recursive(
    st.sampled_from(WORDS),
    lambda inner: st.one_of(
        inner.map(lambda one: f"not ({one})"),
        st.tuples(inner, st.sampled_from(["and", "or"]), inner).map(lambda some: f"({some[0]}) {some[1]} ({some[2]})"),
    ),
    max_leaves=6,
)


@given(EXPRESSIONS)
def test_the_kernels_program_takes_the_plain_frames_that_the_filter_takes(text: str) -> None:
    wanted = matcher(read_filter(text))
    assert [kernel_takes(text, seen) for seen in PLAIN] == [wanted(parse(seen)) for seen in PLAIN]


@given(EXPRESSIONS, st.sampled_from(PLAIN), st.integers(14, 79), st.booleans())
def test_it_never_takes_less(text: str, seen: bytes, length: int, tagged: bool) -> None:
    odd = seen[:12] + b"\x81\0\0\7" + seen[12:] if tagged else seen[:length]
    assert kernel_takes(text, odd) or not matcher(read_filter(text))(parse(odd))


def test_a_filter_that_is_too_long_for_a_program_has_none() -> None:
    node = read_filter(" or ".join(f"host 10.0.{number // 250}.{number % 250}" for number in range(400)))
    assert node is not None
    assert program(node) == b""
