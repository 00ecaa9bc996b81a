"""doctor: a host that is well, each thing that may be amiss with it, and what is mended."""

from __future__ import annotations

import json
import sys

import pytest

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

    from tests.conftest import Unchanged
    from tests.hosts import Container, HostNs, Lab


@pytest.fixture
def lan(lab: Lab, host: HostNs) -> HostNs:
    """Where the host's way out leads."""
    lan = lab.host("lan")
    lab.link(host, lan, ("192.0.2.1/24", "192.0.2.2/24"))
    host.run("ip", "route", "add", "default", "via", "192.0.2.2")
    return lan


@pytest.fixture
def well(lab: Lab, host: HostNs, lan: HostNs) -> Container:
    """A container with a published port, on a host with a way out, where nothing is amiss."""
    container = lab.container()
    host.netkit("attach", "--pid", str(container.pid), "-p", "8080:80", check=True)
    return container


def doctor(host: HostNs, *words: str) -> tuple[int, list[dict[str, Any]]]:
    done = host.netkit("doctor", "--json", *words)
    found: list[dict[str, Any]] = json.loads(done.stdout)["findings"]
    return done.returncode, found


def test_a_host_that_is_well_is_left_alone(host: HostNs, well: Container, unchanged: Unchanged) -> None:
    with unchanged(host, [well], allow=["state */run/dhcp: *"]):
        assert doctor(host) == (0, [])
        assert doctor(host, "--fix") == (0, [])
        assert host.netkit("doctor").stdout == "all is well\n"


#: What is done to the host; how it is told; how bad it is; whether --fix mends it.
HARM = {
    "a bridge is gone": ("ip link del netkit0", "the switch of the network", "broken", True),
    "rules are flushed": ("nft flush ruleset", "netkit's own table", "broken", True),
    "forwarding is off": ("sysctl -qw net.ipv4.ip_forward=0", "pass through this host", "broken", True),
    "a route comes": (
        "ip route add 10.90.128.0/17 dev eth0",
        "the host's route 10.90.128.0/17 dev eth0",
        "doubtful",
        False,
    ),
    "the way out is narrow": (
        "ip link set eth0 mtu 1400",
        "netkit0 carries 1500 bytes, the way out 1400",
        "doubtful",
        False,
    ),
    "a link is left": (
        "ip link add nkleft group 28267 type veth peer name other",
        "link nkleft is netkit's and in no record",
        "doubtful",
        False,
    ),
}


@pytest.mark.parametrize("harm", HARM)
def test_what_is_amiss_is_told_and_what_can_be_is_mended(host: HostNs, well: Container, harm: str) -> None:
    command, said, severity, fix = HARM[harm]
    host.run(*command.split())
    code, found = doctor(host)
    (one,) = [finding for finding in found if said in finding["what"]]
    assert (one["severity"], one["fix"]) == (severity, fix)
    assert code == (1 if severity == "broken" else 0)
    assert (doctor(host, "--fix") == (0, [])) is fix
    assert one["todo"] in host.netkit("doctor").stdout or fix


def test_a_firewall_that_came_later_is_told_and_its_chain_opened(host: HostNs, lab: Lab, well: Container) -> None:
    rules = "add table ip late; add chain ip late forward { type filter hook forward priority 0; policy drop; }"
    host.run("nft", rules)
    assert well.run("ping", "-c1", "-W1", "192.0.2.2", check=False).returncode == 1
    code, (one,) = doctor(host)
    assert (code, one["about"], one["fix"]) == (1, "network bridge", True)
    assert "late" in one["what"]
    assert doctor(host, "--fix") == (0, [])
    well.run("ping", "-c1", "-W2", "192.0.2.2")
    host.netkit("detach", "--pid", str(well.pid), check=True)
    host.netkit("network", "rm", "bridge", check=True)
    assert "netkit" not in host.run("nft", "list", "ruleset").stdout


def test_forwarding_that_was_on_before_us_is_told(host: HostNs, lab: Lab) -> None:
    host.run("sysctl", "-qw", "net.ipv4.ip_forward=1")
    host.netkit("attach", "--pid", str(lab.container().pid), check=True)
    host.run("sysctl", "-qw", "net.ipv4.ip_forward=0")
    code, (one,) = doctor(host)
    assert (code, one["fix"]) == (1, False)
    assert "IPv4 forwarding is off" in one["what"]


def test_the_dead_are_told_and_released(host: HostNs, well: Container) -> None:
    well.die()
    code, (one,) = doctor(host)
    assert (code, one["about"], one["fix"]) == (0, "leftovers", True)
    assert doctor(host, "--fix") == (0, [])
    assert json.loads(host.netkit("ps", "--json").stdout) == []


def test_a_process_on_a_published_port_is_told(host: HostNs, well: Container) -> None:
    host.popen("socat", "TCP-LISTEN:8080,reuseaddr", "-")
    host.run("sh", "-c", "until ss -Hltn sport = :8080 | grep -q 8080; do sleep 0.05; done")
    code, (one,) = doctor(host)
    assert (code, one["severity"]) == (0, "doubtful")
    assert "listens on 8080/tcp" in one["what"]


def test_a_full_pool_is_told(host: HostNs, lab: Lab) -> None:
    host.netkit("network", "create", "tiny", "--subnet", "10.7.0.0/30", check=True)
    host.netkit("attach", "--pid", str(lab.container().pid), "--network", "tiny", check=True)
    _, (one,) = doctor(host)
    assert (one["about"], one["severity"]) == ("network tiny", "doubtful")


#: Be connected from a port, to whoever is there; or wait at it.
HOLD = """
import socket, sys, time
kind = socket.SOCK_STREAM if sys.argv[1] == "tcp" else socket.SOCK_DGRAM
held = socket.socket(socket.AF_INET, kind)
held.bind(("0.0.0.0", int(sys.argv[2])))
if sys.argv[3:]:
    held.connect((sys.argv[3], 7000))
elif sys.argv[1] == "tcp":
    held.listen()
print("held", flush=True)
time.sleep(60)
"""


@pytest.mark.parametrize("protocol", ["tcp", "udp"])
def test_of_a_published_range_those_ports_are_told_that_take_callers_and_no_others(
    host: HostNs, lan: HostNs, lab: Lab, protocol: str
) -> None:
    host.netkit("attach", "--pid", str(lab.container().pid), "-p", f"40000-40099:80-179/{protocol}", check=True)
    held(lan, "tcp", "7000")
    held(host, protocol, "40003", "192.0.2.2")
    assert doctor(host) == (0, [])
    held(host, protocol, "40090")
    code, (one,) = doctor(host)
    assert (code, one["severity"]) == (0, "doubtful")
    assert f"listens on 40090/{protocol}" in one["what"]


def held(host: HostNs, *words: str) -> None:
    """A process there holds a port."""
    process = host.popen(sys.executable, "-c", HOLD, *words)
    assert process.stdout is not None
    assert process.stdout.readline() == "held\n"
