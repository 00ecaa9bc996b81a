"""A TCP stream between hosts lives on while `overlay up` changes peers, is killed midway, and is said again."""

from __future__ import annotations

import sys
import time

import pytest

from tests.hosts import Lab, wait_until
from tests.netns.test_overlay import UP
from tests.netns.test_overlay_peers import RANGES, Trio, peers

pytestmark = [pytest.mark.root, pytest.mark.requires("vxlan", "bridge", "nftables")]

#: Echoes what a client sends, a byte at a time.
ECHO = """
import socket
it, _ = socket.create_server(("0.0.0.0", 7)).accept()
while data := it.recv(64):
    it.sendall(data)
"""
#: Says a byte every 10 ms and hears it; at end of input it tells how many there were.
TALK = """
import select, socket, sys
it = socket.create_connection((sys.argv[1], 7), 10)
it.settimeout(20)
count = 0
print("on", flush=True)
while not select.select([sys.stdin], [], [], 0.01)[0]:
    it.sendall(b"x")
    assert it.recv(1) == b"x"
    count += 1
print(count)
"""


def test_a_stream_lives_through_changes_that_are_killed(lab: Lab) -> None:
    trio = Trio(lab)
    host = trio.hosts[1]
    words = (*UP, "--subnet", "10.142.0.0/16", "--ip-range", RANGES[1], "--peer", "192.0.2.2")
    host.netkit(*words, check=True)
    trio.up(2, 1)
    trio.attach(1)
    two = trio.attach(2)
    trio.containers[2].popen(sys.executable, "-c", ECHO)
    assert wait_until(lambda: ":7 " in trio.containers[2].run("ss", "-Hltn").stdout)
    talk = trio.containers[1].popen(sys.executable, "-c", TALK, two, stdin=-1)
    assert talk.stdin and talk.stdout and talk.stdout.readline() == "on\n"
    netkit = (sys.executable, "-m", "netkit", "--root", str(host.root))
    for number in range(8):
        more = ("--peer", "192.0.2.3") if number % 2 == 0 else ()
        process = host.popen(*netkit, *words, *more)
        time.sleep(0.1 + 0.03 * number)
        process.kill()
        process.wait()
    for _ in range(2):
        host.netkit(*words, "--peer", "192.0.2.3", check=True)
    assert peers(host) == {"192.0.2.2": "ok", "192.0.2.3": "ok"}
    assert host.netkit("check").stdout == "all holds\n"
    host.netkit("reload", check=True)
    host.netkit(*words, check=True)
    assert peers(host) == {"192.0.2.2": "ok"}
    assert host.netkit("check").stdout == "all holds\n"
    out, err = talk.communicate("\n", timeout=30)
    assert int(out) > 20, err
