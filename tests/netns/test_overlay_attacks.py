"""Who is no peer gets no frame into an overlay: from the wire, by another link, in pieces, from a container, by NAT."""

from __future__ import annotations

import pytest

from tests.hosts import Lab
from tests.netns.test_overlay import Pair

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable

    from tests.hosts import HostNs, Namespace

pytestmark = [pytest.mark.root, pytest.mark.requires("vxlan", "bridge", "nftables", "tcpdump")]

#: Sends VXLAN: how, from which address, to which, to which UDP port of nobody, then VNIs in turn, by one flow.
SEND = """
import socket, struct, sys
how, source, target, port, *vnis = sys.argv[1:]
frame = bytes.fromhex("ffffffffffff 020000000066 0800 45000020 00010000 40116501 0a8e004d 0a8e0063")
frame += struct.pack("!HHHHI", 53, int(port), 12, 0, 0)
six = ":" in target
it = socket.socket(socket.AF_INET6 if six else socket.AF_INET, socket.SOCK_DGRAM)
it.setsockopt(socket.SOL_SOCKET, socket.SO_BROADCAST, 1)
if how == "options" and six:  # padding, and 4 bytes of it
    it.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_HOPOPTS, bytes([0, 0, 1, 4, 0, 0, 0, 0]))
    it.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_DSTOPTS, bytes([0, 0, 1, 4, 0, 0, 0, 0]))
elif how == "options":
    it.setsockopt(socket.IPPROTO_IP, socket.IP_OPTIONS, bytes([1, 1, 1, 1]))
if how != "pieces":
    it.bind((source, 5555))
for vni in vnis:
    vxlan = struct.pack("!II", 0x08000000, int(vni) << 8) + frame
    if how != "pieces":
        it.sendto(vxlan, (target, 4789))
        continue
    udp = struct.pack("!HHHH", 5555, 4789, 8 + len(vxlan), 0) + vxlan
    raw = socket.socket(socket.AF_INET, socket.SOCK_RAW, socket.IPPROTO_RAW)
    for at in range(0, len(udp), 8):  # the first piece is the UDP header alone
        more = 0x2000 if at + 8 < len(udp) else 0
        places = socket.inet_aton(source) + socket.inet_aton(target)
        head = struct.pack("!BBHHHBBH", 0x45, 0, 28, 4242, more | at // 8, 64, 17, 0) + places
        raw.sendto(head + udp[at : at + 8], (target, 0))
"""


class Besieged(Pair):
    """A pair on one wire with a stranger, who is on a second wire to the left host, too."""

    def __init__(self, lab: Lab, six: bool, *words: str) -> None:
        self.left, self.right, self.stranger = lab.host("left"), lab.host("right"), lab.host("stranger")
        self.ends = ("fd00:2::1", "fd00:2::2") if six else ("192.0.2.1", "192.0.2.2")
        self.third = "fd00:2::3" if six else "192.0.2.3"
        everybody = {self.left: 1, self.right: 2, self.stranger: 3}
        lab.switch({host: (f"192.0.2.{n}/24", f"fd00:2::{n}/64") for host, n in everybody.items()})
        lab.link(self.left, self.stranger, ("198.51.100.1/24", "198.51.100.3/24"), ("fd00:3::1/64", "fd00:3::3/64"))
        self.one, self.two = lab.container("one"), lab.container("two")
        self.up(*words)
        self.attach()

    def gets_in(self, act: Callable[[], object], host: HostNs | None = None) -> bool:
        """Whether the forged frame comes out of a host's tunnel, of the left one's by itself.

        A frame that is good is sent after it by the peer: when that has come, what had to come has come.
        """
        host = host or self.left
        words = ("tcpdump", "-i", "nkv42", "-n", "--immediate-mode", "-l", "udp port 666 or udp port 667")
        process = host.popen(*words)
        assert process.stdout and process.stderr
        while "listening" not in process.stderr.readline():
            pass
        act()
        there = host is self.left
        sent(self.right if there else self.left, self.ends[there], self.ends[not there], port=667)
        lines: list[str] = []
        while not lines or ".667:" not in lines[-1]:
            lines.append(process.stdout.readline())
        process.terminate()
        return any(".666:" in line for line in lines)


def sent(place: Namespace, source: str, target: str, *vnis: str, how: str = "plain", port: int = 666) -> None:
    """A forged frame is sent, for VNI 42 if no other is named."""
    place.python(SEND, how, source, target, str(port), *(vnis or ("42",)))


@pytest.fixture(params=["nftables", "iptables"])
def backend(request: pytest.FixtureRequest) -> str:
    return str(request.param)


def test_over_ipv4_only_the_peer_gets_in(lab: Lab, backend: str) -> None:
    place = Besieged(lab, False, "--firewall", backend)
    left, stranger, right = "192.0.2.1", place.stranger, place.right
    assert place.gets_in(lambda: sent(right, "192.0.2.2", left)), "the frame is good"
    assert not place.gets_in(lambda: sent(stranger, "192.0.2.3", left))
    assert not place.gets_in(lambda: sent(stranger, "192.0.2.3", "192.0.2.255")), "to everybody"
    assert not place.gets_in(lambda: sent(stranger, "::ffff:192.0.2.3", f"::ffff:{left}"))
    assert not place.gets_in(lambda: sent(right, "192.0.2.2", left, "43")), "another VNI"
    assert place.gets_in(lambda: sent(right, "192.0.2.2", left, how="pieces"))
    assert not place.gets_in(lambda: sent(stranger, "192.0.2.3", left, how="pieces"))
    assert place.gets_in(lambda: sent(right, "192.0.2.2", left, how="options"))
    assert not place.gets_in(lambda: sent(stranger, "192.0.2.3", left, how="options"))
    stranger.run("ip", "addr", "add", "192.0.2.2/32", "dev", "lo")
    stranger.run("ip", "route", "add", "192.0.2.1", "via", "198.51.100.1", "dev", "eth1")
    assert not place.gets_in(lambda: sent(stranger, "192.0.2.2", left)), "as the peer, by another link"
    assert not place.gets_in(lambda: sent(stranger, "192.0.2.2", left, how="pieces"))


def test_over_ipv6_only_the_peer_gets_in(lab: Lab, backend: str) -> None:
    place = Besieged(lab, True, "--firewall", backend)
    left, stranger, right = "fd00:2::1", place.stranger, place.right
    assert place.gets_in(lambda: sent(right, "fd00:2::2", left)), "the frame is good"
    assert not place.gets_in(lambda: sent(stranger, "fd00:2::3", left))
    assert place.gets_in(lambda: sent(right, "fd00:2::2", left, how="options"))
    assert not place.gets_in(lambda: sent(stranger, "fd00:2::3", left, how="options"))
    stranger.run("ip", "addr", "add", "fd00:2::2/128", "dev", "lo")
    stranger.run("ip", "-6", "route", "add", "fd00:2::1", "via", "fd00:3::1", "dev", "eth1")
    assert not place.gets_in(lambda: sent(stranger, "fd00:2::2", left)), "as the peer, by another link"


def test_a_container_gets_nothing_in_anywhere(lab: Lab, backend: str) -> None:
    """The way to the other host is masqueraded: there it would look as if the left host had sent it."""
    place = Besieged(lab, False, "--firewall", backend)
    neighbour = lab.container("neighbour")
    place.left.netkit("attach", "--pid", str(neighbour.pid), "--firewall", backend, check=True)
    assert place.gets_in(lambda: sent(place.left, "192.0.2.1", "192.0.2.2"), place.right)
    for container in (place.one, neighbour):

        def to_the_host(who: Namespace = container) -> None:
            for target in ("192.0.2.1", "198.51.100.1", "10.142.0.1", "10.90.0.1"):
                sent(who, "0.0.0.0", target)

        def to_the_other(who: Namespace = container) -> None:
            sent(who, "0.0.0.0", "192.0.2.2", "43", "42")  # a flow that begins with what nobody minds

        assert not place.gets_in(to_the_host), container
        assert not place.gets_in(to_the_other, place.right), container


def test_a_container_may_run_tunnels_of_its_own(lab: Lab) -> None:
    place = Besieged(lab, False)
    words = ("tcpdump", "-i", "eth0", "-n", "--immediate-mode", "-l", "-c1", "udp port 4789 and src 192.0.2.1")
    listener = place.stranger.popen(*words)
    assert listener.stdout and listener.stderr
    while "listening" not in listener.stderr.readline():
        pass
    sent(place.one, "0.0.0.0", "192.0.2.3", "43")
    assert "vni 43" in listener.stdout.readline()
