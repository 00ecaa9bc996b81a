"""Beside other people's firewalls: packets pass, and all of it is taken back.

lan 192.0.2.2 --- eth0 192.0.2.1 [ host ] netkit bridge --- web, and a firewall of somebody else's on the host
"""

from __future__ import annotations

import pytest

from netkit.model import Network, PortMap, Subnet
from tests.contract.packets import Server
from tests.contract.test_engine_faults import ALLOWED
from tests.features import need
from tests.hosts import Container, HostNs, Lab
from tests.netns.calls import Remote, kernel
from tests.netns.test_engine_ports import ask
from tests.oracle import diff

DUAL = Network("dual", "bridge", subnets=(Subnet("10.7.0.0/24", "10.7.0.1"), Subnet("fd07::/64", "fd07::1")))
PORTS = (PortMap("tcp", "0.0.0.0", 8080, 80), PortMap("tcp", "::", 8080, 80), PortMap("udp", "0.0.0.0", 5300, 53))
OUT = (("tcp", "192.0.2.2", 80), ("tcp", "2001:db8::2", 80))
IN = (("tcp", "192.0.2.1", 8080), ("tcp", "2001:db8::1", 8080), ("udp", "192.0.2.1", 5300))
FOREIGN_NFT = """
table inet admin {
  chain forward { type filter hook forward priority 0; policy drop; ct state established accept; }
  chain input { type filter hook input priority 0; policy accept; }
}
"""

#: Somebody else's firewall: the tools it needs, and the commands that make it.
FIREWALLS: dict[str, tuple[tuple[str, ...], tuple[str, ...]]] = {
    "none": ((), ()),
    "iptables-policy": (("iptables",), ("iptables-nft -P FORWARD DROP", "ip6tables-nft -P FORWARD DROP")),
    "legacy-policy": (
        ("iptables-legacy", "ip6tables-legacy"),
        ("iptables-legacy -P FORWARD DROP", "ip6tables-legacy -P FORWARD DROP"),
    ),
    "docker": (
        ("iptables",),
        tuple(
            f"{tool} {words}"
            for tool in ("iptables-nft", "ip6tables-nft")
            for words in ("-P FORWARD DROP", "-N DOCKER-USER", "-A FORWARD -j DOCKER-USER", "-A DOCKER-USER -j RETURN")
        ),
    ),
    "nft-policy": (("nftables",), ("nft -f -",)),
}
BACKENDS = ("nftables", "iptables", "iptables-legacy")


class Scene:
    """A host with a LAN, and one container that publishes ports."""

    def __init__(self, lab: Lab, backend: str, firewall: str) -> None:
        tools, commands = FIREWALLS[firewall]
        need(backend, *tools)
        self.host: HostNs = lab.host()
        self.lan: HostNs = lab.host("lan")
        self.web: Container = lab.container("web")
        lab.link(self.host, self.lan, ("192.0.2.1/24", "192.0.2.2/24"), ("2001:db8::1/64", "2001:db8::2/64"))
        Server(self.lan, "lan", "tcp:0.0.0.0:80", "tcp::::80")
        self.remote = Remote(self.host, backend)
        self.up()
        self.down()
        for command in commands:
            self.host.run(*command.split(), input=FOREIGN_NFT)
        self.before = kernel(self.host)

    def up(self) -> None:
        self.remote.call("create", net=DUAL)
        self.remote.attach(self.web, network="dual", ports=PORTS)

    def down(self) -> None:
        self.remote.leave(self.web)
        self.remote.call("rm", name="dual")

    def serve(self) -> None:
        Server(self.web, "web", "tcp:0.0.0.0:80", "tcp::::80", "udp:0.0.0.0:53")

    def works(self) -> list[str]:
        return [*ask(self.web, *OUT), *ask(self.lan, *IN), *ask(self.host, IN[0])]

    def unchanged(self) -> str:
        return diff(self.before, kernel(self.host), ALLOWED)


WORKING = ["lan", "lan", "web", "web", "web", "web"]


@pytest.mark.parametrize("backend", BACKENDS)
@pytest.mark.parametrize("firewall", FIREWALLS)
def test_packets_pass_beside_another_firewall_and_all_is_taken_back(lab: Lab, backend: str, firewall: str) -> None:
    scene = Scene(lab, backend, firewall)
    scene.up()
    scene.serve()
    assert scene.works() == WORKING
    assert scene.remote.call("check") == ()
    scene.down()
    assert scene.unchanged() == ""
