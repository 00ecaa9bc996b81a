"""One contract for every firewall executor: all is taken back exactly, twice is once, others' rules stay theirs."""

from __future__ import annotations

import importlib.util

import pytest

from netkit.plan import firewall
from netkit.plan.rules import BaseRules, ClosedTransit, Hairpin, KeepSource, NetworkRules, PortGuard, Publish, PublishIf
from tests.contract.executor import all_rules, execute
from tests.features import need

TYPE_CHECKING = False
if TYPE_CHECKING:
    from netkit.plan.rules import Rule
    from tests.hosts import HostNs

pytestmark = [pytest.mark.root, pytest.mark.requires("ipv6")]

BACKENDS = {
    "nftables": "nftables",
    "nft-program": "nftables",
    "iptables": "iptables",
    "iptables-legacy": "iptables-legacy",
    "python-iptables": "iptables-legacy",
}
WEB = "3f9c1a2b7d10"
FIXED: list[Rule] = [
    BaseRules(),
    ClosedTransit(4, ("eth0", "eth1")),
    ClosedTransit(6),
    NetworkRules("default", "netkit0", ("10.90.0.0/16", "fd00:90::/64")),
    NetworkRules("back", "netkit1", ("10.91.0.0/16",), internal=True),
    NetworkRules("quiet", "netkit2", ("10.92.0.0/16", "10.93.0.0/16"), icc=False, masquerade=False),
]
PORTS: list[Rule] = [
    Publish(WEB, "tcp", "0.0.0.0", 8080, "10.90.0.2", 80, "netkit0"),
    Publish(WEB, "udp", "127.0.0.1", 8080, "10.90.0.2", 80, "netkit0"),
    Publish(WEB, "sctp", "192.0.2.1", 8080, "10.90.0.2", 80, "netkit0"),
    Publish(WEB, "tcp", "::", 8000, "fd00:90::2", 8000, "netkit0", 11),
    Publish(WEB, "tcp", "2001:db8::1", 8000, "fd00:90::2", 8000, "netkit0", 11),
    Publish(WEB, "udp", "192.0.2.1", 9000, "10.90.0.2", 8000, "netkit0", 11),
    KeepSource("10.90.0.2"),
    Hairpin("10.90.0.3", "10.90.0.0/16"),
    Hairpin("fd00:90::3", "::/0"),
]
#: Words that both kinds of firewall have for the same.
WORDS = {"nftables": ("meta", "mark", "1", "counter"), "iptables": ("-m", "mark", "--mark", "0x1")}
GUARD = PortGuard(f"nk{WEB}", "02:00:00:00:90:02", ("10.90.0.2", "fd00:90::2", "fe80::ff:fe00:9002"))

#: What other tools have in place: nft tables, and rules in the built-in chains that iptables shares.
OTHERS_NFT = """
add table inet firewall
add chain inet firewall forward { type filter hook forward priority 0; policy accept; }
add rule inet firewall forward ip saddr 10.9.9.9 drop
add table ip docker
add map ip docker ports { type inet_service : ipv4_addr; }
add element ip docker ports { 80 : 172.17.0.2 }
"""
OTHERS_IPTABLES = """*raw
-A PREROUTING -s 10.9.9.9 -j DROP
COMMIT
*filter
:DOCKER-USER - [0:0]
-A FORWARD -j DOCKER-USER
-A DOCKER-USER -j RETURN
COMMIT
*nat
-A PREROUTING -p tcp -m tcp --dport 4443 -j DNAT --to-destination 172.17.0.2:443
-A OUTPUT -d 10.9.9.9/32 -j ACCEPT
-A POSTROUTING -s 172.17.0.0/16 -j MASQUERADE
COMMIT
"""
OTHERS_IP6TABLES = """*raw
-A PREROUTING -s fd00:9::9 -j DROP
COMMIT
*filter
-A FORWARD -s fd00:9::9 -j DROP
COMMIT
*nat
-A PREROUTING -s fd00:9::9 -j ACCEPT
-A OUTPUT -d fd00:9::9 -j ACCEPT
-A POSTROUTING -d fd00:9::9 -j ACCEPT
COMMIT
"""


@pytest.fixture(params=BACKENDS)
def backend(request: pytest.FixtureRequest) -> str:
    need(BACKENDS[request.param])
    if request.param == "python-iptables" and importlib.util.find_spec("iptc") is None:
        pytest.skip("python-iptables is not installed (extra [iptables])")
    return str(request.param)


@pytest.fixture
def others(host: HostNs, backend: str) -> str:
    """The rules of a host where other tools were first."""
    host.run("nft", "-f", "-", input=OTHERS_NFT)
    if "iptables" in backend:
        variant = "legacy" if BACKENDS[backend] == "iptables-legacy" else "nft"
        host.run(f"iptables-{variant}-restore", "--noflush", input=OTHERS_IPTABLES)
        host.run(f"ip6tables-{variant}-restore", "--noflush", input=OTHERS_IP6TABLES)
    return all_rules(host)


def conditional(backend: str) -> list[Rule]:
    words = WORDS["nftables" if BACKENDS[backend] == "nftables" else "iptables"]
    return [
        PublishIf(WEB, "tcp", "0.0.0.0", 8090, "10.90.0.2", 80, "netkit0", conditions=words),
        PublishIf(WEB, "tcp", "2001:db8::1", 8100, "fd00:90::2", 8100, "netkit0", 11, conditions=words),
        PublishIf(WEB, "udp", "192.0.2.1", 9100, "10.90.0.2", 8000, "netkit0", 11, conditions=words),
    ]


def rules(backend: str) -> list[Rule]:
    return [*FIXED, *PORTS, *conditional(backend), *([GUARD] if BACKENDS[backend] == "nftables" else [])]


def holds(host: HostNs, backend: str, wanted: list[Rule]) -> set[str]:
    return set(execute(host, backend, "holds", wanted).strip("[]").split(", "))


def test_what_is_added_is_taken_back_exactly(host: HostNs, backend: str, others: str) -> None:
    wanted = rules(backend)
    assert holds(host, backend, wanted) == {"False"}
    assert execute(host, backend, "add", wanted) == "None"
    assert holds(host, backend, wanted) == {"True"}
    assert execute(host, backend, "delete", wanted[::-1]) == "None"
    assert holds(host, backend, wanted) == {"False"}
    assert all_rules(host) == others


def test_one_by_one_is_the_same_as_all_at_once(host: HostNs, backend: str, others: str) -> None:
    wanted = rules(backend)
    for rule in wanted:
        assert execute(host, backend, "add", [rule]) == "None"
    single = all_rules(host)
    for rule in wanted[::-1]:
        assert execute(host, backend, "delete", [rule]) == "None"
    assert all_rules(host) == others
    assert execute(host, backend, "add", wanted) == "None"
    assert sorted(all_rules(host).splitlines()) == sorted(single.splitlines())


def test_adding_and_deleting_twice_is_once(host: HostNs, backend: str, others: str) -> None:
    wanted = rules(backend)
    for _ in range(2):
        assert execute(host, backend, "add", wanted) == "None"
        added = all_rules(host)
        assert execute(host, backend, "add", wanted) == "None"
        assert all_rules(host) == added
    for _ in range(2):
        assert execute(host, backend, "delete", PORTS[::-1]) == "None"
    for _ in range(2):
        assert execute(host, backend, "delete", wanted[::-1]) == "None"
        assert all_rules(host) == others


def test_after_a_flush_deleting_is_no_error_and_adding_restores_all(host: HostNs, backend: str) -> None:
    wanted = rules(backend)
    assert execute(host, backend, "add", wanted) == "None"
    added = all_rules(host)
    flush(host, backend)
    assert holds(host, backend, wanted) == {"False"}
    assert execute(host, backend, "delete", PORTS) == "None"
    assert execute(host, backend, "delete", wanted[::-1]) == "None"
    assert execute(host, backend, "add", wanted) == "None"
    assert sorted(all_rules(host).splitlines()) == sorted(added.splitlines())


def flush(host: HostNs, backend: str) -> None:
    host.run("nft", "flush", "ruleset")
    for tool in ("iptables-legacy", "ip6tables-legacy") if BACKENDS[backend] == "iptables-legacy" else ():
        for table in ("raw", "filter", "nat"):
            host.run(tool, "-t", table, "-F")
            host.run(tool, "-t", table, "-X")


DAMAGE = {
    "nftables": ("nft", "flush", "chain", "inet", "netkit", "first"),
    "nft-program": ("nft", "flush", "chain", "bridge", "netkit", "port"),
    "iptables": ("iptables-nft", "-F", "NETKIT-IN"),
    "iptables-legacy": ("iptables-legacy", "-t", "raw", "-D", "PREROUTING", "-j", "NETKIT-RAW"),
    "python-iptables": ("ip6tables-legacy", "-D", "NETKIT-NAT", "1"),
}


def test_a_damaged_frame_is_noticed_and_made_whole_with_all_that_hangs_in_it(host: HostNs, backend: str) -> None:
    wanted = rules(backend)
    assert execute(host, backend, "add", wanted) == "None"
    added = all_rules(host)
    host.run(*DAMAGE[backend])
    assert holds(host, backend, [BaseRules()]) == {"False"}
    assert execute(host, backend, "add", [BaseRules()]) == "None"
    assert holds(host, backend, wanted) == {"True"}
    assert sorted(all_rules(host).splitlines()) == sorted(added.splitlines())


def test_a_port_that_is_anothers_by_now_is_left_alone(host: HostNs, backend: str) -> None:
    old = Publish(WEB, "tcp", "0.0.0.0", 8080, "10.90.0.2", 80, "netkit0")
    new = Publish("a" * 12, "tcp", "0.0.0.0", 8080, "10.90.0.9", 80, "netkit0")
    other = Publish(WEB, "tcp", "0.0.0.0", 8081, "10.90.0.2", 80, "netkit0")
    assert execute(host, backend, "add", [*FIXED, new, other]) == "None"
    assert execute(host, backend, "delete", [old, other]) == "None"
    assert execute(host, backend, "holds", [new, old, other]) == "[True, False, False]"


def sabotage(host: HostNs, backend: str) -> None:
    """See to it that the last port of an operation cannot be added."""
    if BACKENDS[backend] == "nftables":
        host.run("nft", "add element inet netkit any6 { tcp . 8088 : fd00:90::9 . 80 }")
        return
    tool = "ip6tables-nft" if backend == "iptables" else "ip6tables-legacy"
    host.run(tool, "-t", "nat", "-F")
    host.run(tool, "-t", "nat", "-X")


def test_an_operation_that_fails_leaves_nothing(host: HostNs, backend: str) -> None:
    assert execute(host, backend, "add", FIXED) == "None"
    sabotage(host, backend)
    before = all_rules(host)
    bad = Publish(WEB, "tcp", "::", 8088, "fd00:90::2", 80, "netkit0")
    assert execute(host, backend, "add", [*PORTS, bad]).startswith(("KernelError ", "ConflictError "))
    assert all_rules(host) == before


def test_a_port_that_leads_elsewhere_is_a_conflict(host: HostNs) -> None:
    need("nftables")
    assert execute(host, "nftables", "add", [*FIXED, *PORTS]) == "None"
    before = all_rules(host)
    for taken in (
        Publish("a" * 12, "tcp", "0.0.0.0", 8080, "10.90.0.9", 80, "netkit0"),
        Publish("a" * 12, "tcp", "::", 8005, "fd00:90::9", 8005, "netkit0", 20),
    ):
        assert execute(host, "nftables", "add", [taken]).startswith("ConflictError a port is published already")
    assert all_rules(host) == before


def test_iptables_guards_no_port(host: HostNs) -> None:
    need("iptables")
    assert execute(host, "iptables", "add", [GUARD]).startswith("HostError ")


def test_the_printed_commands_do_the_same_by_hand(host: HostNs, backend: str, others: str) -> None:
    """Each operation's commands, on a host that holds none (add) or all (delete) of it."""
    name, wanted = BACKENDS[backend], rules(backend)
    operations = [[rule] for rule in wanted]
    for verb, order in (("add", operations), ("delete", operations[::-1])):
        for operation in order:
            for argv, stdin in firewall.commands(operation, name, verb):
                host.run(*argv, input=stdin or None)
        if verb == "add":
            by_hand = all_rules(host)
    assert all_rules(host) == others
    for operation in operations:
        assert execute(host, backend, "add", operation) == "None"
    assert all_rules(host) == by_hand
