"""What the kernel is asked, against what `ip -j` shows; and that a dump is whole or an error."""

from __future__ import annotations

import errno
import json
import threading

import pytest

from netkit.errors import KernelError
from netkit.kernel.netlink import DUMP_TRIES, Netlink
from netkit.kernel.netns import Namespaces, resolve_pid
from netkit.kernel.observe import KernelHost
from netkit.model import NsRef
from netkit.plan.host import Address, Route
from netkit.plan.rules import BaseRules
from tests.hosts import Container, Lab

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence
    from typing import Any

    from netkit.kernel.rtnl import Rtnl
    from netkit.plan.rules import Rule

pytestmark = pytest.mark.root

SETUP = """
link add br0 address 02:00:00:00:00:01 mtu 1400 group 28267 type bridge
link add port0 mtu 1300 type veth peer name other
link set port0 master br0 up
link set br0 up
addr add 10.90.0.1/16 dev br0
addr add 10.91.0.1/24 dev br0
addr add fd00::1/64 dev br0 nodad
link set lo up
route add 10.8.0.0/16 via 10.90.0.9 proto 142 metric 7 mtu 1200
route add 10.9.0.0/16 dev br0 table 100
route add 10.10.0.0/16 nexthop via 10.90.0.3 dev br0 nexthop via 10.91.0.4 dev br0
route add 10.11.0.0/16 via inet6 fd00::7 dev br0
route add blackhole 10.12.0.0/16
"""


@pytest.fixture
def box(lab: Lab) -> Container:
    made = lab.container("box")
    made.run("ip", "-batch", "-", input=SETUP)
    made.run("ip", "-6", "route", "add", "default", "via", "fd00::9", "dev", "br0", "proto", "142")
    return made


@pytest.fixture
def ref(box: Container) -> NsRef:
    return resolve_pid(box.pid)


@pytest.fixture
def host() -> Iterator[KernelHost]:
    with Namespaces() as namespaces:
        yield KernelHost(namespaces, lambda: "nftables", lambda rules, backend: (), lambda: ())


@pytest.fixture
def rtnl(ref: NsRef) -> Iterator[Rtnl]:
    with Namespaces() as namespaces:
        yield namespaces.enter(ref).socket()


def ip(where: Container, *words: str) -> Any:
    return json.loads(where.run("ip", "-j", "-d", *words).stdout)


def test_every_link_is_as_ip_shows_it(host: KernelHost, box: Container, ref: NsRef) -> None:
    for shown in ip(box, "link"):
        link = host.link(shown["ifname"], ref)
        assert link is not None
        assert (link.name, link.index, link.mac, link.mtu) == (
            shown["ifname"],
            shown["ifindex"],
            shown["address"],
            shown["mtu"],
        )
        assert (link.master, link.up) == (shown.get("master", ""), "UP" in shown["flags"])
        assert link.kind == shown.get("linkinfo", {}).get("info_kind", "")
        assert str(link.group) == shown["group"].replace("default", "0")


def test_a_link_that_is_not_there_is_none(host: KernelHost, ref: NsRef) -> None:
    assert host.link("nope", ref) is None
    assert host.addresses("nope", ref) == ()


@pytest.mark.parametrize("dev", ["lo", "br0", "port0", "other"])
def test_addresses_are_those_of_that_link_alone(host: KernelHost, box: Container, ref: NsRef, dev: str) -> None:
    shown = ip(box, "addr", "show", "dev", dev)[0]["addr_info"]
    assert sorted(host.addresses(dev, ref)) == sorted(f"{a['local']}/{a['prefixlen']}" for a in shown)


def test_an_address_is_told_with_everything_about_it(host: KernelHost, box: Container, ref: NsRef) -> None:
    box.run("ip", "addr", "add", "10.7.0.1", "peer", "10.7.0.2/32", "dev", "br0", "label", "br0:1", "metric", "9")
    box.run("ip", "addr", "add", "10.70.0.2/16", "brd", "+", "dev", "br0", "scope", "link")
    box.run("ip", "addr", "add", "fd00::5/64", "dev", "br0", "noprefixroute", "valid_lft", "600", "preferred_lft", "60")
    with Namespaces() as namespaces:
        index = host.link("br0", ref)
        assert index
        found = namespaces.enter(ref).socket().addressing(index.index)
    shown = ip(box, "addr", "show", "dev", "br0")[0]["addr_info"]
    assert [each.address for each in found] == [f"{a['local']}/{a['prefixlen']}" for a in shown]
    told = {each.address: each for each in found}
    assert told["10.7.0.1/32"] == Address("10.7.0.1/32", "10.7.0.2", label="br0:1", metric=9, flags=0x80)
    other = told["10.70.0.2/16"]
    assert (other.broadcast, other.scope, other.label) == ("10.70.255.255", 253, "br0")
    leased = told["fd00::5/64"]
    assert leased.flags & 0x200
    assert 590 < leased.valid <= 600
    assert 50 < leased.preferred <= 60


def test_ipv4_routes_of_every_table_but_local(host: KernelHost, ref: NsRef) -> None:
    expected = {
        Route("10.90.0.0/16", 4, dev="br0", protocol=2, scope=253, src="10.90.0.1"),
        Route("10.91.0.0/24", 4, dev="br0", protocol=2, scope=253, src="10.91.0.1"),
        Route("10.8.0.0/16", 4, "10.90.0.9", "br0", 142, 7, mtu=1200),
        Route("10.9.0.0/16", 4, dev="br0", protocol=3, table=100, scope=253),
        Route("10.10.0.0/16", 4, "10.90.0.3", "br0", 3, odd="several next hops"),
        Route("10.10.0.0/16", 4, "10.91.0.4", "br0", 3, odd="several next hops"),
        Route("10.11.0.0/16", 4, "fd00::7", "br0", 3),
    }
    assert set(host.routes(4, ref)) == expected


def test_routes_are_told_as_they_are_now_whatever_was_told_before(box: Container, host: KernelHost, ref: NsRef) -> None:
    assert any((route.dst, route.dev) == ("10.90.0.0/16", "br0") for route in host.routes(4, ref))
    for words in ("link set br0 name br1", "route del 10.8.0.0/16", "route add 10.8.0.0/16 dev br1 metric 9"):
        box.run("ip", *words.split())
    host.forget()
    told = json.loads(box.run("ip", "-j", "-4", "route", "show", "table", "all", "type", "unicast").stdout)
    wanted = {
        (route["dst"], route.get("metric", 0), route.get("dev")) for route in told if route["dst"] != "10.10.0.0/16"
    }
    routes = {(route.dst, route.metric, route.dev) for route in host.routes(4, ref) if route.dst != "10.10.0.0/16"}
    assert routes == wanted
    assert {dev for _, _, dev in routes} == {"br1"}


def test_ipv6_routes_name_gateway_protocol_and_metric(host: KernelHost, ref: NsRef) -> None:
    routes = host.routes(6, ref)
    assert Route("default", 6, "fd00::9", "br0", 142, 1024) in routes
    assert Route("fd00::/64", 6, dev="br0", protocol=2, metric=256) in routes
    assert not [route for route in routes if route.table == 255 or route.dst.startswith("ff00")]


def test_the_way_to_an_address_is_the_entry_that_decides(rtnl: Rtnl) -> None:
    way = rtnl.way_to("10.8.7.7")
    assert way == next(route for route in rtnl.routes(4) if route.dst == "10.8.0.0/16")
    assert way.mtu == 1200
    far = rtnl.way_to("2001:db8::1")
    assert far and (far.dst, far.via, far.dev) == ("default", "fd00::9", "br0")
    assert (rtnl.way_to("203.0.113.1"), rtnl.way_to("10.12.0.1")) == (None, None)


def test_a_sysctl_is_read_inside(host: KernelHost, box: Container, ref: NsRef) -> None:
    box.run("sysctl", "-qw", "net.ipv4.ip_default_ttl=77")
    assert (host.sysctl("net/ipv4/ip_default_ttl", ref), host.sysctl("net/ipv4/ip_default_ttl")) == ("77", "64")
    assert host.sysctl("net/ipv4/nope", ref) is None


def test_an_answer_is_kept_until_it_is_forgotten(host: KernelHost, box: Container, ref: NsRef) -> None:
    assert host.link("new0", ref) is None
    box.run("ip", "link", "add", "new0", "type", "bridge")
    assert host.link("new0", ref) is None
    host.forget()
    assert host.link("new0", ref) is not None


def test_in_a_gone_namespace_there_is_nothing(host: KernelHost, box: Container, ref: NsRef) -> None:
    box.close()
    assert (host.link("lo", ref), host.addresses("lo", ref), host.routes(4, ref)) == (None, (), ())
    assert host.sysctl("net/ipv4/ip_forward", ref) is None


def test_the_firewall_is_asked_once_for_a_rule() -> None:
    asked: list[tuple[Sequence[Rule], str]] = []

    def held(rules: Sequence[Rule], backend: str) -> Sequence[Rule]:
        asked.append((rules, backend))
        return rules

    with Namespaces() as namespaces:
        host = KernelHost(namespaces, lambda: "iptables", held, lambda: ("iptables FORWARD",))
        assert host.holds(BaseRules(), host.firewall) and host.holds(BaseRules(), host.firewall)
    assert asked == [([BaseRules()], "iptables")]
    assert host.foreign_drops() == ("iptables FORWARD",)


# -- dumps -----------------------------------------------------------------------------------------------------------


#: An address of narrower scope goes to the head of the list, so each turn shifts all others under a reader's feet.
FLAP = "while :; do ip addr add 10.93.0.1/32 dev br0 scope link; ip addr del 10.93.0.1/32 dev br0; done"


def test_a_dump_is_whole_while_addresses_come_and_go(box: Container, ref: NsRef, rtnl: Rtnl) -> None:
    """1,000 lasting addresses, others flapping: each answer holds all the lasting ones, or is an error."""
    lasting = {f"10.92.{n // 250}.{n % 250 + 1}/32" for n in range(1000)}
    box.run("ip", "-batch", "-", input="".join(f"addr add {address} dev br0\n" for address in sorted(lasting)))
    flap = box.popen("sh", "-c", FLAP)
    index, whole = rtnl.index("br0"), 0
    try:
        for _ in range(50):
            try:
                whole += lasting <= set(rtnl.addresses(index))
            except KernelError as error:
                assert error.errno == errno.EINTR
                whole += 1
    finally:
        flap.kill()
    assert whole == 50


class Scripted:
    """A socket that answers each dump with an interrupted one, and then, if told, with a whole one."""

    def __init__(self, interrupted: int) -> None:
        self.interrupted = interrupted
        self.sent = 0

    def send(self, data: bytes) -> None:
        self.sent += 1
        self.sequence = data[8:12]

    def recvmsg(self, size: int) -> tuple[bytes, list[object], int, tuple[int, int]]:
        flags = 0x2 | (0x10 if self.sent <= self.interrupted else 0)
        head = flags.to_bytes(2, "little") + self.sequence + bytes(4)
        item = (20).to_bytes(4, "little") + (16).to_bytes(2, "little") + head + b"item"
        end = (20).to_bytes(4, "little") + (3).to_bytes(2, "little") + head + bytes(4)
        return item + end, [], 0, (0, 0)


def scripted(interrupted: int) -> tuple[Netlink, Scripted]:
    netlink, socket = Netlink(0), Scripted(interrupted)
    netlink.close()
    netlink._socket = socket  # type: ignore[assignment]
    return netlink, socket


def test_an_interrupted_dump_is_asked_for_again() -> None:
    netlink, socket = scripted(interrupted=29)
    assert netlink.dump((18, 0, bytes(16))) == [b"item"]
    assert socket.sent == 30


def test_a_dump_that_is_always_interrupted_is_an_error_and_never_half_an_answer() -> None:
    netlink, socket = scripted(interrupted=10**6)
    with pytest.raises(KernelError, match="changed while it was being read"):
        netlink.dump((18, 0, bytes(16)))
    assert socket.sent == DUMP_TRIES >= 30


def test_an_answer_to_an_earlier_request_is_passed_over(rtnl: Rtnl) -> None:
    """As after a signal that interrupted the reading of it."""
    rtnl._send(((18, 0, bytes(16)),), 0x300)
    assert rtnl.index("lo") == 1
    assert rtnl.name(1) == "lo"


def test_many_threads_inside_do_not_disturb_each_other(ref: NsRef) -> None:
    failures: list[BaseException] = []

    def look() -> None:
        try:
            with Namespaces() as namespaces:
                for _ in range(50):
                    assert namespaces.enter(ref).socket().index("lo") == 1
                    assert namespaces.enter(ref).call(lambda: 7) == 7
        except BaseException as error:
            failures.append(error)

    threads = [threading.Thread(target=look) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert not failures
