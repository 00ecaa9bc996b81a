"""Clocks that jump, and clocks that are years apart: no lease and no route changes hands."""

from __future__ import annotations

import os
import random
import signal
import sys
import time

import pytest

from tests.hosts import Lab, wait_until
from tests.netns.agents import LONG, Agents, address, healed

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

pytestmark = [pytest.mark.root, pytest.mark.requires("vxlan", "bridge", "nftables"), pytest.mark.limit(180)]

#: In seconds; and netkit where each look at the wall's clock tells another decade.
DECADE = 315_360_000
WILD = f"""
import random, runpy, sys, time
real = time.time
time.time = lambda: real() + random.choice((-1, 1)) * {DECADE}
time.time_ns = lambda: int(time.time() * 1e9)
sys.argv[0] = "netkit"
runpy.run_module("netkit", run_name="__main__")
"""


#: Seconds between two looks of ours: what an agent makes of its store, it does not undo before its own next look.
SOON = 0.25
FULL = "all 3 of the network are leased"


def moved(seconds: int) -> tuple[str, ...]:
    """What runs Python where the clocks since the start have gone on for so long."""
    offsets = ("--monotonic", str(seconds), "--boottime", str(seconds))
    return ("unshare", "--time", *offsets, sys.executable)


def told(net: Agents) -> list[Any]:
    """Who has what, in the eyes of each agent and of each kernel."""
    seen = [net.status(host) for host in net.hosts]
    peers = [sorted((peer["node"], peer["subnets"], peer["state"]) for peer in one["peers"] if peer["subnets"])
             for one in seen]  # fmt: skip
    return [(one["subnets"], one["lost"], others, net.subnet(host), net.routes(host))
            for one, others, host in zip(seen, peers, net.hosts, strict=True)]  # fmt: skip


def test_a_wall_clock_and_file_times_that_jump_by_years_change_no_lease_and_no_route(lab: Lab) -> None:
    net = Agents(lab)
    net.python = (sys.executable, "-c", WILD)
    net.start_all()
    assert wait_until(lambda: all(len(net.routes(host)) == 1 for host in net.hosts), LONG)
    assert wait_until(lambda: all(net.status(host)["peers"] for host in net.hosts), LONG)
    before, rounds = told(net), [net.status(host)["rounds"] for host in net.hosts]
    chance, begun = random.Random(7), time.monotonic()  # noqa: S311 - the same each time is what we want
    looked = 0.0
    while time.monotonic() - begun < 25:
        for path in (net.store / "flannel").rglob("*"):
            then = time.time() + chance.choice((-4, -1, 1)) * DECADE
            os.utime(path, (then, then))
        if time.monotonic() - looked < SOON:
            time.sleep(0.05)
            continue
        assert told(net) == before
        looked = time.monotonic()
    spent = time.monotonic() - begun
    after = [net.status(host)["rounds"] for host in net.hosts]
    assert all(now - then <= spent / 10 + 3 for now, then in zip(after, rounds, strict=True)), (rounds, after)
    one, two = (net.attach(host) for host in net.hosts)
    assert healed(one, address(two), LONG)


@pytest.mark.requires("time-namespaces")
def test_hosts_whose_clocks_since_the_start_are_decades_apart_keep_what_they_have(lab: Lab) -> None:
    net = Agents(lab, count=4)
    net.configure({**net.told, "Network": "10.5.0.0/22", "SubnetLen": 24})
    apart = {host.name: shift for host, shift in zip(net.hosts, (DECADE, 0, 3 * DECADE, 2 * DECADE), strict=True)}
    late = net.hosts.pop()
    for host in net.hosts:
        net.python = (*moved(apart[host.name]), "-m", "netkit")
        net.start(host)
    assert wait_until(lambda: all(len(net.routes(host)) == 2 for host in net.hosts), LONG)
    assert wait_until(lambda: all(len(net.status(host)["peers"]) == 2 for host in net.hosts), LONG)
    before = told(net)
    assert [peer[2] for one in before for peer in one[2]] == ["alive"] * 6
    net.python = (*moved(apart[late.name]), "-c", WILD)
    words = ("--config", str(net.config), "--store", f"dir://{net.store}")
    thief = late.popen(*net.python, "--root", str(late.root), "agent", "run", *words)
    assert wait_until(lambda: FULL in late.netkit("agent", "status").stdout, LONG)
    host = net.hosts[0]
    net.stop(host, signal.SIGKILL)
    net.python = (*moved(2 * DECADE), "-m", "netkit")
    host.run("ip", "route", "flush", "proto", "142")
    net.start(host)
    assert wait_until(lambda: told(net) == before, LONG), (before, told(net))
    thief.terminate()
    thief.communicate(timeout=20)
