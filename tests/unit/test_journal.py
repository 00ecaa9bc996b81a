"""The journal: what was begun is seen by the next, until it is ended."""

from __future__ import annotations

from pathlib import Path

import pytest

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
    intent = Intent("web", PLAN, "boot")
    journal.begin(intent)
    assert journal.open_intent("web") == intent
    assert journal.networks() == ("web",)
    journal.end("web")
    journal.end("web")
    assert journal.open_intent("web") is None


def test_intents_of_one_network_are_not_anothers(journal: Journal) -> None:
    for network in ("web", "web2", HOST):
        journal.begin(Intent(network, PLAN))
    journal.end(HOST)
    journal.end("web")
    assert journal.open_intent("web") is None
    assert journal.open_intent(HOST) is None
    assert journal.open_intent("web2") == Intent("web2", PLAN)


def test_beginning_again_replaces(journal: Journal) -> None:
    journal.begin(Intent("web", PLAN))
    journal.begin(Intent("web", Plan()))
    assert journal.open_intent("web") == Intent("web", Plan())


def test_a_damaged_intent_is_set_aside_and_named(journal: Journal) -> None:
    journal.begin(Intent("web", PLAN))
    Path(journal.root.intents.path, "web").write_bytes(b"{")
    assert journal.open_intent("web") is None
    assert "web is damaged" in journal.root.warnings[0]
