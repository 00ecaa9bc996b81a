"""Arithmetic on addresses, with `ipaddress` as the oracle."""

from __future__ import annotations

import ipaddress

import pytest
from hypothesis import given
from hypothesis import strategies as some

from netkit.errors import ConfigError
from netkit.ipam.pool import (
    Pool,
    default_gateway,
    next_free_subnet,
    number,
    overlaps,
    prefix_length,
    span,
    subdivide,
    text,
)
from netkit.model import Subnet

WORDS = some.lists(some.sampled_from([0, 0, 0, 1, 0xFFFF, 0xABC]), min_size=8, max_size=8)


def addresses(pool: Pool) -> list[str]:
    return [pool.address(index) for index in range(pool.size)]


@given(some.integers(0, 2**32 - 1))
def test_ipv4_text_is_as_ipaddress_writes_it(value: int) -> None:
    assert text(value, 4) == str(ipaddress.IPv4Address(value))
    assert number(text(value, 4)) == value


@given(WORDS)
def test_ipv6_text_is_as_ipaddress_writes_it(words: list[int]) -> None:
    value = int.from_bytes(b"".join(word.to_bytes(2, "big") for word in words), "big")
    known = ipaddress.IPv6Address(value)
    assert text(value, 6) == str(known)
    for written in (str(known), known.exploded, known.exploded.upper()):
        assert number(written) == value


@given(some.text(alphabet="0123456789abcf:.%/ x-", max_size=20))
def test_what_is_read_as_an_address_is_one(written: str) -> None:
    try:
        value = number(written)
    except ValueError:
        return
    assert int(ipaddress.ip_address(written)) == value


NO_ADDRESSES = (
    *("", "1.2.3", "1.2.3.4.5", "1.2.3.256", "01.2.3.4", "1.2.3.4 ", "+1.2.3.4", "1.2.3.\u0664", "1.2.3.4\n"),
    *("::1%lo", "1::2::3", ":::", ":1:2:3:4:5:6:7", "1:2:3:4:5:6:7:8:9", "12345::", "g::", "::1.2.3.4"),
    *("1:2:3:4:5:6:7::8", "fd00::1/64"),
)


@pytest.mark.parametrize("written", NO_ADDRESSES)
def test_what_is_no_address_is_refused(written: str) -> None:
    with pytest.raises(ValueError, match="no IP address"):
        number(written)


@pytest.mark.parametrize(
    ("cidr", "gateway", "first", "last", "size"),
    [
        ("10.0.0.0/24", "10.0.0.1", "10.0.0.2", "10.0.0.254", 253),
        ("10.0.0.0/24", "10.0.0.254", "10.0.0.1", "10.0.0.253", 253),
        ("10.0.0.0/24", "10.0.0.9", "10.0.0.1", "10.0.0.254", 253),
        ("10.0.0.0/24", "", "10.0.0.1", "10.0.0.254", 254),
        ("10.0.0.0/29", "10.0.0.1", "10.0.0.2", "10.0.0.6", 5),
        ("10.0.0.0/30", "10.0.0.1", "10.0.0.2", "10.0.0.2", 1),
        ("10.0.0.0/31", "10.0.0.0", "10.0.0.1", "10.0.0.1", 1),
        ("fd00::/120", "fd00::1", "fd00::2", "fd00::ff", 254),
        ("fd00::/127", "fd00::", "fd00::1", "fd00::1", 1),
        ("fd00::/64", "fd00::1", "fd00::2", "fd00::ffff:ffff:ffff:ffff", 2**64 - 2),
    ],
)
def test_what_a_subnet_gives_out(cidr: str, gateway: str, first: str, last: str, size: int) -> None:
    pool = Pool.of(Subnet(cidr, gateway))
    assert (pool.address(0), pool.address(pool.size - 1), pool.size) == (first, last, size)


@given(some.integers(0, 15), some.integers(0, 15), some.integers(0, 15))
def test_a_pool_is_its_range_without_roles(gateway: int, one: int, other: int) -> None:
    low, high = sorted((one, other))
    subnet = Subnet("10.0.0.0/28", f"10.0.0.{gateway}", f"10.0.0.{low}-10.0.0.{high}")
    expected = [f"10.0.0.{n}" for n in range(16) if low <= n <= high and n not in (0, 15, gateway)]
    if not expected:
        with pytest.raises(ConfigError, match="no address to give out"):
            Pool.of(subnet)
        return
    pool = Pool.of(subnet)
    assert addresses(pool) == expected
    assert [pool.index(address) for address in expected] == list(range(len(expected)))
    outside = {f"10.0.0.{n}" for n in range(16)} - set(expected) | {"fd00::1", "10.0.1.1"}
    assert {pool.index(address) for address in outside} == {None}


@pytest.mark.parametrize("cidr", ["10.0.0.1/32", "fd00::1/128"])
def test_a_single_address_is_no_subnet(cidr: str) -> None:
    with pytest.raises(ConfigError, match="single address"):
        Pool.of(Subnet(cidr, ""))


@pytest.mark.parametrize(
    ("address", "why"),
    [
        ("10.0.0.0", "the network address"),
        ("10.0.0.255", "the broadcast address"),
        ("10.0.0.1", "the gateway"),
        ("10.0.1.1", "is not in"),
        ("fd00::2", "is not in"),
    ],
)
def test_an_address_with_a_role_cannot_be_asked_for(address: str, why: str) -> None:
    pool = Pool.of(Subnet("10.0.0.0/24", "10.0.0.1", "10.0.0.128/25"))
    with pytest.raises(ConfigError, match=why) as caught:
        pool.check(address, "ips[0]")
    assert caught.value.at == "ips[0]"
    assert caught.value.hint


def test_an_address_outside_the_range_can_be_asked_for() -> None:
    pool = Pool.of(Subnet("10.0.0.0/24", "10.0.0.1", "10.0.0.128/25"))
    assert pool.check("10.0.0.7/24") == "10.0.0.7"
    assert pool.index("10.0.0.7") is None
    assert pool.address(0) == "10.0.0.128"


def test_the_default_gateway_is_the_first_usable_address() -> None:
    assert default_gateway("10.0.0.0/16") == "10.0.0.1"
    assert default_gateway("10.0.0.0/31") == "10.0.0.0"
    assert default_gateway("fd00::/64") == "fd00::1"


SUBNETS = some.builds(
    lambda value, length: str(ipaddress.ip_network((value << 24, length), strict=False)),
    some.integers(0, 15),
    some.integers(4, 32),
)


@given(SUBNETS, SUBNETS)
def test_overlaps_agrees_with_ipaddress(a: str, b: str) -> None:
    assert overlaps(a, b) == ipaddress.ip_network(a).overlaps(ipaddress.ip_network(b))


def test_overlaps_takes_addresses_and_tells_families_apart() -> None:
    assert overlaps("10.0.0.7", "10.0.0.0/24")
    assert not overlaps("::/0", "0.0.0.0/0")
    assert prefix_length("10.0.0.7") == 32
    assert span("10.0.0.7/24") == (number("10.0.0.0"), number("10.0.0.255"))


def test_the_next_free_subnet_overlaps_nothing() -> None:
    candidates = list(subdivide("10.96.0.0/14", 16))
    assert candidates == ["10.96.0.0/16", "10.97.0.0/16", "10.98.0.0/16", "10.99.0.0/16"]
    assert next_free_subnet(candidates, ["10.96.3.0/24", "10.97.0.0/16", "fd00::/8"]) == "10.98.0.0/16"
    assert next_free_subnet(candidates, ["10.0.0.0/8"]) is None
