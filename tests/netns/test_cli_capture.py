"""capture: what passes is seen, decoded field by field, and written so that others can read it."""

from __future__ import annotations

import json
import os
import signal
import sys

import pytest

from tests.features import requires

TYPE_CHECKING = False
if TYPE_CHECKING:
    import subprocess
    from pathlib import Path
    from typing import Any

    from tests.hosts import HostNs, Lab, Namespace

PING = "import sys; from tests.netns.echo import ping; ping(sys.argv[1], b'netkit!' * 8, ident=0x1234, sequence=7)"


def start(host: HostNs, *words: str) -> subprocess.Popen[str]:
    """A capture that has begun."""
    running = host.popen(sys.executable, "-m", "netkit", "--root", str(host.root), "capture", *words)
    assert running.stderr is not None
    assert "capturing" in running.stderr.readline()
    return running


def ended(running: subprocess.Popen[str]) -> tuple[list[str], str]:
    """What it wrote, on both, once it has ended well."""
    out, err = running.communicate(timeout=20)
    assert running.returncode == 0, err
    return out.splitlines(), err


def vxlan(host: HostNs, address: str, peer: str, mac: str) -> None:
    host.run("ip", "link", "add", "vx", "address", mac, "type", "vxlan", "id", "42", "dstport", "4789", "remote", peer)
    host.run("sysctl", "-qw", "net/ipv6/conf/vx/disable_ipv6=1")
    host.run("ip", "addr", "add", address, "dev", "vx")
    host.run("ip", "link", "set", "vx", "up")


@pytest.fixture
def pair(lab: Lab) -> tuple[HostNs, HostNs]:
    """Two hosts on one wire."""
    a, b = lab.host("a"), lab.host("b")
    lab.link(a, b, ("192.0.2.1/24", "192.0.2.2/24"))
    return a, b


def mac(member: Namespace, link: str) -> str:
    return str(json.loads(member.run("ip", "-j", "link", "show", link).stdout)[0]["address"])


def values(header: dict[str, Any]) -> dict[str, str]:
    return {field["name"]: field["value"] for field in header["fields"]}


@requires("vxlan")
def test_a_ping_in_vxlan_is_decoded_field_by_field(pair: tuple[HostNs, HostNs]) -> None:
    a, b = pair
    vxlan(a, "10.9.0.1/24", "192.0.2.2", "02:00:00:00:00:0a")
    vxlan(b, "10.9.0.2/24", "192.0.2.1", "02:00:00:00:00:0b")
    running = start(b, "--dev", "eth0", "--filter", "icmp", "--decode", "--json", "--count", "1")
    a.python(PING, "10.9.0.2")
    ((line,), said) = ended(running)
    seen = json.loads(line)
    assert (seen["link"], seen["direction"]) == ("eth0", "in")
    outer, inner = seen["headers"]
    assert [header["name"] for header in outer] == ["Ethernet", "IPv4", "UDP", "VXLAN"]
    assert [header["name"] for header in inner] == ["Ethernet", "IPv4", "ICMP echo-request", "data"]
    assert values(outer[0]) == {"dst": mac(b, "eth0"), "src": mac(a, "eth0"), "type": "IPv4"}
    told = values(outer[1])
    assert (told["src"], told["dst"], told["proto"], told["ttl"]) == ("192.0.2.1", "192.0.2.2", "udp", "64")
    payload = 8 * len("netkit!")
    assert int(told["len"]) == 20 + 8 + 8 + 14 + 20 + 8 + payload
    assert (values(outer[2])["dport"], values(outer[2])["len"]) == ("4789", str(8 + 8 + 14 + 20 + 8 + payload))
    assert values(outer[3]) == {"flags": "0x08", "reserved1": "0", "vni": "42", "reserved2": "0x0"}
    assert values(inner[0]) == {"dst": "02:00:00:00:00:0b", "src": "02:00:00:00:00:0a", "type": "IPv4"}
    assert (values(inner[1])["src"], values(inner[1])["dst"]) == ("10.9.0.1", "10.9.0.2")
    assert (values(inner[2])["id"], values(inner[2])["seq"]) == ("0x1234", "0x7")
    assert (inner[0]["offset"], inner[3]["length"]) == (50, payload)
    assert json.loads(said) == {"packets": 1, "dropped": 0}


@requires("vxlan")
def test_outer_and_inner_headers_are_drawn_beside_each_other(pair: tuple[HostNs, HostNs]) -> None:
    a, b = pair
    vxlan(a, "10.9.0.1/24", "192.0.2.2", "02:00:00:00:00:0a")
    vxlan(b, "10.9.0.2/24", "192.0.2.1", "02:00:00:00:00:0b")
    running = start(a, "--dev", "eth0", "--filter", "icmp", "--decode", "--count", "1")
    a.python(PING, "10.9.0.2")
    lines, _ = ended(running)
    (titles,) = (line for line in lines if line.startswith("outer"))
    assert titles.split(maxsplit=1)[1] == "inner (vxlan, VNI 42)"
    assert any("|dport 4789" in line and "|type 8" in line for line in lines)
    assert any("src 192.0.2.1" in line and "src 10.9.0.1" in line for line in lines)


def test_a_pcap_file_is_read_by_others(pair: tuple[HostNs, HostNs], tmp_path: Path) -> None:
    from scapy.layers import inet, l2  # noqa: F401 - rdpcap knows what is loaded
    from scapy.utils import rdpcap

    a, b = pair
    file = tmp_path / "seen.pcap"
    running = start(b, "--filter", "icmp", "--count", "2", "-w", str(file))
    a.python(PING, "192.0.2.2")
    lines, _ = ended(running)
    packets = rdpcap(str(file))
    assert [(packet["IP"].src, packet["ICMP"].type) for packet in packets] == [("192.0.2.1", 8), ("192.0.2.2", 0)]
    assert [line.split()[1:3] for line in lines] == [["in", "eth0"], ["out", "eth0"]]


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_a_signal_ends_it_well(host: HostNs, number: signal.Signals) -> None:
    running = start(host, "--dev", "lo")
    os.kill(running.pid, number)
    _, said = ended(running)
    assert said == "0 packets, 0 dropped because they came too fast\n"


def test_a_capture_looks_inside_an_attachment(lab: Lab, host: HostNs) -> None:
    inside = lab.container()
    host.netkit("attach", "--pid", str(inside.pid), "--name", "web", check=True)
    running = start(host, "web", "--filter", "icmp", "--count", "1")
    inside.python(PING, "10.90.0.1")
    (line,), _ = ended(running)
    assert "out eth0" in line
    assert "10.90.0.2 > 10.90.0.1" in line


def test_time_ends_it(host: HostNs) -> None:
    assert host.netkit("capture", "--seconds", "0.2", "--dev", "lo").returncode == 0


@pytest.mark.parametrize(
    ("words", "code", "says"),
    [
        (("--dev", "nope"), 3, "there is no link nope"),
        (("--filter", "tpc"), 2, "did you mean tcp?"),
        (("nobody",), 3, "no attachment nobody"),
        (("-w", "/nowhere/x.pcap"), 1, "cannot write packets to /nowhere/x.pcap"),
        (("--count", "0"), 2, "--count"),
    ],
)
def test_what_cannot_be_captured_is_said(host: HostNs, words: tuple[str, ...], code: int, says: str) -> None:
    done = host.netkit("capture", *words)
    assert done.returncode == code
    assert says in done.stderr


def test_without_scapy_the_way_to_it_is_named(host: HostNs, tmp_path: Path) -> None:
    tmp_path.joinpath("scapy.py").write_text("raise ImportError('not here')")
    netkit = (sys.executable, "-m", "netkit", "--root", str(host.root), "capture", "--dev", "lo", "--seconds", "0.1")
    without = ("env", f"PYTHONPATH={tmp_path}:{os.getcwd()}", *netkit)
    done = host.run(*without, check=False)
    assert done.returncode == 5
    assert "pip install 'netkit-containers[capture]'" in done.stderr
    assert host.run("sh", "-c", 'exec "$@" >/dev/null', "sh", *without, "-w", "-").returncode == 0
