"""Frames for 127.0.0.1 from a wire: a host with route_localnet answers them, one with our rules does not."""

from __future__ import annotations

import itertools
import socket

import pytest
from scapy.layers.inet import IP, TCP, UDP
from scapy.layers.l2 import Ether
from scapy.packet import Raw

from tests.contract import world as w
from tests.contract.world import World
from tests.features import need

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator

pytestmark = [pytest.mark.root, pytest.mark.requires("veth", "bridge", "ipv6")]

COUNT = 20
PORTS = itertools.count(4000)  # a new one each time: half-open connections of a former try still answer
ATTACKERS = {"lan": w.LAN4, "sibling": "10.90.0.3"}


@pytest.fixture(scope="module", params=["nftables", "iptables", "iptables-legacy"])
def world(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[World]:
    need(request.param)
    made = World(tmp_path_factory.mktemp("forged"), request.param)
    try:
        yield made
    finally:
        made.close()


def answers(world: World, attacker: str, port: int) -> dict[str, int]:
    """How often the host answers forged packets for 127.0.0.1:port, by protocol.

    The attacker first talks to the host as itself: a host that must ask for its MAC asks in the name of 127.0.0.1, and
    an honest kernel does not answer that.
    """
    assert all(world.ask(attacker, [("udp", w.HOST4, 7001)]))
    device = {"lan": "up0", "sibling": "netkit0"}[attacker]
    mac = world.host.run("cat", f"/sys/class/net/{device}/address").stdout.strip()
    address, sources = ATTACKERS[attacker], {"udp": next(PORTS), "tcp": next(PORTS)}
    to_host = Ether(src="02:00:00:00:00:66", dst=mac) / IP(src=address, dst="127.0.0.1")
    udp = to_host / UDP(sport=sources["udp"], dport=port) / Raw(b"?")
    tcp = to_host / TCP(sport=sources["tcp"], dport=port, flags="S")
    head = socket.inet_aton("127.0.0.1") + socket.inet_aton(address) + port.to_bytes(2, "big")
    with world.hear(attacker, {kind: head + number.to_bytes(2, "big") for kind, number in sources.items()}) as seen:
        world.send(attacker, {"udp": bytes(udp), "tcp": bytes(tcp)}, COUNT)
    return seen


def test_loopback_is_closed_to_every_wire_by_the_rules_alone(world: World) -> None:
    open_host = {attacker: answers(world, attacker, 7000) for attacker in ATTACKERS}
    assert all(count for each in open_host.values() for count in each.values()), (
        f"the attack does not work: {open_host}"
    )
    assert world.firewall("add", w.everything()) == "None"
    for attacker in ATTACKERS:
        for port in (7000, 8082):
            assert answers(world, attacker, port) == {"udp": 0, "tcp": 0}, (attacker, port)


FIRST_LOCK = {
    "nftables": ("nft", "flush", "chain", "inet", "netkit", "first"),
    "iptables": ("iptables-nft", "-t", "raw", "-F", "NETKIT-RAW"),
    "iptables-legacy": ("iptables-legacy", "-t", "raw", "-F", "NETKIT-RAW"),
}


def test_a_port_of_localhost_has_a_second_lock(world: World) -> None:
    assert world.firewall("add", w.everything()) == "None"
    world.host.run(*FIRST_LOCK[world.backend])
    for attacker in ATTACKERS:
        assert answers(world, attacker, 8082)["udp"] == 0, attacker
    assert all(answers(world, "lan", 7000).values()), "the first lock is off"


def test_nobody_speaks_as_localhost_or_out_of_turn(world: World) -> None:
    """A port would carry 127.9.9.9 on to a container (the kernel itself stops 127.0.0.1); NAT lets a stray RST be."""
    assert world.firewall("add", w.everything()) == "None"  # again, if the test above was run
    mac = world.host.run("cat", "/sys/class/net/up0/address").stdout.strip()
    way_in = Ether(src="02:00:00:00:00:66", dst=mac)
    way_out = Ether(src="02:00:00:00:90:02", dst="02:00:00:00:90:01")
    assert all(world.ask("lan", [("udp", w.HOST4, 8080)]))
    inward = {
        name: bytes(way_in / IP(src=source, dst=w.HOST4) / UDP(sport=4999, dport=8080) / Raw(name.encode()))
        for name, source in {"honest__": w.LAN4, "loopback": "127.9.9.9"}.items()
    }
    with world.hear("web", {name: name.encode() for name in inward}) as seen:
        world.send("lan", inward, COUNT)
    assert seen == {"honest__": COUNT, "loopback": 0}
    to_lan, source = way_out / IP(src=w.WEB4, dst=w.LAN4), 4998
    outward = {
        "udp": bytes(to_lan / UDP(sport=source, dport=80)),
        "rst": bytes(to_lan / TCP(sport=source, dport=80, flags="R")),
    }
    tail = socket.inet_aton(w.LAN4) + source.to_bytes(2, "big")
    patterns = {name: socket.inet_aton(address) + tail for name, address in {"own": w.WEB4, "host": w.HOST4}.items()}
    with world.hear("lan", patterns) as seen:
        world.send("web", outward, COUNT)
    assert seen == {"own": 0, "host": COUNT}
