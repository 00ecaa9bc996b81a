"""The life of a lab: all of it or nothing, down from any state, many at once, and closed."""

from __future__ import annotations

import json
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from tests.hosts import cmdline, wait_until
from tests.lab.world import SMALL, checked, having, left, processes, written

TYPE_CHECKING = False
if TYPE_CHECKING:
    from tests.conftest import Unchanged
    from tests.hosts import HostNs

pytestmark = pytest.mark.root
FAILING = SMALL + "steps:\n  - host: ip link set lo down\n  - web: ip link set nothing up\n"


def test_a_lab_comes_up_is_listed_and_goes_twice(host: HostNs, tmp_path: Path, unchanged: Unchanged) -> None:
    file = written(tmp_path)
    with unchanged(host, allow=["state *"]):
        assert "small is up" in host.netkit("lab", "up", file, check=True).stdout
        assert [one["state"] for one in json.loads(host.netkit("lab", "ls", "--json").stdout)] == ["up"]
        assert host.netkit("lab", "down", file).stdout == "small  down\n"
        assert host.netkit("lab", "down", file).stdout == "small  was not up\n"
    assert left(host) == []


def test_a_second_up_is_a_conflict_and_harms_nothing(host: HostNs, tmp_path: Path) -> None:
    file = written(tmp_path)
    host.netkit("lab", "up", file, check=True)
    done = host.netkit("lab", "up", file)
    assert (done.returncode, "is up already" in done.stderr) == (4, True)
    assert checked(host, file) == {}
    host.netkit("lab", "down", file, check=True)


def test_a_command_that_fails_midway_is_told_with_its_line_and_leaves_nothing(
    host: HostNs, tmp_path: Path, unchanged: Unchanged
) -> None:
    with unchanged(host, allow=["state *"]):
        done = host.netkit("lab", "up", written(tmp_path, FAILING))
    assert done.returncode == 1
    assert "small.yaml:13: web: ip link set nothing up: Cannot find device" in done.stderr
    assert left(host) == []


@pytest.mark.parametrize("name", ["small", "ip"])
def test_netkits_own_refusal_is_told_with_its_line(host: HostNs, tmp_path: Path, name: str) -> None:
    text = SMALL.replace("publish:", "ip: 10.9.9.9, publish:")
    done = host.netkit("lab", "up", written(tmp_path, text, name))
    assert f"{name}.yaml:7: host: netkit attach --netns {{web}} --network front" in done.stderr
    assert "10.9.9.9" in done.stderr
    assert left(host) == []


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_an_up_that_is_stopped_leaves_nothing(host: HostNs, tmp_path: Path, number: signal.Signals) -> None:
    process = _stuck(host, tmp_path)
    process.send_signal(number)
    assert process.wait(20) == 128 + number
    assert left(host) == []


def test_a_killed_up_is_taken_down(host: HostNs, tmp_path: Path) -> None:
    process = _stuck(host, tmp_path)
    process.kill()
    process.wait()
    assert "half built" in host.netkit("lab", "ls").stdout
    assert host.netkit("lab", "down", "small").stdout == "small  down\n"
    assert left(host) == []


def test_a_killed_up_is_no_obstacle_to_the_next(host: HostNs, tmp_path: Path) -> None:
    process = _stuck(host, tmp_path)
    process.kill()
    process.wait()
    file = written(tmp_path)
    host.netkit("lab", "up", file, check=True)
    assert checked(host, file) == {}
    host.netkit("lab", "down", file, check=True)
    assert left(host) == []


def test_a_lab_without_its_holders_goes_all_the_same(host: HostNs, tmp_path: Path) -> None:
    file = written(tmp_path)
    told = json.loads(host.netkit("lab", "up", file, "--json", check=True).stdout)
    for member in told["members"]:
        host.run("kill", "-9", str(member["pid"]))
    assert len(processes(host)) >= 2, "the servers live on"
    host.netkit("lab", "down", file, check=True)
    assert left(host) == []


@pytest.mark.parametrize("content", [None, "- no\n- topology\n", "name: [\n"])
def test_a_lab_goes_when_its_file_is_broken_or_gone(host: HostNs, tmp_path: Path, content: str | None) -> None:
    file = written(tmp_path, f"name: other\n{SMALL}")
    host.netkit("lab", "up", file, check=True)
    Path(file).unlink() if content is None else Path(file).write_text(content)
    assert host.netkit("lab", "down", file, check=True).stdout == "other  down\n"
    assert left(host) == []


def test_one_file_makes_several_labs_at_once(host: HostNs, tmp_path: Path) -> None:
    file = written(tmp_path)
    host.netkit("lab", "up", file, check=True)
    host.netkit("lab", "up", file, "--name", "second", check=True)
    assert host.netkit("lab", "check", file, "--name", "second").returncode == 0
    host.netkit("lab", "down", "small", check=True)
    assert host.netkit("lab", "check", file, "--name", "second").returncode == 0
    host.netkit("lab", "down", "second", check=True)
    assert left(host) == []


def test_a_lab_is_closed(host: HostNs, tmp_path: Path) -> None:
    file = written(tmp_path)
    before = host.run("ip", "-j", "link").stdout
    host.netkit("lab", "up", file, check=True)
    assert host.run("ip", "-j", "link").stdout == before
    done = host.netkit("lab", "exec", "small", "world", "--", "ip", "-j", "route", "show", "default")
    assert json.loads(done.stdout) == []
    host.netkit("lab", "down", file, check=True)


def test_exec_runs_in_the_member_and_gives_its_exit_code(host: HostNs, tmp_path: Path) -> None:
    host.netkit("lab", "up", written(tmp_path), check=True)
    assert host.netkit("lab", "exec", "small", "web", "--", "hostname").stdout == "web\n"
    assert host.netkit("lab", "exec", "small", "web", "--", "false").returncode == 1
    names = [
        one["name"] for one in json.loads(host.netkit("lab", "exec", "small", "host", "netkit", "ps", "--json").stdout)
    ]
    assert names == ["web"]
    assert "the lab small has no wbe" in host.netkit("lab", "exec", "small", "wbe", "--", "true").stderr
    host.netkit("lab", "down", "small", check=True)


def test_check_of_a_lab_that_is_not_up_is_not_found(host: HostNs, tmp_path: Path) -> None:
    done = host.netkit("lab", "check", written(tmp_path))
    assert (done.returncode, "is not up" in done.stderr) == (3, True)


def test_the_printed_plan_builds_the_same_and_takes_it_down(host: HostNs, tmp_path: Path) -> None:
    plan = host.netkit("lab", "plan", written(tmp_path), check=True).stdout
    script = f"{plan}\nat world curl -s http://192.0.2.1:8080/ >&2\nsh $lab/down"
    (place := tmp_path / "here").mkdir()
    done = host.run("env", f"TMPDIR={place}", "sh", input=script)
    assert done.stderr == "192.0.2.9\n"
    assert wait_until(lambda: not having(f"TMPDIR={place}")), "no process is left"
    assert list(place.iterdir()) == []


def test_the_printed_plan_leaves_nothing_when_a_command_fails(host: HostNs, tmp_path: Path) -> None:
    plan = host.netkit("lab", "plan", written(tmp_path, FAILING), check=True).stdout
    (place := tmp_path / "here").mkdir()
    done = host.run("env", f"TMPDIR={place}", "sh", input=plan, check=False)
    assert (done.returncode != 0, "Cannot find device" in done.stderr) == (True, True)
    assert wait_until(lambda: not having(f"TMPDIR={place}")), "no process is left"
    assert list(place.iterdir()) == []


def test_a_shell_finds_netkit_and_the_namespaces(host: HostNs, tmp_path: Path) -> None:
    file = written(
        tmp_path, SMALL + 'steps:\n  - host: [sh, -c, "{netkit} ps --json | grep -q web && test -e {web}"]\n'
    )
    host.netkit("lab", "up", file, check=True)
    host.netkit("lab", "down", file, check=True)
    text = host.netkit("lab", "plan", file).stdout
    assert """at host sh -c "$netkit"' ps --json | grep -q web && test -e '"$(ns web)\"""" in text


def _stuck(host: HostNs, tmp_path: Path) -> subprocess.Popen[str]:
    """An `up` that hangs in its last step."""
    file = written(tmp_path, SMALL + "steps:\n  - web: sleep 50\n")
    process = host.popen(sys.executable, "-m", "netkit", "--root", str(host.root), "lab", "up", file)
    assert wait_until(lambda: "sleep 50" in map(cmdline, processes(host)), 20)
    return process
