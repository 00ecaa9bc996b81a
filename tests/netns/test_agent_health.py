"""How an agent tells those who watch over it: HTTP, Prometheus, systemd."""

from __future__ import annotations

import socket
import sys

import pytest

from tests.hosts import Lab, wait_until
from tests.netns.agents import LONG, Agents

pytestmark = [pytest.mark.root, pytest.mark.requires("vxlan", "bridge", "nftables"), pytest.mark.limit(120)]

ASK = """
import sys, urllib.error, urllib.request
try:
    with urllib.request.urlopen("http://127.0.0.1:9099/" + sys.argv[1], timeout=10) as answer:
        print(answer.status, answer.read().decode())
except urllib.error.HTTPError as error:
    print(error.code, error.read().decode())
"""


def test_an_agent_tells_that_it_lives_is_ready_and_ends(lab: Lab) -> None:
    net = Agents(lab, count=1)
    host = net.hosts[0]
    place = str(lab.directory / "notify")
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as ear:
        ear.bind(place)
        ear.settimeout(LONG)
        words = ("--config", str(net.config), "--store", f"dir://{net.store}", "--healthz", "127.0.0.1:9099")
        argv = (
            "env",
            f"NOTIFY_SOCKET={place}",
            sys.executable,
            "-m",
            "netkit",
            "--root",
            str(host.root),
            "agent",
            "run",
            *words,
        )
        agent = host.popen(*argv)
        said = [ear.recv(4096).decode()]
        while "READY=1" not in said[-1]:
            said.append(ear.recv(4096).decode())
        assert wait_until(lambda: host.python(ASK, "readyz").stdout == "200 ok\n\n", LONG)
        assert host.python(ASK, "healthz").stdout == "200 ok\n\n"
        assert host.python(ASK, "else").stdout.startswith("404 ")
        figures = host.python(ASK, "metrics").stdout
        assert "netkit_agent_ready 1.0\n" in figures
        assert "netkit_agent_store_reachable 1.0\n" in figures
        agent.terminate()
        while "STOPPING=1" not in said[-1]:
            said.append(ear.recv(4096).decode())
        agent.communicate(timeout=30)
        assert agent.returncode == 0


def test_a_place_that_cannot_be_listened_at_is_refused(lab: Lab) -> None:
    net = Agents(lab, count=1)
    words = ("--config", str(net.config), "--store", f"dir://{net.store}", "--healthz", "somewhere")
    done = net.hosts[0].netkit("agent", "run", *words)
    assert (done.returncode, "--healthz" in done.stderr) == (2, True)
