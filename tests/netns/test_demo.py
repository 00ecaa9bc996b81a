"""The demonstration does what it says, exits 0, and touches nothing outside its private host."""

from __future__ import annotations

import re
import subprocess
import sys

import pytest

from tests.features import need
from tests.hosts import ENVIRONMENT, REPOSITORY

TYPE_CHECKING = False
if TYPE_CHECKING:
    from tests.conftest import Unchanged
    from tests.hosts import HostNs, Lab

#: What netkit keeps: empty directories, lock files, and a port ledger without entries.
EMPTY = ("state *: 0700 0:0 directory", "state */run/locks/*", "state */run/host/ports: *")
DEMO = (sys.executable, str(REPOSITORY / "tools/demo.py"))
SHOWN = (
    r"^\$ netkit attach --pid \d+ -p 8080:80$",
    r"^[0-9a-f]{12}  10\.90\.0\.2/16 on eth0, gateway 10\.90\.0\.1, port 8080 -> 80/tcp$",
    r"^\$ netkit detach --pid \d+$",
    r"^released attachment [0-9a-f]{12} ",
    r"^  ok: reached by the host, by localhost$",
    r"^  ok: reached by the host, by its own address$",
    r"^  ok: reached by its sibling, straight$",
    r"^  ok: reached by another machine, by the host's address$",
    r"^  ok: not reached by another machine, by the container's address$",
    r"^  ok: nft -j list ruleset: the same",
    r"^  ok: sysctl -n net\.ipv4\.ip_forward: the same",
    r"^  ok: netkit's state: .*: the same \(0 objects\)$",
)


def run(host: HostNs, *arguments: str) -> subprocess.CompletedProcess[str]:
    need("nftables")
    return host.run(*DEMO, *arguments, check=False)


@pytest.fixture
def host(lab: Lab) -> HostNs:
    return lab.host()


def test_it_shows_every_step_and_leaves_the_machine_alone(host: HostNs, unchanged: Unchanged) -> None:
    with unchanged(host):
        done = run(host)
    assert done.returncode == 0, done.stdout + done.stderr
    missing = [pattern for pattern in SHOWN if not re.search(pattern, done.stdout, re.MULTILINE)]
    assert not missing, done.stdout
    assert done.stdout.endswith("steps verified; the network worked, and nothing is left of it\n")


def test_on_the_machine_itself_it_leaves_nothing(lab: Lab, host: HostNs, unchanged: Unchanged) -> None:
    lab.link(host, lab.container(), ("198.51.100.7/24", "198.51.100.8/24"))
    with unchanged(host, allow=EMPTY):
        done = host.run("env", f"NETKIT_ROOT={host.root}", *DEMO, "--here", "--port", "8099", check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    assert "http://198.51.100.7:8099/" in done.stdout


def test_a_step_that_fails_is_named_and_nothing_is_left(host: HostNs, unchanged: Unchanged) -> None:
    listener = host.popen(sys.executable, "-c", LISTEN)
    assert listener.stdout and listener.stdout.readline() == "listening\n"
    with unchanged(host, allow=EMPTY):
        done = host.run("env", f"NETKIT_ROOT={host.root}", *DEMO, "--here", check=False)
    assert done.returncode == 1
    assert "demo: FAILED after" in done.stdout and "8080" in done.stdout


def test_without_root_it_says_what_to_do() -> None:
    argv = ("setpriv", "--reuid=65534", "--clear-groups", *DEMO)
    done = subprocess.run(argv, capture_output=True, text=True, env=ENVIRONMENT, check=False)
    assert (done.returncode, done.stderr) == (1, "demo: network namespaces take root; run: sudo make demo\n")


LISTEN = """
import socket, time
taken = socket.create_server(("0.0.0.0", 8080))
print("listening", flush=True)
time.sleep(60)
"""
