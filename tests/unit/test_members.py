"""What hosts say of themselves: heartbeats alone are taken in as such, and whatever else is new is judged."""

from __future__ import annotations

import pytest

from netkit.state.document import dump
from netkit.stores import members, records
from netkit.stores.distinct import distinct
from netkit.stores.members import Members
from netkit.stores.model import Endpoint, Host, Settings
from netkit.stores.shared import Shared

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator
    from pathlib import Path
    from typing import Any

SETTINGS = Settings("10.5.0.0/16", 24, 7, 3600)
WEB, DNS = Endpoint("10.5.72.7", "02:00:00:00:01:07"), Endpoint("10.5.73.7", "02:00:00:00:02:07")
A = Host("a", "192.0.2.1", 7, "02:00:00:00:00:0a", (WEB,))
B = Host("b", "192.0.2.2", 7, "02:00:00:00:00:0b", (DNS,), port=8472, session="s")


HOST = records.host


class Work:
    """How often something was worked out."""

    def __init__(self) -> None:
        self.judged = self.parsed = 0

    def distinct(self, hosts: Iterable[Host], *rest: Any) -> Iterator[Host]:
        self.judged += 1
        return distinct(hosts, *rest)

    def host(self, *told: Any) -> Host:
        self.parsed += 1
        return HOST(*told)


@pytest.fixture
def others(tmp_path: Path) -> Members:
    """The other hosts as they write."""
    made = Members(Shared.open(str(tmp_path), "others"), SETTINGS)
    made.write(A)
    made.write(B)
    return made


@pytest.fixture
def mine(tmp_path: Path, others: Members) -> Members:
    return Members(Shared.open(str(tmp_path), "mine"), SETTINGS)


@pytest.fixture
def work(monkeypatch: pytest.MonkeyPatch) -> Work:
    made = Work()
    monkeypatch.setattr(members, "distinct", made.distinct)
    return made


def said(found: Iterable[Host]) -> set[Host]:
    return {host.replace(beat=0) for host in found}


def test_who_was_first_is_judged_anew_when_somebody_says_more_than_that_it_lives(
    mine: Members, others: Members, work: Work
) -> None:
    before = mine.all()
    assert said(before) == {A, B}
    for _ in range(3):
        others.write(B)
        now = mine.all()
        assert said(now) == {A, B}
    assert {host.node: host.beat for host in now} == {"a": before[0].beat, "b": before[1].beat + 3}
    assert work.judged == 1
    others.write(B.replace(endpoints=(DNS, WEB)))
    assert said(mine.all()) == {A, B}
    assert work.judged == 2
    assert "is behind a" in mine.warnings[0]


def test_what_is_anothers_stays_so_and_is_named_while_its_host_goes_on_beating(
    mine: Members, others: Members, work: Work
) -> None:
    mine.all()
    for _ in range(3):
        others.write(B.replace(endpoints=(DNS, WEB)))
        now = mine.all()
        assert said(now) == {A, B}
        assert len(mine.warnings) == 1
    assert work.judged == 2
    assert [host.beat for host in now if host.node == "b"] == [others.beat("b")]
    others.write(A.replace(endpoints=()))
    assert said(mine.all()) == {A.replace(endpoints=()), B.replace(endpoints=(DNS, WEB))}
    assert not mine.warnings


def test_who_has_claimed_an_address_is_another_question(mine: Members, work: Work) -> None:
    assert said(mine.all()) == {A, B}
    assert said(mine.all({DNS.address: "a"})) == {A, B.replace(endpoints=())}
    assert said(mine.all()) == {A, B}
    assert work.judged == 3


@pytest.mark.parametrize("host", [A, B, Host("c", "192.0.2.3", 7)], ids=["a", "b", "nothing behind it"])
def test_a_record_is_read_anew_when_more_than_its_beat_is_new(
    mine: Members, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, host: Host
) -> None:
    parsed = Work()
    monkeypatch.setattr(records, "host", parsed.host)
    for beat in (7, 8, 10**17):
        (tmp_path / host.node).write_bytes(dump(host.replace(beat=beat)))
        assert mine.said(host.node) == host.replace(beat=beat)
    assert parsed.parsed == 1
    for changed in (host.replace(public="192.0.2.9", beat=9), host.replace(left=True, beat=9), host.replace(beat=9)):
        (tmp_path / host.node).write_bytes(dump(changed))
        assert mine.said(host.node) == changed
    assert parsed.parsed == 4


def test_a_beat_that_is_no_number_is_not_taken_for_one(mine: Members, tmp_path: Path) -> None:
    for beat in (b"-7", b"7.5", b'"7"', b"1" * 30, b""):
        (tmp_path / "a").write_bytes(dump(A.replace(beat=7)))
        assert mine.said("a") == A.replace(beat=7)
        (tmp_path / "a").write_bytes(dump(A.replace(beat=7)).replace(b'"beat": 7', b'"beat": ' + beat))
        assert mine.said("a") is None
