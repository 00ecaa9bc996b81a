"""network, ipam, check, gc and reload as a person uses them."""

from __future__ import annotations

import json

import pytest

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

    from tests.conftest import Unchanged
    from tests.hosts import HostNs, Lab

pytestmark = pytest.mark.root
#: What a command leaves in the state directory although it attached nothing: empty folders, locks, the next address.
EMPTY = ("state *: 0700 0:0 directory", "state */run/locks/*", "state */run/host/ports: *", "state */order: *")


def told(host: HostNs, *words: str) -> Any:
    return json.loads(host.netkit("--json", *words).stdout)


def test_a_network_is_made_listed_shown_and_removed_without_a_trace(host: HostNs, unchanged: Unchanged) -> None:
    words = (
        "--subnet",
        "10.7.0.0/24",
        "--subnet",
        "fd07::/64",
        "--gateway",
        "10.7.0.254",
        "--mtu",
        "1400",
        "--internal",
    )
    with unchanged(host, allow=EMPTY):
        made = told(host, "network", "create", "backend", *words)
        assert made["subnets"][0] == {"cidr": "10.7.0.0/24", "gateway": "10.7.0.254", "ip_range": None}
        assert [net["name"] for net in told(host, "network", "ls")] == ["backend"]
        assert {key: told(host, "network", "inspect", "backend")[key] for key in made} == made
        link = json.loads(host.run("ip", "-j", "addr", "show", made["device"]).stdout)[0]
        assert link["mtu"] == 1400
        assert {"10.7.0.254", "fd07::1"} <= {one["local"] for one in link["addr_info"]}
        assert told(host, "network", "rm", "backend") == {"removed": ["backend"]}


@pytest.mark.parametrize(
    ("words", "code", "says"),
    [
        (("a/b",), 2, "is no valid network name"),
        (("x", "--mode", "token-ring"), 2, "known modes: bridge, "),
        (("x", "--mode", "null", "--subnet", "10.8.0.0/24"), 2, "no subnets"),
        (("x", "--subnet", "10.7.0.128/25"), 4, "--subnet: 10.7.0.128/25 overlaps 10.7.0.0/24 of network old"),
        (("x", "--subnet", "10.20.3.0/24"), 4, "overlaps the host's route 10.20.0.0/16"),
        (("x", "--subnet", "10.8.0.0/24", "--subnet", "10.8.0.0/25"), 2, "overlaps"),
        (("x", "--subnet", "10.8.0.0/24", "--gateway", "10.9.0.1"), 2, "--gateway: 10.9.0.1 lies in no subnet"),
        (("x", "--parent", "cable0"), 2, "leave --parent out"),
        (("x", "-o", "colour=red"), 2, "-o colour: the bridge driver has no such option"),
        (("x", "-o", "bridge=cable0"), 4, "cable0 is a veth link, not a bridge"),
        (("old",), 4, "there already is a network old"),
    ],
)
def test_what_cannot_be_made_leaves_nothing(
    host: HostNs, words: tuple[str, ...], code: int, says: str, unchanged: Unchanged
) -> None:
    host.netkit("network", "create", "old", "--subnet", "10.7.0.0/24", check=True)
    host.run("ip", "link", "add", "cable0", "type", "veth", "peer", "cable1")
    host.run("ip", "route", "add", "10.20.0.0/16", "dev", "lo")
    with unchanged(host, allow=EMPTY):
        done = host.netkit("network", "create", *words)
    assert done.returncode == code, done.stderr
    assert says in done.stderr


def test_removing_goes_on_past_errors_and_tells_them(host: HostNs, lab: Lab) -> None:
    for name in ("one", "two"):
        host.netkit("network", "create", name, check=True)
    host.netkit("attach", "--pid", str(lab.container().pid), "--network", "one", check=True)
    done = host.netkit("network", "rm", "one", "nowhere", "two")
    assert done.returncode == 4
    assert done.stdout == "two  removed\n"
    assert "network one is in use" in done.stderr
    assert "also: there is no network 'nowhere'" in done.stderr


def test_a_full_network_is_a_conflict(host: HostNs, lab: Lab) -> None:
    host.netkit("network", "create", "tiny", "--subnet", "10.9.0.0/30", check=True)
    host.netkit("attach", "--pid", str(lab.container("a").pid), "--network", "tiny", check=True)
    done = host.netkit("attach", "--pid", str(lab.container("b").pid), "--network", "tiny", "--json")
    assert done.returncode == 4
    assert json.loads(done.stderr)["error"]["kind"] == "pool-full"


def test_a_reserved_address_is_not_given_out_until_released(host: HostNs, lab: Lab) -> None:
    host.netkit("network", "create", "net", "--subnet", "10.9.0.0/24", check=True)
    assert told(host, "ipam", "reserve", "net", "10.9.0.2") == {"network": "net", "reserved": "10.9.0.2"}
    made = told(host, "attach", "--pid", str(lab.container().pid), "--network", "net")
    assert made["addresses"] == ["10.9.0.3/24"]
    assert [(one["address"], one["state"]) for one in told(host, "ipam", "ls")] == [
        ("10.9.0.3", "claimed"),
        ("10.9.0.2", "reserved"),
    ]
    assert told(host, "ipam", "release", "net", "10.9.0.2")["released"] == ["10.9.0.2"]
    assert told(host, "ipam", "release", "net", "10.9.0.2")["released"] == []
    assert host.netkit("ipam", "reserve", "net", "10.1.0.2").returncode == 2


@pytest.mark.requires("nftables")
def test_check_misses_what_was_flushed_and_reload_brings_it_back(host: HostNs, lab: Lab) -> None:
    box = lab.container()
    ident = told(host, "attach", "--pid", str(box.pid), "-p", "8080:80")["id"]
    assert host.netkit("check").stdout == "all holds\n"
    host.run("nft", "flush", "ruleset")
    box.run("ip", "addr", "flush", "dev", "eth0")
    found = host.netkit("check")
    assert found.returncode == 1
    assert f"# {ident}: missing: its address" in found.stdout
    assert "# the host: missing: " in found.stdout
    assert {one["owner"] for one in told(host, "check")["differences"]} == {"the host", "network bridge", ident}
    assert ident in told(host, "reload")["repaired"]
    assert told(host, "check") == {"ok": True, "differences": []}


def test_the_commands_that_check_prints_mend_what_it_misses(host: HostNs, lab: Lab) -> None:
    box = lab.container()
    host.netkit("attach", "--pid", str(box.pid), check=True)
    box.run("ip", "addr", "flush", "dev", "eth0")
    host.run("sh", "-e", input=host.netkit("check").stdout)
    assert host.netkit("check").returncode == 0


def test_gc_releases_the_dead_and_dry_run_only_lists_them(host: HostNs, lab: Lab) -> None:
    box = lab.container()
    ident = told(host, "attach", "--pid", str(box.pid))["id"]
    assert told(host, "gc") == {"dry_run": False, "released": []}
    box.close()
    assert "its network namespace" in host.netkit("check").stdout
    assert ident in told(host, "gc", "--dry-run")["released"][0]
    assert [one["id"] for one in told(host, "ps")] == [ident]
    assert ident in told(host, "gc")["released"][0]
    assert told(host, "ps") == []


def test_the_check_of_one_that_is_not_there_is_an_error(host: HostNs) -> None:
    assert host.netkit("check", "nobody").returncode == 3


def test_verbose_shows_each_change_as_a_command(host: HostNs, lab: Lab) -> None:
    done = host.netkit("-v", "attach", "--pid", str(lab.container().pid), "--mode", "null", check=True)
    assert "link set dev lo up" in done.stderr
    assert all(line.startswith("+ ") for line in done.stderr.splitlines())
