"""What is up of networks: an agent reads it each round, and makes values of it when its bytes are others."""

from __future__ import annotations

import subprocess
import sys

import pytest

from netkit.errors import StateError
from netkit.plan.ops import LinkSet
from netkit.plan.steps import Plan
from netkit.state import document, networks
from netkit.state.networks import HOST, Networks, Up
from netkit.state.root import Root

TYPE_CHECKING = False
if TYPE_CHECKING:
    from pathlib import Path

UP = Up("web", Plan.of((LinkSet("nk0", up=True), "on")), met=Plan.of((LinkSet("nk1", up=True), "there")))
BASE = Up(HOST, Plan.of((LinkSet("lo", up=True), "on")))


class Reads:
    """How often a document was read."""

    def __init__(self) -> None:
        self.count = 0
        self._unseal = document.unseal

    def unseal(self, data: bytes, where: str) -> object:
        self.count += 1
        return self._unseal(data, where)


@pytest.fixture
def reads(monkeypatch: pytest.MonkeyPatch) -> Reads:
    made = Reads()
    monkeypatch.setattr(document, "unseal", made.unseal)
    monkeypatch.setattr(networks, "_last", {})
    return made


@pytest.fixture
def known(tmp_path: Path, reads: Reads) -> Networks:
    made = Networks(Root(str(tmp_path / "root")))
    for up in (UP, BASE):
        made.save_up(up)
    return made


def test_what_this_process_has_written_it_does_not_read_again(known: Networks, reads: Reads) -> None:
    assert known.up("web") == UP
    assert set(known.all_up()) == {UP, BASE}
    assert reads.count == 0


def test_what_another_process_has_written_is_read_once(known: Networks, reads: Reads) -> None:
    code = "import sys; from netkit.state.networks import Networks; from netkit.state.root import Root;"
    code += "its = Networks(Root(sys.argv[1])); its.save_up(its.up('web').replace(met=its.up('@host').plan))"
    subprocess.run([sys.executable, "-c", code, known.root.path], check=True)
    now = UP.replace(met=BASE.plan)
    for _ in range(2):
        assert known.up("web") == now
        assert set(known.all_up()) == {now, BASE}
    assert reads.count == 1


def test_what_is_damaged_is_set_aside_though_it_was_known(known: Networks) -> None:
    place = known.root.networks_up
    place.write("web", b"{}")
    assert known.all_up() == (BASE,)
    assert known.up("web") is None
    assert "damaged" in known.root.warnings[0]


def test_what_a_newer_netkit_wrote_is_passed_over_among_all_and_else_an_error(
    known: Networks, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(document, "VERSION", 2)
    data = document.dump(UP)
    monkeypatch.setattr(document, "VERSION", 1)
    known.root.networks_up.write("web", data)
    assert known.all_up() == (BASE,)
    with pytest.raises(StateError, match="newer netkit"):
        known.up("web")


def test_what_went_with_an_earlier_boot_is_not_up(known: Networks, monkeypatch: pytest.MonkeyPatch) -> None:
    known.save_up(UP.replace(boot_id="now"))
    monkeypatch.setenv("NETKIT_BOOT_ID", "later")
    assert known.up("web") is None
    assert known.all_up() == (BASE,)
