"""Containers that are routed: who reaches whom, what they may pretend to be, and what they cost the firewall."""

from __future__ import annotations

import pytest

from tests.contract.drivers import pings
from tests.features import need
from tests.hosts import Container, HostNs, Lab
from tests.netns.test_engine_reach import asks, serve

HOST, HOST6, LAN, LAN6 = "192.0.2.1", "fd00:2::1", "192.0.2.2", "fd00:2::2"
SILENCE = 0.4


class Scene:
    """A host with a LAN neighbour that knows the way to every container, and two routed networks and a bridge."""

    def __init__(self, lab: Lab, backend: str) -> None:
        need(backend)
        self.lab, self.backend = lab, backend
        self.host: HostNs = lab.host()
        self.lan: HostNs = lab.host("lan")
        lab.link(self.host, self.lan, (f"{HOST}/24", f"{LAN}/24"), (f"{HOST6}/64", f"{LAN6}/64"))
        self.host.run("ip", "route", "add", "default", "via", LAN)
        self.lan.run("ip", "route", "add", "10.0.0.0/8", "via", HOST)
        self.lan.run("ip", "route", "add", "fd00:90::/64", "via", HOST6)

    def create(self, name: str, subnet: str, *words: str) -> None:
        given = ("--mode", "ptp") if "--mode" not in words else ()
        command = ("network", "create", name, *given, "--subnet", subnet, *words)
        self.host.netkit("--firewall", self.backend, *command, check=True)

    def attach(self, name: str, network: str, *words: str) -> Container:
        container = self.lab.container(name)
        self.host.netkit("attach", "--pid", str(container.pid), "--network", network, *words, check=True)
        return container

    def rules(self) -> str:
        if self.backend == "nftables":
            return self.host.run("nft", "-s", "list", "ruleset").stdout
        lines = (self.host.run(f"{tool}-save").stdout for tool in ("iptables", "ip6tables"))
        return "\n".join(line for text in lines for line in text.splitlines() if line[:1] not in "#:")


@pytest.fixture(params=("nftables", "iptables"))
def scene(request: pytest.FixtureRequest, lab: Lab) -> Scene:
    return Scene(lab, request.param)


def test_published_ports_are_reached_and_nothing_else_is(scene: Scene) -> None:
    host, lan = scene.host, scene.lan
    scene.create("blue", "10.90.0.0/16", "--subnet", "fd00:90::/64")
    scene.create("red", "10.91.0.0/16")
    scene.create("switched", "10.92.0.0/16", "--mode", "bridge")
    web = scene.attach("web", "blue", "-p", "8080:80", "-p", "127.0.0.1:8081:80", "-p", "9000-9002:79-81")
    sibling, other, bridged = (
        scene.attach(name, network) for name, network in (("s", "blue"), ("o", "red"), ("b", "switched"))
    )
    serve(web)
    reached = {
        "host by its address": (asks(host, HOST, 8080), HOST),
        "host by localhost": (asks(host, "127.0.0.1", 8080), "10.90.0.1"),
        "host by a port of localhost alone": (asks(host, "127.0.0.1", 8081), "10.90.0.1"),
        "host by a shifted range": (asks(host, HOST, 9001), HOST),
        "host by the container's address": (asks(host, "10.90.0.2", 80), "10.90.0.1"),
        "lan, its own address seen": (asks(lan, HOST, 8080), LAN),
        "lan by IPv6": (asks(lan, HOST6, 8080), LAN6),
        "sibling by the host's address": (asks(sibling, HOST, 8080), "10.90.0.1"),
        "sibling by the container's address": (asks(sibling, "10.90.0.2", 80), "10.90.0.3"),
        "sibling by IPv6": (asks(sibling, "fd00:90::2", 80), "fd00:90::3"),
        "itself by the host's address": (asks(web, HOST, 8080), "10.90.0.1"),
        "itself by IPv6": (asks(web, HOST6, 8080), "fd00:90::1"),
        "another network by the host's address": (asks(other, HOST, 8080), "10.91.0.2"),
        "a bridge's container by the host's address": (asks(bridged, HOST, 8080), "10.92.0.2"),
    }
    assert {who: seen for who, (seen, _) in reached.items()} == {who: wanted for who, (_, wanted) in reached.items()}
    refused = {
        "lan to a port of localhost": asks(lan, HOST, 8081),
        "lan by a route to the container": asks(lan, "10.90.0.2", 80),
        "lan by a route to the container, IPv6": asks(lan, "fd00:90::2", 80),
        "another network by the container's address": asks(other, "10.90.0.2", 80),
        "a bridge's container by the container's address": asks(bridged, "10.90.0.2", 80),
        "sibling to a port of localhost": asks(sibling, HOST, 8081),
    }
    assert refused == dict.fromkeys(refused, "")
    assert scene.host.netkit("check").returncode == 0


def test_no_container_speaks_for_another(scene: Scene) -> None:
    scene.create("blue", "10.90.0.0/16", "--subnet", "fd00:90::/64")
    web, liar = scene.attach("web", "blue"), scene.attach("liar", "blue")
    lies = ("10.90.0.2", "10.90.0.77", "10.90.0.1", LAN, "203.0.113.7", "fd00:90::2", "fd00:90::77", "2001:db8::7")
    for lie in lies:
        liar.run("ip", "addr", "add", lie, "dev", "eth0", *(("nodad",) if ":" in lie else ()))
        to = {"host": HOST6, "web": "fd00:90::2"} if ":" in lie else {"host": HOST, "web": "10.90.0.2", "lan": LAN}
        to = {name: address for name, address in to.items() if address != lie}
        before = web.run("cat", "/proc/net/snmp", "/proc/net/snmp6").stdout
        assert pings(liar, to, SILENCE, f"-I{lie}") == set(), lie
        counted = [line for line in before.splitlines() if line.startswith(("Icmp: ", "Icmp6InEchos"))]
        after = web.run("cat", "/proc/net/snmp", "/proc/net/snmp6").stdout
        assert all(line in after for line in counted), f"a packet from {lie} came through"
        liar.run("ip", "addr", "del", lie, "dev", "eth0")
    assert pings(liar, {"web": "10.90.0.2", "web6": "fd00:90::2", "lan": LAN}) == {"web", "web6", "lan"}


def test_internal_and_without_icc(scene: Scene) -> None:
    scene.create("dark", "10.93.0.0/16", "--internal")
    scene.create("lonely", "10.94.0.0/16", "--no-icc")
    one, _other = scene.attach("one", "dark"), scene.attach("other", "dark")
    alone, _too = scene.attach("alone", "lonely"), scene.attach("too", "lonely")
    assert pings(one, {"sibling": "10.93.0.3", "gateway": "10.93.0.1"}) == {"sibling", "gateway"}
    assert pings(one, {"lan": LAN, "another network": "10.94.0.2"}, SILENCE) == set()
    one.run("ip", "route", "add", "default", "via", "10.93.0.1")
    assert pings(one, {"lan": LAN, "another network": "10.94.0.2"}, SILENCE) == set(), "not even with a route"
    assert pings(alone, {"lan": LAN}) == {"lan"}
    assert pings(alone, {"sibling": "10.94.0.3", "another network": "10.93.0.2"}, SILENCE) == set()
    assert pings(scene.lan, {"internal": "10.93.0.2", "lonely": "10.94.0.2"}, SILENCE) == set()


def test_an_open_network_is_reached_under_its_own_addresses(scene: Scene) -> None:
    scene.create("open", "10.90.0.0/16", "-o", "routed=on", "-o", "masquerade=off")
    web = scene.attach("web", "open")
    serve(web)
    assert asks(scene.lan, "10.90.0.2", 80) == LAN
    serve(scene.lan)  # type: ignore[arg-type]
    assert asks(web, LAN, 80) == "10.90.0.2"


@pytest.mark.parametrize("words", [(), ("--internal",)], ids=("open", "internal"))
def test_beside_a_firewall_that_drops_what_it_does_not_know(scene: Scene, words: tuple[str, ...]) -> None:
    policy = "{ type filter hook forward priority 0; policy drop; }"
    scene.host.run("nft", f"add table inet other; add chain inet other forward {policy}")
    before = scene.host.run("nft", "list", "table", "inet", "other").stdout
    scene.create("blue", "10.90.0.0/16", *words)
    web, sibling = scene.attach("web", "blue"), scene.attach("sibling", "blue")
    wanted = {"sibling": "10.90.0.3", **({} if words else {"lan": LAN})}
    assert pings(web, wanted) == wanted.keys()
    for container in (web, sibling):
        scene.host.netkit("detach", "--pid", str(container.pid), check=True)
    scene.host.netkit("network", "rm", "blue", check=True)
    assert scene.host.run("nft", "list", "table", "inet", "other").stdout == before


@pytest.mark.parametrize("mode", ["bridge", "underlay"])
def test_a_bridge_cannot_be_called_like_a_cable(host: HostNs, mode: str) -> None:
    done = host.netkit("network", "create", "blue", "--mode", mode, "-o", "bridge=nkpblue")
    assert (done.returncode, "choose another name" in done.stderr) == (2, True)


def test_containers_come_and_go_without_a_change_of_rules(scene: Scene) -> None:
    scene.create("blue", "10.90.0.0/16")
    before = scene.rules()
    containers = [scene.attach(f"c{number}", "blue") for number in range(3)]
    assert scene.rules() == before
    for container in containers:
        scene.host.netkit("detach", "--pid", str(container.pid), check=True)
    assert scene.rules() == before
    assert "nkp" in before
