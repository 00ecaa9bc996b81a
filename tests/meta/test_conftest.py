"""The rules that tests run under hold: the private host, the guard, named skips, strictness, time limits."""

from __future__ import annotations

import os
import subprocess
import sys

import pytest

from tests import private
from tests.hosts import ENVIRONMENT, REPOSITORY

TYPE_CHECKING = False
if TYPE_CHECKING:
    from pathlib import Path

    from tests.hosts import Lab


def pytest_on(path: Path, *sources: str, **environment: str) -> str:
    """What pytest says about files with these sources, under our conftest."""
    for number, source in enumerate(sources):
        text = f"import pytest\nfrom tests.features import need, requires\n{source}"
        path.joinpath(f"test_it{number or ''}.py").write_text(text)
    path.joinpath("pytest.ini").write_text(
        "[pytest]\naddopts = -p tests.conftest -p no:cacheprovider --strict-markers\n"
    )
    argv = [sys.executable, "-m", "pytest", "--rootdir", str(path), str(path)]
    done = subprocess.run(
        argv, capture_output=True, text=True, cwd=path, env={**ENVIRONMENT, **environment}, check=False
    )
    return done.stdout + done.stderr


def python(code: str) -> str:
    argv = [sys.executable, "-c", code]
    done = subprocess.run(argv, capture_output=True, text=True, cwd=REPOSITORY, env=ENVIRONMENT, check=False)
    return done.stdout + done.stderr


@pytest.mark.root
def test_this_process_is_not_in_the_namespace_that_it_was_started_in() -> None:
    assert os.stat("/proc/self/ns/net").st_ino != private.STARTED_IN
    links = subprocess.run(["ip", "-brief", "link"], capture_output=True, text=True, check=True).stdout
    assert [line.split()[0] for line in links.splitlines()] == ["lo"]


@pytest.mark.root
def test_run_is_empty_here_so_no_lock_or_socket_of_the_machine_is_used() -> None:
    with open("/proc/self/mounts") as mounts:
        assert "tmpfs /run tmpfs" in mounts.read()


def test_the_guard_refuses_the_namespace_that_a_process_was_started_in() -> None:
    assert "must never run in the machine's own" in python("from tests import private; private.guard()")


#: What a careless test does to the host that it runs in, and what the oracle calls it.
AROUND = {
    "a link": ("ip link add leak type veth peer name kael", "surroundings links leak"),
    "a sysctl": ("sysctl -qw net.ipv4.ip_forward=1", "surroundings sysctls net/ipv4/ip_forward"),
    "a table": ("nft add table ip leak", "surroundings nft"),
    "state": ("mkdir /run/netkit", "state /run/netkit"),
}


def test_a_root_test_that_changes_its_surroundings_fails_and_the_next_does_not(tmp_path: Path) -> None:
    source = "import subprocess\n"
    for number, (command, _) in enumerate(AROUND.values()):
        source += f"@pytest.mark.root\ndef test_one{number}(): subprocess.run({command.split()!r}, check=True)\n"
        source += f"@pytest.mark.root\ndef test_two{number}(): pass\n"
    said = pytest_on(tmp_path, source)
    for number, (_, told) in enumerate(AROUND.values()):
        before, _, report = said.partition(f"ERROR at teardown of test_one{number} ")
        assert before and "changed around the test" in report
        assert told in report.partition("ERROR at teardown")[0]
    assert f"{2 * len(AROUND)} passed, {len(AROUND)} errors" in said


def test_a_worker_of_many_looks_around_at_its_last_test_at_the_latest_and_names_those_since_its_last_look(
    tmp_path: Path,
) -> None:
    command, told = AROUND["a link"]
    source = f"import subprocess\n@pytest.mark.root\ndef test_one(): subprocess.run({command.split()!r}, check=True)\n"
    tmp_path.joinpath("conftest.py").write_text("def pytest_configure(config): config.workerinput = {}")
    said = pytest_on(tmp_path, f"{source}@pytest.mark.root\ndef test_two(): pass\n", PYTEST_ADDOPTS="-p no:xdist")
    assert told in said
    assert "test_it.py::test_one\nE         test_it.py::test_two" in said
    assert "2 passed, 1 error" in said


def test_a_host_sees_its_own_links_run_and_sys(lab: Lab) -> None:
    host = lab.host()
    host.run("ip", "link", "add", "mine", "type", "veth", "peer", "name", "other")
    host.run("touch", "/run/mine")
    assert sorted(host.run("ls", "/sys/class/net").stdout.split()) == ["lo", "mine", "other"]
    assert not os.path.exists("/run/mine")


def test_a_cable_carries_both_families_at_once(lab: Lab) -> None:
    host, container = lab.host(), lab.container()
    assert lab.link(host, container, ("192.0.2.1/24", "192.0.2.2/24"), ("fd00::1/64", "fd00::2/64")) == ("eth0", "eth0")
    for address in ("192.0.2.2", "fd00::2"):
        serve = (
            "import socket, sys; s = socket.create_server((sys.argv[1], 7), family=socket.{}); print('up', flush=True)"
        )
        family = "AF_INET6" if ":" in address else "AF_INET"
        server = container.popen(sys.executable, "-c", serve.format(family) + "; s.accept()", address)
        assert server.stdout and server.stdout.readline() == "up\n"
        host.python("import socket, sys; socket.create_connection((sys.argv[1], 7), timeout=5)", address)


def test_a_switch_joins_its_members(lab: Lab) -> None:
    one, two, three = lab.host("one"), lab.host("two"), lab.container("three")
    lab.switch({one: ("192.0.2.1/24",), two: ("192.0.2.2/24",), three: ("192.0.2.3/24",)})
    neighbour = "import socket; socket.socket(socket.AF_INET, socket.SOCK_DGRAM).sendto(b'x', ('192.0.2.3', 9))"
    for host in (one, two):
        host.python(neighbour)
        assert host.run("ip", "neigh", "get", "192.0.2.3", "dev", "eth0").stdout


def test_netkit_finds_no_netkit_variable_of_ours(lab: Lab, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("NETKIT_ROOT", "/nowhere")
    assert "NETKIT" not in lab.host().run("env").stdout


def test_a_skip_is_counted_by_its_reason(tmp_path: Path) -> None:
    said = pytest_on(tmp_path, "def test_a(): pytest.skip('no such thing')\ndef test_b(): pytest.skip('no such thing')")
    assert "2 x no such thing" in said
    assert said.splitlines()[-1].startswith("=") and "2 skipped" in said.splitlines()[-1]


def test_strictness_turns_a_skip_into_a_failure_and_leaves_an_expected_failure_alone(tmp_path: Path) -> None:
    sources = (
        "def test_a(): pytest.skip('no such thing')\n@pytest.mark.xfail\ndef test_b(): assert False",
        "pytest.skip('no such module', allow_module_level=True)",
    )
    said = pytest_on(tmp_path, *sources, NETKIT_STRICT="1", PYTEST_ADDOPTS="--continue-on-collection-errors")
    assert "NETKIT_STRICT=1 allows no skip: no such thing" in said
    assert "NETKIT_STRICT=1 allows no skip: no such module" in said
    assert "1 failed, 1 xfailed, 1 error in" in said.splitlines()[-1]


def test_a_hang_fails_at_its_limit_and_a_feature_without_a_probe_is_no_skip(tmp_path: Path) -> None:
    hang = "import time\n@pytest.mark.limit(1)\ndef test_a(): time.sleep(30)\n"
    said = pytest_on(tmp_path, f"{hang}@requires('telepathy')\ndef test_b(): pass")
    assert "the test ran for more than its 1 s" in said
    assert "1 failed, 1 error in" in said.splitlines()[-1]
