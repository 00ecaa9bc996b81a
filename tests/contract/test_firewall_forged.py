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
