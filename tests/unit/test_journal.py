"""The journal: what was begun is seen by the next, until it is ended."""

from __future__ import annotations

from pathlib import Path

import pytest

from netkit.model import PortMap
from netkit.plan.ops import LinkAdd
from netkit.plan.steps import Plan
from netkit.state.journal import Intent, Journal
from netkit.state.networks import HOST
from netkit.state.root import Root

PLAN = Plan.of((LinkAdd("nk1", "veth", 28267), "the cable"))


@pytest.fixture
def journal(tmp_path: Path) -> Journal:
    return Journal(Root(str(tmp_path / "root")))


def test_an_intent_is_open_until_it_is_ended(journal: Journal) -> None:
    port = PortMap("tcp", "::", 80, 80)
    intent = Intent("abc", "attach", "web", PLAN, "boot", "c", "eth0", ("10.0.0.2",), (port,))
    journal.begin(intent)
    assert journal.open_intents("web") == (intent,)
    assert journal.networks() == ("web",)
    journal.end("abc")
    journal.end("abc")
    assert journal.open_intents("web") == ()


def test_intents_of_one_network_are_not_anothers(journal: Journal) -> None:
    for network, ident in (("web", "a"), ("web", "b"), ("web2", "c"), (HOST, "up-@host")):
        journal.begin(Intent(ident, "up", network, PLAN))
    assert [intent.id for intent in journal.open_intents("web")] == ["a", "b"]
    assert [intent.id for intent in journal.open_intents(HOST)] == ["up-@host"]
    journal.end("up-@host")
    journal.end("a")
    assert [intent.id for intent in journal.open_intents("web")] == ["b"]
    assert journal.open_intents(HOST) == ()
    assert [intent.id for intent in journal.open_intents("web2")] == ["c"]


def test_beginning_again_replaces(journal: Journal) -> None:
    journal.begin(Intent("a", "attach", "web", PLAN))
    journal.begin(Intent("a", "attach", "web", Plan()))
    assert journal.open_intents("web") == (Intent("a", "attach", "web", Plan()),)


def test_a_damaged_intent_is_set_aside_and_named(journal: Journal) -> None:
    journal.begin(Intent("a", "attach", "web", PLAN))
    journal.begin(Intent("b", "attach", "web", PLAN))
    Path(journal.root.intents.path, "web+a").write_bytes(b"{")
    assert [intent.id for intent in journal.open_intents("web")] == ["b"]
    assert "web+a is damaged" in journal.root.warnings[0]
