"""The fast path of backend udp: what is plain IPv4 passes in the kernels, past both proxies; nobody gets more by it."""

from __future__ import annotations

import contextlib
import ctypes
import fcntl
import json
import os
import select
import signal
import socket
import struct
import sys
import time

import pytest
from scapy.layers.inet import ICMP, IP, TCP, UDP
from scapy.layers.l2 import Ether
from scapy.packet import Packet, Raw

from netkit.kernel import bpf
from tests.contract.frames import hear, send
from tests.hosts import Container, HostNs, Lab, wait_until
from tests.netns.agents import LONG, Agents, address, healed, reaches
from tests.netns.calls import ip
from tests.netns.test_agent_udp import proxy
from tests.netns.test_overlay_fast import WITHOUT_BPF

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

pytestmark = [
    pytest.mark.root,
    pytest.mark.requires("bridge", "nftables", "tun", "tcx", "ping"),
    pytest.mark.limit(240),
]

PORT, DEVICE, FAST = 8285, "flannel0", "--fast-path"
#: An Ethernet header; the kinds of what a packet socket hears that has left.
HEAD, LEFT = 14, 4
SIOCETHTOOL, ETHTOOL_STXCSUM = 0x8946, 0x17
#: Takes a connection and all that comes; its last word is a hash of it.
TAKE = """
import hashlib, socket, sys
server = socket.create_server((sys.argv[1], 5001))
print("ready", flush=True)
stream, _ = server.accept()
seen = hashlib.sha256()
while data := stream.recv(1 << 20):
    seen.update(data)
print(seen.hexdigest())
"""
GIVE = """
import hashlib, os, socket, sys
stream = socket.create_connection((sys.argv[1], 5001), 10)
seen = hashlib.sha256()
for size in [1, 7, 1400, 65536, 3] + [1 << 18] * int(sys.argv[2]):
    block = os.urandom(size)
    seen.update(block)
    stream.sendall(block)
stream.close()
print(seen.hexdigest())
"""
#: Datagrams that are sent together, as QUIC does (UDP_SEGMENT), and one alone; and what arrives.
GIVE_DATAGRAMS = """
import socket, struct, sys
udp = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
udp.connect((sys.argv[1], 5002))
together = [(socket.IPPROTO_UDP, 103, struct.pack("=H", 1000))] if sys.argv[2] == "together" else []
for number in range(1 if together else 10):
    udp.sendmsg([bytes([number]) * (10_000 if together else 1000)], together)
"""
TAKE_DATAGRAMS = """
import socket, sys
udp = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
udp.bind((sys.argv[1], 5002))
udp.settimeout(10)
print("ready", flush=True)
print(sum(len(udp.recv(2000)) for _ in range(10)))
"""


class Fast(Agents):
    """Agents of backend udp, a container each; `words` are what each host's agent is told beside the rest."""

    def __init__(self, lab: Lab, *words: tuple[str, ...]) -> None:
        more = {"EnableIPv6": True, "IPv6Network": "fd00:5::/48"}
        super().__init__(lab, "udp", len(words), **more)
        for host, said in zip(self.hosts, words, strict=True):
            self.start(host, *said, "--teardown")
        self.inside = [self.attach(host) for host in self.hosts]
        self.where = [address(container) for container in self.inside]
        assert healed(self.inside[0], self.where[1])

    def restart(self, host: HostNs, *words: str) -> None:
        """What is attached keeps the network up."""
        self.stop(host)
        self.start(host, *words, "--teardown")

    def leave(self) -> None:
        for host, container in zip(self.hosts, self.inside, strict=True):
            host.netkit("detach", "--pid", str(container.pid), check=True)
            self.stop(host)


@contextlib.contextmanager
def wire(host: HostNs, arriving: bool = False) -> Iterator[list[Packet]]:
    """The datagrams for proxies at a host's link, and fragments, as scapy reads them; filled when the block ends."""
    made: list[socket.socket] = []

    def listen() -> None:
        sock = socket.socket(socket.AF_PACKET, socket.SOCK_RAW, socket.htons(0x0003))
        sock.setsockopt(socket.SOL_SOCKET, 33, 64 << 20)
        sock.bind(("eth0", 0x0003))
        made.append(sock)

    host.inside(listen)
    found: list[Packet] = []
    with made[0] as sock:
        yield found
        end = time.monotonic() + 0.3
        while (left := end - time.monotonic()) > 0 and select.select([sock], [], [], left)[0]:
            frame, (_, _, kind, *_) = sock.recvfrom(1 << 17)
            if (kind == LEFT) is not arriving and frame[12:14] == b"\x08\x00" and frame[HEAD + 9] == socket.IPPROTO_UDP:
                packet = IP(frame[HEAD:])
                if packet.frag or packet[UDP].dport == PORT:
                    found.append(packet)


def by_kernel(packets: list[Packet]) -> list[bool]:
    """Of each datagram, whether a kernel has sent it: it has no UDP checksum then."""
    return [packet[UDP].chksum == 0 for packet in packets]


def stream(giver: Container, taker: Container, megabytes: int = 10) -> bool:
    """Whether a TCP stream arrives as it was sent."""
    receiver = taker.popen(sys.executable, "-c", TAKE, address(taker))
    assert receiver.stdout and receiver.stdout.readline() == "ready\n"
    sent = giver.python(GIVE, address(taker), str(4 * megabytes)).stdout
    out, err = receiver.communicate(timeout=60)
    assert receiver.returncode == 0, err
    return bool(out == sent != "")


def datagrams(giver: Container, taker: Container, how: str) -> int:
    """How many bytes of ten datagrams arrive."""
    receiver = taker.popen(sys.executable, "-c", TAKE_DATAGRAMS, address(taker))
    assert receiver.stdout and receiver.stdout.readline() == "ready\n"
    giver.python(GIVE_DATAGRAMS, address(taker), how)
    return int(receiver.communicate(timeout=30)[0])


def link_mac(host: HostNs) -> str:
    return str(ip(host, "link", "show", "dev", "eth0")[0]["address"])


def programs(host: HostNs) -> dict[str, list[str]]:
    """The programs at a host's device and at its link."""
    found: dict[str, list[str]] = {}

    def look() -> None:
        for dev, where in ((DEVICE, bpf.LEAVING), ("eth0", bpf.ARRIVING)):
            with contextlib.suppress(OSError):
                found[dev] = [program.name for program in bpf.attached(socket.if_nametoindex(dev), where)]

    host.inside(look)
    return found


def test_plain_ipv4_passes_in_the_kernels(lab: Lab) -> None:
    net = Fast(lab, (FAST,), (FAST,))
    (one, two), (left, right) = net.inside, net.hosts
    assert wait_until(lambda: is_short(net), LONG)
    with wire(left) as sent, wire(right) as answered:
        assert reaches(one, net.where[1])
        assert one.run("ping", "-c3", "-i0.05", "-W5", "-s4000", net.where[1]).returncode == 0, "in fragments"
        assert datagrams(one, two, "alone") == 10_000
        assert stream(one, two)
        assert stream(two, one)
    assert len(sent) > 20
    assert all(by_kernel(sent))
    assert all(by_kernel(answered))
    assert {(packet.src, packet.dst, packet.sport, str(packet.flags)) for packet in sent} == {
        ("192.0.2.1", "192.0.2.2", PORT, "DF")
    }
    assert max(packet.len for packet in sent) > 20_000, "what a container sends at once stays one as long as it can"
    for packet in sent:
        renewed = IP(bytes(packet))
        del renewed.chksum, renewed.len, renewed[UDP].len
        assert bytes(renewed)[:28] == bytes(packet)[:28]
        assert IP(bytes(packet[UDP].payload)).len == packet.len - 28
    assert left.netkit("check").stdout == "all holds\n"
    net.leave()


def test_a_packet_waits_for_the_mac_of_the_host_that_it_goes_to(lab: Lab) -> None:
    net = Fast(lab, (FAST,), (FAST,))
    assert wait_until(lambda: is_short(net), LONG)
    for host in net.hosts:
        host.run("ip", "neigh", "flush", "dev", "eth0")
        assert ip(host, "-4", "neigh", "show", "dev", "eth0") == []
    with wire(net.hosts[0]) as sent:
        assert net.inside[0].run("ping", "-c1", "-W3", net.where[1], check=False).returncode == 0
    assert sent
    assert all(by_kernel(sent))
    net.leave()


def is_short(net: Fast) -> bool:
    """Whether the first two hosts reach each other in the kernel alone."""
    with wire(net.hosts[0]) as sent, wire(net.hosts[1]) as answered:
        answers = reaches(net.inside[0], net.where[1], 2)
    return answers and bool(sent) and all(by_kernel(sent)) and all(by_kernel(answered))


def test_what_is_not_plain_passes_by_the_proxies(lab: Lab) -> None:
    net = Fast(lab, (FAST,), (FAST,))
    one, two = net.inside
    assert wait_until(lambda: is_short(net), LONG)
    with wire(net.hosts[0]) as sent:
        assert reaches(one, address(two, 6))
    assert by_kernel(sent) == [False]
    with wire(net.hosts[0]) as sent:
        assert datagrams(one, two, "together") == 10_000
    assert sent
    assert not any(by_kernel(sent))
    net.leave()


def test_a_link_that_cuts_nothing_by_itself_gets_what_others_would_write(lab: Lab) -> None:
    """As of a real device that sums nothing, and so cuts nothing: the kernel does both before it is given anything."""
    net = Fast(lab, (FAST,), (FAST,))
    one, two = net.inside
    assert wait_until(lambda: is_short(net), LONG)
    net.hosts[0].inside(sums_nothing)
    with wire(net.hosts[1], arriving=True) as arrived:
        assert stream(one, two, 1)
    assert len(arrived) > 50, "a busy machine does not capture all"
    assert max(packet.len for packet in arrived) == 1500
    for packet in arrived:
        inner = IP(bytes(packet[UDP].payload)[: packet[UDP].len - 8])
        renewed = IP(bytes(inner))
        del renewed.chksum, renewed[TCP].chksum
        assert bytes(renewed) == bytes(inner)
        assert (packet[UDP].len, packet[UDP].chksum) == (packet.len - 20, 0)
    net.leave()


def sums_nothing() -> None:
    """What `ethtool -K eth0 tx off` does."""
    asked = ctypes.create_string_buffer(struct.pack("=II", ETHTOOL_STXCSUM, 0))
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as it:
        fcntl.ioctl(it, SIOCETHTOOL, struct.pack("16sP16x", b"eth0", ctypes.addressof(asked)))


def test_a_way_that_a_router_calls_narrow_is_left_to_the_proxies(lab: Lab) -> None:
    net = Fast(lab, (FAST,), (FAST,))
    one, two = net.inside
    assert wait_until(lambda: is_short(net), LONG)
    left, right = net.hosts
    begin = IP(src="192.0.2.1", dst="192.0.2.2") / UDP(sport=PORT, dport=PORT)
    told = IP(src="192.0.2.2", dst="192.0.2.1") / ICMP(type=3, code=4, nexthopmtu=1300) / begin
    send(right, "eth0", [bytes(Ether(src=link_mac(right), dst=link_mac(left)) / told)], 1)
    with wire(left) as sent:
        assert one.run("ping", "-c1", "-W5", "-Mdo", "-s1444", net.where[1]).returncode == 0
        assert reaches(one, net.where[1])
    assert [bool(packet.frag or packet.flags.MF) for packet in sent] == [True, True, False]
    assert by_kernel(sent[2:]) == [True]
    assert stream(one, two, 1)
    net.leave()


def test_only_a_peer_sends_only_from_its_subnet_only_to_ours(lab: Lab) -> None:
    net = Fast(lab, (FAST,), (FAST,), ())
    assert wait_until(lambda: is_short(net), LONG)
    left, right, _ = net.hosts
    around = Ether(src=link_mac(right), dst=link_mac(left))
    theirs, ours, third = net.where[1], net.where[0], net.where[2]

    def frame(
        kind: str,
        source: str = theirs,
        to: str = ours,
        src: str = "192.0.2.2",
        sport: int = PORT,
        flags: int = 0,
        count: int = 1,
    ) -> bytes:
        inner = IP(src=source, dst=to) / UDP(sport=9, dport=9) / Raw(kind.encode())
        outer = IP(src=src, dst="192.0.2.1", flags=flags) / UDP(sport=sport, dport=PORT, chksum=0)
        return bytes(around / outer / Raw(bytes(inner) * count))

    frames = {
        "honest": frame("honest"),
        "of-another-peer": frame("of-another-peer", source=third),
        "of-ours": frame("of-ours", source=ours),
        "of-nobody": frame("of-nobody", source="203.0.113.9"),
        "a-stranger": frame("a-stranger", src="192.0.2.77"),
        "another-port": frame("another-port", sport=PORT + 1),
        "astray": frame("astray", to="203.0.113.9"),
        "to-the-third": frame("to-the-third", to=third),
        "a-fragment": frame("a-fragment", flags=1),
        "more-behind": frame("more-behind") + bytes(9),
        "two-in-one": frame("two-in-one", count=2),
        "cut-off": frame("cut-off")[:-1],
    }
    marks = {kind: kind.encode()[:-1] for kind in frames}
    with hear(net.inside[0], "eth0", marks) as seen, hear(left, DEVICE, marks) as taken:
        send(right, "eth0", frames.values(), 3)
    # What is behind a packet, as Ethernet's padding is, is cut off: it arrives, and what says another length does not.
    assert {kind for kind, count in seen.items() if count} == {"honest", "more-behind"}
    assert {kind for kind, count in taken.items() if count} == {"honest", "more-behind"}
    net.leave()


def test_a_host_without_a_fast_path_is_served_by_the_proxies(lab: Lab) -> None:
    net = Fast(lab, (FAST,), ())
    one, two = net.inside
    with wire(net.hosts[0]) as sent, wire(net.hosts[1]) as answered:
        assert reaches(one, net.where[1])
        assert stream(one, two)
        assert stream(two, one)
    for packets in (sent, answered):
        assert packets
        assert not any(by_kernel(packets))
    (passed,) = (way for peer in net.status(net.hosts[0])["peers"] for way in peer["past_proxy"].values())
    assert (passed["takes"], passed["packets_out"], passed["packets_in"]) == (False, 0, 0)
    assert "by the proxy" in net.hosts[0].netkit("agent", "status").stdout
    net.restart(net.hosts[1], FAST)
    assert wait_until(lambda: is_short(net), LONG)
    told = net.status(net.hosts[0])
    (passed,) = (way for peer in told["peers"] for way in peer["past_proxy"].values())
    assert (passed["takes"], passed["packets_out"] > 0, passed["packets_in"] > 0) == (True, True, True)
    assert "in the kernel: " in net.hosts[0].netkit("agent", "status").stdout
    net.restart(net.hosts[1])
    assert wait_until(lambda: reaches(one, net.where[1], 1), LONG)
    assert programs(net.hosts[1]) == {DEVICE: [], "eth0": []}
    with wire(net.hosts[0]) as sent:
        assert stream(one, two)
    assert not any(by_kernel(sent))
    net.leave()


def test_what_others_take_away_is_told_and_put_back(lab: Lab) -> None:
    net = Fast(lab, (FAST,), (FAST,))
    left = net.hosts[0]
    assert wait_until(lambda: is_short(net), LONG)
    subnet = net.subnet(net.hosts[1])
    key = (24).to_bytes(4, sys.byteorder) + socket.inet_aton(subnet.partition("/")[0])

    def take_away(dev: str, where: int) -> None:
        index = socket.if_nametoindex(dev)
        for program in bpf.attached(index, where):
            bpf.detach(program, index, where)

    def memory(change: Callable[[bpf.Map], None]) -> None:
        for program in bpf.attached(socket.if_nametoindex(DEVICE), bpf.LEAVING):
            with bpf.open_map(program.maps()["nku_peers"], 8, 40) as peers:
                change(peers)

    another = (24).to_bytes(4, sys.byteorder) + socket.inet_aton("10.5.250.0")
    harm: dict[str, Callable[[], object]] = {
        "the sending program": lambda: left.inside(lambda: take_away(DEVICE, bpf.LEAVING)),
        "the receiving program": lambda: left.inside(lambda: take_away("eth0", bpf.ARRIVING)),
        "what they know": lambda: left.inside(lambda: memory(lambda peers: peers.delete(key))),
        "the device": lambda: left.run("ip", "link", "del", DEVICE),
    }

    def is_told(act: Callable[[], object]) -> bool:
        """The agent may come between the act and the look: then all holds, and it is done again."""
        act()
        return left.netkit("check").returncode == 1

    for what, act in harm.items():
        assert wait_until(lambda act=act: is_told(act), LONG), what  # type: ignore[misc]
        assert wait_until(lambda: left.netkit("check").stdout == "all holds\n", LONG), what
        assert wait_until(lambda: is_short(net), LONG), what
    left.inside(lambda: memory(lambda peers: peers.set(another, bytes(40))))
    known: set[bytes] = set()

    def ask() -> None:
        memory(lambda peers: known.update(found[4:7] for found, _ in peers.items()))

    def is_forgotten() -> bool:
        known.clear()
        left.inside(ask)
        return known == {key[4:7]}

    assert wait_until(is_forgotten, LONG)
    net.leave()


def test_the_way_outlives_agents_and_proxies(lab: Lab) -> None:
    net = Fast(lab, (FAST,), (FAST,))
    assert wait_until(lambda: is_short(net), LONG)
    for host in net.hosts:
        net.stop(host, signal.SIGKILL)
        os.kill(proxy(host), signal.SIGKILL)
    assert wait_until(lambda: not any(proxy(host) for host in net.hosts))
    assert is_short(net)
    assert stream(net.inside[0], net.inside[1])
    for host in net.hosts:
        net.start(host, FAST, "--teardown")
    assert wait_until(lambda: is_short(net), LONG)
    net.leave()


def test_programs_of_others_stay_and_ours_go_with_the_network(lab: Lab) -> None:
    net = Fast(lab, (FAST,), (FAST,))
    left = net.hosts[0]
    assert wait_until(lambda: is_short(net), LONG)
    passes = bytes.fromhex("b7000000ffffffff 9500000000000000")  # TCX_NEXT

    def put() -> None:
        with bpf.load("theirs", passes) as program:
            bpf.attach(program, socket.if_nametoindex("eth0"))

    left.inside(put)
    names = programs(left)
    assert names["eth0"] == [*names[DEVICE], "theirs"]
    left.netkit("detach", "--pid", str(net.inside[0].pid), check=True)
    net.stop(left)
    assert programs(left) == {"eth0": ["theirs"]}
    net.start(left, "--teardown")
    net.inside[0:1] = [net.attach(left, "again")]
    net.leave()


def test_it_is_refused_where_it_cannot_be(lab: Lab) -> None:
    net = Agents(lab, "vxlan", 1)
    words = ("agent", "run", "--config", str(net.config), "--store", f"dir://{net.store}", FAST)
    done = net.hosts[0].netkit(*words)
    assert (done.returncode, "--fast-path: is for backend udp" in done.stderr) == (2, True), done.stderr
    assert not any(net.store.iterdir())
    net.configure({"Backend": {"Type": "udp"}, "EnableIPv4": False, "EnableIPv6": True, "IPv6Network": "fd00:5::/48"})
    done = net.hosts[0].netkit(*words)
    assert (done.returncode, "takes IPv4" in done.stderr) == (2, True), done.stderr
    done = net.hosts[0].netkit("agent", "run", FAST)
    assert (done.returncode, "is for a network of many hosts" in done.stderr) == (2, True), done.stderr
    assert json.loads(net.hosts[0].netkit("ps", "--json").stdout) == []


def test_it_is_refused_where_the_kernel_knows_no_programs(lab: Lab) -> None:
    net = Agents(lab, "udp", 1)
    (host,) = net.hosts
    words = ("--root", str(host.root), "agent", "run", "--config", str(net.config), "--store", f"dir://{net.store}")
    done = host.run(sys.executable, "-c", WITHOUT_BPF, *words, FAST, check=False)
    assert (done.returncode, "no programs at links" in done.stderr) == (5, True), done.stderr
    assert "Linux 6.6" in done.stderr
    assert not any(net.store.iterdir())
    assert host.index(DEVICE) == 0
