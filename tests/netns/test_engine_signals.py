"""A signal in the middle of `netkit attach`: it unwinds by itself, without a gc, or it is attached and says so."""

from __future__ import annotations

import json
import sys
from pathlib import Path

import pytest

from tests.contract.test_engine_faults import ALLOWED
from tests.features import requires
from tests.hosts import Lab
from tests.oracle import diff, snapshot

pytestmark = [requires("strace", "nftables"), pytest.mark.limit(120)]
MOMENTS = (("sendto", (2, 12, 24, 27, 30, 33, 36)), ("renameat", (1, 2, 3, 4)), ("linkat", (1,)),
           ("symlinkat", (1, 2)), ("flock", (2, 3, 5)))  # fmt: skip


@pytest.mark.parametrize("signal", ("TERM", "INT"))
@pytest.mark.parametrize("first", (True, False), ids=("the-first-of-its-network", "a-network-that-is-up"))
def test_a_signal_leaves_all_or_nothing(lab: Lab, tmp_path: Path, signal: str, first: bool) -> None:
    host, container = lab.host(), lab.container()
    attach = ("attach", "--pid", str(container.pid), "-p", "8080:80", "-p", "53/udp", "--json")
    host.netkit(*attach, check=True)
    host.netkit("detach", "--pid", str(container.pid), check=True)
    if first:
        host.netkit("network", "rm", "bridge", check=True)
    before = snapshot(host, (container,))
    netkit = (sys.executable, "-m", "netkit", "--root", str(host.root))
    stopped = 0
    for name, numbers in MOMENTS:
        for number in numbers if signal == "TERM" else numbers[::2]:  # both unwind in the same way
            inject = f"inject={name}:signal={signal}:when={number}"
            words = ("strace", "-o", str(tmp_path / "log"), "-e", f"trace={name}", "-e", inject)
            done = host.run(*words, *netkit, *attach, check=False)
            if done.returncode == 0 or done.stdout:
                assert json.loads(done.stdout)["state"] == "attached"
                host.netkit("detach", "--pid", str(container.pid), check=True)
                if first:
                    host.netkit("network", "rm", "bridge", check=True)
            else:
                stopped += 1
                assert "Traceback" not in done.stderr
            assert diff(before, snapshot(host, (container,)), ALLOWED) == "", (name, number, done.stderr)
    assert stopped > (5 if signal == "TERM" else 2)
