"""The pure pieces of the UDP proxy: which packets leave together, who has which subnet, which settings can be."""

from __future__ import annotations

import ipaddress
import itertools
from functools import partial

import pytest
from hypothesis import given
from hypothesis import strategies as st

from netkit.agent.udp.batch import BYTES, DATAGRAMS, Slots, runs
from netkit.agent.udp.settings import Settings, check_routes
from netkit.agent.udp.table import Table
from netkit.errors import ConfigError

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

HERE, A, B = ("10.5.1.0/24", "fd00:5:1::/64"), ("192.0.2.2", 8285), ("192.0.2.3", 8285)
ROUTES = {"10.5.2.0/24": A, "10.5.3.0/24": B, "fd00:5:2::/64": A, "10.5.2.64/26": B}
FINE: dict[str, Any] = {"device": "flannel0", "mtu": 1472, "listen": ("192.0.2.1", 8285), "local": HERE}


def packed(address: str) -> bytes:
    return ipaddress.ip_address(address).packed


@given(st.lists(st.tuples(st.integers(1, 4), st.sampled_from("ab")), max_size=60), st.integers(1, 64))
def test_runs_hold_what_the_kernel_can_send_at_once(packets: list[tuple[int, str]], most: int) -> None:
    lengths, hops = [length for length, _ in packets], [hop for _, hop in packets]
    found = list(runs(lengths, hops, most))
    assert [place for start, stop in found for place in range(start, stop)] == list(range(len(packets)))
    for start, stop in found:
        assert len(set(hops[start:stop])) == 1
        assert stop - start <= most
        assert set(lengths[start : stop - 1]) <= {lengths[start]}
        assert lengths[stop - 1] <= lengths[start]
    for (start, stop), (following, _) in itertools.pairwise(found):
        ended = lengths[stop - 1] < lengths[start] or stop - start == most
        assert ended or hops[following] != hops[start] or lengths[following] > lengths[start]


@pytest.mark.parametrize("mtu", [576, 1280, 1472, 8972, 65_000])
def test_as_many_packets_as_go_at_once_fit_one_send(mtu: int) -> None:
    slots = Slots(mtu)
    assert 1 <= slots.most <= DATAGRAMS
    assert slots.most * mtu <= BYTES
    assert len(slots.packets) == 2 * slots.most


def test_views_are_of_the_packets_lengths() -> None:
    slots = Slots(1472)
    for place, packet in enumerate(slots.packets):
        packet[:] = bytes([place]) * 1472
    views = slots.views(1, 4, [9, 1400, 1400, 20, 9])
    assert [bytes(view) for view in views] == [b"\1" * 1400, b"\2" * 1400, b"\3" * 20]
    assert [bytes(view) for view in slots.views(0, 1, [9])] == [b"\0" * 9]
    for length in range(100, 300):
        assert [len(view) for view in slots.views(0, 3, [length, length, 7])] == [length, length, 7]


def test_destinations_of_both_families_are_found() -> None:
    slots = Slots(1472)
    slots.packets[0][:20] = bytes.fromhex("4500001400000000400100000a050102") + packed("10.5.2.2")
    slots.packets[1][:40] = bytes.fromhex("6000000000003a40") + packed("fd00:5:1::2") + packed("fd00:5:2::2")
    assert slots.destinations(2) == [packed("10.5.2.2"), packed("fd00:5:2::2")]
    assert slots.destinations(1) == [packed("10.5.2.2")]
    assert slots.destinations(0) == []


def test_a_table_knows_the_way_and_who_may_send() -> None:
    table = Table(ROUTES, HERE)
    addresses = ("10.5.2.2", "10.5.2.65", "10.5.3.1", "fd00:5:2::9", "10.5.4.1", "10.5.1.2", "fd00:5:3::1")
    hops = table.hops([packed(address) for address in addresses])
    assert [hop.address if hop else None for hop in hops] == [A, B, B, A, None, None, None]
    a, b = table.peers[A], table.peers[B]
    assert table.is_from(a, packed("10.5.2.2"))
    assert not table.is_from(b, packed("10.5.2.2"))
    assert not table.is_from(a, packed("10.5.2.65"))
    assert not table.is_from(a, packed("10.5.1.2"))
    assert table.is_here(packed("10.5.1.255"))
    assert table.is_here(packed("fd00:5:1::1"))
    assert not table.is_here(packed("10.5.2.2"))


def test_a_new_table_keeps_counters_of_peers_that_stay_and_forgets_what_they_had() -> None:
    first = Table(ROUTES, HERE)
    first.peers[A].packets_in = 7
    assert first.is_from(first.peers[A], packed("10.5.2.2"))
    second = Table({"10.5.9.0/24": A}, HERE, first)
    assert second.peers.keys() == {A}
    assert second.peers[A].packets_in == 7
    assert not second.is_from(second.peers[A], packed("10.5.2.2"))


def test_a_table_remembers_no_more_than_it_should() -> None:
    table = Table({"10.0.0.0/8": A}, ("0.0.0.0/0",))
    for number in range(40_000):
        table.hops([number.to_bytes(4, "big")])
        table.is_from(table.peers[A], number.to_bytes(4, "big"))
        table.is_here(number.to_bytes(4, "big"))
    caches = (table._hops, table._here, table.peers[A].sources)
    assert max(len(cache) for cache in caches) <= 1 << 14


@pytest.mark.parametrize(
    ("change", "at"),
    [
        ({"device": ""}, "device"),
        ({"device": "a" * 16}, "device"),
        ({"device": "a/b"}, "device"),
        ({"device": "flannel%d"}, "device"),
        ({"mtu": 500}, "mtu"),
        ({"mtu": 70_000}, "mtu"),
        ({"listen": ("host", 8285)}, "listen"),
        ({"listen": ("192.0.2.1", 0)}, "listen"),
        ({"listen": ("192.0.2.1", True)}, "listen"),
        ({"local": ("10.5.1.1/24",)}, "local"),
    ],
)
def test_settings_that_cannot_be_are_refused_with_their_place(change: dict[str, Any], at: str) -> None:
    assert Settings(**FINE).check() == Settings(**FINE)
    with pytest.raises(ConfigError) as caught:
        Settings(**FINE | change).check()
    assert caught.value.at == at


@pytest.mark.parametrize(
    "routes",
    [
        {"10.5.2.1/24": A},
        {"here": A},
        {"10.5.2.0/24": ("192.0.2.2", 99_999)},
        {"10.5.2.0/24": ("192.0.2.2",)},
        {"10.5.2.0/24": ("fd00::1", 8285)},
    ],
)
def test_routes_that_cannot_be_are_refused_with_their_place(routes: dict[str, Any]) -> None:
    check = partial(check_routes, listen=("192.0.2.1", 8285))
    assert check(ROUTES) == ROUTES
    with pytest.raises(ConfigError) as caught:
        check(routes)
    assert caught.value.at.startswith("routes")
