"""Fixtures of the CNI tests."""

from __future__ import annotations

from functools import cache

import pytest

from netkit.cni import bundle
from tests.cni.client import Plugins, Refusing
from tests.hosts import Lab

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from tests.hosts import HostNs


@pytest.fixture(scope="session", autouse=True)
def _compiled_once() -> Iterator[None]:
    """The compiled modules are the same for every host of a run."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(bundle, "build", cache(bundle.build))
        yield


@pytest.fixture
def cni(host: HostNs, tmp_path: Path) -> Plugins:
    """All plugins, installed for the test's host."""
    return Plugins(host, tmp_path / "cni")


@pytest.fixture(scope="module")
def refusing(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Refusing]:
    """A host and a container for all tests of a module that are refused, and so change nothing."""
    directory = tmp_path_factory.mktemp("refusing")
    lab = Lab(directory)
    try:
        host = lab.host()
        yield Refusing(Plugins(host, directory / "cni"), lab.container())
    finally:
        leaks = lab.close()
    assert not leaks, "left behind:\n" + "\n".join(leaks)
