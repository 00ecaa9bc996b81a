"""attach, detach, exec, ps and inspect as a person uses them, in real namespaces."""

from __future__ import annotations

import json
import os
import signal
import time

import pytest

from tests.hosts import wait_until

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path
    from typing import Any

    from tests.conftest import Unchanged
    from tests.hosts import Container, HostNs, Lab

#: What a command leaves in the state directory though it attached nothing: empty folders, locks, the next address; and
#: what the kernel keeps of a port that a bridge has had, and of a loopback that was up.
EMPTY = (
    "state *: 0700 0:0 directory",
    "state */run/locks/*",
    "state */run/host/ports: *",
    "state */order: *",
    "host links *tso_max_size: *",
    "container qdiscs: *lo*",
)
#: The keys of the contract: more may come, none may go.
KEYS = {
    "id", "name", "network", "mode", "container", "ifname", "pid", "netns", "netns_inode", "host_ifname", "mac",
    "addresses", "gateway", "mtu", "state", "ports",
}  # fmt: skip


@pytest.fixture
def box(lab: Lab) -> Container:
    return lab.container()


def told(host: HostNs, *words: str) -> Any:
    return json.loads(host.netkit("--json", *words, check=True).stdout)


def addresses(member: Container, ifname: str) -> list[str]:
    links = json.loads(member.run("ip", "-j", "addr", "show", ifname).stdout)
    return [f"{one['local']}/{one['prefixlen']}" for one in links[0]["addr_info"]]


def test_attach_tells_in_a_line_what_the_kernel_shows(host: HostNs, box: Container) -> None:
    done = host.netkit("attach", "--pid", str(box.pid), "-p", "8080:80", check=True)
    ident = done.stdout.partition(" ")[0]
    assert done.stdout == f"{ident}  10.90.0.2/16 on eth0, gateway 10.90.0.1, port 8080 -> 80/tcp\n"
    assert addresses(box, "eth0") == ["10.90.0.2/16"]
    assert host.netkit("detach", ident).stdout == f"{ident}  detached\n"


def test_the_json_document_keeps_its_contract(host: HostNs, box: Container) -> None:
    document = told(host, "attach", "--pid", str(box.pid), "-p", "8000-8001:80-81", "--name", "web")
    assert set(document) >= KEYS
    assert document["netns_inode"] == box.inode
    assert document["ports"] == [
        {"host_ip": "0.0.0.0", "host_port": 8000 + n, "container_port": 80 + n, "protocol": "tcp"} for n in (0, 1)
    ]
    assert told(host, "ps") == [document]
    assert document["mac"] == json.loads(box.run("ip", "-j", "link", "show", "eth0").stdout)[0]["address"]


@pytest.mark.parametrize("option", ["--dry-run", "--explain"])
def test_a_plan_is_only_printed(host: HostNs, box: Container, option: str, unchanged: Unchanged) -> None:
    with unchanged(host, [box], EMPTY):
        text = host.netkit("attach", "--pid", str(box.pid), "-p", "80:80", option, check=True).stdout
    assert text.startswith("#!/bin/sh\nset -e\n")
    assert ("\n# the cable between host and container\n" in text) is (option == "--explain")
    plan = told(host, "attach", "--pid", str(box.pid), "-p", "80:80", option)
    assert plan["script"] == text
    assert [step for step in plan["steps"] if not step["why"]] == []
    assert plan["endpoint"]["addresses"] == ["10.90.0.2/16"]


def test_a_namespace_is_one_container_whichever_way_it_is_named(host: HostNs, box: Container) -> None:
    first = told(host, "attach", "--pid", str(box.pid))
    second = host.netkit("attach", "--netns", box.path)
    assert second.returncode == 4
    assert f"netkit detach {first['id']}" in second.stderr


def test_ports_without_an_address_are_published_for_the_families_that_the_container_has(host: HostNs, lab: Lab) -> None:
    expected = {
        "four": (["--subnet", "10.4.0.0/24"], ["0.0.0.0"]),
        "six": (["--subnet", "fd06::/64"], ["::"]),
        "dual": (["--subnet", "10.46.0.0/24", "--subnet", "fd46::/64"], ["0.0.0.0", "::"]),
    }
    for port, (name, (subnets, wanted)) in enumerate(expected.items(), 7000):
        host.netkit("network", "create", name, *subnets, check=True)
        document = told(host, "attach", "--pid", str(lab.container(name).pid), "--network", name, "-p", f"{port}:80")
        assert [one["host_ip"] for one in document["ports"]] == wanted


def test_detaching_twice_is_no_error(host: HostNs, box: Container, unchanged: Unchanged) -> None:
    target = ("--pid", str(box.pid))
    host.netkit("network", "create", "net", check=True)
    with unchanged(host, [box], EMPTY):
        ident = told(host, "attach", *target, "--network", "net")["id"]
        assert told(host, "detach", *target) == {"detached": [ident]}
    for words in (target, (ident,), ("nobody",)):
        assert told(host, "detach", *words) == {"detached": []}
        assert "nothing to detach" in host.netkit("detach", *words, check=True).stdout


def test_several_attachments_of_a_target_need_a_choice(host: HostNs, box: Container) -> None:
    target = ("--pid", str(box.pid))
    ids = [told(host, "attach", *target, "--ifname", ifname)["id"] for ifname in ("eth0", "eth1", "eth2")]
    refused = host.netkit("detach", *target)
    assert refused.returncode == 4
    assert all(ident in refused.stderr for ident in ids)
    assert told(host, "detach", *target, "--ifname", "eth1") == {"detached": [ids[1]]}
    assert set(told(host, "detach", *target, "--all")["detached"]) == {ids[0], ids[2]}


@pytest.mark.parametrize("by", ["pid", "netns"])
def test_a_dead_target_is_known_by_the_words_that_named_it(host: HostNs, box: Container, by: str) -> None:
    target = ("--pid", str(box.pid)) if by == "pid" else ("--netns", box.path)
    ident = told(host, "attach", *target)["id"]
    box.close()
    # the kernel ends a namespace in its own time
    assert wait_until(lambda: [one["state"] for one in told(host, "ps")] == ["dead"])
    assert told(host, "detach", *target) == {"detached": [ident]}


def test_a_namespace_that_outlives_its_process_is_entered_checked_and_detached(host: HostNs, lab: Lab) -> None:
    box = lab.container()
    ident = told(host, "attach", "--pid", str(box.pid))["id"]
    heir = box.popen("sleep", "60")
    os.kill(box.pid, signal.SIGKILL)
    _until(lambda: not os.path.exists(box.path))
    assert "10.90.0.2/16" in host.netkit("exec", ident, "ip", "-br", "addr", check=True).stdout
    assert told(host, "check") == {"ok": True, "differences": []}
    assert told(host, "reload") == {"repaired": {}}
    assert told(host, "detach", "--pid", str(box.pid)) == {"detached": [ident]}
    assert heir.poll() is None


def test_exec_runs_inside_and_exits_as_the_command_does(host: HostNs, box: Container, tmp_path: Path) -> None:
    host.netkit("attach", "--pid", str(box.pid), "--name", "web", check=True)
    for words in (("web", "--"), ("web",), ("--pid", str(box.pid), "--"), ("--netns", box.path)):
        done = host.netkit("exec", *words, "readlink", "/proc/self/ns/net", check=True)
        assert done.stdout == f"net:[{box.inode}]\n"
    assert host.netkit("exec", "web", "--", "sh", "-c", "exit 7").returncode == 7
    assert host.netkit("exec", "web", "--", str(tmp_path / "absent")).returncode == 127
    assert host.netkit("exec", "web", "--", str(tmp_path)).returncode == 126


def test_inspect_shows_the_way_there_and_back(host: HostNs, box: Container) -> None:
    document = told(host, "attach", "--pid", str(box.pid), "-p", "8080:80")
    shown = told(host, "inspect", document["id"])
    assert {key: shown[key] for key in document} == document
    assert shown["firewall"] in ("nftables", "iptables")
    assert shown["guarded"] is (shown["firewall"] == "nftables")
    assert any(line.startswith("ip link add name nk") for line in shown["commands"])
    assert any(line.startswith("ip link del dev nk") for line in shown["undo"])
    network = told(host, "inspect", "bridge")
    assert network["attachments"] == [document["id"]]
    assert "## and back\n" in host.netkit("inspect", document["id"], check=True).stdout
    assert host.netkit("inspect", "nobody").returncode == 3


@pytest.mark.parametrize(
    ("words", "code"),
    [
        (("--pid", "4194303999"), 3),
        (("--pid", "2"), 2),
        (("--netns", "/etc/hostname"), 2),
        (("--netns", "nowhere"), 3),
        (("--container", "nobody"), 3),
        (("--pid", "{box}", "--mode", "token-ring"), 2),
        (("--pid", "{box}", "--network", "nowhere"), 3),
        (("--pid", "{box}", "--ip", "10.90.0.1"), 2),
        (("--pid", "{box}", "--ip", "192.0.2.1"), 2),
        (("--pid", "{box}", "-p", "[::1]:80:80"), 2),
        (("--pid", "{box}", "-p", "80:80", "-p", "127.0.0.1:80:81"), 4),
        (("--pid", "{box}", "--ifname", "taken0"), 4),
        (("--pid", "{host}",), 2),
    ],
)  # fmt: skip
def test_what_cannot_be_attached_changes_nothing(
    host: HostNs, box: Container, words: tuple[str, ...], code: int, unchanged: Unchanged
) -> None:
    box.run("ip", "link", "add", "taken0", "type", "bridge")
    with unchanged(host, [box], EMPTY):
        done = host.netkit("attach", *(word.format(box=box.pid, host=host.pid) for word in words))
    assert done.returncode == code, done.stderr
    assert done.stderr.startswith("netkit: ")
    assert "Traceback" not in done.stderr
    assert told(host, "ps") == []


def test_a_state_directory_that_others_may_write_to_is_refused(host: HostNs, box: Container) -> None:
    host.root.mkdir()
    os.chmod(host.root, 0o777)  # noqa: S103 - the mistake under test
    done = host.netkit("attach", "--pid", str(box.pid))
    assert done.returncode == 1
    assert "writable by others" in done.stderr


def _until(true: Callable[[], bool]) -> None:
    deadline = time.monotonic() + 5
    while not true() and time.monotonic() < deadline:
        time.sleep(0.005)
