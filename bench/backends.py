"""Every backend of the host agent beside the bare cable: from a container to one on another host.

On each host runs an agent, and both meet in a directory. Each way has a pair of hosts of its own, and all pairs stand
at once: a round measures one after the other, so that what else the machine does meets all of them, and the best round
of each counts. flannel's own UDP proxy is among them, compiled from its source, where that can be had.
"""

from __future__ import annotations

import json
import shutil
import subprocess
import time
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import NamedTuple

from bench import flannel, pairs
from bench.pairs import Pair
from bench.place import NETKIT, run
from netkit.kernel import udppath

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence
    from contextlib import AbstractContextManager

    from bench.pairs import Traffic

_BACKENDS: dict[str, dict[str, object]] = {
    "host-gw": {"Type": "host-gw"},
    "vxlan with DirectRouting": {"Type": "vxlan", "DirectRouting": True},
    "vxlan": {"Type": "vxlan"},
    "udp": {"Type": "udp"},
    "udp --fast-path": {"Type": "udp"},
}
#: What is there only where the kernel takes such programs.
_FAST = "--fast-path"
#: So long may two agents take until each leads to the other, in seconds.
_PATIENCE = 60.0


class Way(NamedTuple):
    """A way from container to container; `begin` makes its hosts, and ends them."""

    what: str
    begin: Callable[[], AbstractContextManager[Pair]]


def report(rounds: int, seconds: int) -> str:
    """The table; a run of each kind of traffic takes so many seconds."""
    title = f"To a container on another host, by backend (the best of {rounds} rounds; a run takes {seconds} s)"
    if not shutil.which("iperf3"):
        return f"{title}\n\nNot measured: this machine has no iperf3.\n"
    ways = [Way("the cable, nothing around", _native), Way("routes by hand", _by_hand), *map(_of_netkit, _known())]
    missing = ""
    try:
        flannel.library()
        ways.append(Way("flannel's own udp proxy, in C", _of_flannel))
    except flannel.UnavailableError as why:
        missing = f"flannel's proxy is not measured: {why}.\n"
    with ExitStack() as stack:
        standing = [stack.enter_context(way.begin()) for way in ways]
        stack.enter_context(pairs.served(standing))
        found = [[pairs.traffic(pair, seconds) for pair in standing] for _ in range(rounds)]
    best = [pairs.best(runs) for runs in zip(*found, strict=True)]
    return f"{title}\n\n{_table([way.what for way in ways], best)}{missing}"


def _known() -> list[str]:
    return [what for what in _BACKENDS if _FAST not in what or udppath.known()]


def _table(names: Sequence[str], found: Sequence[Traffic]) -> str:
    """A row each, and its shares of the first."""
    lines = [
        "| | TCP, Gbit/s | UDP, Gbit/s | there and back, us | of the cable: TCP, UDP, time |",
        "|---|--:|--:|--:|--:|",
    ]
    for name, one in zip(names, found, strict=True):
        shown = ", ".join(f"{mine / native:.2f}" for mine, native in zip(one, found[0], strict=True))
        lines.append(f"| {name} | {one.tcp:.2f} | {one.udp:.2f} | {one.ping:.0f} | {shown} |")
    return "\n".join(lines) + "\n"


@contextmanager
def _native() -> Iterator[Pair]:
    pair = pairs.native("bk-n")
    yield pair
    pairs.remove(pair)


@contextmanager
def _by_hand() -> Iterator[Pair]:
    one, other = both = pairs.plugged("bk-h")
    for end, beyond in ((one, other), (other, one)):
        run("ip", "-n", end.host, "route", "add", beyond.subnet, "via", beyond.outer)
    yield pairs.pair_of(*both)
    pairs.remove(pairs.pair_of(*both))


@contextmanager
def _of_flannel() -> Iterator[Pair]:
    one, other = both = pairs.plugged("bk-f")
    proxies = [flannel.begin(one, other), flannel.begin(other, one)]
    for end in both:
        run("ip", "-n", end.container, "link", "set", "eth0", "mtu", str(flannel.MTU))
    try:
        yield pairs.pair_of(*both)
    finally:
        for proxy in proxies:
            proxy.kill()
            proxy.communicate()
        pairs.remove(pairs.pair_of(*both))


def _of_netkit(what: str) -> Way:
    words = (_FAST,) if _FAST in what else ()
    return Way(f"netkit, {what}", lambda: _by_agents(f"bk{list(_BACKENDS).index(what)}", _BACKENDS[what], *words))


@contextmanager
def _by_agents(prefix: str, backend: dict[str, object], *words: str) -> Iterator[Pair]:
    hosts = pairs.cabled(prefix)
    ends = pairs.containers(hosts)
    store, config = Path(f"/run/bench-store-{prefix}"), Path(f"/run/bench-{prefix}.json")
    store.mkdir(mode=0o700)
    config.write_text(json.dumps({"Network": "10.5.0.0/16", "Backend": backend}))
    agents = [_agent(host, config, store, *words) for host in hosts]
    try:
        for host, agent in zip(hosts, agents, strict=True):
            _await(host, agent)
        told = [run(*_netkit(host), "attach", "--netns", end, "--network", "flannel", "--json")
                for host, end in zip(hosts, ends, strict=True)]  # fmt: skip
        yield Pair(hosts, ends, str(json.loads(told[1])["addresses"][0]).partition("/")[0])
    finally:
        for host, end in zip(hosts, ends, strict=True):
            run(*_netkit(host), "detach", "--netns", end)
        for agent in agents:
            agent.terminate()
            agent.wait(timeout=60)
        pairs.remove(Pair(hosts, ends, ""))


def _netkit(host: str) -> tuple[str, ...]:
    return ("ip", "netns", "exec", host, *NETKIT, "--root", f"/run/bench-{host}")


def _agent(host: str, config: Path, store: Path, *more: str) -> subprocess.Popen[bytes]:
    """An agent that takes everything down at its end; it ends with us, however we end."""
    words = ("--config", str(config), "--store", f"dir://{store}", "--iface", "eth0", "--teardown", *more)
    argv = (
        "setpriv",
        "--pdeathsig",
        "TERM",
        *_netkit(host),
        "agent",
        "run",
        *words,
        "--subnet-file",
        f"/run/{host}.env",
    )
    with Path(f"/run/{host}.log").open("wb") as log:
        return subprocess.Popen(argv, stdout=log, stderr=log)


def _await(host: str, agent: subprocess.Popen[bytes]) -> None:
    """Until the agent leads to the other host."""
    end = time.monotonic() + _PATIENCE
    while not json.loads(run("ip", "-n", host, "-j", "route", "show", "proto", "142") or "[]"):
        if time.monotonic() > end or agent.poll() is not None:
            raise SystemExit(f"bench: the agent of {host} leads nowhere\n{Path(f'/run/{host}.log').read_text()}")
        time.sleep(0.1)
