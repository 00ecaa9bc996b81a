"""Fixtures of the CNI tests."""

from __future__ import annotations

import pytest

from tests.cni.client import Plugins

TYPE_CHECKING = False
if TYPE_CHECKING:
    from pathlib import Path

    from tests.hosts import HostNs


@pytest.fixture
def cni(host: HostNs, tmp_path: Path) -> Plugins:
    """All plugins, installed for the test's host."""
    return Plugins(host, tmp_path / "cni")
