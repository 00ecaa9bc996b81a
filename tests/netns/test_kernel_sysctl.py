"""Sysctls by slashed keys, and the shared list of reserved ports; /proc/sys itself is the judge."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from netkit.errors import KernelError, UsageError
from netkit.kernel import sysctl
from tests.hosts import HostNs

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator

pytestmark = pytest.mark.root

TTL = "net/ipv4/ip_default_ttl"
PORTS = f"/proc/sys/{sysctl.RESERVED_PORTS}"
ranges = st.lists(st.tuples(st.integers(1, 65535), st.integers(0, 40)).map(lambda p: (p[0], min(p[0] + p[1], 65535))))


@pytest.fixture
def ports() -> Iterator[None]:
    """An empty list of reserved ports, before and after."""
    put("")
    yield
    put("")


def put(text: str) -> None:
    with open(PORTS, "w") as file:
        file.write(text + "\n")


def shown() -> str:
    with open(PORTS) as file:
        return file.read().strip()


@pytest.mark.parametrize(
    "key",
    [
        "../kernel/core_pattern",
        "net/../kernel/hostname",
        "",
        "/etc/passwd",
        "net//ipv4",
        "net/ipv4/",
        "net/ipv4/.",
        "a\n",
    ],
)
def test_a_key_never_leads_out_of_proc_sys(key: str) -> None:
    with pytest.raises(UsageError, match="no sysctl key"):
        sysctl.read(key)
    with pytest.raises(UsageError, match="no sysctl key"):
        sysctl.write(key, "1")


def test_an_interface_name_may_hold_a_dot(host: HostNs) -> None:
    host.run("ip", "link", "add", "eth0.100", "type", "bridge")
    code = "from netkit.kernel import sysctl; print(sysctl.read('net/ipv4/conf/eth0.100/forwarding'))"
    assert host.python(code).stdout == "0\n"


def test_several_numbers_are_read_with_single_spaces() -> None:
    assert sysctl.read("net/ipv4/ip_local_port_range") == "32768 60999"


def test_what_is_not_there_reads_as_none_and_cannot_be_written() -> None:
    assert sysctl.read("net/ipv4/nope") is None
    with pytest.raises(KernelError, match="net/ipv4/nope cannot be set to '1': No such file"):
        sysctl.write("net/ipv4/nope", "1")


def test_a_value_that_the_kernel_refuses_is_named() -> None:
    with pytest.raises(KernelError, match=f"{TTL} cannot be set to 'much': Invalid argument"):
        sysctl.write(TTL, "much")


READ_ONLY = """
from netkit.errors import HostError
from netkit.kernel import sysctl
sysctl.write("net/ipv4/ip_default_ttl", "64")
try:
    sysctl.write("net/ipv4/ip_default_ttl", "65")
except HostError as error:
    print(error, "|", error.hint)
"""


def test_a_read_only_proc_is_fine_where_the_value_is_right_and_named_where_not(host: HostNs) -> None:
    host.run("mount", "--bind", "/proc/sys", "/proc/sys")
    host.run("mount", "-o", "remount,ro,bind", "/proc/sys")
    said = host.python(READ_ONLY).stdout
    assert said.startswith(
        f"sysctl {TTL} cannot be set to '65': Read-only file system | /proc/sys is mounted read-only"
    )


def test_without_the_privilege_it_is_the_hosts_matter(host: HostNs) -> None:
    code = f"from netkit.kernel import sysctl\ntry: sysctl.write('{TTL}', '65')\nexcept Exception as e: print(repr(e))"
    weak = ("setpriv", "--reuid=65534", "--clear-groups", "--inh-caps=-all", "--")
    assert "HostError" in host.run(*weak, "python3", "-c", code).stdout


# -- reserved ports --------------------------------------------------------------------------------------------------


def test_reserving_adds_to_what_is_there(ports: None) -> None:
    put("100-102,200")
    sysctl.reserve_ports([(103, 105), (8080, 8080)])
    assert shown() == "100-105,200,8080"


def test_freeing_takes_exactly_these_out(ports: None) -> None:
    put("100-110,200")
    sysctl.free_ports([(104, 106), (200, 200), (300, 300)])
    assert shown() == "100-103,107-110"


def test_nothing_left_is_an_empty_list(ports: None) -> None:
    sysctl.reserve_ports([(80, 80)])
    sysctl.free_ports([(80, 80)])
    assert shown() == ""


@settings(max_examples=60)
@given(ranges, ranges)
def test_any_ranges_come_and_go(first: list[tuple[int, int]], second: list[tuple[int, int]]) -> None:
    put("")
    sysctl.reserve_ports(first)
    sysctl.reserve_ports(second)
    sysctl.free_ports(second)
    left = {port for a, b in first for port in range(a, b + 1)} - {p for a, b in second for p in range(a, b + 1)}
    assert sysctl.reserved_ports() == left
    put("")


def test_a_list_longer_than_a_page_is_written_whole(ports: None) -> None:
    every_other = {*range(1, 65536, 2)}
    sysctl.reserve_ports((port, port) for port in every_other)
    assert sysctl.reserved_ports() == every_other
