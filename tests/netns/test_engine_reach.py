"""Who reaches a container that netkit attached, end to end: real commands, a real server, real clients."""

from __future__ import annotations

import json

import pytest

from tests.contract.packets import Server, ask
from tests.features import need
from tests.hosts import Container, HostNs, Lab, Namespace

HOST, HOST6 = "192.0.2.1", "fd00:2::1"


class Scene:
    """A host with a LAN neighbour that has routes to all subnets, and containers on two networks."""

    def __init__(self, lab: Lab, backend: str) -> None:
        need(backend)
        self.host: HostNs = lab.host()
        self.lan: HostNs = lab.host("lan")
        lab.link(self.host, self.lan, (f"{HOST}/24", "192.0.2.2/24"), (f"{HOST6}/64", "fd00:2::2/64"))
        self.host.run("ip", "route", "add", "default", "via", "192.0.2.2")
        for route in (("10.90.0.0/16", HOST), ("10.91.0.0/16", HOST), ("fd00:90::/64", HOST6)):
            self.lan.run("ip", "route", "add", route[0], "via", route[1])
        self.host.netkit("--firewall", backend, *_create("blue", "10.90.0.0/16", "fd00:90::/64"), check=True)
        self.host.netkit(*_create("red", "10.91.0.0/16"), check=True)
        self.web, self.sibling, self.other = (lab.container(name) for name in ("web", "sibling", "other"))
        ports = ("-p", "8080:80", "-p", "127.0.0.1:8081:80", "-p", "9000-9002:79-81")
        self.attach(self.web, "blue", *ports)
        self.attach(self.sibling, "blue")
        self.attach(self.other, "red")
        serve(self.web)

    def attach(self, container: Container, network: str, *ports: str) -> None:
        self.host.netkit("attach", "--pid", str(container.pid), "--network", network, *ports, check=True)


def _create(name: str, *subnets: str) -> tuple[str, ...]:
    return ("network", "create", name, "--mode", "bridge", *(word for s in subnets for word in ("--subnet", s)))


def serve(container: Container) -> None:
    """A server at port 80, IPv4 and IPv6, that answers with the address it is spoken to from."""
    Server(container, "", "tcp:0.0.0.0:80", "tcp::::80")


def asks(client: Namespace, address: str, port: int, patience: float = 3) -> str:
    """The address that the server sees, "" when there is no answer within so many seconds."""
    return ask(client, [("tcp", address, port)], patience)[0].strip()


@pytest.mark.limit(120)
@pytest.mark.parametrize("backend", ("nftables", "iptables"))
def test_published_ports_are_reached_and_nothing_else_is(lab: Lab, backend: str) -> None:
    scene = Scene(lab, backend)
    host, lan, web, sibling, other = scene.host, scene.lan, scene.web, scene.sibling, scene.other
    reached = {
        "host by its address": (asks(host, HOST, 8080), HOST),
        "host by localhost": (asks(host, "127.0.0.1", 8080), "10.90.0.1"),
        "host by a port of localhost alone": (asks(host, "127.0.0.1", 8081), "10.90.0.1"),
        "host by a shifted range": (asks(host, HOST, 9001), HOST),
        "host by the container's address": (asks(host, "10.90.0.2", 80), "10.90.0.1"),
        "lan, its own address seen": (asks(lan, HOST, 8080), "192.0.2.2"),
        "lan by IPv6": (asks(lan, HOST6, 8080), "fd00:2::2"),
        "sibling by the host's address": (asks(sibling, HOST, 8080), "10.90.0.1"),
        "sibling by the container's address": (asks(sibling, "10.90.0.2", 80), "10.90.0.3"),
        "itself by the host's address": (asks(web, HOST, 8080), "10.90.0.1"),
        "another network by the host's address": (asks(other, HOST, 8080), "10.91.0.2"),
    }
    assert {who: seen for who, (seen, _) in reached.items()} == {who: wanted for who, (_, wanted) in reached.items()}
    refused = {
        "lan to a port of localhost": asks(lan, HOST, 8081),
        "lan by a route to the container": asks(lan, "10.90.0.2", 80),
        "lan by a route to the container, IPv6": asks(lan, "fd00:90::2", 80),
        "another network by the container's address": asks(other, "10.90.0.2", 80),
        "sibling to a port of localhost": asks(sibling, HOST, 8081),
    }
    assert refused == dict.fromkeys(refused, "")
    assert web.run("ping", "-c1", "-W1", "192.0.2.2").returncode == 0, "the way out is open"


def test_what_is_reached_is_gone_with_the_attachment(lab: Lab) -> None:
    scene = Scene(lab, "nftables")
    assert asks(scene.lan, HOST, 8080) == "192.0.2.2"
    scene.host.netkit("detach", "--pid", str(scene.web.pid), check=True)
    assert asks(scene.lan, HOST, 8080) == ""
    assert [row["container"] for row in json.loads(scene.host.netkit("ps", "--json").stdout)] != []
