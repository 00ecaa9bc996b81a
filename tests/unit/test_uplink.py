"""What moves when a NIC becomes a port, and in which order: worked out on hosts that this machine cannot be."""

from __future__ import annotations

import pytest

from netkit.engine.repair import missing
from netkit.errors import ConflictError
from netkit.model import Network
from netkit.parts.nic import nic, refuse_routes
from netkit.parts.uplink import STOPGAP, uplink
from netkit.plan.host import Address, Link, Route
from netkit.plan.ops import AddrAdd, AddrDel, LinkAdd, LinkSet, RouteAdd, RouteDel, SysctlSet, Together
from netkit.plan.render import script
from netkit.plan.steps import Plan
from netkit.value import from_json, to_json
from tests.fakes import FakeHost

NIC = Link("eth0", 2, mac="52:54:00:12:34:56", mtu=1500, up=True, carrier=True)
FIRST, SECOND = Address("192.0.2.1/24", label="eth0"), Address("192.0.2.7/24", label="eth0:1", flags=0x81)
LOCAL = Address("fe80::5054:ff:fe12:3456/64", scope=253)
SIXES = (Address("fd00::2/64"), Address("fd00::1/64"), LOCAL)
CONNECTED = Route("192.0.2.0/24", 4, dev="eth0", protocol=2, scope=253, src="192.0.2.1")


def moved(*addresses: Address, routes: tuple[Route, ...] = (), sysctls: dict[str, str] | None = None) -> Together:
    """The one op that moves all."""
    plan = uplink("nk-lan", NIC, FakeHost((NIC,), routes=routes, sysctls=sysctls, addressing={"eth0": addresses}))
    (op,) = (op for op in plan.ops if isinstance(op, Together))
    return op


def addresses_of(op: Together, kind: type[AddrAdd | AddrDel]) -> list[tuple[str, str]]:
    return [(each.address, each.dev) for each in op.ops if isinstance(each, kind)]


def test_secondaries_go_before_their_primary_and_come_after_it() -> None:
    op = moved(FIRST, SECOND)
    assert addresses_of(op, AddrDel) == [("192.0.2.7/24", "eth0"), ("192.0.2.1/24", "eth0")]
    assert addresses_of(op, AddrAdd) == [("192.0.2.1/24", "nk-lan"), ("192.0.2.7/24", "nk-lan")]
    (back,) = op.reverse()
    assert isinstance(back, Together)
    assert addresses_of(back, AddrDel) == [("192.0.2.7/24", "nk-lan"), ("192.0.2.1/24", "nk-lan")]
    assert addresses_of(back, AddrAdd) == [("192.0.2.1/24", "eth0"), ("192.0.2.7/24", "eth0")]


def test_ipv6_comes_last_to_first_and_the_link_local_address_after_all() -> None:
    """The kernel lists the newest first, and asks for routers when the link-local address comes."""
    assert [address for address, _ in addresses_of(moved(*SIXES), AddrAdd)] == [
        "fd00::1/64",
        "fd00::2/64",
        LOCAL.address,
    ]


def test_the_nic_is_a_port_before_anything_leaves_it_and_none_before_anything_comes_back() -> None:
    op = moved(FIRST)
    assert op.ops[:2] == (LinkSet("eth0", master="nk-lan"), LinkSet("nk-lan", up=True))
    assert op.back[0] == LinkSet("eth0", master="")


def test_what_an_address_brings_along_is_not_added_twice() -> None:
    op = moved(FIRST, SECOND, routes=(CONNECTED,))
    assert [each for each in op.ops if isinstance(each, RouteAdd)] == []
    assert [each.dst for each in op.ops if isinstance(each, RouteDel)] == ["192.0.2.0/24"]


def test_a_route_that_somebody_took_from_an_address_is_taken_again() -> None:
    gone = [each for each in moved(FIRST).ops if isinstance(each, RouteDel)]
    assert [(each.dst, each.dev, each.protocol) for each in gone] == [("192.0.2.0/24", "nk-lan", 2)]


@pytest.mark.parametrize(
    ("address", "brings"),
    [
        (Address("192.0.2.1/32"), None),
        (Address("192.0.2.1/24", flags=0x200), None),
        (Address("192.0.2.7/24", flags=0x01), None),
        (Address("10.0.0.1/32", peer="10.0.0.2"), ("10.0.0.2/32", 0)),
        (Address("192.0.2.1/24", metric=300), ("192.0.2.0/24", 300)),
        (Address("fd00::1/128"), ("fd00::1/128", 256)),
        (Address("fd00::1/64", flags=0x200), None),
    ],
)
def test_which_route_the_kernel_makes_of_an_address(address: Address, brings: tuple[str, int] | None) -> None:
    gone = [(each.dst, each.metric) for each in moved(address).ops if isinstance(each, RouteDel)]
    assert gone == ([brings] if brings else [])


def test_a_route_to_a_gateway_comes_before_what_goes_by_it() -> None:
    far = Route("default", 4, "10.9.0.1", "eth0", 3)
    near = Route("10.9.0.1/32", 4, "", "eth0", 3, scope=253)
    added = [each.dst for each in moved(FIRST, routes=(far, near, CONNECTED)).ops if isinstance(each, RouteAdd)]
    assert added == ["10.9.0.1/32", "default"]


def test_a_learned_route_is_kept_for_a_while_behind_the_one_to_come() -> None:
    routers = tuple(Route("default", 6, f"fe80::{n}", "eth0", 9, 1024, expires=1800 // n) for n in (1, 100))
    op = moved(LOCAL, routes=routers)
    copies = [each for each in op.ops if isinstance(each, RouteAdd)]
    assert [(each.via, each.metric, each.expires) for each in copies] == [
        ("fe80::1", 1025, STOPGAP),
        ("fe80::100", 1026, 18),
    ]
    taken = [(each.via, each.metric) for each in op.back if isinstance(each, RouteDel) and each.dst == "default"]
    assert taken == [("fe80::1", 1025), ("fe80::100", 1026), ("fe80::1", 1024), ("fe80::100", 1024)]


def test_a_lease_lasts_on_the_bridge_and_runs_on_the_nic() -> None:
    op = moved(Address("192.0.2.1/24", label="eth0", valid=600, preferred=300), Address("fd00::1/64", valid=600))
    there = {each.address: each.like for each in op.ops if isinstance(each, AddrAdd)}
    again = {each.address: each.like for each in op.back if isinstance(each, AddrAdd)}
    assert there["192.0.2.1/24"] == Address("192.0.2.1/24", label="nk-lan")
    assert again["192.0.2.1/24"] == Address("192.0.2.1/24", label="eth0", valid=600, preferred=300)
    assert there["fd00::1/64"] == again["fd00::1/64"] == Address("fd00::1/64", valid=600)


def test_a_label_that_would_be_too_long_is_left_out() -> None:
    op = moved(Address("192.0.2.1/24", label="eth0:management"))
    assert [each.like and each.like.label for each in op.ops if isinstance(each, AddrAdd)] == ["nk-lan"]


def test_the_bridge_has_what_differs_from_the_default_on_the_nic() -> None:
    kept = {"net/ipv4/conf/default/rp_filter": "2", "net/ipv4/conf/eth0/rp_filter": "1"}
    kept |= {"net/ipv4/conf/default/arp_ignore": "0", "net/ipv4/conf/eth0/arp_ignore": "0"}
    plan = uplink("nk-lan", NIC, FakeHost((NIC,), sysctls=kept))
    assert [op for op in plan.ops if isinstance(op, SysctlSet)] == [
        SysctlSet("net/ipv4/conf/nk-lan/rp_filter", "1", "2", dev="nk-lan")
    ]


def test_the_intent_is_read_back_from_disk_as_it_was() -> None:
    learned = Route("default", 6, "fe80::1", "eth0", 9, 1024, expires=1800, metrics=((10, 64),))
    op = moved(FIRST, SECOND, *SIXES, routes=(CONNECTED, learned))
    assert from_json(to_json(op)) == op
    assert op.reverse()[0].reverse() == (op,)


def test_only_what_is_lost_of_it_is_done_again_and_never_taken_back() -> None:
    op = moved(FIRST, SECOND)
    port = NIC.replace(master="nk-lan")
    host = FakeHost(
        (port, Link("nk-lan", 3, "bridge", up=True)), {"nk-lan": ("192.0.2.1/24",), "eth0": ("192.0.2.7/24",)}
    )
    (lost,) = missing(Plan.of((op, "why")), host)
    assert isinstance(lost.op, Together)
    assert [type(part) for part in lost.op.ops] == [AddrDel, AddrAdd]
    assert lost.op.reverse() == ()


def test_of_two_steps_for_one_setting_the_last_one_counts() -> None:
    key = "net/ipv6/conf/nk-lan/accept_dad"
    plan = Plan.of((SysctlSet(key, "0", "1"), "quiet"), (SysctlSet(key, "1", "0"), "as before"))
    assert missing(plan, FakeHost(sysctls={key: "1"})) == []
    assert [step.why for step in missing(plan, FakeHost(sysctls={key: "0"}))] == ["as before"]


def test_undone_the_nic_has_all_before_the_bridge_is_deleted() -> None:
    plan = uplink("nk-lan", NIC, FakeHost((NIC,), routes=(CONNECTED,), addressing={"eth0": (FIRST,)}))
    kinds = [type(op) for op in plan.undo().ops]
    assert kinds[0] is Together
    assert kinds[-1].__name__ == "LinkDel"
    assert "link set dev nk-lan down" not in script(plan.undo())
    assert sum(isinstance(op, LinkAdd) for op in plan.ops) == 1


LAN = Network("lan", "underlay", "nk-lan", parent="eth0")


@pytest.mark.parametrize("kind", ["ipvlan", "macvtap", "geneve", "gretap"])
def test_links_that_would_stop_working_are_told(kind: str) -> None:
    host = FakeHost((NIC, Link("top", 3, kind, below=2)))
    with pytest.raises(ConflictError, match="top would stop working"):
        nic(LAN, host)


@pytest.mark.parametrize("kind", ["vlan", "macsec"])
def test_links_that_get_their_frames_before_the_bridge_are_in_nobodys_way(kind: str) -> None:
    assert nic(LAN, FakeHost((NIC, Link("eth0.7", 3, kind, below=2)))) == NIC


def test_a_link_local_route_of_another_link_is_no_twin() -> None:
    both = [Route("fe80::/64", 6, dev=dev, protocol=2, metric=256) for dev in ("eth0", "eth1")]
    refuse_routes("eth0", FakeHost((NIC,), routes=tuple(both)))
    with pytest.raises(ConflictError, match="are equal"):
        refuse_routes("eth0", FakeHost((NIC,), routes=(CONNECTED, CONNECTED.replace(dev="eth1", src=""))))
