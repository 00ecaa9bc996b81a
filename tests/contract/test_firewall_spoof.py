"""What a guarded port may send: twenty kinds of forged frames, each of which arrives when the port is not guarded."""

from __future__ import annotations

import pytest
from scapy.layers.dhcp import BOOTP, DHCP
from scapy.layers.dhcp6 import DHCP6_Advertise
from scapy.layers.inet import IP, UDP
from scapy.layers.inet6 import (
    ICMPv6MLReport2,
    ICMPv6ND_NA,
    ICMPv6ND_NS,
    ICMPv6ND_RA,
    ICMPv6ND_Redirect,
    ICMPv6NDOptDstLLAddr,
    IPv6,
    IPv6ExtHdrHopByHop,
)
from scapy.layers.l2 import ARP, Dot1Q, Ether
from scapy.packet import Packet, Raw

from netkit.plan.rules import BaseRules, PortGuard
from tests.contract.world import World

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator

pytestmark = [pytest.mark.root, pytest.mark.requires("veth", "bridge", "nftables", "nft-bridge")]

OWN, OTHER, EVERYBODY = "02:00:00:00:90:03", "02:00:00:00:90:02", "ff:ff:ff:ff:ff:ff"
OWN4, OTHER4, GATEWAY4 = "10.90.0.3", "10.90.0.77", "10.90.0.1"
OWN6, OWN_LL, OTHER6, OTHER_LL = "fd00:90::3", "fe80::ff:fe00:9003", "fd00:90::77", "fe80::1234"
ALL6, ALL6_MAC = "ff02::1", "33:33:00:00:00:01"
SOLICITED, SOLICITED_MAC = "ff02::1:ff00:2", "33:33:ff:00:00:02"
COUNT = 20


def eth(src: str = OWN, dst: str = EVERYBODY) -> Packet:
    return Ether(src=src, dst=dst)


def typed(number: int) -> Packet:
    frame = eth()
    frame.type = number
    return frame


def arp(sender: str, address: str, op: int = 2, src: str = OWN) -> Packet:
    return eth(src) / ARP(op=op, hwsrc=sender, psrc=address, hwdst=EVERYBODY, pdst=OWN4)


def nd(message: Packet, src: str = OWN_LL, hops: int = 255) -> Packet:
    return eth(dst=ALL6_MAC) / IPv6(src=src, dst=ALL6, hlim=hops) / message


def forged() -> dict[str, Packet]:
    """Frames that a container must not send."""
    udp = UDP(sport=4000, dport=4000)
    return {
        "mac": eth(OTHER) / IP(src=OWN4, dst="10.90.255.255") / udp,
        "ipsource": eth() / IP(src=OTHER4, dst="10.90.255.255") / udp,
        "gateway": eth() / IP(src=GATEWAY4, dst="10.90.255.255") / udp,
        "loopback": eth() / IP(src="127.0.0.1", dst="10.90.255.255") / udp,
        "arpreply": arp(OWN, GATEWAY4),
        "arpquery": arp(OWN, OTHER4, op=1),
        "arpmac": arp(OTHER, OWN4),
        "arpether": arp(OTHER, OWN4, src=OTHER),
        "dhcpoffr": eth()
        / IP(src=OWN4, dst="255.255.255.255")
        / UDP(sport=67, dport=68)
        / BOOTP(op=2)
        / DHCP(options=["end"]),
        "nosource": eth() / IP(src="0.0.0.0", dst="10.90.255.255") / udp,
        "sixsourc": eth(dst=ALL6_MAC) / IPv6(src=OTHER6, dst=ALL6) / udp,
        "sixlocal": eth(dst=ALL6_MAC) / IPv6(src=OTHER_LL, dst=ALL6) / udp,
        "routerad": nd(ICMPv6ND_RA()),
        "rahopopt": eth(dst=ALL6_MAC) / IPv6(src=OWN_LL, dst=ALL6, hlim=255) / IPv6ExtHdrHopByHop() / ICMPv6ND_RA(),
        "redirect": nd(ICMPv6ND_Redirect(tgt=OWN_LL, dst=OTHER6)),
        "natarget": nd(ICMPv6ND_NA(tgt="fd00:90::1", R=0, O=1) / ICMPv6NDOptDstLLAddr(lladdr=OWN)),
        "nallsrc": nd(ICMPv6ND_NA(tgt=OTHER6, R=0), src=OTHER_LL),
        "nahops": nd(ICMPv6ND_NA(tgt=OWN6, R=0), hops=64),
        "dhcpsix": nd(UDP(sport=547, dport=546) / DHCP6_Advertise()),
        "nosixsrc": eth(dst=ALL6_MAC) / IPv6(src="::", dst=ALL6) / udp,
        "vlan": eth() / Dot1Q(vlan=7) / IP(src=OWN4, dst="10.90.255.255") / udp,
        "vlanzero": eth() / Dot1Q(vlan=0) / IP(src=OWN4, dst="10.90.255.255") / udp,
        "qinq": typed(0x88A8) / Dot1Q(vlan=7) / IP(src=OWN4, dst="10.90.255.255") / udp,
        "stp": typed(0x88CC),
        "strange": typed(0x9000),
    }


def honest() -> dict[str, Packet]:
    """Frames that it may."""
    return {
        "okudp": eth() / IP(src=OWN4, dst="10.90.255.255") / UDP(sport=4000, dport=4000),
        "okarp": arp(OWN, OWN4),
        "okprobe": arp(OWN, "0.0.0.0", op=1),
        "okdhcp": eth() / IP(src="0.0.0.0", dst="255.255.255.255") / UDP(sport=68, dport=67) / BOOTP(),
        "oksix": eth(dst=ALL6_MAC) / IPv6(src=OWN6, dst=ALL6) / UDP(sport=4000, dport=4000),
        "oklocal": eth(dst=ALL6_MAC) / IPv6(src=OWN_LL, dst=ALL6) / UDP(sport=4000, dport=4000),
        "okna": nd(ICMPv6ND_NA(tgt=OWN6, R=0)),
        "oknall": nd(ICMPv6ND_NA(tgt=OWN_LL, R=0)),
        "okdad": nd(ICMPv6ND_NS(tgt=OWN6), src="::"),
        "okns": nd(ICMPv6ND_NS(tgt="fd00:90::2")),
        "okmld": eth(dst=ALL6_MAC) / IPv6(src="::", dst=ALL6, hlim=1) / ICMPv6MLReport2(),
    }


@pytest.fixture(scope="module")
def world(tmp_path_factory: pytest.TempPathFactory) -> Iterator[World]:
    made = World(tmp_path_factory.mktemp("spoof"))
    try:
        made.host.run("sysctl", "-qw", "net.bridge.bridge-nf-call-iptables=0", check=False)
        assert made.firewall("add", [BaseRules()]) == "None"
        yield made
    finally:
        made.close()


def mark(kind: str) -> bytes:
    """Letters at a frame's end that stand for its kind, so that it is counted whatever was done to its headers."""
    return kind.ljust(8, "_").upper().encode()


def delivered(world: World, frames: dict[str, Packet]) -> dict[str, int]:
    """How many of each kind reach `web` from `sibling`, both on netkit0."""
    raw = {kind: bytes(frame / Raw(mark(kind) * 4)) for kind, frame in frames.items()}
    with world.hear("web", {kind: mark(kind) for kind in frames}) as seen:
        world.send("sibling", raw, COUNT)
    return seen


GUARD = PortGuard("nksibling", OWN, (OWN4, OWN6, OWN_LL))


@pytest.fixture
def guarded(world: World) -> Iterator[World]:
    assert world.firewall("add", [GUARD]) == "None"
    yield world
    assert world.firewall("delete", [GUARD]) == "None"


def test_without_a_guard_every_forged_frame_arrives(world: World) -> None:
    assert delivered(world, forged()) == dict.fromkeys(forged(), COUNT)


def test_a_guarded_port_sends_no_forged_frame(guarded: World) -> None:
    assert delivered(guarded, forged()) == dict.fromkeys(forged(), 0)


def test_a_guarded_port_sends_its_own_frames(guarded: World) -> None:
    assert delivered(guarded, honest()) == dict.fromkeys(honest(), COUNT)


def test_a_guarded_container_still_talks(guarded: World) -> None:
    questions = [(p, a, 80) for p in ("tcp", "udp") for a in ("10.90.0.2", "fd00:90::2")]
    assert all(guarded.ask("sibling", questions))
    assert all(guarded.ask("web", [("tcp", OWN4, 80), ("tcp", OWN6, 80)]))


def test_a_guard_of_ipv4_alone_lets_no_ipv6_out(world: World) -> None:
    guard = [PortGuard("nksibling", OWN, (OWN4,))]
    assert world.firewall("add", guard) == "None"
    got = delivered(world, honest())
    assert world.firewall("delete", guard) == "None"
    assert [kind for kind, count in got.items() if count] == ["okudp", "okarp", "okprobe", "okdhcp"]
