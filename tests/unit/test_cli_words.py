"""Tables, documents, targets and port lists: what the command line makes of values."""

from __future__ import annotations

import json

import pytest

from netkit.cli import document
from netkit.cli.attach import summary
from netkit.cli.errors import in_option_words
from netkit.cli.options import wish
from netkit.cli.output import complain, fields, table, warn
from netkit.cli.settings import Settings
from netkit.cli.share import _namespace
from netkit.cli.target import Target, chosen, listed, records_of
from netkit.errors import ConfigError, ConflictError, NetkitError, NotFoundError, UsageError
from netkit.model import Endpoint, NsRef, PortMap
from netkit.plan.steps import Plan
from netkit.state.records import Record

TYPE_CHECKING = False
if TYPE_CHECKING:
    from netkit.engine.service import Engine

NS = NsRef("/proc/42/ns/net", 7, 70)


def endpoint(**how: object) -> Endpoint:
    fixed = {
        "id": "3f9c1a2b7d10",
        "network": "bridge",
        "mode": "bridge",
        "container": "c1",
        "ifname": "eth0",
        "netns": NS,
    }
    return Endpoint(**{**fixed, **how})  # type: ignore[arg-type]


def test_a_table_lines_up_and_an_empty_cell_is_a_dash() -> None:
    assert table(("ID", "NAME"), [("1", "long name"), ("22", "")]) == "ID  NAME\n1   long name\n22  -"


def test_fields_without_a_value_are_left_out() -> None:
    assert fields([("id", "1"), ("gateway", ""), ("mtu", "1500")]) == "id   1\nmtu  1500"


@pytest.mark.parametrize("as_json", [False, True])
def test_errors_and_warnings_have_one_form_for_people_and_one_for_programs(
    as_json: bool, capsys: pytest.CaptureFixture[str]
) -> None:
    settings = Settings()
    settings.json = as_json
    complain(settings, ConflictError("taken", "do this\nor that"))
    warn(settings, "mind the gap")
    told = capsys.readouterr().err
    if not as_json:
        assert told == "netkit: taken\n  do this\n  or that\nnetkit: warning: mind the gap\n"
        return
    error, _, warning = told.rpartition("}\n{")
    assert json.loads(error + "}")["error"] == {
        "code": 4, "kind": "conflict", "message": "taken", "hint": "do this\nor that",
    }  # fmt: skip
    assert json.loads("{" + warning) == {"warning": "mind the gap"}


@pytest.mark.parametrize(
    ("ports", "line"),
    [
        ([PortMap("tcp", "0.0.0.0", 8080, 80)], "8080 -> 80/tcp"),
        ([PortMap("tcp", "0.0.0.0", 8080, 80), PortMap("tcp", "::", 8080, 80)], "8080 -> 80/tcp"),
        ([PortMap("udp", "127.0.0.1", 53, 53)], "127.0.0.1:53 -> 53/udp"),
        ([PortMap("tcp", "fd00::1", 80, 80)], "[fd00::1]:80 -> 80/tcp"),
        ([PortMap("tcp", "0.0.0.0", 8000, 9000, 4)], "8000-8003 -> 9000-9003/tcp"),
        ([], ""),
    ],
)
def test_ports_in_a_line(ports: list[PortMap], line: str) -> None:
    assert document.ports(endpoint(ports=tuple(ports))) == line


def test_a_range_is_told_port_by_port_in_json() -> None:
    told = document.endpoint(endpoint(ports=(PortMap("tcp", "0.0.0.0", 80, 90, 2),)))
    assert told["ports"] == [
        {"host_ip": "0.0.0.0", "host_port": port, "container_port": port + 10, "protocol": "tcp"} for port in (80, 81)
    ]
    assert told["gateway"] is None
    assert told["name"] is None


@pytest.mark.parametrize(
    ("how", "line"),
    [
        ({}, "3f9c1a2b7d10  no address on eth0"),
        (
            {"addresses": ("10.9.0.2/24", "fd09::2/64"), "gateways": ("10.9.0.1", "fd09::1")},
            "3f9c1a2b7d10  10.9.0.2/24 and fd09::2/64 on eth0, gateway 10.9.0.1 and fd09::1",
        ),
    ],
)
def test_an_attachment_in_a_line(how: dict[str, object], line: str) -> None:
    assert summary(endpoint(**how)) == line


@pytest.mark.parametrize(
    ("error", "message"),
    [
        (ConfigError("subnets[1].gateway", "no"), "--subnet: no"),
        (ConflictError("subnets[0]: 10.0.0.0/8 overlaps"), "--subnet: 10.0.0.0/8 overlaps"),
        (ConfigError("options.colour", "no"), "-o colour: no"),
        (ConfigError("--ip", "no"), "--ip: no"),
        (NetkitError("a process listens on ::: 80"), "a process listens on ::: 80"),
    ],
)
def test_paths_become_options(error: NetkitError, message: str) -> None:
    assert in_option_words(error).message == message


def test_exactly_one_target_or_none() -> None:
    assert chosen(None, None, None) is None
    assert chosen(42, None, None) == Target(pid=42)
    assert str(chosen(None, "blue", None)) == "blue"
    assert str(chosen(None, None, "web")) == "container web"
    for given in (
        (1, "x", None),
        (1, None, "x"),
        (None, "x", "y"),
        (0, None, None),
        (None, "", None),
        (None, None, ""),
    ):
        with pytest.raises(UsageError):
            chosen(*given)


@pytest.mark.parametrize(
    ("publish", "families", "hosts"),
    [
        ("80", (4,), ["0.0.0.0"]),
        ("80", (6,), ["::"]),
        ("80", (4, 6), ["0.0.0.0", "::"]),
        ("80", (), ["0.0.0.0"]),
        ("127.0.0.1:80:80", (4, 6), ["127.0.0.1"]),
        ("0.0.0.0:80:80", (6,), ["0.0.0.0"]),
    ],
)
def test_ports_follow_the_families_of_the_network(publish: str, families: tuple[int, ...], hosts: list[str]) -> None:
    from netkit.cli.target import Found

    class Network:
        """An engine that knows one thing."""

        def families(self, network: str, mode: str, parent: str) -> tuple[int, ...]:
            """What the network has."""
            return families

    wished = wish(None, None, (publish,), (), None, "eth0", None, None)
    request = wished.request(Network(), Found("c1", NS))  # type: ignore[arg-type]
    assert [port.host_ip for port in request.ports] == hosts


class Recorded:
    """An engine with these records, of which none is reached by the words of a target."""

    def __init__(self, *records: tuple[Record, bool]) -> None:
        self.records = records
        self.root = self

    def boot_id(self) -> str:
        """A boot of its own."""
        return "boot"

    def attachments(self) -> list[tuple[Record, bool]]:
        """All of them."""
        return list(self.records)

    def of_namespace(self, netns: NsRef) -> list[Record]:
        """None is known by its namespace."""
        return []


def recorded(pid: int = 0, path: str = "/proc/42/ns/net", container: str = "c1") -> Record:
    return Record(endpoint(pid=pid, netns=NsRef(path, 7, 70), container=container), Plan())


@pytest.mark.parametrize(
    ("failure", "target", "record", "alive", "found"),
    [
        (NotFoundError("gone"), Target(pid=42), recorded(pid=42), False, True),
        (NotFoundError("gone"), Target(pid=42), recorded(pid=42), True, True),
        (NotFoundError("gone"), Target(pid=42), recorded(pid=43), False, False),
        (UsageError("the host's own"), Target(pid=42), recorded(pid=42), False, True),
        (NotFoundError("gone"), Target(netns="blue"), recorded(path="/run/netns/blue"), False, True),
        (NotFoundError("gone"), Target(netns="/run//netns/blue"), recorded(path="/run/netns/blue"), False, True),
        (NotFoundError("gone"), Target(container="3f9c"), recorded(container="3f9c1a2b7d10"), False, True),
        (NotFoundError("gone"), Target(container="web"), recorded(container="3f9c1a2b7d10"), False, False),
    ],
)
def test_a_target_that_cannot_be_resolved_is_known_by_its_words(
    failure: NetkitError, target: Target, record: Record, alive: bool, found: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(*_: object) -> None:
        raise failure

    monkeypatch.setattr("netkit.cli.target.find", refuse)
    engine: Engine = Recorded((record, alive))  # type: ignore[assignment]
    assert records_of(engine, target) == ([record] if found else [])


def test_a_wrong_target_without_a_record_is_an_error(monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(*_: object) -> None:
        raise UsageError("a file, not a network namespace")

    monkeypatch.setattr("netkit.cli.target.find", refuse)
    engine: Engine = Recorded()  # type: ignore[assignment]
    with pytest.raises(UsageError):
        records_of(engine, Target(netns="/etc/passwd"))


def test_a_pid_that_another_process_got_still_means_the_dead_attachment(monkeypatch: pytest.MonkeyPatch) -> None:
    from netkit.cli.target import Found

    monkeypatch.setattr("netkit.cli.target.find", lambda *_: Found("c2", NsRef("/proc/42/ns/net", 8, 80), 42))
    dead, living = recorded(pid=42), Record(endpoint(id="living", pid=42), Plan())
    engine: Engine = Recorded((dead, False), (living, True))  # type: ignore[assignment]
    assert records_of(engine, Target(pid=42)) == [dead]
    assert listed([dead]) == "3f9c1a2b7d10 (eth0 on bridge)"


class Attached:
    """An engine with one attachment, whose id has no letter."""

    class root:  # noqa: N801 (an attribute)
        @staticmethod
        def boot_id() -> str:
            return "boot"

    def attachment(self, ident: str) -> tuple[Record, bool]:
        if ident != "123456789012":
            raise NotFoundError(f"no attachment {ident}")
        return Record(endpoint(id=ident), Plan()), True


def test_whose_network_is_shared_may_be_a_pid_or_an_id_of_digits_and_nothing_else_that_looks_like_a_number() -> None:
    engine: Engine = Attached()  # type: ignore[assignment]
    assert _namespace(engine, "123456789012") == NS
    for odd in ("\u00b2", "9" * 5000, "4194305"):
        with pytest.raises(NetkitError):
            _namespace(engine, odd)
