"""What peers send is opened at the underlay: the same as the tunnel would let in, and nothing else; it is whole."""

from __future__ import annotations

import contextlib
import hashlib
import json
import random
import re
import socket
import struct
import threading
import time

import pytest
from scapy.layers.inet import ICMP, IP, TCP, UDP
from scapy.layers.inet6 import IPv6
from scapy.layers.l2 import ARP, Dot1Q, Ether
from scapy.layers.vxlan import VXLAN
from scapy.packet import Packet, Raw
from scapy.utils import checksum

from netkit.kernel import bpf
from tests.contract.drivers import pings
from tests.contract.frames import hear, listener, send
from tests.contract.packets import Server, ask
from tests.contract.test_firewall_spoof import mark
from tests.hosts import HostNs, Lab
from tests.netns.calls import ip
from tests.netns.test_overlay import attached
from tests.netns.test_overlay_fast import Fast, heard_of_each_other, link_mac, programs

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from tests.hosts import Namespace

pytestmark = [pytest.mark.root, pytest.mark.requires("vxlan", "bridge", "nftables", "nft-bridge", "tcx")]

#: Counts what comes in for a tunnel: IPv4 within, and TCP or UDP within IPv6.
COUNTER = """
table inet tunnelled {
  chain frames {
    type filter hook prerouting priority -500
    udp dport 4789 @th,224,16 0x0800 counter
    udp dport 4789 @th,224,16 0x86dd @th,288,8 { 6, 17 } counter
  }
}
"""
COUNT = 3
_UDP_SEGMENT = 103


def tunnelled(host: HostNs) -> int:
    """How many packets came to a host's tunnel; the first call begins to count."""
    if host.run("nft", "list", "table", "inet", "tunnelled", check=False).returncode:
        host.run("nft", "-f", "-", input=COUNTER)
    told = json.loads(host.run("nft", "-j", "list", "table", "inet", "tunnelled").stdout)["nftables"]
    found = [
        each["counter"]["packets"] for one in told for each in one.get("rule", {}).get("expr", ()) if "counter" in each
    ]
    return sum(found)


@pytest.mark.parametrize("six", [False, True], ids=["ipv4-underlay", "ipv6-underlay"])
def test_packets_of_a_peer_do_not_come_to_the_tunnel(lab: Lab, six: bool) -> None:
    pair = Fast(lab, six)
    _, two = pair.attach()
    heard_of_each_other(pair, two)
    Server(pair.two, "two", *(f"{proto}:{where}:80" for proto in ("tcp", "udp") for where in two.values()))
    questions = [(proto, where, 80) for proto in ("tcp", "udp") for where in two.values()]
    before = [tunnelled(host) for host in (pair.left, pair.right)]
    assert all(ask(pair.one, questions, 10))
    heard_of_each_other(pair, two)
    assert [tunnelled(host) for host in (pair.left, pair.right)] == before == [0, 0]
    assert pair.left.netkit("check").stdout == "all holds\n"


def test_after_a_while_one_packet_shows_itself_to_the_tunnel(lab: Lab) -> None:
    pair = Fast(lab)
    _, two = pair.attach()
    heard_of_each_other(pair, two)
    tunnelled(pair.right)

    def age() -> None:
        for program in bpf.attached(socket.if_nametoindex("nkv42")):
            with bpf.open_map(program.maps()["nk_heard"], 8, 8) as heard:
                for key, value in list(heard.items()):
                    heard.set(key, struct.pack("=Q", struct.unpack("=Q", value)[0] - 20))

    shown = 0
    for _ in range(5):  # a container may say something of its own at that moment, which shows it, too
        pair.right.inside(age)
        assert pings(pair.one, {"v4": two[4]}) == {"v4"}
        if shown := tunnelled(pair.right):
            break
    assert pings(pair.one, {"v4": two[4]}) == {"v4"}
    assert tunnelled(pair.right) == shown > 0


def outer(pair: Fast, inner: Packet, **more: object) -> Packet:
    """What the right host's tunnel would send."""
    macs = [str(ip(host, "link", "show", "dev", "eth0")[0]["address"]) for host in (pair.right, pair.left)]
    return (
        Ether(src=macs[0], dst=more.get("to", macs[1]))
        / IP(src=more.get("src", "192.0.2.2"), dst=more.get("dst", "192.0.2.1"), flags=more.get("flags", 0))
        / UDP(sport=40000, dport=more.get("port", 4789), chksum=0)
        / VXLAN(flags=more.get("has", 8), vni=more.get("vni", 42))
        / inner
    )


def hostile(pair: Fast, one: str, two: str) -> dict[str, Packet]:
    """Packets that differ in one thing from what the tunnel of a peer sends; "honest" ones differ in nothing."""
    macs = link_mac(pair.one), link_mac(pair.two)
    inner = Ether(src=macs[1], dst=macs[0]) / IP(src=two, dst=one) / ICMP(type=0)
    six = Ether(src=macs[1], dst=macs[0]) / IPv6(src="fd00:90::8000", dst="fd00:90::9") / UDP(sport=9, dport=9)
    own = Ether(src=link_mac(pair.three), dst=macs[0]) / IP(src=two, dst=one) / ICMP(type=0)
    strange = Ether(src="02:00:00:00:00:77", dst=macs[0]) / IP(src=two, dst=one) / ICMP(type=0)
    return {
        "honest": outer(pair, inner),
        "honest6": outer(pair, six),
        "honestdf": outer(pair, inner, flags="DF"),
        "stranger": outer(pair, inner, src="192.0.2.9"),
        "ourselves": outer(pair, inner, src="192.0.2.1"),
        "others": outer(pair, inner, dst="192.0.2.200"),
        "passing": outer(pair, inner, to="02:00:00:00:00:99"),
        "port": outer(pair, inner, port=4790),
        "vni": outer(pair, inner, vni=43),
        "novni": outer(pair, inner, has=0),
        "group": outer(pair, inner, has=0x88),
        "fragment": outer(pair, inner, flags="MF"),
        "newmac": outer(pair, strange),
        "ownmac": outer(pair, own),
        "everybody": outer(
            pair, Ether(src=macs[1], dst="ff:ff:ff:ff:ff:ff") / IP(src=two, dst="10.90.255.255") / ICMP()
        ),
        "arp": outer(pair, Ether(src=macs[1], dst=macs[0]) / ARP(psrc=two, pdst=one)),
        "tagged": outer(pair, Ether(src=macs[1], dst=macs[0]) / Dot1Q(vlan=7) / IP(src=two, dst=one) / UDP()),
        "tcp": outer(pair, Ether(src=macs[1], dst=macs[0]) / IP(src=two, dst=one) / TCP(dport=9)),
    }


def spoiled(raw: dict[str, bytes]) -> dict[str, bytes]:
    """The honest one with a wrong checksum, sizes, end and options; nothing else about it is wrong."""
    it = raw["honest"]
    size, udp_size = len(it) - 14, len(it) - 34

    def ends(kind: str, frame: bytes) -> bytes:
        return frame[: -len(mark(kind))] + mark(kind)

    def summed(frame: bytes) -> bytes:
        head = IP(frame[14:34])
        del head.chksum
        return frame[:14] + bytes(head) + frame[34:]

    return {
        "checksum": ends("checksum", it[:24] + bytes([it[24] ^ 0x10]) + it[25:]),
        "longer": ends("longer", it) + bytes(20),
        "larger": ends("larger", summed(it[:16] + struct.pack("!H", size + 8) + it[18:])),
        "smaller": ends("smaller", summed(it[:16] + struct.pack("!H", size - 20) + it[18:])),
        "udplarge": ends("udplarge", it[:38] + struct.pack("!H", udp_size + 8) + it[40:]),
        "udpsmall": ends("udpsmall", it[:38] + struct.pack("!H", udp_size - 20) + it[40:]),
        "cut": it[:60] + mark("cut"),
    }


def test_it_lets_in_what_the_tunnel_lets_in(lab: Lab) -> None:
    pair = Fast(lab)
    one, two = pair.attach()
    attached(pair.left, pair.three)
    heard_of_each_other(pair, two)
    raw = {kind: bytes(frame / Raw(mark(kind))) for kind, frame in hostile(pair, one[4], two[4]).items()}
    raw |= spoiled(raw)

    def count() -> dict[str, int]:
        with hear(pair.one, "eth0", {kind: mark(kind) for kind in raw}) as seen:
            send(pair.right, "eth0", raw.values(), COUNT)
        return seen

    count()  # a MAC that nobody knew is known from now, with or without the program
    tunnelled(pair.left)
    opened = count()
    passed = tunnelled(pair.left)
    pair.left.inside(lambda: take_away("eth0"))
    assert programs(pair.left, "eth0") == []
    assert opened == count()
    assert 0 < passed < tunnelled(pair.left) - passed
    kept_out = {
        "stranger",
        "passing",
        "ourselves",
        "others",
        "port",
        "vni",
        "novni",
        "fragment",
        "checksum",
        "larger",
        "cut",
    }
    assert {kind for kind, count in opened.items() if not count} >= kept_out
    assert [opened[kind] for kind in ("honest", "honest6", "honestdf", "tcp")] == [COUNT] * 4


def take_away(dev: str) -> None:
    index = socket.if_nametoindex(dev)
    for program in bpf.attached(index):
        bpf.detach(program, index)


def test_whatever_is_wrong_with_a_packet_it_comes_as_far_as_without_the_program(lab: Lab) -> None:
    """Honest packets with some bits changed in their headers, half of them summed anew."""
    pair = Fast(lab)
    one, two = pair.attach()
    attached(pair.left, pair.three)
    heard_of_each_other(pair, two)
    kinds, chance = hostile(pair, one[4], two[4]), random.Random(42)  # noqa: S311
    packets = [changed(kinds[chance.choice(("honest", "tcp"))], number, chance) for number in range(1000)]
    arrive(pair, packets)  # a MAC that nobody knew is known from now, with or without the program
    tunnelled(pair.left)
    opened = arrive(pair, packets)
    passed = tunnelled(pair.left)
    pair.left.inside(lambda: take_away("eth0"))
    assert opened == arrive(pair, packets)
    assert 100 < len(opened[0]) < 900
    assert tunnelled(pair.left) - passed > passed + 100


def changed(packet: Packet, number: int, chance: random.Random) -> bytes:
    """It ends with its number."""
    it = bytearray(bytes(packet / Raw(bytes(40) + b"<%08x>" % number)))
    for _ in range(chance.choice((0, 1, 1, 2, 3))):
        it[chance.randrange(110)] ^= 1 << chance.randrange(8)
    it[40:42] = bytes(2)  # an outer UDP checksum is not asked for its truth, by the program alone
    if chance.random() < 0.5:
        it[24:26] = bytes(2)
        it[24:26] = struct.pack("!H", checksum(bytes(it[14:34])))
    return bytes(it)


def arrive(pair: Fast, packets: list[bytes]) -> list[set[bytes]]:
    """The numbers of those that come to the containers of the left host."""
    listeners: list[socket.socket] = []
    for container in (pair.one, pair.three):
        container.inside(lambda: listeners.append(listener("eth0")))
    for at in range(0, len(packets), 50):  # no queue has room for all
        send(pair.right, "eth0", packets[at : at + 50], 1)
        time.sleep(0.01)
    time.sleep(0.3)
    found: list[set[bytes]] = []
    for each in listeners:
        each.setblocking(False)
        with each, contextlib.suppress(BlockingIOError):
            found.append(set())
            while frame := each.recv(65535):
                found[-1] |= set(re.findall(b"<[0-9a-f]{8}>", frame))
    return found


def test_who_is_no_peer_any_more_gets_nothing_in_from_that_moment(lab: Lab) -> None:
    pair = Fast(lab)
    one, two = pair.attach()
    attached(pair.left, pair.three)
    heard_of_each_other(pair, two)
    frame = bytes(hostile(pair, one[4], two[4])["honest"] / Raw(mark("honest")))

    def arrives() -> int:
        with hear(pair.one, "eth0", {"it": mark("honest")}) as seen:
            send(pair.right, "eth0", [frame], 1)
        return seen["it"]

    up = ("overlay", "up", "--vni", "42", "--fast-path", "--subnet", "10.90.0.0/16", "--subnet", "fd00:90::/64")
    assert arrives() == 1
    pair.left.netkit(*up, "--peer", "192.0.2.9", check=True)
    assert arrives() == 0
    pair.left.netkit(*up, "--peer", "192.0.2.2", check=True)
    assert arrives() == 1


def test_what_others_take_from_the_underlay_is_told_and_put_back(lab: Lab) -> None:
    pair = Fast(lab)
    _, two = pair.attach()

    def forget() -> None:
        for program in bpf.attached(socket.if_nametoindex("eth0")):
            with bpf.open_map(program.maps()["nk_peers"], 16, 4) as peers:
                for key, _ in list(peers.items()):
                    peers.delete(key)

    harm: dict[str, Callable[[], object]] = {
        "the program": lambda: pair.left.inside(lambda: take_away("eth0")),
        "its peers": lambda: pair.left.inside(forget),
        "the tunnel": lambda: pair.left.run("ip", "link", "del", "nkv42"),
    }
    for what, act in harm.items():
        act()
        assert pair.left.netkit("check").returncode == 1, what
        pair.left.netkit("reload", check=True)
        assert pair.left.netkit("check").stdout == "all holds\n", what
        heard_of_each_other(pair, two)
        before = tunnelled(pair.left)
        heard_of_each_other(pair, two)
        assert tunnelled(pair.left) == before, what


def test_two_overlays_and_others_have_programs_at_one_link(lab: Lab) -> None:
    pair = Fast(lab)
    passes = bytes.fromhex("b7000000ffffffff 9500000000000000")  # TCX_NEXT

    def put() -> None:
        with bpf.load("theirs", passes) as program:
            bpf.attach(program, socket.if_nametoindex("eth0"))

    pair.left.inside(put)
    for host, peer in ((pair.left, pair.ends[1]), (pair.right, pair.ends[0])):
        host.netkit("overlay", "up", "--vni", "43", "--peer", peer, "--fast-path", check=True)
    _, two = pair.attach()
    heard_of_each_other(pair, two)
    before = tunnelled(pair.right)
    heard_of_each_other(pair, two)
    assert tunnelled(pair.right) == before
    assert len(programs(pair.left, "eth0")) == 3
    pair.down()
    assert len(programs(pair.left, "eth0")) == 2
    pair.left.netkit("overlay", "down", "--vni", "43", check=True)
    assert programs(pair.left, "eth0") == ["theirs"]


def test_large_packets_and_many_datagrams_arrive_as_they_were_sent(lab: Lab) -> None:
    pair = Fast(lab)
    one, two = pair.attach()
    heard_of_each_other(pair, two)
    for there in two.values():
        assert (
            streamed(pair.one, pair.two, there) == streamed(pair.one, pair.two, there) == hashlib.sha256(DATA).digest()
        )
        assert sorted(joined(pair.one, pair.two, there)) == PARTS
    for here in one.values():
        assert streamed(pair.two, pair.one, here) == hashlib.sha256(DATA).digest()


DATA = bytes(range(251)) * 40_000
#: Datagrams that one call sends; the last is shorter.
PARTS = sorted([bytes([number]) * 1000 for number in range(30)] + [b"\xff" * 300])


def streamed(client: Namespace, server: Namespace, address: str, by: tuple[str, int] | None = None) -> bytes:
    """What a server has received by TCP, as a hash; the client knows it by another address, perhaps."""
    made = socket_in(server, address, socket.SOCK_STREAM)
    made.bind((address, 81))
    made.listen()
    got = hashlib.sha256()

    def read() -> None:
        connection, _ = made.accept()
        with connection:
            while part := connection.recv(1 << 16):
                got.update(part)

    reader = threading.Thread(target=read)
    reader.start()
    with socket_in(client, address, socket.SOCK_STREAM) as sender:
        sender.settimeout(20)
        sender.connect(by or (address, 81))
        sender.sendall(DATA)
    reader.join(20)
    made.close()
    return got.digest()


def joined(client: Namespace, server: Namespace, address: str) -> Iterator[bytes]:
    """The datagrams that arrive of those that a single call has sent."""
    with socket_in(server, address, socket.SOCK_DGRAM) as receiver, socket_in(client, address, socket.SOCK_DGRAM) as it:
        receiver.bind((address, 81))
        receiver.settimeout(2)
        it.connect((address, 81))
        parts = [bytes([number]) * 1000 for number in range(30)] + [b"\xff" * 300]
        it.sendmsg([b"".join(parts)], [(socket.IPPROTO_UDP, _UDP_SEGMENT, struct.pack("=H", 1000))])
        for _ in parts:
            yield receiver.recv(2000)


def socket_in(place: Namespace, address: str, kind: int) -> socket.socket:
    made: list[socket.socket] = []
    place.inside(lambda: made.append(socket.socket(socket.AF_INET6 if ":" in address else socket.AF_INET, kind)))
    return made[0]


def test_a_container_may_pass_on_in_a_tunnel_of_its_own_what_came_in_one(lab: Lab) -> None:
    """The kernel still knows a large packet as a tunnel's after it was opened; what it does with it must be right."""
    pair = Fast(lab)
    behind = lab.container("behind")
    _, two = pair.attach()
    lab.link(pair.two, behind, ("172.30.0.1/24", "172.30.0.2/24"))
    for end, number in ((pair.two, 1), (behind, 2)):
        words = ("type", "vxlan", "id", "7", "local", f"172.30.0.{number}", "remote", f"172.30.0.{3 - number}")
        end.run("ip", "link", "add", "inner", *words, "dstport", "4790")
        end.run("ip", "addr", "add", f"172.31.0.{number}/24", "dev", "inner")
        end.run("ip", "link", "set", "inner", "up")
    pair.two.run("sysctl", "-qw", "net.ipv4.ip_forward=1")
    rules = "chain to { type nat hook prerouting priority -100; tcp dport 82 dnat to 172.31.0.2:81; };"
    rules += "chain from { type nat hook postrouting priority 100; oifname inner masquerade; };"
    pair.two.run("nft", "-f", "-", input=f"table ip on {{ {rules} }}")
    heard_of_each_other(pair, two)
    before = tunnelled(pair.right)
    assert streamed(pair.one, behind, "172.31.0.2", (two[4], 82)) == hashlib.sha256(DATA).digest()
    assert tunnelled(pair.right) == before
