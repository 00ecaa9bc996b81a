"""Two hosts, a container on each, one segment by VXLAN: netkit's, and the same laid by hand; and the cable alone.

Each way has a pair of hosts of its own, and all pairs stand at once: a round measures one after the other, so that what
else the machine does meets all of them; it only ever makes things slower, so the best round of each counts. What is
programmed is timed inside the host.

What netkit's costs beside a bare tunnel is its firewall's doing, most of all where br_netfilter shows it each switched
frame, as it does where it is loaded unless told otherwise. So both are measured with it and without.
"""

from __future__ import annotations

import json
import shutil
import socket
import sys
import time
from pathlib import Path
from typing import NamedTuple

from bench import pairs
from bench.pairs import Pair
from bench.place import NETKIT, run
from netkit.kernel import fastpath
from netkit.kernel.threads import run_inside

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Sequence

#: Programs so many interfaces, spread over ten hosts, then again, then nobody; ms of each.
_MEET = """
import json, sys, time
from netkit.engine.service import Engine
from netkit.model import Network, PeerHost, Subnet

root, *counts = sys.argv[1:]
options = (("vni", "42"), ("local", "192.0.2.1"), ("dev", "eth0"), ("store", "dir:///nowhere"))
engine = Engine(root)
engine.create_network(Network("o", "overlay", "", (Subnet("10.142.0.0/16", "10.142.0.1"),), options=options))

def hosts(count):
    mac = "02:00:00:00:{:02x}:{:02x}".format
    ends = [(f"10.142.{10 + n // 200}.{n % 200 + 1}", mac(n // 256, n % 256)) for n in range(count)]
    return [PeerHost(f"{n:032x}", f"192.0.2.{n + 2}", endpoints=tuple(ends[n::10])) for n in range(10)]

def timed(peers):
    begin = time.perf_counter()
    assert not engine.meet("o", peers).failed
    return (time.perf_counter() - begin) * 1000

told = {}
for count in map(int, counts):
    peers = hosts(count)
    told[count] = [timed(peers), timed(peers), timed([])]
engine.remove_network("o")
print(json.dumps(told))
"""


#: As many datagrams one after the other as fit a socket's buffer, and how often.
_BATCH, _BATCHES = 20, 400


class Way(NamedTuple):
    """A pair with br_netfilter on or off; `base` is the number of the way that its figures are a share of."""

    what: str
    pair: Pair
    filtered: bool
    base: int


class Figures(NamedTuple):
    """Gbit/s of a TCP stream; Gbit/s of datagrams that arrive; microseconds there and back, and of one's whole way."""

    tcp: float
    udp: float
    ping: float
    packet: float


def report(rounds: int, seconds: int, counts: tuple[int, ...]) -> str:
    """Both tables; a run of each kind of traffic takes so many seconds."""
    return f"{_traffic(rounds, seconds)}\n{_programmed(counts)}"


def _traffic(rounds: int, seconds: int) -> str:
    title = f"Between containers of two hosts, by VXLAN (the best of {rounds} rounds; a run takes {seconds} s)"
    if not shutil.which("iperf3"):
        return f"{title}\n\nNot measured: this machine has no iperf3.\n"
    native, by_hand = pairs.native("ov-n"), _by_hand("ov-h")
    overlays = {what: _by_netkit(f"ov-{number}", *words) for number, (what, words) in enumerate(_overlays().items())}
    standing = (native, by_hand, *overlays.values())
    ways = [
        Way("the cable, nothing around", native, True, 1),
        Way("VXLAN by hand, with ip", by_hand, True, 1),
        *(Way(what, pair, True, 1) for what, pair in overlays.items()),
    ]
    without, base = ", without br_netfilter", len(ways)
    ways.append(Way(f"by hand{without}", by_hand, False, base))
    ways += [Way(what + without, pair, False, base) for what, pair in overlays.items()]
    try:
        with pairs.served(standing):
            found = [[_measured(way, seconds) for way in ways] for _ in range(rounds)]
    finally:
        for pair in overlays.values():
            _take_down(pair)
        for pair in standing:
            pairs.remove(pair)
    return f"{title}\n\n{_table(ways, found)}"


def _overlays() -> dict[str, tuple[str, ...]]:
    """What netkit's are called, and how they are made; those with a fast path where the kernel has one."""
    found: dict[str, tuple[str, ...]] = {"netkit overlay": ()}
    if fastpath.known():
        met = ("--store", f"dir://{_store()}", "--dev", "eth0")
        found |= {"netkit overlay --fast-path": ("--fast-path",)}
        found |= {"netkit overlay --fast-path --store": ("--fast-path", *met)}
    return found


def _table(ways: Sequence[Way], found: Sequence[Sequence[Figures]]) -> str:
    lines = [
        "| | TCP, Gbit/s | UDP, Gbit/s | there and back, us | a packet, us | of by hand: TCP, UDP, time, packet |",
        "|---|--:|--:|--:|--:|--:|",
    ]
    best = [_best(runs) for runs in zip(*found, strict=True)]
    for way, found_best in zip(ways, best, strict=True):
        tcp, udp, ping, packet = found_best
        ratios = [mine / base for mine, base in zip(found_best, best[way.base], strict=True)]
        shown = ", ".join(f"{ratio:.2f}" for ratio in ratios)
        lines.append(f"| {way.what} | {tcp:.2f} | {udp:.2f} | {ping:.0f} | {packet:.1f} | {shown} |")
    return "\n".join(lines) + "\n"


def _best(runs: Sequence[Figures]) -> Figures:
    tcp, udp, ping, packet = zip(*runs, strict=True)
    return Figures(max(tcp), max(udp), min(ping), min(packet))


def _by_hand(prefix: str) -> Pair:
    hosts = pairs.cabled(prefix)
    ends = pairs.containers(hosts)
    for number, (host, end) in enumerate(zip(hosts, ends, strict=True), 1):
        other = f"192.0.2.{3 - number}"
        tunnel = ("type", "vxlan", "id", "42", "local", f"192.0.2.{number}", "dev", "eth0", "dstport", "4789")
        cable = ("type", "veth", "peer", "name", "eth0", "mtu", "1450", "netns", end)
        run("ip", "-n", host, "link", "add", "br0", "up", "type", "bridge")
        run("ip", "-n", host, "link", "add", "vx42", "up", "master", "br0", *tunnel)
        run("bridge", "-n", host, "fdb", "append", "00:00:00:00:00:00", "dev", "vx42", "dst", other)
        run("ip", "-n", host, "link", "add", "cable", "up", "master", "br0", "mtu", "1450", *cable)
        run("ip", "-n", end, "addr", "add", f"10.8.0.{number}/24", "dev", "eth0")
        run("ip", "-n", end, "link", "set", "eth0", "up")
    return Pair(hosts, ends, "10.8.0.2")


def _by_netkit(prefix: str, *words: str) -> Pair:
    hosts = pairs.cabled(prefix)
    ends = pairs.containers(hosts)
    target = ""
    for number, (host, end) in enumerate(zip(hosts, ends, strict=True), 1):
        peer = () if "--store" in words else ("--peer", f"192.0.2.{3 - number}")
        run(*_netkit(host), "overlay", "up", "--vni", "42", *peer, *words)
        told = run(*_netkit(host), "attach", "--netns", end, "--network", "overlay42", "--json")
        target = str(json.loads(told)["addresses"][0]).partition("/")[0]
    run("ip", "netns", "exec", ends[0], "ping", "-q", "-c", "1", "-w", "30", target)  # until it has heard of the other
    return Pair(hosts, ends, target)


def _netkit(host: str) -> tuple[str, ...]:
    return ("ip", "netns", "exec", host, *NETKIT, "--root", f"/run/bench-{host}")


def _store() -> Path:
    """A directory that hosts meet in."""
    place = Path("/run/bench-store")
    place.mkdir(mode=0o700)
    return place


def _take_down(pair: Pair) -> None:
    """So that the process ends that keeps an overlay with a store."""
    for host, end in zip(pair.hosts, pair.ends, strict=True):
        run(*_netkit(host), "detach", "--netns", end)
        run(*_netkit(host), "overlay", "down", "--vni", "42")


def _measured(way: Way, seconds: int) -> Figures:
    pair = way.pair
    for host in pair.hosts:  # -e: not where there is no br_netfilter
        calls = [f"net.bridge.bridge-nf-call-{kind}tables={way.filtered:d}" for kind in ("ip", "ip6", "arp")]
        run("ip", "netns", "exec", host, "sysctl", "-qew", *calls)
    return Figures(*pairs.traffic(pair, seconds), _packet(pair))


def _packet(pair: Pair) -> float:
    """Microseconds that a sender spends on a datagram: all that both hosts do with it is done before `send` returns.

    So what disturbs the sender is seen, and the fastest batches are those that nothing disturbed.
    """
    sender, receiver = (_socket_in(name) for name in pair.ends)
    with sender, receiver:
        receiver.bind((pair.target, 5005))
        receiver.setblocking(False)
        sender.connect((pair.target, 5005))
        costs = sorted(_batch(sender, receiver) for _ in range(_BATCHES))
    return costs[_BATCHES // 20]


def _batch(sender: socket.socket, receiver: socket.socket) -> float:
    begin = time.perf_counter()
    for _ in range(_BATCH):
        sender.send(bytes(1400))
    cost = (time.perf_counter() - begin) / _BATCH * 1e6
    for _ in range(_BATCH):
        receiver.recv(2000)
    return cost


def _socket_in(name: str) -> socket.socket:
    with open(f"/run/netns/{name}", encoding="ascii") as there:
        return run_inside(there.fileno(), lambda: socket.socket(socket.AF_INET, socket.SOCK_DGRAM))


def _programmed(counts: tuple[int, ...]) -> str:
    host, other = pairs.cabled("ov-m")
    words = ("ip", "netns", "exec", host, sys.executable, "-c", _MEET, "/run/bench-meet", *map(str, counts))
    told = json.loads(run(*words))
    for name in (host, other):
        run("ip", "netns", "del", name)
    lines = [
        "Interfaces on ten other hosts, programmed: three entries of the kernel and a record for each",
        "",
        "| interfaces | ms | each | a round that finds all well, ms | taken away, ms |",
        "|--:|--:|--:|--:|--:|",
    ]
    for count, (first, again, away) in told.items():
        lines.append(f"| {count} | {first:.1f} | {first / int(count):.3f} | {again:.1f} | {away:.1f} |")
    return "\n".join(lines) + "\n"
