"""run: a command with a network of its own, and nothing left when it ends, however it ends."""

from __future__ import annotations

import json
import os
import signal
import sys
import time

import pytest

TYPE_CHECKING = False
if TYPE_CHECKING:
    import subprocess
    from pathlib import Path

    from tests.conftest import Unchanged
    from tests.hosts import HostNs

#: What a command leaves in the state directory though it attached nothing: empty folders, locks, the next address; and
#: what the kernel keeps of a port that a bridge has had.
EMPTY = (
    "state *: 0700 0:0 directory",
    "state */run/locks/*",
    "state */run/host/ports: *",
    "state */order: *",
    "host links *tso_max_size: *",
)
#: Tells that it is there, and for each signal that it got it; ends with the next TERM.
LISTENER = """
import os, signal, sys
def got(number, frame):
    os.write(1, signal.Signals(number).name.encode() + b"\\n")  # print may be interrupted while it prints
    if number == signal.SIGTERM: sys.exit(9)
for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP, signal.SIGUSR1): signal.signal(number, got)
os.write(1, b"ready\\n")
while True: signal.pause()
"""


def start(host: HostNs, *words: str) -> subprocess.Popen[str]:
    return host.popen(sys.executable, "-m", "netkit", "--root", str(host.root), "run", *words)


def attachments(host: HostNs) -> list[dict[str, object]]:
    found: list[dict[str, object]] = json.loads(host.netkit("ps", "--json", check=True).stdout)
    return found


@pytest.mark.parametrize(
    ("command", "code"),
    [
        (("true",), 0),
        (("sh", "-c", "exit 7"), 7),
        (("sh", "-c", "kill -9 $$"), 137),
        (("/nowhere/at/all",), 127),
        (("/etc/passwd",), 126),
    ],
)
def test_the_exit_code_is_the_commands_and_nothing_is_left(
    host: HostNs, command: tuple[str, ...], code: int, unchanged: Unchanged
) -> None:
    host.netkit("network", "create", "net", check=True)
    with unchanged(host, allow=EMPTY):
        assert host.netkit("run", "--network", "net", "-p", "8080:80", "--", *command).returncode == code
    assert attachments(host) == []


def test_the_command_finds_its_network_there(host: HostNs) -> None:
    done = host.netkit("run", "--ip", "10.90.0.9", "--", "ip", "-br", "addr", "show", "eth0", check=True)
    assert "UP" in done.stdout
    assert "10.90.0.9/16" in done.stdout


def test_a_null_network_is_a_loopback_alone(host: HostNs) -> None:
    links = json.loads(host.netkit("run", "--mode", "null", "ip", "-j", "link", check=True).stdout)
    assert [(link["ifname"], "UP" in link["flags"]) for link in links] == [("lo", True)]


def test_a_command_whose_network_fails_never_starts(host: HostNs, tmp_path: Path, unchanged: Unchanged) -> None:
    with unchanged(host, allow=EMPTY):
        done = host.netkit("run", "--ip", "192.0.2.1", "--", "touch", str(tmp_path / "started"))
    assert done.returncode == 2
    assert not (tmp_path / "started").exists()


def test_the_command_is_born_with_default_signals_and_without_our_files(host: HostNs) -> None:
    masks = "grep -E 'SigBlk|SigIgn' /proc/self/status"
    lines = host.netkit("run", "--", "sh", "-c", f"{masks}; ls /proc/self/fd", check=True).stdout.splitlines()
    assert lines[:2] == host.run("sh", "-c", masks).stdout.splitlines()
    assert set(lines[2:]) <= {"0", "1", "2", "3"}  # 3 is the folder that ls itself has open


def test_signals_reach_the_command(host: HostNs) -> None:
    running = start(host, "--", sys.executable, "-c", LISTENER)
    assert running.stdout is not None
    assert running.stdout.readline() == "ready\n"
    runner = _runner(host, running)
    for number in (signal.SIGINT, signal.SIGHUP, signal.SIGUSR1, signal.SIGTERM):
        os.kill(runner, number)
        assert running.stdout.readline() == f"{number.name}\n"
    assert running.wait(10) == 9
    assert attachments(host) == []


def test_a_killed_run_leaves_what_gc_releases(host: HostNs) -> None:
    running = start(host, "--", sys.executable, "-c", LISTENER)
    assert running.stdout is not None
    assert running.stdout.readline() == "ready\n"
    (found,) = attachments(host)
    os.kill(_runner(host, running), signal.SIGKILL)
    running.wait(10)
    assert attachments(host) == [found]
    os.kill(int(str(found["pid"])), signal.SIGKILL)
    _until_gone(int(str(found["pid"])))
    assert str(found["id"]) in host.netkit("gc", check=True).stdout
    assert attachments(host) == []


def _runner(host: HostNs, running: subprocess.Popen[str]) -> int:
    """The netkit process: nsenter has become it."""
    assert running.pid in host.pids()
    return running.pid


def _until_gone(pid: int) -> None:
    deadline = time.monotonic() + 5
    while os.path.exists(f"/proc/{pid}/ns/net") and time.monotonic() < deadline:
        time.sleep(0.01)
