"""What people write: taken as meant, or refused with a message of its own."""

from __future__ import annotations

import ipaddress

import pytest
from hypothesis import given
from hypothesis import strategies as some

from netkit import parse
from netkit.errors import ConfigError
from netkit.model import PortMap, Subnet


def refusal(call: object, *args: object) -> str:
    """The message and hint with which a value is refused; the path must be in front."""
    with pytest.raises(ConfigError) as caught:
        call(*args)  # type: ignore[operator]
    assert caught.value.message.startswith(f"{caught.value.at}: ")
    assert caught.value.hint
    return f"{caught.value.message} ({caught.value.hint})"


@pytest.mark.parametrize(
    ("written", "meant"), [("10.0.0.7", "10.0.0.7"), ("FD00:0::0007", "fd00::7"), ("::", "::"), ("::1", "::1")]
)
def test_addresses_become_canonical(written: str, meant: str) -> None:
    assert parse.address(written, "ip") == meant


@pytest.mark.parametrize(
    ("written", "why"),
    [
        (True, "text is needed"),
        (167772167, "text is needed"),
        (b"10.0.0.7", "text is needed"),
        (None, "text is needed"),
        (("10.0.0.7", 24), "text is needed"),
        ("fe80::1%eth0", "has a zone"),
        ("fe80::1%$(reboot)", "has a zone"),
        ("fe80::1%eth0\n-j ACCEPT", "has a zone"),
        ("10.0.0.7/24", "write '10.0.0.7' alone"),
        ("10.0.0.07", "no IP address"),
        ("10.0.0.7\n", "no IP address"),
        ("localhost", "no IP address"),
        ("::ffff:a00:7", "write it as IPv4"),
        ("::a00:7", "write it as IPv4"),
        ("", "no IP address"),
    ],
)
def test_what_is_no_address_is_refused(written: object, why: str) -> None:
    assert why in refusal(parse.address, written, "ips[0]")


@given(some.text(max_size=12))
def test_any_text_is_an_address_or_refused(written: str) -> None:
    try:
        found = parse.address(written, "ip")
    except ConfigError:
        return
    assert found == str(ipaddress.ip_address(written))


def test_subnets_with_host_bits_are_answered_with_the_right_one() -> None:
    assert parse.cidr("10.0.0.0/16", "subnet") == "10.0.0.0/16"
    assert parse.cidr("FD00:0:0::/64", "subnet") == "fd00::/64"
    assert "the subnet is 10.0.0.0/16" in refusal(parse.cidr, "10.0.3.7/16", "subnet")


@pytest.mark.parametrize(
    "written", ["10.0.0.0", "10.0.0.0/33", "fd00::/129", "10.0.0.0/+8", "10.0.0.0/08", "/8", 8, True]
)
def test_what_is_no_subnet_is_refused(written: object) -> None:
    refusal(parse.cidr, written, "subnet")


def test_a_netmask_is_refused_by_name() -> None:
    assert "no netmask" in refusal(parse.cidr, "10.0.0.0/255.255.0.0", "subnet")
    assert "no netmask" in refusal(parse.cidr, "10.0.0.1/0.0.0.255", "subnet")


def test_gateways_and_ranges_find_their_subnets() -> None:
    found = parse.subnets(["10.0.0.0/24", "fd00::/64"], ["fd00::9"], ["10.0.0.128/25", "fd00::10-fd00::20"])
    assert found == (
        Subnet("10.0.0.0/24", "10.0.0.1", "10.0.0.128/25"),
        Subnet("fd00::/64", "fd00::9", "fd00::10-fd00::20"),
    )


@pytest.mark.parametrize(
    ("cidrs", "gateways", "ranges", "why"),
    [
        (["10.0.0.0/24"], ["10.0.1.1"], [], "gateways[0]: 10.0.1.1 lies in no subnet"),
        (["10.0.0.0/24"], ["10.0.0.255"], [], "subnets[0].gateway: 10.0.0.255 is the broadcast address"),
        (["10.0.0.0/24"], ["10.0.0.0"], [], "subnets[0].gateway: 10.0.0.0 is the network address"),
        (["10.0.0.0/24"], ["10.0.0.1", "10.0.0.2"], [], "gateways[1]: 10.0.0.2 is the second for 10.0.0.0/24"),
        (["10.0.0.0/24"], [], ["10.0.0.0/23"], "ranges[0]: 10.0.0.0/23 lies in no subnet"),
        (["10.0.0.0/24"], [], ["10.0.0.9-10.0.0.5"], "ranges[0]: '10.0.0.9-10.0.0.5' is no range"),
        (["10.0.0.0/24"], [], ["10.0.0.1-10.0.0.1"], "subnets[0]: 10.0.0.1-10.0.0.1 has no address to give out"),
        (["10.0.0.0/24", "10.0.0.0/8"], [], [], "subnets[1]: 10.0.0.0/8 overlaps 10.0.0.0/24"),
        (["10.0.0.0/32"], [], [], "subnets[0]: 10.0.0.0/32 is a single address"),
        (["127.0.0.0/16"], [], [], "subnets[0]: no container can live in 127.0.0.0/16"),
        (["224.0.0.0/8"], [], [], "is multicast"),
        (["fe80::/64"], [], [], "is link-local"),
        (["0.0.0.0/0"], [], [], "stands for this host"),
        ([True], [], [], "subnets[0]: True is no subnet"),
    ],
)
def test_subnets_that_cannot_work_are_refused(
    cidrs: list[object], gateways: list[object], ranges: list[object], why: str
) -> None:
    assert why in refusal(parse.subnets, cidrs, gateways, ranges)


def test_a_mac_address_is_lowered() -> None:
    assert parse.mac("02:42:AC:11:00:02", "mac") == "02:42:ac:11:00:02"


@pytest.mark.parametrize(
    ("written", "why"),
    [
        ("01:00:5e:00:00:01", "multicast"),
        ("ff:ff:ff:ff:ff:ff", "multicast"),
        ("00:00:00:00:00:00", "no address of an interface"),
        ("02:42:ac:11:00", "six pairs"),
        ("2:42:ac:11:0:2", "six pairs"),
        ("02:42:ac:11:00:0g", "six pairs"),
        ("02-42-ac-11-00-02", "six pairs"),
        (2, "six pairs"),
    ],
)
def test_what_is_no_unicast_mac_is_refused(written: object, why: str) -> None:
    assert why in refusal(parse.mac, written, "mac")


def test_an_mtu_has_limits_by_family() -> None:
    assert [parse.mtu(v, "mtu") for v in (68, "1500", 65535)] == [68, 1500, 65535]
    assert parse.mtu(1280, "mtu", 6) == 1280
    for value in (67, 65536, -1, True, 1500.0, "1_500", "0x5dc", "", None):
        refusal(parse.mtu, value, "mtu")
    assert "1280 to 65535" in refusal(parse.mtu, 1279, "mtu", 6)


@pytest.mark.parametrize(
    ("written", "meant"),
    [
        ("80", ("tcp", "0.0.0.0", 0, 80, 1)),
        (":80", ("tcp", "0.0.0.0", 0, 80, 1)),
        ("8080:80", ("tcp", "0.0.0.0", 8080, 80, 1)),
        ("8080:80/UDP", ("udp", "0.0.0.0", 8080, 80, 1)),
        ("1-65535:1-65535/sctp", ("sctp", "0.0.0.0", 1, 1, 65535)),
        ("8000-8002", ("tcp", "0.0.0.0", 0, 8000, 3)),
        ("127.0.0.1:8080:80", ("tcp", "127.0.0.1", 8080, 80, 1)),
        ("127.0.0.1::80", ("tcp", "127.0.0.1", 0, 80, 1)),
        ("127.0.0.1:80", ("tcp", "127.0.0.1", 0, 80, 1)),
        ("[FD00::0]:8080:80", ("tcp", "fd00::", 8080, 80, 1)),
        ("[::1]::80", ("tcp", "::1", 0, 80, 1)),
        ("[::1]:80", ("tcp", "::1", 0, 80, 1)),
        ("[::]:9000-9001:80-81", ("tcp", "::", 9000, 80, 2)),
    ],
)
def test_published_ports_as_they_are_meant(written: str, meant: tuple[str, str, int, int, int]) -> None:
    assert parse.publish(written, "-p") == (PortMap(*meant),)


def test_without_an_address_it_is_both_families_where_there_are_two() -> None:
    assert [m.host_ip for m in parse.publish("8080:80", "-p", dual=True)] == ["0.0.0.0", "::"]
    assert [m.host_ip for m in parse.publish("0.0.0.0:8080:80", "-p", dual=True)] == ["0.0.0.0"]


REFUSED = [
    ("0:80", "there is no port 0"),
    ("80:0", "there is no port 0"),
    ("65536:80", "port 65536 is too high"),
    ("90-80:80-90", "the range 90-80 runs backwards"),
    ("80-82:80-81", "of different length: 3 and 2"),
    ("80:80-81", "of different length: 1 and 2"),
    ("8000-8010:80", "as Docker allows"),
    ("::1:8080:80", "has too many colons"),
    ("[::1]:1:2:3", "has too many colons"),
    ("[::1]", "an IPv6 host stands in brackets"),
    ("[::1:80", "an IPv6 host stands in brackets"),
    ("[10.0.0.1]:80:80", "an IPv6 host stands in brackets"),
    ("10.0.0.999:80:80", "no IP address"),
    ("host:80:80", "no IP address"),
    ("[fe80::1%eth0]:80:80", "has a zone"),
    ("80/icmp", "no protocol that has ports"),
    ("80/", "no protocol that has ports"),
    ("80/tcp/udp", "no protocol that has ports"),
    ("", "names no container port"),
    ("8080:", "names no container port"),
    (":1:80", "begins with a colon"),
    ("-80", "no range of ports"),
    ("80-", "no range of ports"),
    ("http", "'http' is no port"),
    (" 80", "is no port"),
    ("+80", "is no port"),
    ("080", "is no port"),
    ("\uff18\uff10", "is no port"),
]


@pytest.mark.parametrize(("written", "why"), REFUSED)
def test_published_ports_that_make_no_sense_are_refused(written: str, why: str) -> None:
    assert why in refusal(parse.publish, written, "-p")


@given(some.text(alphabet="0189:-[]./tcpud", max_size=16))
def test_any_text_is_a_published_port_or_refused(written: str) -> None:
    try:
        found = parse.publish(written, "-p")
    except ConfigError:
        return
    for one in found:
        assert 0 <= one.host_port <= 65535
        assert 1 <= one.container_port <= one.container_port + one.count - 1 <= 65535


def test_a_port_of_json_is_a_number_and_no_bool() -> None:
    assert parse.port(80, "p") == 80
    for value in (True, 80.0, None, -1, [80]):
        assert "is no port" in refusal(parse.port, value, "p")


@pytest.mark.parametrize(
    ("written", "bits"),
    [("10mbit", 10**7), ("500kbit", 500_000), ("1gbit", 10**9), ("1.5Gbit", 15 * 10**8), ("800", 800), (" 8bit ", 8)],
)
def test_bandwidths_are_read_as_tc_reads_them(written: str, bits: int) -> None:
    assert parse.rate(written, "--rate-in") == bits


@pytest.mark.parametrize(
    ("written", "why"),
    [
        ("0", "lets nothing through"),
        ("7bit", "lets nothing through"),
        ("0.000001mbit", "lets nothing through"),
        ("10mbps", "bytes"),
        ("10mb/s", "bytes"),
        ("", "no bandwidth"),
        ("mbit", "no bandwidth"),
        ("-1mbit", "no bandwidth"),
        ("1e6", "no bandwidth"),
        ("1.mbit", "no bandwidth"),
        (".5mbit", "no bandwidth"),
        ("1.2.3mbit", "no bandwidth"),
        ("10 mbit", "no bandwidth"),
        ("10mbit; reboot", "no bandwidth"),
        ("9" * 40, "no bandwidth"),
        (10, "no bandwidth"),
    ],
)
def test_what_is_no_bandwidth_is_refused(written: object, why: str) -> None:
    with pytest.raises(ConfigError, match=why):
        parse.rate(written, "--rate-in")


@given(some.text())
def test_any_text_is_a_bandwidth_or_refused(written: str) -> None:
    try:
        assert parse.rate(written, "--rate-in") >= 8
    except ConfigError as error:
        assert error.at == "--rate-in"
