"""Which modes there are: netkit's own, those with an argument, and those of other packages."""

from __future__ import annotations

import importlib.metadata

import pytest

from netkit.drivers.registry import GROUP, driver, known_modes, written
from netkit.errors import HostError, UsageError

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable


@pytest.fixture
def installed(monkeypatch: pytest.MonkeyPatch) -> Callable[[str, str], None]:
    """A package that brings a driver: `installed("token", "package.module:Class")`."""

    def install(name: str, value: str) -> None:
        entry = importlib.metadata.EntryPoint(name, value, GROUP)
        found = importlib.metadata.EntryPoints([entry])
        monkeypatch.setattr(importlib.metadata, "entry_points", lambda **which: found.select(**which))

    return install


@pytest.mark.parametrize("mode", ["token-ring", "", "bridge:", "bridge:x", "null:1", "Bridge"])
def test_a_mode_that_there_is_not_names_those_that_there_are(mode: str) -> None:
    with pytest.raises(UsageError, match="there is no mode") as caught:
        driver(mode)
    assert "container:PID|ID" in caught.value.hint


@pytest.mark.parametrize("mode", ["portmap", "firewall", "ipam"])
def test_inner_modes_are_not_for_people(mode: str) -> None:
    assert driver(mode).name == mode
    with pytest.raises(UsageError, match="there is no mode"):
        written(mode)


def test_a_modes_argument_is_its_drivers() -> None:
    assert vars(driver("container:web")) == {"whose": "web"}


def test_a_package_brings_a_driver(installed: Callable[[str, str], None]) -> None:
    installed("plain", "netkit.drivers.null:Null")
    assert type(driver("plain")).__name__ == "Null"
    assert "plain" in known_modes()


@pytest.mark.parametrize(
    "value", ["nowhere.at.all:Driver", "netkit.drivers.null:Nothing", "netkit.drivers.null:TYPE_CHECKING"]
)
def test_a_driver_that_cannot_be_loaded_is_told_as_such(installed: Callable[[str, str], None], value: str) -> None:
    installed("broken", value)
    with pytest.raises(HostError, match="the driver broken of"):
        driver("broken")
