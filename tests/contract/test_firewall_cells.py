"""Who reaches what, cell by cell, with real connections: each backend, TCP and UDP, IPv4 and IPv6."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from netkit.plan.rules import ClosedTransit, Publish
from tests.contract import world as w
from tests.contract.world import World
from tests.features import need

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator

    from tests.contract.packets import Question

pytestmark = [pytest.mark.root, pytest.mark.requires("veth", "bridge", "ipv6")]

FAMILIES = ((w.HOST4, w.WEB4, "10.90.0.1"), (w.HOST6, w.WEB6, "fd00:90::1"))


@pytest.fixture(scope="module", params=["nftables", "iptables", "iptables-legacy"])
def world(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[World]:
    need(request.param)
    made = World(tmp_path_factory.mktemp("world"), request.param)
    try:
        made.open = made.ask("lan", attacks())  # what an attacker gets while there are no rules
        assert made.firewall("add", w.everything()) == "None"
        yield made
    finally:
        made.close()


def attacks() -> list[Question]:
    """Straight to containers by a route, and through the host to another uplink."""
    straight = [(p, a, n) for p in w.BOTH for a in (w.WEB4, w.WEB6, "10.92.0.2", "fd00:92::2") for n in (80, 81)]
    return [*straight, *((p, a, 80) for p in w.BOTH for a in (w.FAR4, w.FAR6))]


def by(host: str, port: int) -> list[Question]:
    return [(proto, host, port) for proto in w.BOTH]


def answered(world: World, member: str, questions: list[Question]) -> dict[Question, str]:
    return {q: a for q, a in zip(questions, world.ask(member, questions, patience=0.4), strict=True) if a}


def assert_all(world: World, member: str, questions: list[Question], server: str = "web") -> set[str]:
    """Every question is answered by that server; the client addresses that it saw."""
    answers = world.ask(member, questions)
    silent = [q for q, a in zip(questions, answers, strict=True) if not a.startswith(f"{server} ")]
    assert not silent, f"{member} gets no answer of {server} from {silent}: {answers}"
    return {answer.split()[1] for answer in answers}


def assert_none(world: World, member: str, questions: list[Question]) -> None:
    assert not (found := answered(world, member, questions)), f"{member} must not reach {found}"


def test_without_rules_every_attack_succeeds(world: World) -> None:
    assert all(world.open), list(zip(attacks(), world.open, strict=True))


def test_with_rules_none_does(world: World) -> None:
    assert_none(world, "lan", attacks())


@pytest.mark.parametrize("member", ["host", "lan", "far", "sibling", "web", "other"])
def test_a_port_of_the_host_is_reached_by_its_address(world: World, member: str) -> None:
    assert_all(world, member, [q for host in (w.HOST4, w.HOST6) for port in (8080, 8081) for q in by(host, port)])


@pytest.mark.parametrize("bridged", ["0", "1"])
def test_hairpin_and_siblings_work_with_and_without_br_netfilter(world: World, bridged: str) -> None:
    if not Path("/proc/sys/net/bridge").exists():
        pytest.skip("this kernel has no br_netfilter")
    world.settings(f"net.bridge.bridge-nf-call-iptables={bridged}", f"net.bridge.bridge-nf-call-ip6tables={bridged}")
    for member in ("web", "sibling"):
        assert_all(world, member, by(w.HOST4, 8080) + by(w.HOST6, 8080))
    assert_all(world, "sibling", by(w.WEB4, 80) + by(w.WEB6, 81))
    assert_none(world, "other", by(w.WEB4, 80) + by(w.WEB6, 81))


@pytest.mark.parametrize("member", ["host", "lan", "sibling", "web", "other"])
def test_ranges_lead_port_by_port(world: World, member: str) -> None:
    questions = [
        q for host in (w.HOST4, w.HOST6) for port in (9000, 9003, 9010, 9013, 9100, 9103) for q in by(host, port)
    ]
    assert_all(world, member, questions)


def test_ranges_end_where_they_end(world: World) -> None:
    assert_none(
        world, "lan", [q for host in (w.HOST4, w.HOST6) for port in (8999, 9004, 9099, 9104) for q in by(host, port)]
    )


def test_a_shifted_range_arrives_at_the_right_port(world: World) -> None:
    mine = world.serve("web", "third", *(f"{p}:0.0.0.0:9302" for p in w.BOTH))
    rule = [Publish("a" * 12, proto, "0.0.0.0", 9400, w.WEB4, 9300, "netkit0", 4) for proto in w.BOTH]
    assert world.firewall("add", rule) == "None"
    assert_all(world, "lan", by(w.HOST4, 9402), "third")
    assert_none(world, "lan", by(w.HOST4, 9401) + by(w.HOST4, 9403))
    assert world.firewall("delete", rule) == "None"
    assert_none(world, "lan", by(w.HOST4, 9402))
    mine.close()


def test_localhost_reaches_all_of_its_own_ports(world: World) -> None:
    assert_all(world, "host", [q for port in (8080, 8082, 9000, 9103) for q in by("127.0.0.1", port)])


@pytest.mark.parametrize("member", ["lan", "far", "sibling", "web", "other", "inner"])
def test_a_port_of_localhost_is_reached_from_nowhere_else(world: World, member: str) -> None:
    assert_none(world, member, [q for host in (w.HOST4, "10.90.0.1", "10.91.0.1", "10.92.0.1") for q in by(host, 8082)])


def test_a_port_of_localhost_is_not_a_port_of_the_host(world: World) -> None:
    assert_none(world, "host", by(w.HOST4, 8082))


@pytest.mark.parametrize("address", [w.WEB4, w.WEB6])
def test_a_container_is_reached_from_its_host_and_its_network_alone(world: World, address: str) -> None:
    questions = by(address, 80) + by(address, 81)
    for member in ("host", "sibling"):
        assert_all(world, member, questions)
    for member in ("lan", "far", "other", "inner", "neighbour"):
        assert_none(world, member, questions)


def test_an_internal_container_is_reached_from_its_host_alone(world: World) -> None:
    questions = [q for address in ("10.92.0.2", "fd00:92::2") for q in by(address, 80)]
    assert_all(world, "host", questions, "inner")
    for member in ("lan", "web", "other"):
        assert_none(world, member, questions)
        assert_none(world, member, by(w.HOST4, 8090) + by(w.HOST6, 8090))


def test_an_internal_container_reaches_nobody_through_the_host(world: World) -> None:
    beyond = (w.LAN4, w.LAN6, w.FAR4, w.FAR6, w.WEB4, w.WEB6, "10.91.0.2", "fd00:91::2")
    assert_none(world, "inner", [q for address in beyond for q in by(address, 80)])
    assert_none(world, "inner", by(w.HOST4, 8080) + by(w.HOST6, 8080))


def test_the_gateway_address_of_a_network_is_no_way_in(world: World) -> None:
    assert_none(world, "lan", by("10.90.0.1", 8080) + by("fd00:90::1", 8080))


@pytest.mark.parametrize("address", [w.LAN4, w.LAN6, w.FAR4, w.FAR6])
def test_containers_reach_out_and_ports_of_the_same_number_elsewhere_are_not_stolen(world: World, address: str) -> None:
    server = "lan" if address in (w.LAN4, w.LAN6) else "far"
    seen = assert_all(world, "web", [q for port in (80, 8080, 9000) for q in by(address, port)], server)
    assert len(seen) == 1 and not seen & {w.WEB4, w.WEB6}, "egress is masqueraded"


def test_the_server_sees_its_clients_own_addresses(world: World) -> None:
    assert assert_all(world, "lan", by(w.HOST4, 8080)) == {w.LAN4}
    assert assert_all(world, "lan", by(w.HOST6, 8080)) == {w.LAN6}
    assert assert_all(world, "other", by(w.HOST4, 8080)) == {"10.91.0.2"}
    assert assert_all(world, "host", by(w.HOST4, 8080)) == {w.HOST4}


def test_hairpin_and_localhost_clients_come_from_the_bridge(world: World) -> None:
    for host, bridge in ((w.HOST4, "10.90.0.1"), (w.HOST6, "fd00:90::1")):
        assert assert_all(world, "web", by(host, 8080)) == {bridge}
        assert assert_all(world, "sibling", by(host, 8080)) == {bridge}
    assert assert_all(world, "host", by("127.0.0.1", 8080)) == {"10.90.0.1"}


@pytest.mark.parametrize("routed", [False, True])
def test_without_masquerade_sources_stay_and_only_a_routed_network_is_reached(world: World, routed: bool) -> None:
    usual = [w.networks()[1]]
    plain = [usual[0].replace(masquerade=False, routed=routed)]
    assert world.firewall("delete", usual) == world.firewall("add", plain) == "None"
    try:
        assert assert_all(world, "other", by(w.LAN4, 80), "lan") == {"10.91.0.2"}
        assert assert_all(world, "other", by(w.LAN6, 80), "lan") == {"fd00:91::2"}
        inward = by("10.91.0.2", 80) + by("fd00:91::2", 80)
        if routed:
            assert_all(world, "lan", inward, "other")
        else:
            assert_none(world, "lan", inward)
            assert_none(world, "web", inward)
    finally:
        assert world.firewall("delete", plain) == world.firewall("add", usual) == "None"


def test_another_tools_containers_keep_their_fate(world: World) -> None:
    assert_all(world, "neighbour", by(w.LAN4, 80) + by(w.LAN6, 80), "lan")
    assert_all(world, "lan", by("10.17.0.2", 80) + by("fd00:17::2", 80), "neighbour")
    assert_all(world, "neighbour", by(w.HOST4, 8080) + by(w.HOST6, 8080))


def test_ours_and_another_tools_containers_do_not_reach_each_other(world: World) -> None:
    assert_none(world, "neighbour", by(w.WEB4, 80) + by(w.WEB6, 80) + by("10.92.0.2", 80))
    for member in ("web", "inner"):
        assert_none(world, member, by("10.17.0.2", 80) + by("fd00:17::2", 80))


def test_closed_transit_is_one_familys_affair(world: World) -> None:
    assert world.firewall("delete", [ClosedTransit(6)]) == "None"
    try:
        assert_all(world, "lan", by(w.FAR6, 80), "far")
        assert_none(world, "lan", by(w.FAR4, 80))
        assert_none(world, "lan", by(w.WEB6, 80))
    finally:
        assert world.firewall("add", [ClosedTransit(6)]) == "None"


def test_what_the_host_serves_on_a_gateway_address_is_for_itself_and_that_network(world: World) -> None:
    gateways = ("10.90.0.1", "fd00:90::1")
    server = world.serve("host", "dns", *(f"{p}:{a}:53" for p in w.BOTH for a in gateways))
    questions = [q for address in gateways for q in by(address, 53)]
    for member in ("host", "web"):
        assert_all(world, member, questions, "dns")
    for member in ("lan", "neighbour"):
        assert_none(world, member, questions)
    server.close()


def test_addresses_that_cannot_be_translated_are_left_to_the_host(world: World) -> None:
    """::1 has no way to a container, and a link-local source cannot be forwarded."""
    links = json.loads(world.host.run("ip", "-j", "-6", "addr", "show", "dev", "up0", "scope", "link").stdout)
    local = next(address["local"] for link in links for address in link.get("addr_info", ()) if address)
    server = world.serve("host", "own", *(f"{p}:{a}:8080" for p in w.BOTH for a in ("::1", f"{local}%up0")))
    assert_all(world, "host", by("::1", 8080), "own")
    assert_all(world, "lan", by(f"{local}%eth0", 8080), "own")
    server.close()


def test_the_hosts_own_services_stay_as_reachable_as_they_were(world: World) -> None:
    for member in ("lan", "web", "other"):
        assert_all(world, member, by(w.HOST4, 7001), "host")
    assert_all(world, "host", by("127.0.0.1", 7000), "host")


@pytest.mark.parametrize("pair", [("lan", w.FAR4), ("lan", w.FAR6), ("far", w.LAN4), ("far", w.LAN6)])
def test_transit_between_uplinks_stays_dead(world: World, pair: tuple[str, str]) -> None:
    assert_none(world, pair[0], by(pair[1], 80))
