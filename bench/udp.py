"""Two hosts, a container on each: routes between them, netkit's UDP proxy, and flannel's, compiled from its source.

Each way is measured on the same cable, in turn, some rounds of all; containers and iperf3 are the same. What both
proxies take of a CPU is told, too: it hardly depends on what else the machine has to do.
"""

from __future__ import annotations

import json
import os
import re
import shutil
import subprocess
import sys
import time
from pathlib import Path
from typing import NamedTuple

from bench import flannel
from bench.place import median, run

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from typing import TypeVar

    T = TypeVar("T")

DEVICE, PORT, MTU = "flannel0", 8285, 1472
_START = """
import sys
from netkit.agent.udp.proxy import Proxy
from netkit.agent.udp.settings import Settings
from netkit.state.root import Root
root, outer, local, remote, peer = sys.argv[1:]
proxy = Proxy(Root(root), Settings("flannel0", 1472, (outer, 8285), (local,)))
if remote:
    proxy.start()
    proxy.table({remote: (peer, 8285)})
    print(proxy.running()[1])
else:
    proxy.stop()
"""


class End(NamedTuple):
    """A host: its namespace, its container's, its address on the cable, its containers' subnet."""

    host: str
    container: str
    outer: str
    subnet: str

    def address(self, number: int) -> str:
        """An address of the subnet."""
        return self.subnet.replace(".0/24", f".{number}")


A = End("udp-a", "udp-ca", "192.0.2.1", "10.5.1.0/24")
B = End("udp-b", "udp-cb", "192.0.2.2", "10.5.2.0/24")


class Way(NamedTuple):
    """A way between two hosts; `begin` makes an end of it, and gives the PID of a proxy or 0."""

    what: str
    mtu: int
    begin: Callable[[End, End], int]
    end: Callable[[End, End], object]


class Figures(NamedTuple):
    """Gbit/s of a TCP stream; seconds of CPU of both proxies for its gigabyte; Gbit/s of datagrams that arrive; ms."""

    tcp: float
    cpu: float
    udp: float
    ping: float


def report(rounds: int, seconds: int) -> str:
    """The table; a run of each kind takes so many seconds."""
    title = f"To a container on another host, UDP around each packet (medians of {rounds} runs of {seconds} s)"
    if not shutil.which("iperf3"):
        return f"{title}\n\nNot measured: this machine has no iperf3.\n"
    missing = ""
    with_flannel = [Way("flannel's proxy, in C", MTU, _begin_flannel, _end_flannel)]
    try:
        flannel.library()
    except flannel.UnavailableError as why:
        with_flannel, missing = [], f"flannel's proxy is not measured: {why}.\n"
    ways = [Way("routes, nothing around", 1500, _route, _unroute), *with_flannel]
    ways.append(Way("netkit's proxy, in Python", MTU, _begin_netkit, _end_netkit))
    _build()
    try:
        runs = [[_measured(way, seconds) for way in ways] for _ in range(rounds)]
    finally:
        _remove()
    medians = [Figures(*map(median, zip(*figures, strict=True))) for figures in zip(*runs, strict=True)]
    found = dict(zip((way.what for way in ways), medians, strict=True))
    return f"{title}\n\n{_table(found)}\n{missing}"


def _build() -> None:
    for name in (A.host, B.host, A.container, B.container):
        run("ip", "netns", "add", name)
        run("ip", "-n", name, "link", "set", "lo", "up")
    run("ip", "link", "add", "name", "eth0", "netns", A.host, "type", "veth", "peer", "name", "eth0", "netns", B.host)
    for end in (A, B):
        cable = ("type", "veth", "peer", "name", "eth0", "netns", end.container)
        run("ip", "link", "add", "name", "c0", "netns", end.host, *cable)
        for where, what, address in (
            (end.host, "eth0", f"{end.outer}/24"),
            (end.host, "c0", f"{end.address(1)}/24"),
            (end.container, "eth0", f"{end.address(2)}/24"),
        ):
            run("ip", "-n", where, "addr", "add", address, "dev", what)
            run("ip", "-n", where, "link", "set", what, "up")
        run("ip", "-n", end.container, "route", "add", "default", "via", end.address(1))
        run("ip", "netns", "exec", end.host, "sysctl", "-qw", "net.ipv4.ip_forward=1")


def _remove() -> None:
    for name in (A.host, B.host, A.container, B.container):
        run("ip", "netns", "del", name)


def _both(act: Callable[[End, End], T]) -> list[T]:
    return [act(end, other) for end, other in ((A, B), (B, A))]


def _measured(way: Way, seconds: int) -> Figures:
    pids = [pid for pid in _both(way.begin) if pid]
    words, nothing = ["ip", "netns", "exec", B.container, "iperf3", "-s"], subprocess.DEVNULL
    server = subprocess.Popen(words, stdout=nothing, stderr=nothing)
    try:
        for end in (A, B):
            run("ip", "-n", end.container, "link", "set", "eth0", "mtu", str(way.mtu))
        ping, before = _ping(), _cpu(pids)
        tcp = _iperf(seconds)
        cpu = (_cpu(pids) - before) / (tcp * seconds / 8)
        return Figures(tcp, cpu, _iperf(seconds, "-u", "-b", "0", "-l", str(way.mtu - 28)), ping)
    finally:
        server.terminate()
        server.wait()
        _both(way.end)


def _cpu(pids: list[int]) -> float:
    """Seconds that these processes have had of a CPU."""
    fields = [Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split() for pid in pids]
    return sum(int(field) for some in fields for field in some[11:13]) / os.sysconf("SC_CLK_TCK")


def _ping() -> float:
    """The median of a hundred answers, in ms, after some that warm up."""
    argv = ("ip", "netns", "exec", A.container, "ping", "-i", "0.01", "-c", "110", B.address(2))
    times = sorted(float(text) for text in re.findall(r"time=([\d.]+)", run(*argv))[10:])
    return times[len(times) // 2]


def _iperf(seconds: int, *words: str) -> float:
    """Gbit/s that arrive."""
    argv = ("ip", "netns", "exec", A.container, "iperf3", "-J", "-c", B.address(2), "-t", str(seconds), *words)
    for _ in range(100):
        done = subprocess.run(argv, capture_output=True, text=True, timeout=120, check=False)
        if done.returncode == 0:
            return float(json.loads(done.stdout)["end"]["sum_received"]["bits_per_second"]) / 1e9
        time.sleep(0.05)  # the server is not there yet, or has not ended with the last run
    raise SystemExit(f"bench: iperf3 fails: {done.stdout}")


def _route(end: End, other: End) -> int:
    run("ip", "-n", end.host, "route", "add", other.subnet, "via", other.outer)
    return 0


def _unroute(end: End, other: End) -> None:
    run("ip", "-n", end.host, "route", "del", other.subnet)


def _inside(end: End, *argv: str) -> list[str]:
    return ["ip", "netns", "exec", end.host, sys.executable, *argv]


def _root(end: End) -> str:
    return f"{os.environ['NETKIT_ROOT']}-{end.host}"


def _begin_netkit(end: End, other: End) -> int:
    told = run(*_inside(end, "-c", _START, _root(end), end.outer, end.subnet, other.subnet, other.outer))
    run("ip", "-n", end.host, "route", "add", other.subnet, "dev", DEVICE)
    return int(told)


def _end_netkit(end: End, other: End) -> None:
    run(*_inside(end, "-c", _START, _root(end), end.outer, end.subnet, "", ""))


_RUNNING: dict[str, subprocess.Popen[bytes]] = {}


def _begin_flannel(end: End, other: End) -> int:
    words = (flannel.library(), DEVICE, end.address(0), str(MTU), end.outer, other.subnet, other.outer)
    proxy = subprocess.Popen(_inside(end, "-m", "bench.flannel", *words), stdout=subprocess.PIPE)
    _RUNNING[end.host] = proxy
    assert proxy.stdout is not None
    proxy.stdout.readline()
    run("ip", "-n", end.host, "addr", "add", f"{end.address(0)}/32", "dev", DEVICE)
    run("ip", "-n", end.host, "link", "set", DEVICE, "mtu", str(MTU), "up")
    run("ip", "-n", end.host, "route", "add", other.subnet, "dev", DEVICE)
    return proxy.pid


def _end_flannel(end: End, other: End) -> None:
    proxy = _RUNNING.pop(end.host)
    proxy.kill()
    proxy.communicate()


def _table(found: dict[str, Figures]) -> str:
    return "\n".join(_lines(found))


def _lines(found: dict[str, Figures]) -> Iterator[str]:
    width = max(map(len, found))
    base = found.get("flannel's proxy, in C")
    yield f"| {'':{width}} | TCP, Gbit/s | ratio | CPU, s/GB | ratio | UDP, Gbit/s | ping, ms |"
    yield f"| {'-' * width} | ----------: | ----: | --------: | ----: | ----------: | -------: |"
    for what, figures in found.items():
        faster, less = (f"{figures.tcp / base.tcp:.2f}", f"{figures.cpu / base.cpu:.2f}") if base else ("", "")
        tcp, cpu = f"{figures.tcp:11.2f} | {faster:>5}", f"{figures.cpu:9.2f} | {less:>5}"
        yield f"| {what:{width}} | {tcp} | {cpu} | {figures.udp:11.2f} | {figures.ping:8.3f} |"
