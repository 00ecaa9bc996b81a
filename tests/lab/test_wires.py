"""What a wire does to what passes: how much a second, how late, how much of it gets lost; measured by what arrives."""

from __future__ import annotations

import json
import sys
from pathlib import Path

import pytest

from tests.features import has, requires
from tests.lab.world import checked, left, written

TYPE_CHECKING = False
if TYPE_CHECKING:
    from tests.hosts import HostNs

pytestmark = pytest.mark.root

SINK = "socat -u TCP-LISTEN:9,fork,reuseaddr OPEN:/dev/null"
RATES = f"""\
hosts:
  a:
  slow: {{start: "{SINK}"}}
  fast: {{start: "{SINK}"}}
wires:
  - ends: {{a: 192.0.2.1/24, slow: 192.0.2.2/24}}
    rate: 10mbit
  - ends: {{a: 198.51.100.1/24, fast: 198.51.100.2/24}}
    rate: 40mbit
"""
#: Sends so many bytes, waits until the other side has them all, and says how many megabits that makes a second.
SEND = """
import socket, sys, time
target, size = sys.argv[1], int(sys.argv[2])
with socket.create_connection((target, 9)) as connection:
    start = time.monotonic()
    connection.sendall(bytes(size))
    connection.shutdown(socket.SHUT_WR)
    connection.recv(1)
    print(size * 8 / (time.monotonic() - start) / 1e6)
"""
LATE = """\
hosts: {a: , b: }
wires:
  - ends: {a: 192.0.2.1/24, b: 192.0.2.2/24}
    delay: 40ms
    loss: 30%
"""


def rate(host: HostNs, target: str, size: int) -> float:
    """Megabits a second from `a`."""
    words = ("lab", "exec", "small", "a", "--", sys.executable, "-c", SEND, target, str(size))
    return float(host.netkit(*words, check=True).stdout)


@requires("tbf", "socat")
def test_a_wire_carries_what_its_rate_allows(host: HostNs, tmp_path: Path) -> None:
    file = written(tmp_path, RATES)
    host.netkit("lab", "up", file, check=True)
    slow, fast = rate(host, "192.0.2.2", 1_000_000), rate(host, "198.51.100.2", 4_000_000)
    host.netkit("lab", "down", file, check=True)
    assert (slow < 11, fast < 44) == (True, True), (slow, fast)
    assert 3 < fast / slow < 5


def test_packets_are_late_and_get_lost_or_the_lab_is_refused_by_name(host: HostNs, tmp_path: Path) -> None:
    file = written(tmp_path, LATE)
    done = host.netkit("lab", "up", file)
    if has("netem"):
        _late_and_lost(host)
        host.netkit("lab", "down", file, check=True)
        return
    assert done.returncode == 5
    assert "small.yaml:3: a: tc qdisc add dev eth0 root netem delay 40ms loss 30%" in done.stderr
    assert "sch_netem" in done.stderr
    assert left(host) == []


def _late_and_lost(host: HostNs) -> None:
    words = ("ping", "-q", "-i", "0.01", "-c", "100", "192.0.2.2")
    said = host.netkit("lab", "exec", "small", "a", "--", *words, check=True).stdout
    lost = float(said.partition("% packet loss")[0].split()[-1])
    fastest = float(said.partition("mdev = ")[2].partition("/")[0])
    assert fastest >= 80, "both ways"
    assert 20 < lost < 80, "half of the round trips"


SEGMENT = """\
hosts: {a: , b: , c: {serve: http 80}}
switches: {s: , narrow: {mtu: 1400}}
wires:
  - {ends: {a: [192.0.2.1/24, "2001:db8::1/64"], s: }, names: {a: lan}}
  - ends: {b: [192.0.2.2/24, "2001:db8::2/64"], s: }
  - ends: {c: [192.0.2.3/24, "2001:db8::3/64"], s: }
  - {ends: {a: 198.51.100.1/24, narrow: }, mtu: 1400}
  - {ends: {narrow: , c: 198.51.100.3/24}, mtu: 1400}
expect:
  - {from: a, ping: b}
  - {from: b, http: "c:80", sees: b, family: 6}
  - {from: a, path: [192.0.2.3]}
  - {from: a, mtu: 1500, to: 192.0.2.3}
  - {from: a, mtu: 1400, to: 198.51.100.3}
"""


def test_switches_join_any_number_of_hosts_each_on_any_number_of_them(host: HostNs, tmp_path: Path) -> None:
    file = written(tmp_path, SEGMENT)
    host.netkit("lab", "up", file, check=True)
    failed = checked(host, file)
    links = json.loads(host.netkit("lab", "exec", "small", "a", "--", "ip", "-j", "link").stdout)
    host.netkit("lab", "down", file, check=True)
    assert failed == {}
    assert {link["ifname"]: link["mtu"] for link in links if link["ifname"] != "lo"} == {"lan": 1500, "eth0": 1400}
