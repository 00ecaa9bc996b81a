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
from collections import Counter
from pathlib import Path
from typing import NamedTuple

from bench.place import median, run
from netkit.stores.model import HEARTBEAT

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable

    from netkit.stores.model import Claim, Host

STORE = "/run/bench-store"
_CONFIG = {"Network": "10.0.0.0/8", "Backend": {"Type": "vxlan"}}
#: So many subnets are nobody's at any time while hosts come and go; so many come between two looks at the routes.
_SPARE, _AT_ONCE = 24, 20
#: Seconds after the last change that belong to it: in these a round reads and writes what has changed.
_SETTLED = 12
#: How long what is waited for may take, in seconds, before the figures are given up.
_PATIENCE = 120.0


class Size(NamedTuple):
    """What a process holds: resident MB, descriptors, threads."""

    memory: float
    files: int
    threads: int


class Figures(NamedTuple):
    """Seconds to the first whole table; seconds to each later route; CPU share when idle; how large it is by the way.

    The sizes are before hosts came and went, in the middle, after all of them, and after nothing happened.
    """

    first: float
    later: float
    idle: float
    sizes: tuple[Size, ...]


class Peers:
    """Other hosts, as the files that their stores would write; `there` are those that have not left, oldest first."""

    def __init__(self, count: int) -> None:
        from netkit.agent.config import read
        from netkit.agent.host import member
        from netkit.stores import open as opened
        from netkit.stores.members import Members
        from netkit.stores.shared import Shared

        Path(STORE).mkdir(mode=0o700)
        settings = opened(
            f"dir://{STORE}", "flannel", "nobody", member.settings(read(_CONFIG, "net-conf.json"))
        ).settings
        home = Shared.open(f"{STORE}/flannel", "nobody")
        self._members = Members(home.sub("nodes"), settings)
        self._claims, self._generations = home.sub("subnets"), Counter[str]()
        self._count, self._come, self._turn = count, 0, 0
        self.there: list[tuple[Host, Claim]] = []
        for _ in range(count):
            self.join()

    @property
    def subnets(self) -> set[str]:
        """What they have leased."""
        return {claim.subnets[0] for _, claim in self.there}

    def join(self) -> str:
        """One more host, which was never there before; its subnet, which may have been another's."""
        from netkit.stores.model import Host

        number, self._come = self._come, self._come + 1
        node, place = f"{number:032x}", number % (self._count + _SPARE)
        public = f"192.0.{2 + number // 200 % 250}.{number % 200 + 10}"
        host = Host(node, public, 1, f"02:00:00:00:{number // 256 % 256:02x}:{number % 256:02x}")
        self._members.write(host)
        self.there.append((host, self._claim(f"subnets/10.{1 + place // 256}.{place % 256}.0-24", node)))
        return self.there[-1][1].subnets[0]

    def leave(self) -> None:
        """The oldest says farewell and gives its subnet back."""
        host, claim = self.there.pop(0)
        self._members.write(host.replace(left=True))
        self._claim(claim.resource, "")

    def live(self, seconds: float) -> None:
        """So many seconds pass in which each in its turn says, as often as agents do, that it is there."""
        end = time.monotonic() + seconds
        while time.monotonic() <= end:
            self._turn = (self._turn + 1) % len(self.there)
            self._members.write(self.there[self._turn][0])
            time.sleep(HEARTBEAT / len(self.there))

    def _claim(self, resource: str, node: str) -> Claim:
        """The next generation of a claim; of those before, some stay."""
        from netkit.state.files import dump
        from netkit.stores.model import Claim

        self._generations[resource] += 1
        claim, name = Claim(resource, self._generations[resource], node), resource.partition("/")[2]
        self._claims.create(f"{name}.g{claim.generation}", dump(claim))
        self._claims.remove(f"{name}.g{claim.generation - 3}")
        return claim


def report(peers: int, changes: int, seconds: int, churns: int) -> str:
    """The table; so many hosts come, and as many leave."""
    found = _measured(peers, changes, seconds, churns)
    when = f"before, halfway, after {churns} came and {churns} left, {seconds} s later"
    rows = [
        (f"from start to routes to all {peers} hosts", f"{found.first:.2f} s"),
        (f"from a new lease to its route (median of {changes})", f"{found.later:.2f} s"),
        ("of a CPU while nothing happens but heartbeats", f"{found.idle * 100:.2f} %"),
        (f"memory, MB: {when}", ", ".join(f"{size.memory:.1f}" for size in found.sizes)),
        ("descriptors, likewise", ", ".join(str(size.files) for size in found.sizes)),
        ("threads, likewise", ", ".join(str(size.threads) for size in found.sizes)),
    ]
    body = "\n".join(["| | |", "|---|---:|", *(f"| {what} | {value} |" for what, value in rows)])
    return f"The host agent among {peers} hosts\n\n{body}\n"


def _measured(count: int, changes: int, seconds: int, churns: int) -> Figures:
    run("ip", "link", "add", "name", "eth0", "type", "veth", "peer", "name", "far0")
    for words in (("addr", "add", "192.0.2.1/16", "dev", "eth0"), ("link", "set", "eth0", "up"),
                  ("link", "set", "far0", "up"), ("route", "add", "default", "via", "192.0.2.254")):  # fmt: skip
        run("ip", *words)
    peers = Peers(count)
    Path("/run/net-conf.json").write_text(json.dumps(_CONFIG))
    store = ("--store", f"dir://{STORE}", "--subnet-file", "/run/subnet.env", "--teardown")
    argv = [sys.executable, "-m", "netkit", "agent", "run", "--config", "/run/net-conf.json", *store]
    begin = time.monotonic()
    agent = subprocess.Popen(argv, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    try:
        _wait(lambda: peers.subnets == _routed())
        first = time.monotonic() - begin
        later = [_later(peers) for _ in range(changes)]
        time.sleep(2)
        sizes = [_size(agent.pid)]
        for part in (churns // 2, churns - churns // 2):
            _churn(peers, part)
            sizes.append(_size(agent.pid))
        peers.live(min(seconds, _SETTLED))
        before = _cpu(agent.pid)
        peers.live(seconds)
        idle = (_cpu(agent.pid) - before) / seconds
        return Figures(first, median(later), idle, (*sizes, _size(agent.pid)))
    finally:
        agent.send_signal(signal.SIGTERM)
        agent.wait(timeout=60)
        run("ip", "link", "del", "eth0")


def _later(peers: Peers) -> float:
    """Another host instead of the oldest."""
    peers.leave()
    begin = time.monotonic()
    subnet = peers.join()
    _wait(lambda: subnet in _routed())
    return time.monotonic() - begin


def _churn(peers: Peers, count: int) -> None:
    """So many hosts come, and as many leave; again and again the routes are just those to who is there."""
    for number in range(count):
        peers.leave()
        peers.join()
        if number % _AT_ONCE == _AT_ONCE - 1 or number == count - 1:
            _wait(lambda: peers.subnets == _routed())


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


def _size(pid: int) -> Size:
    """What it holds all the time: what it has for a moment, while it looks or mends, is in some of the looks only."""
    looks = []
    for _ in range(40):
        told = dict(line.split(":", 1) for line in Path(f"/proc/{pid}/status").read_text().splitlines())
        looks.append(
            Size(int(told["VmRSS"].split()[0]) / 1024, len(os.listdir(f"/proc/{pid}/fd")), int(told["Threads"]))
        )
        time.sleep(0.05)
    return Size(*map(min, zip(*looks, strict=True)))
