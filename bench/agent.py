"""The host agent with hundreds of peers: how soon their routes stand, and what it costs while nothing happens.

The peers are records in a shared directory, written as their agents would; the agent under test is a real process.
"""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import NamedTuple

from bench.place import median, run

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable

STORE = "/run/bench-store"
_CONFIG = {"Network": "10.0.0.0/8", "Backend": {"Type": "vxlan"}}
#: How long what is waited for may take, in seconds, before the figures are given up.
_PATIENCE = 120.0


class Figures(NamedTuple):
    """Seconds to the first whole table; seconds to each later route; CPU share when idle; MB and descriptors."""

    first: float
    later: float
    idle: float
    memory: tuple[float, float]
    files: tuple[int, int]


class Peers:
    """Other hosts, as their records in the store."""

    def __init__(self) -> None:
        from netkit.agent.config import read
        from netkit.agent.host import member
        from netkit.stores import open as opened

        Path(STORE).mkdir(mode=0o700)
        self._settings = member.settings(read(_CONFIG, "net-conf.json"))
        self._open = opened

    def join(self, number: int) -> str:
        """One more host; its subnet."""
        from netkit.stores.model import Host

        node = f"{number:032x}"
        store = self._open(f"dir://{STORE}", "flannel", node, self._settings)
        public = f"192.0.{2 + number // 200}.{number % 200 + 10}"
        store.renew(Host(node, public, 1, f"02:00:00:00:{number // 256:02x}:{number % 256:02x}"))
        return store.acquire(f"subnets/10.{1 + number // 256}.{number % 256}.0-24").subnets[0]


def report(peers: int, changes: int, seconds: int) -> str:
    """The table."""
    found = _measured(peers, changes, seconds)
    rows = [
        (f"from start to routes to all {peers} hosts", f"{found.first:.2f} s"),
        (f"from a new lease to its route (median of {changes})", f"{found.later:.2f} s"),
        ("of a CPU while nothing happens", f"{found.idle * 100:.2f} %"),
        (f"memory before and after {changes} hosts more", " and ".join(f"{size:.1f} MB" for size in found.memory)),
        ("descriptors before and after", " and ".join(map(str, found.files))),
    ]
    body = "\n".join(["| | |", "|---|---:|", *(f"| {what} | {value} |" for what, value in rows)])
    return f"The host agent among {peers} hosts\n\n{body}\n"


def _measured(count: int, changes: int, seconds: int) -> Figures:
    run("ip", "link", "add", "name", "eth0", "type", "veth", "peer", "name", "far0")
    for words in (("addr", "add", "192.0.2.1/16", "dev", "eth0"), ("link", "set", "eth0", "up"),
                  ("link", "set", "far0", "up"), ("route", "add", "default", "via", "192.0.2.254")):  # fmt: skip
        run("ip", *words)
    peers = Peers()
    subnets = {peers.join(number) for number in range(count)}
    Path("/run/net-conf.json").write_text(json.dumps(_CONFIG))
    store = ("--store", f"dir://{STORE}", "--subnet-file", "/run/subnet.env", "--teardown")
    argv = [sys.executable, "-m", "netkit", "agent", "run", "--config", "/run/net-conf.json", *store]
    begin = time.monotonic()
    agent = subprocess.Popen(argv, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    try:
        _wait(lambda: subnets <= _routed())
        first = time.monotonic() - begin
        time.sleep(2)
        memory, files = _memory(agent.pid), _files(agent.pid)
        later = [_later(peers, count + number) for number in range(changes)]
        before = _cpu(agent.pid)
        time.sleep(seconds)
        idle = (_cpu(agent.pid) - before) / seconds
        return Figures(first, median(later), idle, (memory, _memory(agent.pid)), (files, _files(agent.pid)))
    finally:
        agent.send_signal(signal.SIGTERM)
        agent.wait(timeout=60)
        run("ip", "link", "del", "eth0")


def _later(peers: Peers, number: int) -> float:
    begin = time.monotonic()
    subnet = peers.join(number)
    _wait(lambda: subnet in _routed())
    return time.monotonic() - begin


def _routed() -> set[str]:
    """Where routes through the tunnel lead."""
    done = subprocess.run(
        ["ip", "-j", "route", "show", "dev", "flannel.1"], capture_output=True, text=True, check=False
    )
    return {route["dst"] for route in json.loads(done.stdout or "[]")} if done.returncode == 0 else set()


def _wait(done: Callable[[], bool]) -> None:
    end = time.monotonic() + _PATIENCE
    while not done():
        if time.monotonic() > end:
            raise SystemExit("bench: the agent's routes do not come")
        time.sleep(0.01)


def _cpu(pid: int) -> float:
    """Seconds that a process and its threads have had of a CPU."""
    fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    return sum(int(field) for field in fields[11:13]) / os.sysconf("SC_CLK_TCK")


def _memory(pid: int) -> float:
    """Resident MB."""
    status = Path(f"/proc/{pid}/status").read_text()
    return next(int(line.split()[1]) for line in status.splitlines() if line.startswith("VmRSS:")) / 1024


def _files(pid: int) -> int:
    return len(os.listdir(f"/proc/{pid}/fd"))
