"""What an overlay puts on the wire, field by field: a ping between containers of two hosts, taken from the underlay."""

from __future__ import annotations

import sys

import pytest

from tests.hosts import Lab, wait_until
from tests.netns.calls import ip
from tests.netns.test_overlay import Pair

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path
    from typing import Any

    from tests.hosts import Namespace

pytestmark = [pytest.mark.root, pytest.mark.requires("vxlan", "bridge", "nftables", "scapy", "tcpdump")]

#: A cable has no card that would finish a packet's sums, so the host is told to do it (SIOCETHTOOL, ETHTOOL_STXCSUM).
SUMS = """
import array, fcntl, socket, struct
value = array.array("I", [0x17, 0])
fcntl.ioctl(socket.socket(), 0x8946, struct.pack("16sQ", b"eth0", value.buffer_info()[0]))
"""
#: Sends a datagram to the address of the first argument from each of eight ports.
FLOWS = """
import socket, sys
for port in range(7001, 7009):
    it = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
    it.bind(("", port))
    it.sendto(b"hello", (sys.argv[1], 7000))
"""


def seen(pair: Pair, file: Path, act: Callable[[], object], kind: str, packets: int) -> list[Any]:
    """What leaves the left host for the tunnel's port meanwhile, as scapy reads it: so many of a kind, and the rest."""
    from scapy.all import rdpcap

    words = ("tcpdump", "-i", "eth0", "-Q", "out", "--immediate-mode", "-U", "-w", str(file), "udp dst port 4789")
    process = pair.left.popen(*words)
    assert wait_until(lambda: file.exists() and file.stat().st_size >= 24)
    act()
    assert wait_until(lambda: sum(_inner(packet, kind) for packet in rdpcap(str(file))) >= packets)
    process.terminate()
    process.wait()
    return list(rdpcap(str(file)))


def _inner(packet: Any, kind: str) -> bool:
    """Whether the packet in the tunnel is of that kind; ARP and the like are flooded, too."""
    return bool(packet.haslayer("VXLAN") and packet["VXLAN"].haslayer(kind))


def mac_of(place: Namespace, dev: str = "eth0") -> str:
    return str(ip(place, "link", "show", "dev", dev)[0]["address"])


def rebuilt(packet: Any, layer: Any) -> int:
    """The checksum of a layer as scapy counts it."""
    copy = packet.copy()
    del copy[layer].chksum
    return int(type(copy)(bytes(copy))[layer].chksum)


@pytest.mark.parametrize("six", [False, True], ids=["ipv4-underlay", "ipv6-underlay"])
def test_a_ping_on_the_wire_has_each_field_as_it_ought_to_be(lab: Lab, tmp_path: Path, six: bool) -> None:
    from scapy.layers.inet import ICMP, IP, UDP
    from scapy.layers.inet6 import IPv6
    from scapy.layers.l2 import Ether
    from scapy.layers.vxlan import VXLAN

    pair = Pair(lab, six)
    pair.up()
    one, two = pair.attach()
    pair.left.python(SUMS)
    ping = ("ping", "-n", "-c1", "-W5", "-s24", "-p42", two[4])
    sent = seen(pair, tmp_path / "wire.pcap", lambda: pair.one.run(*ping), "ICMP", 1)
    (packet,) = [each for each in sent if ICMP in each and each[ICMP].type == 8]

    assert (packet[Ether].src, packet[Ether].dst) == (mac_of(pair.left), mac_of(pair.right))
    outer = packet[IPv6] if six else packet[IP]
    assert (outer.src, outer.dst) == pair.ends
    assert (
        (outer.plen, outer.nh, outer.hlim) == (82, 17, 64)
        if six
        else (outer.len, outer.proto, outer.ttl)
        == (
            102,
            17,
            64,
        )
    )
    if not six:
        assert outer.chksum == rebuilt(packet, IP)
        assert "DF" not in outer.flags
    udp = packet[UDP]
    assert 32768 <= udp.sport <= 60999, "of the flow in it, by its hash, among the host's own ports"
    assert (udp.dport, udp.len) == (4789, 82)
    assert udp.chksum in (0, rebuilt(packet, UDP))
    vxlan = packet[VXLAN]
    assert bytes(vxlan)[:8].hex() == "08000000" + "00002a" + "00", (
        "the flag, three bytes of nothing, VNI 42, a last one"
    )
    assert (int(vxlan.flags), vxlan.vni) == (8, 42)
    inner = vxlan.payload
    assert (inner.src, inner.dst, inner.type) == (mac_of(pair.one), mac_of(pair.two), 0x0800)
    assert (inner[IP].src, inner[IP].dst, inner[IP].proto, inner[IP].ttl) == (one[4], two[4], 1, 64)
    assert inner[IP].chksum == rebuilt(inner, IP)
    assert (inner[ICMP].type, inner[ICMP].code, inner[ICMP].seq) == (8, 0, 1)
    assert inner[ICMP].chksum == rebuilt(inner, ICMP)
    assert bytes(inner[ICMP].payload)[-8:] == b"\x42" * 8
    assert len(packet) - len(inner) == (70 if six else 50), "what the MTU is smaller by, and the inner header's 14"


def test_a_flow_keeps_its_source_port_and_many_have_many(lab: Lab, tmp_path: Path) -> None:
    from scapy.layers.inet import UDP

    pair = Pair(lab)
    pair.up()
    two = pair.attach()[1]
    pair.one.run("ping", "-n", "-c1", "-W5", two[4])

    def twice() -> None:
        pair.one.python(FLOWS, two[4])
        pair.one.python(FLOWS, two[4])

    ports: dict[int, set[int]] = {}
    for packet in seen(pair, tmp_path / "flows.pcap", twice, "UDP", 16):
        if UDP in packet and packet.getlayer(UDP, 2) and packet.getlayer(UDP, 2).dport == 7000:
            ports.setdefault(packet.getlayer(UDP, 2).sport, set()).add(packet[UDP].sport)
    assert sorted(ports) == list(range(7001, 7009))
    assert {len(outer) for outer in ports.values()} == {1}
    assert len(set().union(*ports.values())) > 1, "so that switches spread them over their ways"


def test_capture_draws_the_packet_and_the_one_in_it(lab: Lab) -> None:
    pair = Pair(lab)
    pair.up()
    one, two = pair.attach()
    words = ("--dev", "eth0", "--filter", f"icmp and host {two[4]}", "--decode", "--count", "1", "--seconds", "20")
    process = pair.left.popen("env", *netkit(pair), "capture", *words)
    assert process.stderr
    process.stderr.readline()
    pair.one.run("ping", "-n", "-c1", "-W5", two[4])
    drawn = process.communicate()[0]
    for text in (
        "src 192.0.2.1 ",
        "dst 192.0.2.2 ",
        "dport 4789",
        "VNI 42",
        f"src {one[4]} ",
        f"dst {two[4]} ",
        "ICMP echo",
    ):
        assert text in drawn, drawn


def netkit(pair: Pair) -> tuple[str, ...]:
    """The words that run netkit on the left host."""
    return (sys.executable, "-m", "netkit", "--root", str(pair.left.root))
