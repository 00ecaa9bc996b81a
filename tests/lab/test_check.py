"""What `check` says of expectations that do not hold: that they fail, and what was seen instead."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.features import requires
from tests.lab.world import SMALL, checked, written

TYPE_CHECKING = False
if TYPE_CHECKING:
    from tests.hosts import HostNs

pytestmark = pytest.mark.root

#: An expectation of the small lab that is wrong, and its evidence.
WRONG = {
    "{from: world, ping: 10.7.0.2}": "network is unreachable",
    "{from: web, ping: world, blocked: true}": "192.0.2.9 answers",
    "{from: web, ping: web, family: 6}": "web has no address of IPv6",
    '{from: world, http: "192.0.2.1:8080", sees: web}': "the server sees 192.0.2.9",
    '{from: world, http: "192.0.2.1:8080", refused: true}': "an answer from 192.0.2.1: answered: 192.0.2.9",
    '{from: world, tcp: "host:81"}': "the target says no from 192.0.2.1: connection refused",
    '{from: world, tcp: "host:81", blocked: true}': "the target says no from 192.0.2.1: connection refused",
    '{from: web, udp: "world:99"}': "the target says no from 192.0.2.9: connection refused",
    "{from: web, mtu: 1400, to: world}": "1401 bytes pass, too",
    "{from: web, mtu: 1501, to: world}": "1501 bytes to 192.0.2.9: it is larger than the link carries",
    "{from: web, path: [192.0.2.9]}": "10.7.0.1 192.0.2.9",
    "{from: host, rule: nonsense}": "lines has it",
    "{from: host, rule: masquerade, absent: true}": "masquerade",
    "{from: web, to: world, outer: {}}": "no tunnelled packet to 192.0.2.9 at host: it answers without one",
}
#: Two machines and a VXLAN between them, by hand; what is left open: its port, addresses below and what is expected.
TUNNEL = """\
hosts: {{a: , b: }}
wires:
  - ends: {{a: {a}, b: {b}}}
steps:
  - a: ip link add vx up type vxlan id 7 {port} local {a_bare} remote {b_bare}
  - b: ip link add vx up type vxlan id 7 {port} local {b_bare} remote {a_bare}
  - a: ip addr add 10.9.0.1/24 dev vx
  - b: ip addr add 10.9.0.2/24 dev vx
expect:
  - {{from: a, to: 10.9.0.2, {expected}}}
"""


def tunnel(a: str, b: str, expected: str, port: str = "dstport 4789") -> str:
    """The text of a file."""
    bare = {"a_bare": a.partition("/")[0], "b_bare": b.partition("/")[0]}
    return TUNNEL.format(a=a, b=b, port=port, expected=expected, **bare)


def test_what_does_not_hold_is_told_with_what_was_seen(host: HostNs, tmp_path: Path) -> None:
    file = written(tmp_path)
    host.netkit("lab", "up", file, check=True)
    written(tmp_path, f"{SMALL.partition('expect:')[0]}expect:\n" + "".join(f"  - {one}\n" for one in WRONG))
    done = host.netkit("lab", "check", file)
    host.netkit("lab", "down", file, check=True)
    rows = [line for line in done.stdout.splitlines() if line.startswith("FAIL")]
    assert len(rows) == len(WRONG), done.stdout
    assert [(row, says) for row, says in zip(rows, WRONG.values(), strict=True) if says not in row] == []
    assert done.stdout.splitlines()[-1] == f"0 of {len(WRONG)} hold"
    assert done.returncode == 1


@requires("iptables")
@pytest.mark.parametrize(("firewall", "rule"), [("nftables", "masquerade"), ("iptables", "MASQUERADE")])
def test_rules_are_found_in_either_firewall(host: HostNs, tmp_path: Path, firewall: str, rule: str) -> None:
    text = SMALL.replace("host: {networks", f"host: {{firewall: {firewall}, networks")
    file = written(
        tmp_path, f"{text}  - {{from: host, rule: {rule}}}\n  - {{from: world, rule: {rule}, absent: true}}\n"
    )
    host.netkit("lab", "up", file, check=True)
    failed = checked(host, file)
    host.netkit("lab", "down", file, check=True)
    assert failed == {}


@requires("vxlan")
@pytest.mark.parametrize(
    ("ends", "expected", "port"),
    [
        (("192.0.2.1/24", "192.0.2.2/24"), "outer: {kind: vxlan, vni: 7, src: a, dst: b, port: 4789}", "dstport 4789"),
        (("192.0.2.1/24", "192.0.2.2/24"), "outer: {port: 4444, dst: 192.0.2.2}, at: b", "dstport 4444"),
        (("2001:db8::1/64", "2001:db8::2/64"), "outer: {vni: 7, src: '2001:db8::1', dst: b}", "dstport 8472"),
    ],
    ids=["all of it", "another port, seen where it arrives", "over IPv6"],
)
def test_an_outer_header_is_seen(host: HostNs, tmp_path: Path, ends: tuple[str, str], expected: str, port: str) -> None:
    file = written(tmp_path, tunnel(*ends, expected, port))
    host.netkit("lab", "up", file, check=True)
    failed = checked(host, file)
    host.netkit("lab", "down", file, check=True)
    assert failed == {}


@requires("vxlan")
def test_another_outer_header_is_told_as_it_is(host: HostNs, tmp_path: Path) -> None:
    ends = "192.0.2.1/24", "192.0.2.2/24"
    file = written(tmp_path, tunnel(*ends, "outer: {vni: 7}"))
    host.netkit("lab", "up", file, check=True)
    seen = {}
    for wrong in ("vni: 8", "src: b", "dst: 192.0.2.9", "kind: udp", "port: 8472"):
        written(tmp_path, tunnel(*ends, f"outer: {{{wrong}}}"))
        seen[wrong] = list(checked(host, file).values())
    host.netkit("lab", "down", file, check=True)
    assert {tuple(said) for said in seen.values()} == {("vxlan 7, 192.0.2.1 > 192.0.2.2 port 4789",)}
