"""Commands that go on: they live as long as the lab, their words are kept, and one that dies at once is told."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.hosts import cmdline, wait_until
from tests.lab.world import SMALL, having, left, processes, written

TYPE_CHECKING = False
if TYPE_CHECKING:
    from tests.hosts import HostNs

pytestmark = pytest.mark.root


def started(command: str) -> str:
    """A lab with one host and a background command."""
    return f"hosts:\n  a:\n    start:\n      - {command}\n"


def log(host: HostNs, name: str = "small") -> str:
    return (host.root / "run/lab-hosts" / name / "a/log").read_text()


def test_a_background_command_goes_on_until_the_lab_goes_down(host: HostNs, tmp_path: Path) -> None:
    file = written(tmp_path, started('[sh, -c, "echo begun; exec sleep 77"]'))
    host.netkit("lab", "up", file, check=True)
    assert wait_until(lambda: log(host) == "begun\n")
    assert "sleep 77" in map(cmdline, processes(host))
    host.netkit("lab", "down", file, check=True)
    assert left(host) == []


def test_netkit_itself_can_go_on_in_the_background(host: HostNs, tmp_path: Path) -> None:
    file = written(tmp_path, started("netkit capture --count 1"))
    host.netkit("lab", "up", file, check=True)
    assert wait_until(lambda: "capturing on all links" in log(host), 20)
    host.netkit("lab", "exec", "small", "a", "--", "ping", "-c1", "127.0.0.1", check=True)
    assert wait_until(lambda: "127.0.0.1" in log(host), 20)
    host.netkit("lab", "down", file, check=True)


@pytest.mark.parametrize(
    ("command", "says"),
    [
        ("nosuchprogram -x", "nosuchprogram: No such file or directory"),
        ('[sh, -c, "echo first; echo the port is taken >&2; exit 3"]', "the port is taken"),
        ('[sh, -c, "exit 3"]', "exit code 3"),
    ],
)
def test_a_background_command_that_fails_at_once_leaves_nothing(
    host: HostNs, tmp_path: Path, command: str, says: str
) -> None:
    done = host.netkit("lab", "up", written(tmp_path, started(command)))
    assert done.returncode == 1
    assert "small.yaml:4: a: " in done.stderr
    assert says in done.stderr
    assert left(host) == []


def test_what_puts_itself_into_the_background_is_no_failure(host: HostNs, tmp_path: Path) -> None:
    file = written(tmp_path, started("setsid --fork sleep 78"))
    host.netkit("lab", "up", file, check=True)
    assert "sleep 78" in map(cmdline, processes(host))
    host.netkit("lab", "down", file, check=True)
    assert left(host) == []


def test_the_servers_of_hosts_stand_before_containers_do_anything(host: HostNs, tmp_path: Path) -> None:
    text = SMALL.replace("web: {network", "web: {run: curl -sf http://192.0.2.9/, network")
    file = written(tmp_path, text)
    host.netkit("lab", "up", file, check=True)
    host.netkit("lab", "down", file, check=True)


def test_the_printed_plan_starts_it_too(host: HostNs, tmp_path: Path) -> None:
    plan = host.netkit("lab", "plan", written(tmp_path, started('[sh, -c, "echo begun; exec sleep 77"]'))).stdout
    script = f"{plan}\nuntil grep -s begun $lab/a/log; do sleep 0.1; done\nsh $lab/down"
    (place := tmp_path / "here").mkdir()
    assert "begun" in host.run("env", f"TMPDIR={place}", "sh", input=script).stdout
    assert wait_until(lambda: not having(f"TMPDIR={place}")), "no process is left"
