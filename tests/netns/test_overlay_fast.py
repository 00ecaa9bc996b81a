"""The fast path of overlays: frames go past the bridge, all but those in doubt; nobody gets or loses one by it."""

from __future__ import annotations

import json
import socket
import struct
import sys
from contextlib import contextmanager

import pytest
from scapy.layers.l2 import Ether
from scapy.packet import Packet, Raw

from netkit.kernel import bpf
from tests.contract.drivers import pings
from tests.contract.frames import hear, send
from tests.contract.packets import Server, ask
from tests.contract.test_firewall_spoof import OWN, OWN4, OWN6, forged, honest, mark
from tests.hosts import Container, HostNs, Lab
from tests.netns.calls import ip
from tests.netns.test_overlay import EMPTY, UP, Pair, attached
from tests.oracle import diff

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

pytestmark = [pytest.mark.root, pytest.mark.requires("vxlan", "bridge", "nftables", "nft-bridge", "tcx")]

#: Counts what a host's bridges are given: TCP, UDP and pings.
COUNTER = """
table bridge seen {
  chain frames {
    type filter hook prerouting priority -400
    ip protocol { tcp, udp, icmp } counter
    ip6 nexthdr { tcp, udp } counter
    icmpv6 type { echo-request, echo-reply } counter
  }
}
"""
#: The netkit command in a kernel that knows no bpf(2), as far as it can tell (a seccomp filter).
WITHOUT_BPF = """
import ctypes, errno, runpy, struct
from netkit.kernel import bpf
steps = (0x20, 0, 0, 0), (0x15, 0, 1, bpf._NUMBER), (0x06, 0, 0, 0x00050000 | errno.ENOSYS), (0x06, 0, 0, 0x7FFF0000)
code = ctypes.create_string_buffer(b"".join(struct.pack("=HBBI", *step) for step in steps))
libc = ctypes.CDLL(None)
assert libc.prctl(38, 1, 0, 0, 0) == 0
assert libc.prctl(22, 2, struct.pack("HP", len(steps), ctypes.addressof(code))) == 0
runpy.run_module("netkit", run_name="__main__", alter_sys=True)
"""
COUNT = 5
#: Kinds of honest frames that need no look by the bridge.
PAST = ("okudp", "oksix", "oklocal")
#: Attaches a process, and dies before its op of the fast path, or just after it.
DIE = """
import os, signal, sys
from netkit.engine.service import Engine
from netkit.kernel.netns import resolve_pid
from netkit.model import AttachRequest, PortMap
from netkit.plan.rare.fastpath import FastPortAdd
met = False
def before(op):
    global met
    if met or (sys.argv[3] == "before" and isinstance(op, FastPortAdd)):
        os.kill(os.getpid(), signal.SIGKILL)
    met = isinstance(op, FastPortAdd)
request = AttachRequest("c", resolve_pid(int(sys.argv[2])), ports=(PortMap("tcp", "0.0.0.0", 8080, 80),))
Engine(sys.argv[1], before_op=before).attach(request, network="overlay42")
"""


class Fast(Pair):
    """A pair whose overlay has a fast path, over IPv4 and IPv6, and a place for one more container."""

    def __init__(self, lab: Lab, six: bool = False) -> None:
        super().__init__(lab, six)
        self.three = lab.container("three")
        self.up("--fast-path", "--subnet", "10.90.0.0/16", "--subnet", "fd00:90::/64")
        for host in (self.left, self.right):
            host.run("nft", "-f", "-", input=COUNTER)

    @contextmanager
    def bridged(self) -> Iterator[list[int]]:
        """How many packets go by the bridges of the two hosts; the list is filled when the block ends."""
        before, found = self._counted(), list[int]()
        yield found
        found += [now - then for now, then in zip(self._counted(), before, strict=True)]

    def _counted(self) -> list[int]:
        told = [json.loads(host.run("nft", "-j", "list", "table", "bridge", "seen").stdout) for host in self._hosts]
        rules = [[each["rule"] for each in one["nftables"] if "rule" in each] for one in told]
        return [sum(e["counter"]["packets"] for r in one for e in r["expr"] if "counter" in e) for one in rules]

    @property
    def _hosts(self) -> tuple[HostNs, HostNs]:
        return self.left, self.right


def heard_of_each_other(pair: Fast, two: dict[int, str]) -> None:
    """The first frames go by the bridge, and tell either tunnel who is behind it."""
    assert pings(pair.one, {"v4": two[4], "v6": two[6]}) == {"v4", "v6"}


def link_mac(container: Container) -> str:
    return str(ip(container, "link", "show", "dev", "eth0")[0]["address"])


@pytest.mark.parametrize("six", [False, True], ids=["ipv4-underlay", "ipv6-underlay"])
def test_frames_of_those_who_know_each_other_go_past_the_bridge(lab: Lab, six: bool) -> None:
    pair = Fast(lab, six)
    _, two = pair.attach()
    heard_of_each_other(pair, two)
    Server(pair.two, "two", *(f"{proto}:{where}:80" for proto in ("tcp", "udp") for where in two.values()))
    questions = [(proto, where, 80) for proto in ("tcp", "udp") for where in two.values()]
    with pair.bridged() as by_bridge:
        assert all(ask(pair.one, questions, 10))
        heard_of_each_other(pair, two)
        assert pings(pair.one, {"large": two[4]}, 5, "-s4000") == {"large"}, "in fragments"
    assert by_bridge == [0, 0]
    assert pings(pair.left, {"v4": two[4], "v6": two[6]}) == {"v4", "v6"}, "the host itself has its own way"
    assert pair.left.netkit("check").stdout == "all holds\n"
    assert json.loads(pair.left.netkit("overlay", "ls", "--json").stdout)[0]["fast_path"] is True


def test_whose_rate_is_limited_keeps_to_the_bridge(lab: Lab) -> None:
    pair = Fast(lab)
    attached(pair.left, pair.one)
    told = pair.right.netkit(
        "attach", "--pid", str(pair.two.pid), "--network", "overlay42", "--rate-in", "50mbit", "--json", check=True
    )
    where = json.loads(told.stdout)["addresses"][0].partition("/")[0]
    assert pings(pair.one, {"two": where}) == {"two"}
    with pair.bridged() as by_bridge:
        assert pings(pair.one, {"two": where}) == {"two"}
    assert by_bridge == [0, 2], "the limited one's host alone"


def unicast(frames: dict[str, Packet], target: str) -> dict[str, bytes]:
    """The same frames to one MAC, each with letters at its end that stand for its kind."""
    found = {}
    for kind, frame in frames.items():
        frame[Ether].dst = target
        found[kind] = bytes(frame / Raw(mark(kind) * 4))
    return found


def test_a_port_sends_what_its_guard_lets_through_and_no_more(lab: Lab) -> None:
    pair = Fast(lab)
    words = ("--network", "overlay42", "--mac", OWN, "--ip", OWN4, "--ip", OWN6)
    pair.left.netkit("attach", "--pid", str(pair.one.pid), *words, check=True)
    two = attached(pair.right, pair.two)
    heard_of_each_other(pair, two)
    target = link_mac(pair.two)

    def arrive(frames: dict[str, Packet]) -> dict[str, int]:
        raw = unicast(frames, target)
        with hear(pair.two, "eth0", {kind: mark(kind) for kind in raw}) as seen:
            send(pair.one, "eth0", raw.values(), COUNT)
        return seen

    assert arrive(forged()) == dict.fromkeys(forged(), 0)
    with pair.bridged() as by_bridge:
        assert arrive({kind: honest()[kind] for kind in PAST}) == dict.fromkeys(PAST, COUNT)
    assert by_bridge == [0, 0]
    assert arrive(honest()) == dict.fromkeys(honest(), COUNT)


def test_who_moves_to_another_host_is_found_at_once(lab: Lab) -> None:
    pair = Fast(lab)
    _, two = pair.attach()
    heard_of_each_other(pair, two)
    mac = link_mac(pair.two)
    pair.right.netkit("detach", "--pid", str(pair.two.pid), check=True)
    words = ("--network", "overlay42", "--mac", mac, "--json")
    pair.left.netkit("attach", "--pid", str(pair.three.pid), *words, check=True)
    here = str(ip(pair.three, "-4", "address", "show", "dev", "eth0")[0]["addr_info"][0]["local"])
    assert pings(pair.one, {"three": here}, 2) == {"three"}
    pair.left.netkit("detach", "--pid", str(pair.three.pid), check=True)
    pair.right.netkit("attach", "--pid", str(pair.two.pid), *words, check=True)
    there = str(ip(pair.two, "-4", "address", "show", "dev", "eth0")[0]["addr_info"][0]["local"])
    assert pings(pair.one, {"two": there}, 2) == {"two"}


def test_a_peer_cannot_take_what_is_for_those_of_this_host(lab: Lab) -> None:
    pair = Fast(lab)
    one, two = pair.attach()
    three = attached(pair.left, pair.three)
    heard_of_each_other(pair, two)
    gateway = str(ip(pair.left, "link", "show", "dev", "nk-overlay42")[0]["address"])
    macs = [gateway, link_mac(pair.three), "ff:ff:ff:ff:ff:ff", "01:00:5e:00:00:01"]

    def take() -> None:
        with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as it:
            for mac in macs:
                frame = bytes(Ether(src=mac, dst=link_mac(pair.one)) / Raw(bytes(60)))
                it.sendto(struct.pack("!II", 0x08000000, 42 << 8) + frame, ("192.0.2.1", 4789))

    pair.right.inside(take)
    assert pings(pair.one, {"gateway": "10.90.0.1", "three": three[4]}, 2) == {"gateway", "three"}
    known = {mac for mac, _ in entries(pair.left, "nk_heard")}
    assert link_mac(pair.two) in known
    assert not known & set(macs)
    assert one


def entries(host: HostNs, name: str) -> set[tuple[str, int]]:
    """What a map of a host's tunnel holds: MACs, and what belongs to them."""
    found: set[tuple[str, int]] = set()

    def look() -> None:
        for program in bpf.attached(socket.if_nametoindex("nkv42")):
            with bpf.open_map(program.maps()[name], 8, 4 if name == "nk_ports" else 8) as it:
                found.update((key[:6].hex(":"), int.from_bytes(value, "little")) for key, value in it.items())

    host.inside(look)
    return found


def test_what_others_take_away_is_told_and_put_back(lab: Lab) -> None:
    pair = Fast(lab)
    _, two = pair.attach()
    port = next(link["ifname"] for link in ip(pair.left, "link", "show", "type", "veth") if link["ifname"] != "eth0")

    def take_away(dev: str) -> None:
        index = socket.if_nametoindex(dev)
        for program in bpf.attached(index):
            bpf.detach(program, index)

    def forget() -> None:
        for program in bpf.attached(socket.if_nametoindex("nkv42")):
            with bpf.open_map(program.maps()["nk_ports"], 8, 4) as ports:
                ports.delete(bytes.fromhex(link_mac(pair.one).replace(":", "")) + bytes(2))

    harm: dict[str, Callable[[], object]] = {
        "the port's program": lambda: pair.left.inside(lambda: take_away(port)),
        "the tunnel's program": lambda: pair.left.inside(lambda: take_away("nkv42")),
        "what the tunnel's knows": lambda: pair.left.inside(forget),
        "the tunnel": lambda: pair.left.run("ip", "link", "del", "nkv42"),
    }
    for what, act in harm.items():
        act()
        assert pair.left.netkit("check").returncode == 1, what
        pair.left.netkit("reload", check=True)
        assert pair.left.netkit("check").stdout == "all holds\n", what
        heard_of_each_other(pair, two)
        with pair.bridged() as by_bridge:
            heard_of_each_other(pair, two)
        assert by_bridge == [0, 0], what


def test_programs_of_others_stay(lab: Lab) -> None:
    pair = Fast(lab)
    _, two = pair.attach()
    passes = bytes.fromhex("b7000000ffffffff 9500000000000000")  # TCX_NEXT

    def put() -> None:
        with bpf.load("theirs", passes) as program:
            bpf.attach(program, socket.if_nametoindex("nkv42"))

    pair.left.inside(put)
    assert programs(pair.left, "nkv42") == ["nk_tunnel", "theirs"]
    pair.left.netkit("detach", "--pid", str(pair.one.pid), check=True)
    attached(pair.left, pair.one)
    assert programs(pair.left, "nkv42") == ["nk_tunnel", "theirs"]
    heard_of_each_other(pair, two)


def programs(host: HostNs, dev: str) -> list[str]:
    found: list[str] = []
    host.inside(lambda: found.extend(program.name for program in bpf.attached(socket.if_nametoindex(dev))))
    return found


@pytest.mark.parametrize("when", ["before", "after"])
def test_a_death_beside_its_op_leaves_nothing_after_gc(lab: Lab, when: str) -> None:
    pair = Fast(lab)
    attached(pair.left, pair.one)
    pair.left.netkit("detach", "--pid", str(pair.one.pid), check=True)
    before, ports = pair.left.snapshot(pair.one), entries(pair.left, "nk_ports")
    died = pair.left.module("-c", DIE, str(pair.left.root), str(pair.one.pid), when, check=False)
    assert died.returncode == -9, died.stderr
    assert len(entries(pair.left, "nk_ports")) == len(ports) + (when == "after")
    pair.left.netkit("gc", check=True)
    assert diff(before, pair.left.snapshot(pair.one), EMPTY) == ""
    assert entries(pair.left, "nk_ports") == ports


def test_all_is_gone_with_the_overlay(lab: Lab) -> None:
    pair = Fast(lab)
    for host in (pair.left, pair.right):
        host.netkit("overlay", "down", "--vni", "42", check=True)
    before = [host.snapshot(pair.one, pair.two) for host in (pair.left, pair.right)]
    pair.up("--fast-path")
    pair.attach()
    pair.down()
    for host, was in zip((pair.left, pair.right), before, strict=True):
        assert diff(was, host.snapshot(pair.one, pair.two), EMPTY) == ""


def test_where_the_kernel_has_no_programs_it_is_refused_by_name_and_nothing_is_made(lab: Lab) -> None:
    host = lab.host("left")
    lab.link(host, lab.host("right"), ("192.0.2.1/24", "192.0.2.2/24"))
    before = host.snapshot()
    words = ("--root", str(host.root), *UP, "--peer", "192.0.2.2")
    done = host.run(sys.executable, "-c", WITHOUT_BPF, *words, "--fast-path", check=False)
    assert (done.returncode, "no programs at links" in done.stderr) == (5, True), done.stderr
    assert "Linux 6.6" in done.stderr
    assert diff(before, host.snapshot(), EMPTY) == ""
    assert host.run(sys.executable, "-c", WITHOUT_BPF, *words).returncode == 0


def test_it_is_said_when_an_overlay_is_made_and_not_later(lab: Lab) -> None:
    pair = Fast(lab)
    done = pair.left.netkit(*UP, "--peer", "192.0.2.2", "--subnet", "10.90.0.0/16", "--subnet", "fd00:90::/64")
    assert (done.returncode, "another fast-path" in done.stderr) == (4, True), done.stderr


def test_where_frames_are_shown_to_the_firewall_they_are_no_more(lab: Lab) -> None:
    """It is the host's choice that IP rules see switched frames (br_netfilter); who wants that leaves the path out."""
    pair = Fast(lab)
    _, two = pair.attach()
    heard_of_each_other(pair, two)
    if pair.left.run("sysctl", "-qw", "net.bridge.bridge-nf-call-iptables=1", check=False).returncode:
        pytest.skip("this machine has no br_netfilter")
    deny = "table ip deny { chain f { type filter hook forward priority -1; ip protocol icmp drop; }; }\n"
    pair.left.run("nft", "-f", "-", input=deny)
    assert pings(pair.one, {"v4": two[4]}, 2) == {"v4"}
