"""Two hosts with one id: whom a record is taken for."""

from __future__ import annotations

import pytest

from netkit.stores.model import Host, Twin
from netkit.stores.twins import HEARD, TwinError, refuse_twin, wait_alone

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

OWN = Host("a", "192.0.2.1", 7, session="ours")
THEIRS = Host("a", "192.0.2.2", 7, session="theirs")


class Said:
    """A store in which one record is read again and again, each time of the next age."""

    def __init__(self, host: Host | None, *ages: float) -> None:
        self.host, self.ages, self.waited = host, list(ages), 0

    def twin(self, session: str) -> Twin | None:
        assert session == "ours"
        return Twin(self.host, self.ages[min(self.waited, len(self.ages) - 1)]) if self.host else None


def waiting(said: Said, monkeypatch: pytest.MonkeyPatch) -> Any:
    def sleep(_seconds: float) -> None:
        said.waited += 1

    monkeypatch.setattr("time.sleep", sleep)
    return said


@pytest.mark.parametrize(
    "said",
    [Said(None), Said(THEIRS, HEARD + 1), Said(THEIRS, float("inf")), Said(THEIRS.replace(public="192.0.2.1"), 0.0)],
    ids=["nobody", "silent", "no-time", "this-host-before"],
)
def test_a_host_that_nobody_else_speaks_for_is_alone(said: Any) -> None:
    refuse_twin(said, OWN, "")


def test_another_machine_that_was_just_heard_is_named_with_what_to_do(monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(TwinError, match=r"this host's id, a, .* from 192\.0\.2\.2") as caught:
        refuse_twin(Said(THEIRS, 3.0), OWN, "do this")  # type: ignore[arg-type]
    assert (caught.value.hint, caught.value.exit_code) == ("do this", 4)


def test_who_speaks_again_while_we_wait_lives(monkeypatch: pytest.MonkeyPatch) -> None:
    said = waiting(Said(THEIRS, 18.0, 19.0, 20.0, 1.0), monkeypatch)
    with pytest.raises(TwinError):
        wait_alone(said, OWN, "")
    assert said.waited == 3


def test_who_stays_silent_while_we_wait_was_this_host_before_its_address_changed(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    said = waiting(Said(THEIRS, *(float(age) for age in range(30, 60))), monkeypatch)
    wait_alone(said, OWN, "")
    assert said.waited == HEARD - 30
