"""Containers on two hosts talk through TUN devices and UDP: real packets, hostile peers, sudden deaths."""

from __future__ import annotations

import json
import os
import shutil
import signal
import sys
from pathlib import Path

import pytest

from bench import flannel
from tests.features import requires
from tests.hosts import cmdline, wait_until
from tests.netns.tunnels import DEVICE, PORT, Tunnels

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator

    from tests.hosts import Lab
    from tests.netns.tunnels import End

pytestmark = [requires("tun", "ping"), pytest.mark.limit(120)]

#: Serve and check, or send: so many random bytes, which both sides make from one seed.
_TAKE = """
import hashlib, socket, sys
family = socket.AF_INET6 if ":" in sys.argv[1] else socket.AF_INET
server = socket.create_server((sys.argv[1], 5001), family=family)
print("ready", flush=True)
stream, _ = server.accept()
seen = hashlib.sha256()
while data := stream.recv(1 << 20):
    seen.update(data)
print(seen.hexdigest())
"""
_GIVE = """
import hashlib, os, socket, sys
stream = socket.create_connection((sys.argv[1], 5001), 10)
seen = hashlib.sha256()
for size in [1, 7, 1400, 65536, 3] + [1 << 18] * 40:
    block = os.urandom(size)
    seen.update(block)
    stream.sendall(block)
stream.close()
print(seen.hexdigest())
"""
#: Datagrams of one size sent together, as QUIC does, and what arrives.
_GIVE_TOGETHER = """
import socket, struct, sys
udp = socket.socket(socket.AF_INET6 if ":" in sys.argv[1] else socket.AF_INET, socket.SOCK_DGRAM)
udp.connect((sys.argv[1], 5002))
for start in range(0, 400, 40):
    block = b"".join(struct.pack(">H", start + n) * 500 for n in range(40))[:39_400]
    udp.sendmsg([block], [(socket.IPPROTO_UDP, 103, struct.pack("=H", 1000))])
"""
_TAKE_TOGETHER = """
import socket, struct, sys
udp = socket.socket(socket.AF_INET6 if ":" in sys.argv[1] else socket.AF_INET, socket.SOCK_DGRAM)
udp.setsockopt(socket.SOL_SOCKET, 33, 8 << 20)
udp.bind((sys.argv[1], 5002))
udp.settimeout(5)
print("ready", flush=True)
for number in range(400):
    data = udp.recv(2000)
    assert data == struct.pack(">H", number) * (200 if number % 40 == 39 else 500), (number, len(data))
print("all")
"""
#: Proxies die under one process, which has another object for each round; prints how many zombies it has at the end.
_DYING = """
import json, os, signal, sys, time
from netkit.agent.udp.proxy import Proxy
from netkit.agent.udp.settings import Settings
from netkit.state.root import Root
from netkit.value import from_json
def proxy():
    return Proxy(Root(sys.argv[1]), Settings(**from_json(json.loads(sys.argv[2]))))
for _ in range(3):
    assert proxy().start()
    os.kill(proxy().running()[1], signal.SIGKILL)
    while proxy().running():
        time.sleep(0.01)
proxy().start()
proxy().stop()
children = open(f"/proc/self/task/{os.getpid()}/children").read().split()
print(len(children))
"""


@pytest.fixture(params=[4, 6], ids=["over IPv4", "over IPv6"])
def tunnels(request: pytest.FixtureRequest, lab: Lab) -> Iterator[Tunnels]:
    yield from _begun(Tunnels(lab, request.param))


@pytest.fixture
def pair(lab: Lab) -> Iterator[Tunnels]:
    yield from _begun(Tunnels(lab))


def _begun(made: Tunnels) -> Iterator[Tunnels]:
    made.start()
    yield made
    made.stop()


def ping(end: End, address: str, *words: str) -> bool:
    """Whether every one of a few pings is answered."""
    return " 0% packet loss" in end.container.run("ping", "-c3", "-i0.05", "-W2", *words, address, check=False).stdout


def exchange(giver: End, taker: End, take: str, give: str, address: str) -> tuple[str, str]:
    """The last lines of a receiver and of a sender."""
    receiver = taker.container.popen(sys.executable, "-c", take, address)
    assert receiver.stdout is not None
    assert receiver.stdout.readline() == "ready\n"
    sent = giver.container.python(give, address).stdout
    out, err = receiver.communicate(timeout=60)
    assert receiver.returncode == 0, err
    return out.strip(), sent.strip()


def test_packets_of_both_families_pass_both_ways(tunnels: Tunnels) -> None:
    a, b = tunnels.ends
    assert all(ping(a, address) for address in (b.address, b.address6))
    assert all(ping(b, address) for address in (a.address, a.address6))
    assert tunnels.dropped() == {}


def test_the_largest_packet_passes_and_a_larger_one_is_refused(tunnels: Tunnels) -> None:
    a, b = tunnels.ends
    room = a.mtu - 28
    assert ping(a, b.address, "-Mdo", f"-s{room}")
    refused = a.container.run("ping", "-c1", "-W1", "-Mdo", f"-s{room + 1}", b.address, check=False)
    assert f"mtu = {a.mtu}" in refused.stdout
    assert ping(a, b.address6, "-Mdo", f"-s{a.mtu - 48}")
    assert ping(a, b.address, "-Mdont", "-s9000")
    assert wait_until(lambda: ping(a, b.address6, "-s9000")), "once it knows, the container cuts by itself"


@pytest.mark.parametrize("back", [False, True], ids=["there", "back"])
@pytest.mark.parametrize("family", [4, 6])
def test_a_tcp_stream_arrives_as_it_was_sent(tunnels: Tunnels, family: int, back: bool) -> None:
    a, b = tunnels.ends[::-1] if back else tunnels.ends
    taken, given = exchange(a, b, _TAKE, _GIVE, b.address if family == 4 else b.address6)
    assert taken == given
    assert tunnels.dropped() == {}


@pytest.mark.parametrize("family", [4, 6])
def test_datagrams_that_were_sent_together_arrive_one_by_one(tunnels: Tunnels, family: int) -> None:
    a, b = tunnels.ends
    taken, _ = exchange(a, b, _TAKE_TOGETHER, _GIVE_TOGETHER, b.address if family == 4 else b.address6)
    assert taken == "all"


def test_a_way_that_is_too_narrow_carries_fragments(tunnels: Tunnels) -> None:
    a, b = tunnels.ends
    for end in tunnels.ends:
        end.host.run("ip", "link", "set", "eth0", "mtu", "1400")
    assert ping(a, b.address, "-Mdo", f"-s{a.mtu - 28}")
    taken, given = exchange(a, b, _TAKE, _GIVE, b.address)
    assert taken == given
    assert tunnels.dropped() == {}


@requires("flannel-proxy")
def test_flannels_own_proxy_and_ours_understand_each_other(lab: Lab) -> None:
    pair = Tunnels(lab)
    a, b = pair.ends
    words = (flannel.library(), DEVICE, "10.5.2.0", str(b.mtu), b.outer, "10.5.1.0/24", a.outer)
    theirs = b.host.popen(sys.executable, "-m", "bench.flannel", *words)
    assert theirs.stdout is not None
    assert theirs.stdout.readline() == "ready\n"
    b.host.run("ip", "link", "set", DEVICE, "mtu", str(b.mtu), "up")
    b.host.run("ip", "route", "add", "10.5.1.0/24", "dev", DEVICE)
    a.proxy("start")
    a.proxy("table", {"10.5.2.0/24": (b.outer, PORT)})
    a.routes()
    assert ping(a, b.address, "-Mdo", f"-s{a.mtu - 28}")
    assert ping(b, a.address, "-Mdo", f"-s{a.mtu - 28}")
    for giver, taker in ((a, b), (b, a)):
        taken, given = exchange(giver, taker, _TAKE, _GIVE, taker.address)
        assert taken == given
    a.proxy("stop")


_LISTEN = """
import socket, sys
udp = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
udp.bind(("192.0.2.2", 8285))
udp.settimeout(5)
print("ready", flush=True)
for _ in range(int(sys.argv[1])):
    print(udp.recv(65536).hex(), flush=True)
"""


def test_each_datagram_is_one_packet_with_checksums_that_scapy_would_write(lab: Lab) -> None:
    scapy = pytest.importorskip("scapy.all")
    pair = Tunnels(lab)
    a, b = pair.ends
    a.proxy("start")
    a.proxy("table", {"10.5.2.0/24": (b.outer, PORT)})
    a.routes()
    listener = b.host.popen(sys.executable, "-c", _LISTEN, "41")
    assert listener.stdout is not None
    assert listener.stdout.readline() == "ready\n"
    a.container.python(_GIVE_TOGETHER, b.address)
    a.container.run("ping", "-c1", "-W1", b.address, check=False)
    for line in listener.communicate(timeout=20)[0].split():
        packet = scapy.IP(bytes.fromhex(line))
        assert len(bytes.fromhex(line)) == packet.len <= a.mtu
        renewed = scapy.IP(bytes.fromhex(line))
        for layer in (renewed, renewed.payload):
            del layer.chksum
        assert bytes(renewed).hex() == line
    a.proxy("stop")


#: What a peer's socket sends, each argument a datagram in hexadecimal; or random ones, from a seed.
_SEND = """
import random, socket, sys
address, port, to, what, *packets = sys.argv[1:]
udp = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
udp.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
udp.setsockopt(socket.SOL_SOCKET, 11, what == "unsummed")
udp.bind((address, int(port)))
draw = random.Random(7)
def odd():
    size = draw.choice((0, 1, 19, 20, 28, 39, 40, 60, 1400, draw.randrange(1472)))
    start = draw.choice((b"", b"\\x45", b"\\x60", b"\\x45\\0" + size.to_bytes(2, "big"), bytes.fromhex("4f0000ff")))
    flow = bytes.fromhex("4500") + size.to_bytes(2, "big") + bytes.fromhex("0001400040060000" "0a050202" "0a050102")
    if draw.random() < 0.4:
        start = flow + draw.randbytes(12) + bytes([draw.choice((0x50, 0x80, 0xF0, 0)), draw.choice((16, 24, 17, 255))])
    return (start + draw.randbytes(size))[:size]
for data in (bytes.fromhex(one) for one in packets) if packets else (odd() for _ in range(10_000)):
    udp.sendto(data, (to, 8285))
"""


class Hostile:
    """A host whose only proxy is a socket that sends what it likes."""

    def __init__(self, lab: Lab) -> None:
        self.pair = Tunnels(lab)
        self.a, self.b = self.pair.ends
        self.a.proxy("start")
        self.a.proxy("table", dict.fromkeys(self.b.local, (self.b.outer, PORT)))
        self.a.routes()

    def send(self, *packets: bytes, port: int = PORT, how: str = "") -> None:
        words = (self.b.outer, str(port), self.a.outer, how, *(packet.hex() for packet in packets))
        self.b.host.python(_SEND, *words)

    def dropped(self) -> dict[str, int]:
        found: dict[str, int] = self.a.proxy("counters")["dropped"]
        return {reason: count for reason, count in found.items() if count and reason != "multicast"}


@pytest.fixture
def hostile(lab: Lab) -> Iterator[Hostile]:
    made = Hostile(lab)
    yield made
    made.a.proxy("stop")


def inner(source: str = "10.5.2.2", destination: str = "10.5.1.2", payload: int = 5) -> bytes:
    scapy = pytest.importorskip("scapy.all")
    return bytes(scapy.IP(src=source, dst=destination) / scapy.UDP(sport=9, dport=9) / bytes(payload))


@pytest.mark.parametrize(
    ("packet", "port", "reason"),
    [
        (inner(), 9999, "unknown_peer"),
        (inner("10.5.1.2"), PORT, "spoofed"),
        (inner("10.5.3.2"), PORT, "spoofed"),
        (inner("192.0.2.2"), PORT, "spoofed"),
        (inner("10.5.2.2", "10.5.2.3"), PORT, "astray"),
        (inner("10.5.2.2", "192.0.2.1"), PORT, "astray"),
        (inner("10.5.2.2", "224.0.0.1"), PORT, "astray"),
        (inner()[:-1], PORT, "malformed"),
        (inner() + b"x", PORT, "malformed"),
        (b"", PORT, "malformed"),
    ],
)
def test_what_may_not_come_in_is_dropped_and_counted(hostile: Hostile, packet: bytes, port: int, reason: str) -> None:
    hostile.send(packet, port=port)
    assert wait_until(lambda: hostile.dropped() == {reason: 1}), hostile.dropped()
    hostile.send(packet, packet, inner(), port=port)
    expected = {reason: 4 if port != PORT else 3}
    assert wait_until(lambda: hostile.dropped() == expected), hostile.dropped()


def test_a_datagram_without_a_checksum_is_not_taken(hostile: Hostile) -> None:
    hostile.send(inner(), how="unsummed")
    hostile.send(inner())
    assert wait_until(lambda: hostile.a.proxy("counters")["peers"][0]["packets_in"] == 1)
    assert hostile.dropped() == {"unread": 1}


def test_ten_thousand_hostile_datagrams_change_nothing(hostile: Hostile) -> None:
    before = hostile.a.proxy("running")
    hostile.send()
    hostile.send(port=9999)
    assert hostile.a.proxy("running") == before
    counters = hostile.a.proxy("counters")
    total = sum(counters["dropped"].values()) + counters["peers"][0]["packets_in"]
    assert total > 10_000
    assert counters["dropped"]["malformed"] > 1000
    hostile.pair.b.proxy("start")
    hostile.pair.b.proxy("table", dict.fromkeys(hostile.a.local, (hostile.a.outer, PORT)))
    hostile.pair.b.routes()
    assert ping(hostile.a, hostile.b.address)
    hostile.pair.b.proxy("stop")


#: From two addresses in turn, as many packets as a send can hold, and then one that is shorter.
_IN_TURN = """
import socket, struct, sys
to, *pairs = sys.argv[1:]
sockets = []
for address, packets in zip(pairs[::2], pairs[1::2]):
    udp = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
    udp.bind((address, 8285))
    sockets.append((udp, [bytes.fromhex(one) for one in packets.split(",")]))
for _ in range(20):
    for udp, (long, short) in sockets:
        udp.sendmsg([long] * 44, [(socket.IPPROTO_UDP, 103, struct.pack("=H", len(long)))], 0, (to, 8285))
    for udp, (long, short) in sockets:
        udp.sendto(short, (to, 8285))
"""


def test_what_two_peers_send_in_turn_is_not_mixed(hostile: Hostile) -> None:
    a, b = hostile.pair.ends
    b.host.run("ip", "addr", "add", "192.0.2.3/24", "dev", "eth0")
    a.proxy("table", {"10.5.2.0/24": (b.outer, PORT), "10.5.3.0/24": ("192.0.2.3", PORT)})
    words = []
    for outer, source in ((b.outer, "10.5.2.2"), ("192.0.2.3", "10.5.3.2")):
        words += [outer, ",".join(inner(source, payload=size).hex() for size in (1444, 900))]
    b.host.python(_IN_TURN, a.outer, *words)

    def came() -> list[int]:
        return [peer["packets_in"] for peer in a.proxy("counters")["peers"]]

    assert wait_until(lambda: came() == [900, 900]), came()
    assert hostile.dropped() == {}


def test_a_packet_that_nobody_has_is_counted(pair: Tunnels) -> None:
    pair.a.container.run("ping", "-c2", "-i0.05", "-W0.1", "10.5.77.7", check=False)
    assert pair.dropped() == {"no_route": 2}


def test_a_later_agent_finds_the_proxy_and_packets_never_stop(pair: Tunnels) -> None:
    a, b = pair.ends
    first = a.proxy("running")
    pinging = a.container.popen("ping", "-c40", "-i0.01", "-W2", b.address)
    for _ in range(3):
        assert a.proxy("start") is False
        a.proxy("table", dict.fromkeys(b.local, (b.outer, PORT)))
    assert a.proxy("running") == first
    assert " 0% packet loss" in pinging.communicate(timeout=30)[0]


def test_after_a_sudden_death_the_next_proxy_goes_on_with_the_same_device(pair: Tunnels) -> None:
    a, b = pair.ends
    before = a.host.run("ip", "-j", "addr", "show", DEVICE).stdout
    routes = a.host.run("ip", "route").stdout
    os.kill(a.proxy("running")[1], signal.SIGKILL)
    assert wait_until(lambda: a.proxy("running") is None)
    assert a.proxy("counters")["error"] == "NotFoundError"
    assert a.proxy("table", {})["error"] == "NotFoundError"
    assert a.proxy("start") is True
    assert wait_until(lambda: _settled(a) == _addresses(before)), _settled(a)
    assert a.host.run("ip", "route").stdout == routes
    a.proxy("table", dict.fromkeys(b.local, (b.outer, PORT)))
    assert ping(a, b.address)


@pytest.mark.parametrize("gone", ["socket", "state"])
def test_a_proxy_that_nobody_can_ask_any_more_gives_way_to_the_next(pair: Tunnels, gone: str) -> None:
    a, b = pair.ends
    before, (_, old) = _settled(a), a.proxy("running")
    run = Path(a.host.root) / "run"
    if gone == "socket":
        (run / "udp" / f"{DEVICE}.socket").unlink()
    else:
        shutil.rmtree(run)
    assert a.proxy("running") is None
    assert a.proxy("start") is True
    (new,) = (pid for pid in a.host.pids() if "agent.udp.process" in cmdline(pid))
    assert a.proxy("running")[1] == new != old
    assert wait_until(lambda: _settled(a) == before)
    a.proxy("table", dict.fromkeys(b.local, (b.outer, PORT)))
    assert ping(a, b.address)
    (run / "udp" / f"{DEVICE}.socket").unlink()
    assert a.proxy("stop") is True
    assert DEVICE not in a.host.run("ip", "link").stdout


def test_an_agent_takes_leave_of_proxies_that_died(pair: Tunnels) -> None:
    a = pair.a
    a.proxy("stop")
    given = {"device": DEVICE, "mtu": a.mtu, "listen": (a.outer, PORT), "local": a.local}
    assert a.host.python(_DYING, str(a.host.root), json.dumps(given)).stdout.strip() == "0"


def _addresses(text: str) -> tuple[int, int, list[str]]:
    (link,) = json.loads(text)
    return link["ifindex"], link["mtu"], sorted(address["local"] for address in link["addr_info"])


def _settled(end: End) -> tuple[int, int, list[str]]:
    return _addresses(end.host.run("ip", "-j", "addr", "show", DEVICE).stdout)


def test_a_signal_ends_the_proxy_at_once_and_the_device_stays(pair: Tunnels) -> None:
    a = pair.a
    os.kill(a.proxy("running")[1], signal.SIGTERM)
    assert wait_until(lambda: a.proxy("running") is None)
    assert _settled(a)[1] == a.mtu
    assert list((Path(a.host.root) / "run/udp").iterdir()) == []


def test_a_device_that_was_down_goes_on_and_one_that_was_removed_is_made_anew(pair: Tunnels) -> None:
    a, b = pair.ends
    a.host.run("ip", "link", "set", DEVICE, "down")
    b.container.run("ping", "-c1", "-W0.1", a.address, check=False)
    assert pair.dropped() == {"not_taken": 1}
    a.host.run("ip", "link", "set", DEVICE, "up")
    a.routes()
    assert ping(a, b.address)
    a.host.run("ip", "link", "del", DEVICE)
    assert wait_until(lambda: a.proxy("running") is None)
    assert a.proxy("start") is True
    a.proxy("table", dict.fromkeys(b.local, (b.outer, PORT)))
    a.routes()
    assert ping(a, b.address)


def test_what_the_device_lost_is_put_back(pair: Tunnels) -> None:
    a = pair.a
    before = _settled(a)
    a.host.run("ip", "addr", "flush", "dev", DEVICE)
    a.host.run("ip", "link", "set", DEVICE, "down", "mtu", "1280")
    assert a.proxy("start") is False
    assert _settled(a) == before
    a.routes()
    assert ping(a, pair.b.address)


def test_other_settings_take_the_place_of_the_old_ones(pair: Tunnels) -> None:
    a, b = pair.ends
    assert a.proxy("start", mtu=1300) is True
    assert a.proxy("running")[0]["mtu"] == 1300
    assert _settled(a)[1] == 1300
    a.proxy("table", dict.fromkeys(b.local, (b.outer, PORT)))
    assert ping(a, b.address)


def test_stop_removes_the_device_and_what_was_killed_before_too(lab: Lab) -> None:
    pair = Tunnels(lab)
    for kill in (False, True):
        pair.a.proxy("start")
        assert DEVICE in pair.a.host.run("ip", "link").stdout
        if kill:
            os.kill(pair.a.proxy("running")[1], signal.SIGKILL)
            assert wait_until(lambda: pair.a.proxy("running") is None)
        assert pair.a.proxy("stop") is not kill
        assert wait_until(lambda: DEVICE not in pair.a.host.run("ip", "link").stdout)
        assert list((Path(pair.a.host.root) / "run/udp").iterdir()) == []
    assert pair.a.proxy("stop") is False


def test_what_is_taken_is_a_conflict_and_leaves_nothing(lab: Lab) -> None:
    pair = Tunnels(lab)
    a = pair.a
    taking = "import socket, time; s = socket.socket(2, 2); s.bind(('192.0.2.1', 8285)); print('ready', flush=True)"
    other = a.host.popen(sys.executable, "-c", f"{taking}; time.sleep(60)")
    assert other.stdout is not None
    assert other.stdout.readline() == "ready\n"
    assert a.proxy("start") == {"error": "ConflictError", "message": "192.0.2.1 port 8285/udp is taken"}
    assert DEVICE not in a.host.run("ip", "link").stdout
    a.host.run("ip", "link", "add", DEVICE, "type", "bridge")
    refused = a.proxy("start", listen=("192.0.2.1", 8286))
    assert refused["error"] == "ConflictError"
    assert "a link of this name" in refused["message"]
    assert a.proxy("start", listen=("192.0.2.77", 8286), device="other")["error"] == "HostError"


def test_thousands_of_tables_take_no_memory_and_no_descriptors(pair: Tunnels) -> None:
    a, b = pair.ends
    pid = a.proxy("running")[1]
    routes = {f"10.{high}.{low}.0/24": (b.outer, 1024 + low) for high in range(6, 22) for low in range(256)}
    a.proxy("table", routes)
    before = _resources(pid)
    for _ in range(8):
        a.proxy("table", {})
        a.proxy("table", routes)
    memory, descriptors = _resources(pid)
    assert descriptors == before[1]
    assert memory < before[0] * 1.3
    a.proxy("table", dict.fromkeys(b.local, (b.outer, PORT)))
    assert ping(a, b.address)


def _resources(pid: int) -> tuple[int, int]:
    """Resident pages and open descriptors."""
    return int(Path(f"/proc/{pid}/statm").read_text().split()[1]), len(os.listdir(f"/proc/{pid}/fd"))
