"""Two hosts, a container on each: routes between them, netkit's UDP proxy and fast path, and flannel's own proxy.

Each way is measured on the same cable, in turn, some rounds of all; containers and iperf3 are the same. What both
proxies take of a CPU is told, too: it hardly depends on what else the machine has to do. flannel's is compiled from its
source.
"""

from __future__ import annotations

import os
import shutil
import sys
from pathlib import Path
from typing import NamedTuple

from bench import flannel, pairs
from bench.place import median, run
from netkit.kernel import udppath

TYPE_CHECKING = False
if TYPE_CHECKING:
    import subprocess
    from collections.abc import Callable, Iterator

    from bench.pairs import End

_START = """
import sys
from netkit.agent.udp.proxy import Proxy
from netkit.agent.udp.settings import Settings
from netkit.kernel import udppath
from netkit.plan.rare.udppath import UdpPathAdd, UdpPeerAdd
from netkit.state.root import Root
root, outer, local, remote, peer, how = sys.argv[1:]
proxy = Proxy(Root(root), Settings("flannel0", 1472, (outer, 8285), (local,)))
path = UdpPathAdd("flannel0", "eth0", outer, 8285, (local,))
if remote:
    proxy.start()
    proxy.table({remote: (peer, 8285)})
    print(proxy.running()[1])
    ops = (path, UdpPeerAdd("flannel0", remote, peer, 8285, True)) if how == "kernel" else ()
else:
    ops = path.reverse() if how == "kernel" else ()
failed = [each for each in udppath.carry_out(ops, tolerant=True) if each]
if failed:
    sys.exit(str(failed[0]))
if not remote:
    proxy.stop()
"""


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
    with_flannel = [Way("flannel's proxy, in C", flannel.MTU, _begin_flannel, _end_flannel)]
    try:
        flannel.library()
    except flannel.UnavailableError as why:
        with_flannel, missing = [], f"flannel's proxy is not measured: {why}.\n"
    ways = [Way("routes, nothing around", 1500, _route, _unroute), *with_flannel]
    ways += [_netkit("netkit's proxy, in Python", "proxy")]
    ways += [_netkit("netkit, in the kernel", "kernel")] if udppath.known() else []
    both = pairs.plugged("udp-")
    try:
        runs = [[_measured(way, both, seconds) for way in ways] for _ in range(rounds)]
    finally:
        pairs.remove(pairs.pair_of(*both))
    medians = [Figures(*map(median, zip(*figures, strict=True))) for figures in zip(*runs, strict=True)]
    found = dict(zip((way.what for way in ways), medians, strict=True))
    return f"{title}\n\n{_table(found)}\n{missing}"


def _measured(way: Way, both: tuple[End, End], seconds: int) -> Figures:
    (one, other), pair = both, pairs.pair_of(*both)
    pids = [pid for pid in (way.begin(one, other), way.begin(other, one)) if pid]
    try:
        for end in both:
            run("ip", "-n", end.container, "link", "set", "eth0", "mtu", str(way.mtu))
        with pairs.served([pair]):
            ping, before = median(pairs.times(pair)) / 1000, _cpu(pids)
            tcp = pairs.iperf(pair, seconds)
            gigabytes = tcp * seconds / 8 if seconds else pairs.TRIAL / 1000
            cpu = (_cpu(pids) - before) / gigabytes
            return Figures(tcp, cpu, pairs.iperf(pair, seconds, "-u", "-b", "0", "-l", str(way.mtu - 28)), ping)
    finally:
        way.end(one, other)
        way.end(other, one)


def _cpu(pids: list[int]) -> float:
    """Seconds that these processes have had of a CPU."""
    fields = [Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split() for pid in pids]
    return sum(int(field) for some in fields for field in some[11:13]) / os.sysconf("SC_CLK_TCK")


def _route(end: End, other: End) -> int:
    run("ip", "-n", end.host, "route", "add", other.subnet, "via", other.outer)
    return 0


def _unroute(end: End, other: End) -> None:
    run("ip", "-n", end.host, "route", "del", other.subnet)


def _inside(end: End, *argv: str) -> list[str]:
    return ["ip", "netns", "exec", end.host, sys.executable, *argv]


def _root(end: End) -> str:
    return f"{os.environ['NETKIT_ROOT']}-{end.host}"


def _netkit(what: str, how: str) -> Way:
    """A proxy on either side; `how` says whether the kernels do its work."""

    def begin(end: End, other: End) -> int:
        told = run(*_inside(end, "-c", _START, _root(end), end.outer, end.subnet, other.subnet, other.outer, how))
        run("ip", "-n", end.host, "route", "add", other.subnet, "dev", flannel.DEVICE)
        return int(told)

    def finish(end: End, other: End) -> None:
        run(*_inside(end, "-c", _START, _root(end), end.outer, end.subnet, "", "", how))

    return Way(what, flannel.MTU, begin, finish)


_RUNNING: dict[str, subprocess.Popen[bytes]] = {}


def _begin_flannel(end: End, other: End) -> int:
    _RUNNING[end.host] = flannel.begin(end, other)
    return _RUNNING[end.host].pid


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
