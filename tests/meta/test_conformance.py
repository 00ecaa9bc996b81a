"""The table of conformance names tests that exist, and a test for every rule."""

from __future__ import annotations

import re

from tests.hosts import REPOSITORY

TABLE = REPOSITORY / "docs" / "cni-conformance.md"
RULES = 19


def test_every_test_that_the_table_names_exists() -> None:
    named = re.findall(r"`(test_\w+)::(test_\w+)`", TABLE.read_text())
    assert len(named) > RULES
    lost = [
        f"{module}::{test}"
        for module, test in named
        if f"def {test}(" not in (REPOSITORY / "tests" / "cni" / f"{module}.py").read_text()
    ]
    assert lost == []


def test_every_rule_has_a_test() -> None:
    rows = re.findall(r"^\| (\d+) \|.*\| (.*) \|$", TABLE.read_text(), re.MULTILINE)
    assert [int(number) for number, _ in rows] == list(range(1, RULES + 1))
    assert all("::" in tests for _, tests in rows)
