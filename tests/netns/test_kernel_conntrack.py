"""The kernel forgets exactly the connections to a published port; `conntrack -L` is the judge."""

from __future__ import annotations

import pytest

from netkit.errors import UsageError
from netkit.kernel import conntrack
from tests.features import requires
from tests.hosts import HostNs

pytestmark = [pytest.mark.root, requires("conntrack")]

SETUP = """
link add eth9 type veth peer name eth8
link set eth9 up
link set eth8 up
addr add 192.0.2.1/24 dev eth9
addr add 198.51.100.1/24 dev eth9
addr add 2001:db8::1/64 dev eth9 nodad
route add default via 192.0.2.254
"""

#: protocol, source, original destination and its port, reply source
FLOWS = (
    ("udp", "192.0.2.9", "192.0.2.1", 53, "10.90.0.2"),
    ("udp", "192.0.2.9", "198.51.100.1", 53, "10.90.0.2"),
    ("udp", "10.90.0.7", "8.8.8.8", 53, "8.8.8.8"),
    ("udp", "192.0.2.9", "192.0.2.1", 54, "10.90.0.2"),
    ("udp", "192.0.2.9", "192.0.2.1", 55, "10.90.0.2"),
    ("tcp", "192.0.2.9", "192.0.2.1", 53, "10.90.0.2"),
    ("udp", "2001:db8::9", "2001:db8::1", 53, "fd00::2"),
)


@pytest.fixture
def router(host: HostNs) -> HostNs:
    host.run("ip", "-batch", "-", input=SETUP)
    for number, flow in enumerate(FLOWS):
        track(host, str(4000 + number), *flow)
    return host


def track(host: HostNs, client: str, protocol: str, source: str, destination: str, port: int, reply: str) -> None:
    state = ("--state", "ESTABLISHED") if protocol == "tcp" else ()
    original = ("-s", source, "-d", destination, "--sport", client, "--dport", str(port))
    back = ("-r", reply, "-q", source, "--reply-port-src", str(port), "--reply-port-dst", client)
    host.run("conntrack", "-I", "-p", protocol, "-t", "600", *state, *original, *back)


def tracked(host: HostNs) -> set[tuple[str, str, int]]:
    """(protocol, original destination, port) of what is left."""
    found = set()
    for family in ("ipv4", "ipv6"):
        for line in host.run("conntrack", "-L", "-f", family).stdout.splitlines():
            words = line.split()
            original = dict(word.split("=", 1) for word in reversed(words) if "=" in word)
            found.add((words[0], original["dst"], int(original["dport"])))
    return found


ALL = {(protocol, destination, port) for protocol, _, destination, port, _ in FLOWS}


def flush(host: HostNs, *target: str | int) -> int:
    code = f"from netkit.kernel import conntrack; print(conntrack.flush(*{target!r}))"
    return int(host.python(code).stdout)


def test_all_flows_are_tracked_to_begin_with(router: HostNs) -> None:
    assert tracked(router) == ALL


def test_one_address_and_port_loses_only_its_own(router: HostNs) -> None:
    assert flush(router, "udp", "192.0.2.1", 53, 53) == 1
    assert tracked(router) == ALL - {("udp", "192.0.2.1", 53)}


def test_a_range_loses_only_what_is_in_it(router: HostNs) -> None:
    assert flush(router, "udp", "192.0.2.1", 54, 60) == 2
    assert tracked(router) == ALL - {("udp", "192.0.2.1", 54), ("udp", "192.0.2.1", 55)}


def test_any_address_means_the_hosts_own_and_spares_what_passes_through(router: HostNs) -> None:
    assert flush(router, "udp", "0.0.0.0", 53, 53) == 2
    assert tracked(router) == ALL - {("udp", "192.0.2.1", 53), ("udp", "198.51.100.1", 53)}


def test_any_ipv6_address_leaves_ipv4_alone(router: HostNs) -> None:
    assert flush(router, "udp", "::", 53, 53) == 1
    assert tracked(router) == ALL - {("udp", "2001:db8::1", 53)}


def test_tcp_leaves_udp_alone(router: HostNs) -> None:
    assert flush(router, "tcp", "192.0.2.1", 1, 65535) == 1
    assert tracked(router) == ALL - {("tcp", "192.0.2.1", 53)}


def test_nothing_tracked_is_nothing_to_forget(host: HostNs) -> None:
    assert flush(host, "udp", "0.0.0.0", 53, 53) == 0
    assert flush(host, "sctp", "::", 1, 65535) == 0


def test_several_targets_go_in_one_pass(router: HostNs) -> None:
    code = (
        "from netkit.kernel import conntrack\n"
        "targets = [('udp', '192.0.2.1', 53, 53), ('udp', '198.51.100.1', 50, 60), ('tcp', '0.0.0.0', 53, 53)]\n"
        "print(conntrack.flush_all(targets))"
    )
    assert int(router.python(code).stdout) == 3
    assert tracked(router) == ALL - {
        ("udp", "192.0.2.1", 53),
        ("udp", "198.51.100.1", 53),
        ("tcp", "192.0.2.1", 53),
    }


def test_a_protocol_without_ports_is_refused() -> None:
    with pytest.raises(UsageError, match="no protocol with ports"):
        conntrack.flush("icmp", "0.0.0.0", 1, 1)
