"""The oracle is worth what it sees: leaks are planted one by one, and each must be reported for what it is."""

from __future__ import annotations

import time

import pytest

from tests.features import need, requires
from tests.hosts import cmdline, wait_until
from tests.oracle import diff

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

    from tests.conftest import Unchanged
    from tests.hosts import Container, HostNs, Lab

    Stage = tuple[HostNs, Container]

#: what is there before, so that there is something to change
SCENE = """\
link add br0 up type bridge
link add port0 up type veth peer name spare
link set port0 master br0
addr add 198.51.100.1/24 dev br0
"""
QUEUES = "qdisc add dev spare ingress\n"
RULESET = """table inet t {
    set s { type ipv4_addr; elements = { 10.0.0.1 }; }
    chain c {
        ip saddr 10.0.0.1 drop
        tcp dport 7 drop
    }
}
"""

#: a leak's name, the command that plants it on the host, and what the oracle's report must speak of
ON_HOST = {
    "link": ("ip link add leak type veth peer name kael", "host links leak"),
    "bridge": ("ip link add leak type bridge", "host sysctls net/ipv4/conf/leak/"),
    "link down": ("ip link set eth0 down", "host links eth0 flags"),
    "mtu": ("ip link set eth0 mtu 1400", "host links eth0 mtu"),
    "mac": ("ip link set spare address 02:00:00:00:00:77", "host links spare address"),
    "alias": ("ip link set eth0 alias leak", "host links eth0 ifalias"),
    "group": ("ip link set eth0 group 28267", "host links eth0 group"),
    "master gone": ("ip link set port0 nomaster", "host links port0 master"),
    "port isolated": ("bridge link set dev port0 isolated on", "host links port0 linkinfo"),
    "bridge option": ("ip link set br0 type bridge ageing_time 1000", "host links br0 linkinfo"),
    "renamed": ("ip link set spare name leak", "host links leak"),
    "address": ("ip addr add 203.0.113.9/32 dev eth0", "host addresses: 203.0.113.9/32"),
    "address v6": ("ip addr add fd99::9/64 dev eth0 nodad", "host addresses: fd99::9/64"),
    "address gone": ("ip addr del 198.51.100.1/24 dev br0", "- host addresses: 198.51.100.1/24"),
    "route": ("ip route add 203.0.113.0/24 dev eth0 proto 142", "203.0.113.0/24"),
    "route in another table": ("ip route add 203.0.113.0/24 dev eth0 table 777", '"table": "777"'),
    "route v6": ("ip -6 route add fd98::/64 dev eth0", "fd98::/64"),
    "blackhole": ("ip route add blackhole 203.0.113.0/24", "203.0.113.0/24"),
    "rule": ("ip rule add from 203.0.113.0/24 table 777", "host rules"),
    "rule v6": ("ip -6 rule add from fd98::/64 table 777", "host rules"),
    "neighbour": ("ip neigh add 192.0.2.77 lladdr 02:00:00:00:00:77 dev eth0 nud permanent", "host neighbours"),
    "neighbour v6": ("ip neigh add fd97::7 lladdr 02:00:00:00:00:77 dev eth0 nud permanent", "host neighbours"),
    "fdb static": ("bridge fdb add 02:00:00:00:00:77 dev port0 master static", "host fdb"),
    "fdb self": ("bridge fdb add 02:00:00:00:00:77 dev port0 self", "host fdb"),
    "qdisc": ("tc qdisc add dev eth0 clsact", "host qdiscs"),
    "filter": (
        "tc filter add dev spare ingress protocol all u32 match u32 0 0 action mirred egress redirect dev eth0",
        "host filters spare: ",
    ),
    "nft table": ("nft add table inet leak", "host nft inet leak"),
    "nft chain": ("nft add chain inet t leak", "host nft inet t chain leak"),
    "nft rule": ("nft add rule inet t c udp dport 7 drop", "host nft inet t chain c rules"),
    "nft rule first": ("nft insert rule inet t c udp dport 7 drop", "host nft inet t chain c rules"),
    "nft element": ("nft add element inet t s { 10.0.0.2 }", "host nft inet t set s elements: 10.0.0.2"),
    "nft map": ("nft add map inet t leak { type ipv4_addr : verdict; }", "host nft inet t map leak"),
    "sysctl": ("sysctl -qw net/ipv4/ip_forward=1", "host sysctls net/ipv4/ip_forward: 1"),
    "sysctl of a bridge": ("sysctl -qw net/ipv6/conf/br0/accept_ra=0", "host sysctls net/ipv6/conf/br0/accept_ra: 0"),
    "reserved ports": ("sysctl -qw net/ipv4/ip_local_reserved_ports=8080", "ip_local_reserved_ports: 8080"),
}
IN_CONTAINER = {
    "link": ("ip link add leak type veth peer name kael", "container links leak"),
    "address": ("ip addr add 203.0.113.9/32 dev eth0", "container addresses"),
    "lo up": ("ip link set lo up", "container links lo flags"),
    "route": ("ip route add default via 192.0.2.1", "container routes"),
    "sysctl": ("sysctl -qw net/ipv6/conf/all/disable_ipv6=1", "container sysctls net/ipv6/conf/all/disable_ipv6: 1"),
    "nft": ("nft add table ip leak", "container nft ip leak"),
}
IPTABLES = {
    "iptables-nft": "iptables-nft -t nat -A PREROUTING -d 203.0.113.9 -j ACCEPT",
    "ip6tables-nft": "ip6tables-nft -A FORWARD -d fd97::7 -m comment --comment leak -j ACCEPT",
    "iptables-legacy": "iptables-legacy -t nat -A PREROUTING -d 203.0.113.9 -j ACCEPT",
    "ip6tables-legacy": "ip6tables-legacy -A FORWARD -d fd97::7 -j ACCEPT",
}
IN_STATE: dict[str, Any] = {
    "new file": lambda root: root.joinpath("leak").write_text("x"),
    "new directory": lambda root: root.joinpath("leak").mkdir(),
    "link": lambda root: root.joinpath("leak").symlink_to("record"),
    "content": lambda root: root.joinpath("record").write_text("{ }"),
    "mode": lambda root: root.joinpath("record").chmod(0o644),
    "mode of the root": lambda root: root.chmod(0o755),
    "file gone": lambda root: root.joinpath("record").unlink(),
}


@pytest.fixture
def stage(lab: Lab) -> Stage:
    host, container = lab.host(), lab.container()
    lab.link(host, container, ("192.0.2.1/24", "192.0.2.2/24"), ("fd97::1/64", "fd97::2/64"))
    host.run("ip", "-batch", "-", input=SCENE)
    host.run("tc", "-batch", "-", input=QUEUES)
    host.run("nft", "-f", "-", input=RULESET)
    host.root.mkdir(mode=0o700)
    host.root.joinpath("record").write_text("{}")
    host.root.joinpath("record").chmod(0o600)
    return host, container


def seen_after(stage: Stage, act: Any) -> str:
    host, container = stage
    before = host.snapshot(container)
    act()
    return diff(before, host.snapshot(container))


def test_two_snapshots_of_the_same_thing_are_equal(stage: Stage) -> None:
    host, container = stage
    first = host.snapshot(container)
    time.sleep(0.3)  # timers run on, duplicate detection ends, bridges count down
    assert diff(first, host.snapshot(container)) == ""


def test_looking_leaves_no_trace(stage: Stage) -> None:
    host, container = stage
    for _ in range(3):
        host.snapshot(container)
    assert "ip filter" not in host.snapshot()["host"]["nft"]
    assert host.run("cat", "/proc/net/ip_tables_names", check=False).stdout == ""


@requires("veth", "bridge", "nftables")
@pytest.mark.parametrize(("command", "report"), ON_HOST.values(), ids=ON_HOST)
def test_a_leak_on_the_host_is_seen(stage: Stage, command: str, report: str) -> None:
    assert report in seen_after(stage, lambda: stage[0].run(*command.split()))


@pytest.mark.parametrize(("command", "report"), IN_CONTAINER.values(), ids=IN_CONTAINER)
def test_a_leak_in_a_container_is_seen(stage: Stage, command: str, report: str) -> None:
    assert report in seen_after(stage, lambda: stage[1].run(*command.split()))


@pytest.mark.parametrize("variant", IPTABLES)
def test_an_iptables_rule_is_seen_in_every_variant(stage: Stage, variant: str) -> None:
    need(variant.replace("ip6tables-nft", "iptables").replace("iptables-nft", "iptables"))
    report = seen_after(stage, lambda: stage[0].run(*IPTABLES[variant].split()))
    assert f"host iptables {variant}: " in report
    assert "203.0.113.9" in report or "fd97::7" in report


@pytest.mark.parametrize("act", IN_STATE.values(), ids=IN_STATE)
def test_a_change_of_the_state_is_seen(stage: Stage, act: Any) -> None:
    assert "state " in seen_after(stage, lambda: act(stage[0].root))


def test_state_in_the_default_place_is_seen(stage: Stage) -> None:
    assert "run/netkit" in seen_after(stage, lambda: stage[0].run("mkdir", "/run/netkit"))


def test_a_process_that_stays_is_seen(stage: Stage) -> None:
    assert "host processes: sleep 77" in seen_after(stage, lambda: stage[0].popen("sleep", "77"))


def test_an_order_of_rules_that_changes_is_seen(stage: Stage) -> None:
    turned = "flush chain inet t c\nadd rule inet t c tcp dport 7 drop\nadd rule inet t c ip saddr 10.0.0.1 drop\n"
    report = seen_after(stage, lambda: stage[0].run("nft", "-f", "-", input=turned))
    assert report == "~ host nft inet t chain c rules: in another order"


def test_what_is_allowed_is_left_out(stage: Stage) -> None:
    host, container = stage
    before = host.snapshot(container)
    host.run("nft", "add", "table", "inet", "leak")
    assert diff(before, host.snapshot(container), allow=["host nft inet leak*"]) == ""


def test_packets_alone_change_nothing(stage: Stage, unchanged: Unchanged) -> None:
    need("ping")
    host, container = stage
    with unchanged(host, [container]):
        host.run("ping", "-c2", "-i0.01", "192.0.2.2")
        host.run("ping", "-c2", "-i0.01", "fd97::2")


def test_unchanged_fails_on_a_leak(stage: Stage, unchanged: Unchanged) -> None:
    with pytest.raises(AssertionError, match="inet leak"), unchanged(stage[0]):
        stage[0].run("nft", "add", "table", "inet", "leak")


def test_a_process_that_escapes_its_test_is_named_and_ended(lab: Lab) -> None:
    host = lab.host()
    host.run("setsid", "--fork", "sleep", "78")
    assert wait_until(lambda: [cmdline(pid) for pid in host.pids()] == ["sleep 78"])
    (pid,) = host.pids()
    assert lab.close() == [f"host: process {pid} sleep 78"]
    assert cmdline(pid) == ""
    lab.members.clear()
