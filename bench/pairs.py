"""Two hosts on a cable, a container on each if need be, and what goes from one to the other: TCP, UDP, pings."""

from __future__ import annotations

import json
import re
import subprocess
import time
from contextlib import contextmanager
from typing import NamedTuple

from bench.place import run

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

#: Megabytes of a run that is for seeing whether it runs.
TRIAL = 8


class Pair(NamedTuple):
    """Two hosts; where traffic begins and ends, and the address that it goes to."""

    hosts: tuple[str, str]
    ends: tuple[str, str]
    target: str


class End(NamedTuple):
    """A host: its namespace, its container's, its address on the cable, its containers' subnet."""

    host: str
    container: str
    outer: str
    subnet: str

    def address(self, number: int) -> str:
        """An address of the subnet."""
        return self.subnet.replace(".0/24", f".{number}")


class Traffic(NamedTuple):
    """Gbit/s of a TCP stream; Gbit/s of datagrams that arrive; microseconds there and back."""

    tcp: float
    udp: float
    ping: float


def cabled(prefix: str) -> tuple[str, str]:
    """Two hosts, 192.0.2.1 and 192.0.2.2, on a cable."""
    one, other = f"{prefix}1", f"{prefix}2"
    for name in (one, other):
        run("ip", "netns", "add", name)
        run("ip", "-n", name, "link", "set", "lo", "up")
    run("ip", "link", "add", "name", "eth0", "netns", one, "type", "veth", "peer", "name", "eth0", "netns", other)
    for number, name in ((1, one), (2, other)):
        run("ip", "-n", name, "addr", "add", f"192.0.2.{number}/24", "dev", "eth0")
        run("ip", "-n", name, "link", "set", "eth0", "up")
    return one, other


def native(prefix: str) -> Pair:
    """The cable, nothing around."""
    hosts = cabled(prefix)
    return Pair(hosts, hosts, "192.0.2.2")


def containers(hosts: tuple[str, str]) -> tuple[str, str]:
    """A container for each of two hosts, on no network."""
    for name in hosts:
        run("ip", "netns", "add", f"{name}c")
    return f"{hosts[0]}c", f"{hosts[1]}c"


def plugged(prefix: str) -> tuple[End, End]:
    """Two hosts with a container each, plugged in by hand; nothing leads from one to the other yet."""
    hosts = cabled(prefix)
    ends = tuple(
        End(host, container, f"192.0.2.{number}", f"10.5.{number}.0/24")
        for number, (host, container) in enumerate(zip(hosts, containers(hosts), strict=True), 1)
    )
    for end in ends:
        cable = ("type", "veth", "peer", "name", "eth0", "netns", end.container)
        run("ip", "link", "add", "name", "c0", "netns", end.host, *cable)
        for where, what, number in ((end.host, "c0", 1), (end.container, "eth0", 2)):
            run("ip", "-n", where, "addr", "add", f"{end.address(number)}/24", "dev", what)
            run("ip", "-n", where, "link", "set", what, "up")
        run("ip", "-n", end.container, "route", "add", "default", "via", end.address(1))
        run("ip", "netns", "exec", end.host, "sysctl", "-qw", "net.ipv4.ip_forward=1")
    return ends[0], ends[1]


def pair_of(one: End, other: End) -> Pair:
    """From container to container."""
    return Pair((one.host, other.host), (one.container, other.container), other.address(2))


def remove(pair: Pair) -> None:
    """End its namespaces."""
    for name in sorted({*pair.hosts, *pair.ends}):
        run("ip", "netns", "del", name)


@contextmanager
def served(pairs: Sequence[Pair]) -> Iterator[None]:
    """A server at the far end of each; they end with us, however we end."""
    words = ("setpriv", "--pdeathsig", "KILL", "ip", "netns", "exec")
    nothing = subprocess.DEVNULL
    servers = [
        subprocess.Popen([*words, pair.ends[1], "iperf3", "-s"], stdout=nothing, stderr=nothing) for pair in pairs
    ]
    try:
        yield
    finally:
        for server in servers:
            server.terminate()
            server.wait()


def traffic(pair: Pair, seconds: int) -> Traffic:
    """Each in turn; of some hundred answers the time that the faster tenth takes at most."""
    ping = times(pair)
    return Traffic(iperf(pair, seconds), iperf(pair, seconds, "-u", "-b", "0", "-l", "1400"), ping[len(ping) // 10])


def best(runs: Sequence[Traffic]) -> Traffic:
    """What else a machine does makes things slower and never faster."""
    tcp, udp, ping = zip(*runs, strict=True)
    return Traffic(max(tcp), max(udp), min(ping))


def times(pair: Pair) -> list[float]:
    """How long three hundred answers take, in microseconds, the fastest first; after some that warm up."""
    argv = ("ip", "netns", "exec", pair.ends[0], "ping", "-i", "0.005", "-c", "320", pair.target)
    return sorted(1000 * float(text) for text in re.findall(r"time=([\d.]+)", run(*argv))[20:])


def iperf(pair: Pair, seconds: int, *words: str) -> float:
    """Gbit/s that arrive in so many seconds; 0: as long as TRIAL takes, for who wants to see it run."""
    size = ("-t", str(seconds)) if seconds else ("-n", f"{TRIAL}M")
    argv = ("ip", "netns", "exec", pair.ends[0], "iperf3", "-J", "-c", pair.target, *size, *words)
    for _ in range(100):
        done = subprocess.run(argv, capture_output=True, text=True, timeout=120, check=False)
        told = json.loads(done.stdout)["end"] if done.returncode == 0 else {}
        if "sum_received" in told:
            return float(told["sum_received"]["bits_per_second"]) / 1e9
        time.sleep(0.05)  # the server is not there yet, has not ended with the last run, or could not say what arrived
    raise SystemExit(f"bench: iperf3 fails: {done.stdout}")
