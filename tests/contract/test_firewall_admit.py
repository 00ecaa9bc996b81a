"""Beside other firewalls: their drops are found, answered with marked accepts, and everything is taken back exactly."""

from __future__ import annotations

import pytest

from netkit.plan.rules import Admit
from tests.contract import world as w
from tests.contract.executor import all_rules
from tests.contract.world import World
from tests.features import need

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator

    from tests.hosts import HostNs

pytestmark = [pytest.mark.root, pytest.mark.requires("veth", "bridge", "ipv6", "nftables")]

PLAIN = """
table inet filter {
    chain input { type filter hook input priority filter; policy accept; }
    chain forward { type filter hook forward priority filter; policy drop; ct state established,related accept; }
}
"""
FIREWALLD = """
table inet firewalld {
    chain filter_FORWARD {
        type filter hook forward priority filter + 10; policy accept;
        ct state { established, related } accept
        reject with icmpx admin-prohibited
    }
}
"""


def policies(*tools: str) -> list[tuple[str, ...]]:
    return [(tool, "-P", "FORWARD", "DROP") for tool in tools]


def docker(tool: str) -> list[tuple[str, ...]]:
    own = [(tool, "-N", "DOCKER-USER"), (tool, "-A", "DOCKER-USER", "-j", "RETURN")]
    return [*own, (tool, "-I", "FORWARD", "-j", "DOCKER-USER"), *policies(tool)]


#: By name: what the machine needs, how the other tool sets itself up, and how its chains are called.
FOREIGN: dict[str, tuple[str, list[tuple[str, ...]], list[str]]] = {
    "ufw": ("iptables", policies("iptables-nft", "ip6tables-nft"), ["iptables FORWARD", "ip6tables FORWARD"]),
    "ufw-legacy": (
        "iptables-legacy",
        policies("iptables-legacy", "ip6tables-legacy"),
        ["iptables-legacy FORWARD", "ip6tables-legacy FORWARD"],
    ),
    "docker": (
        "iptables",
        [*docker("iptables-nft"), *docker("ip6tables-nft")],
        ["iptables DOCKER-USER", "ip6tables DOCKER-USER"],
    ),
    "docker-legacy": (
        "iptables-legacy",
        [*docker("iptables-legacy"), *docker("ip6tables-legacy")],
        ["iptables-legacy DOCKER-USER", "ip6tables-legacy DOCKER-USER"],
    ),
    "nftables.conf": ("nftables", [("nft", PLAIN)], ["nft inet filter forward"]),
    "firewalld": ("nftables", [("nft", FIREWALLD)], ["nft inet firewalld filter_FORWARD"]),
}

INWARD = [(p, h, 8080) for p in w.BOTH for h in (w.HOST4, w.HOST6)]
STRAIGHT = [(p, a, 80) for p in w.BOTH for a in (w.WEB4, w.WEB6, "10.92.0.2", "fd00:92::2")]
OUTWARD = [(p, a, 80) for p in w.BOTH for a in (w.LAN4, w.LAN6)]


@pytest.fixture(scope="module")
def bare(tmp_path_factory: pytest.TempPathFactory) -> Iterator[World]:
    """One for all tests, without any rules."""
    made = World(tmp_path_factory.mktemp("admit"))
    try:
        yield made
    finally:
        made.close()


@pytest.fixture(params=FOREIGN)
def world(request: pytest.FixtureRequest, bare: World) -> Iterator[World]:
    needed, commands, _ = FOREIGN[request.param]
    need(needed)
    for command in commands:
        bare.host.run(*command)
    yield bare
    flush(bare.host)
    assert all(bare.ask("lan", STRAIGHT)), "a rule was left"


def flush(host: HostNs) -> None:
    """No rule of any tool is left."""
    host.run("nft", "flush", "ruleset")
    for tool in ("iptables-legacy", "ip6tables-legacy"):
        saved = host.run(f"{tool}-save", check=False).stdout.splitlines()
        for table in (line[1:] for line in saved if line.startswith("*")):
            host.run(tool, "-t", table, "-F")
            host.run(tool, "-t", table, "-X")
            if table == "filter":
                host.run(tool, "-P", "FORWARD", "ACCEPT")


@pytest.fixture
def where(request: pytest.FixtureRequest) -> list[str]:
    return FOREIGN[request.node.callspec.params["world"]][2]


def admits(where: list[str], *devices: str) -> list[Admit]:
    return [Admit(place, device) for device in devices for place in where]


def talks(world: World, patience: float = 10) -> tuple[bool, bool]:
    """Whether published ports and egress of `web` work."""
    return all(world.ask("lan", INWARD, patience)), all(world.ask("web", OUTWARD, patience))


def test_our_packets_pass_once_admitted_and_nothing_stays_behind(world: World, where: list[str]) -> None:
    before = all_rules(world.host)
    assert world.firewall("add", w.everything()) == "None"
    assert talks(world, 0.6) == (False, False), "the other firewall does drop"
    assert world.drops() == where
    ours = all_rules(world.host)
    for device in ("netkit0", "netkit1"):
        assert world.firewall("add", admits(where, device)) == "None"
    assert talks(world) == (True, True)
    assert world.firewall("holds", admits(where, "netkit0", "netkit1")) == str([True] * len(where) * 2)
    assert world.firewall("delete", admits(where, "netkit1")) == "None"
    assert talks(world) == (True, True), "one network's end is not another's"
    for _ in range(2):
        assert world.firewall("delete", admits(where, "netkit0")) == "None"
        assert all_rules(world.host) == ours
    assert world.firewall("delete", list(reversed(w.everything()))) == "None"
    assert all_rules(world.host) == before


def test_an_accept_elsewhere_opens_nothing(world: World, where: list[str]) -> None:
    assert world.firewall("add", [*w.everything(), *admits(where, "netkit0", "netkit1", "netkit2")]) == "None"
    for member in ("lan", "other"):
        assert not any(world.ask(member, STRAIGHT, patience=0.4))
    assert not any(world.ask("inner", OUTWARD, patience=0.4))
    assert not any(world.ask("lan", [(p, a, 80) for p in w.BOTH for a in (w.FAR4, w.FAR6)], patience=0.4))


def test_admitting_twice_adds_once(world: World, where: list[str]) -> None:
    assert world.firewall("add", admits(where, "netkit0")) == "None"
    once = all_rules(world.host)
    assert world.firewall("add", admits(where, "netkit0")) == "None"
    assert all_rules(world.host) == once
