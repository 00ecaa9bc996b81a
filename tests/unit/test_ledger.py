"""The ledger of host ports, and what the kernel says about them."""

from __future__ import annotations

import random
import socket
from pathlib import Path

import pytest

from netkit.errors import ConflictError
from netkit.model import Endpoint, NsRef, PortMap
from netkit.plan.steps import Plan
from netkit.state.ports import Ledger
from netkit.state.probe import free_port, listening
from netkit.state.records import Record, Records
from netkit.state.root import Root

ANY4, ANY6 = "0.0.0.0", "::"


@pytest.fixture
def ledger(tmp_path: Path) -> Ledger:
    return Ledger(Root(str(tmp_path / "root")))


def port(number: int, host_ip: str = ANY4, protocol: str = "tcp", count: int = 1) -> PortMap:
    return PortMap(protocol, host_ip, number, 80, count)


def test_a_port_is_taken_until_it_is_released(ledger: Ledger) -> None:
    ledger.claim("web", (port(80),))
    assert ledger.taken("tcp", ANY4, 80, 80) == "web"
    with pytest.raises(ConflictError, match=r"0\.0\.0\.0:80/tcp is taken: web has 0\.0\.0\.0:80/tcp") as caught:
        ledger.claim("db", (port(80),))
    assert "netkit detach web" in caught.value.hint
    ledger.release("web")
    ledger.release("web")
    ledger.claim("db", (port(80),))
    assert ledger.entries() == (("db", PortMap("tcp", ANY4, 80, 0)),)


@pytest.mark.parametrize(
    ("one", "other", "meet"),
    [
        (ANY4, "10.0.0.1", True),
        ("10.0.0.1", ANY4, True),
        ("10.0.0.1", "10.0.0.1", True),
        ("10.0.0.1", "10.0.0.2", False),
        (ANY6, "fd00::1", True),
        ("fd00::1", ANY6, True),
        ("fd00::1", "fd00::2", False),
        (ANY4, ANY6, False),
        (ANY6, "10.0.0.1", False),
    ],
)
def test_which_addresses_get_in_each_others_way(ledger: Ledger, one: str, other: str, meet: bool) -> None:
    ledger.claim("web", (port(80, one),))
    assert (ledger.taken("tcp", other, 80, 80) == "web") is meet
    assert ledger.taken("udp", other, 80, 80) is None


@pytest.mark.parametrize(
    ("first", "last", "meet"), [(70, 79, False), (70, 80, True), (85, 86, True), (89, 99, True), (90, 90, False)]
)
def test_ranges_meet_where_they_share_a_port(ledger: Ledger, first: int, last: int, meet: bool) -> None:
    ledger.claim("web", (port(80, count=10),))
    assert (ledger.taken("tcp", ANY4, first, last) == "web") is meet
    assert len(ledger.entries()) == 1


def test_a_claim_is_all_or_none(ledger: Ledger) -> None:
    ledger.claim("web", (port(80),))
    with pytest.raises(ConflictError):
        ledger.claim("db", (port(81), port(80)))
    assert ledger.taken("tcp", ANY4, 81, 81) is None


def test_one_request_cannot_publish_a_port_twice(ledger: Ledger) -> None:
    with pytest.raises(ConflictError, match="published twice"):
        ledger.claim("web", (port(80, count=3), port(82)))


def test_a_new_claim_of_an_owner_replaces_its_old_one(ledger: Ledger) -> None:
    ledger.claim("web", (port(80),))
    ledger.claim("web", (port(80), port(81)))
    ledger.claim("web", (port(82),))
    assert [entry.host_port for _, entry in ledger.entries()] == [82]


def test_an_owner_whose_name_ends_like_anothers_keeps_its_ports(ledger: Ledger) -> None:
    ledger.claim("abc", (port(80),))
    ledger.claim("bc", (port(81),))
    ledger.release("bc")
    assert [owner for owner, _ in ledger.entries()] == ["abc"]


def test_the_dead_make_room_only_when_they_stand_in_the_way(ledger: Ledger) -> None:
    ledger.claim("dead", (port(80), port(81)))
    ledger.claim("gone", (port(90),))
    ledger.claim("web", (port(80),), alive=lambda owner: owner == "web")
    assert sorted((owner, entry.host_port) for owner, entry in ledger.entries()) == [("gone", 90), ("web", 80)]


def test_whoever_has_no_ports_costs_no_look_at_the_records(ledger: Ledger, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(Records, "all", None)
    ledger.claim("web", ())
    ledger.release("web")
    assert not Path(ledger.root.host.path, "ports").exists()


@pytest.mark.parametrize("damage", [b"", b"{", b"netkit ports 1 00000001\n", b"\xff" * 50])
def test_a_damaged_ledger_is_made_again_from_the_records(ledger: Ledger, damage: bytes) -> None:
    endpoint = Endpoint("web", "bridge", "bridge", "c", "eth0", NsRef("/x"), ports=(port(80),))
    Records(ledger.root).save(Record(endpoint, Plan()))
    ledger.claim("web", (port(80),))
    Path(ledger.root.host.path, "ports").write_bytes(damage)
    assert ledger.taken("tcp", ANY4, 80, 80) == "web"
    assert "ports is damaged" in ledger.root.warnings[0]


def test_every_flipped_bit_of_a_ledger_is_noticed(ledger: Ledger) -> None:
    endpoint = Endpoint("web", "bridge", "bridge", "c", "eth0", NsRef("/x"), ports=(port(80),))
    Records(ledger.root).save(Record(endpoint, Plan()))
    ledger.claim("web", (port(80),))
    path = Path(ledger.root.host.path, "ports")
    data = path.read_bytes()
    for at in range(len(data) * 8):
        flipped = bytearray(data)
        flipped[at // 8] ^= 1 << at % 8
        path.write_bytes(bytes(flipped))
        assert ledger.taken("tcp", ANY4, 80, 80) == "web"


def test_the_ledger_agrees_with_a_plain_list(ledger: Ledger) -> None:
    """300 random claims against a model that compares every port at every address."""
    chance = random.Random(7)  # noqa: S311 - a seed makes the test repeatable
    held: dict[tuple[str, str, int], str] = {}

    def clash(entry: PortMap) -> bool:
        return any(
            protocol == entry.protocol
            and entry.host_port <= number < entry.host_port + entry.count
            and (":" in host_ip) == (":" in entry.host_ip)
            and (host_ip == entry.host_ip or ANY4 in (host_ip, entry.host_ip) or ANY6 in (host_ip, entry.host_ip))
            for protocol, host_ip, number in held
        )

    for owner in map(str, range(300)):
        host_ip = chance.choice([ANY4, ANY6, "10.0.0.1", "10.0.0.2", "fd00::1"])
        entry = port(chance.randint(1, 400), host_ip, chance.choice(["tcp", "udp"]), chance.choice([1, 1, 1, 5]))
        if clash(entry):
            with pytest.raises(ConflictError):
                ledger.claim(owner, (entry,))
        else:
            ledger.claim(owner, (entry,))
            for number in range(entry.host_port, entry.host_port + entry.count):
                held[entry.protocol, entry.host_ip, number] = owner


@pytest.mark.parametrize(("protocol", "kind"), [("tcp", socket.SOCK_STREAM), ("udp", socket.SOCK_DGRAM)])
@pytest.mark.parametrize(("at", "asked"), [("127.0.0.1", ANY4), (ANY4, "127.0.0.1"), ("::1", ANY6), (ANY6, "::1")])
def test_a_listener_is_heard(protocol: str, kind: socket.SocketKind, at: str, asked: str) -> None:
    with socket.socket(socket.AF_INET6 if ":" in at else socket.AF_INET, kind) as server:
        try:
            server.bind((at, 0))
        except OSError:
            pytest.skip("no IPv6 loopback")
        if protocol == "tcp":
            server.listen()
        number = server.getsockname()[1]
        assert listening(protocol, asked, number)
    assert not listening(protocol, asked, number)


def test_a_v6_only_listener_leaves_v4_free() -> None:
    with socket.socket(socket.AF_INET6) as server:
        server.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, 1)
        server.bind(("::", 0))
        server.listen()
        assert not listening("tcp", ANY4, server.getsockname()[1])


def test_a_finished_connection_does_not_hold_the_port() -> None:
    with socket.create_server(("127.0.0.1", 0)) as server:
        number = server.getsockname()[1]
        client = socket.create_connection(("127.0.0.1", number))
        accepted = server.accept()[0]
        accepted.close()
        client.close()
    assert not listening("tcp", ANY4, number)


def test_an_address_that_the_host_lacks_is_tried_all_the_same() -> None:
    with socket.create_server((ANY4, 0)) as server:
        assert listening("tcp", "192.0.2.7", server.getsockname()[1])


def test_asking_about_sctp_is_no_error() -> None:
    assert not listening("sctp", ANY4, 9)


def test_a_free_port_is_ephemeral_unused_and_in_no_ledger(ledger: Ledger) -> None:
    low, high = map(int, Path("/proc/sys/net/ipv4/ip_local_port_range").read_text().split())
    for owner in map(str, range(30)):
        number = free_port(ledger, port(0))
        assert low <= number <= high
        assert not listening("tcp", ANY4, number)
        ledger.claim(owner, (port(number), port(number, ANY6)))
    assert len(ledger.entries()) == 60


def test_a_free_range_is_free_as_a_whole(ledger: Ledger) -> None:
    number = free_port(ledger, port(0, count=20))
    ledger.claim("web", (port(number, count=20),))


def test_a_free_port_is_not_one_that_the_same_request_has(ledger: Ledger) -> None:
    chosen = [port(1024, count=64000)]
    with pytest.raises(ConflictError, match="no free host port"):
        free_port(ledger, port(0), chosen)
    assert free_port(ledger, port(0, protocol="udp"), chosen)
