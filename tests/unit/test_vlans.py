"""VLAN filtering: messages as pyroute2 reads them, options as people write them."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from netkit.errors import ConfigError, HostError
from netkit.parts.vlans import filtering, trunk, vlan
from netkit.plan.rare.vlan import VlanAdd, VlanDel, VlanFilter
from tests.fakes import FakeHost
from tests.unit.test_rtnl_codec import INDEXES, decoded, devices

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

ids = st.integers(1, 4094)


def spec(message: Any) -> tuple[list[tuple[int, int]], bool]:
    """(flags, VLAN) pairs, and whether it is about the bridge's own port."""
    inside = message.get_attr("IFLA_AF_SPEC")["attrs"]
    pairs = [(value["flags"], value["vid"]) for name, value in inside if name == "IFLA_BRIDGE_VLAN_INFO"]
    return pairs, [value for name, value in inside if name == "IFLA_BRIDGE_VLAN_FLAGS"] == [2]


@given(devices, ids, st.booleans(), st.booleans())
def test_a_port_joins_a_vlan_as_the_op_says(dev: str, number: int, access: bool, own: bool) -> None:
    (message,) = decoded(VlanAdd(dev, number, number, access, own))
    assert (message["event"], message["family"], message["index"]) == ("RTM_SETLINK", 7, INDEXES[dev])
    assert spec(message) == ([(6 if access else 0, number)], own)


@given(devices, st.integers(1, 2000), st.integers(2001, 4094))
def test_a_range_has_a_beginning_and_an_end(dev: str, first: int, last: int) -> None:
    for op, event in ((VlanAdd(dev, first, last), "RTM_SETLINK"), (VlanDel(dev, first, last), "RTM_DELLINK")):
        (message,) = decoded(op)
        assert (message["event"], message["family"]) == (event, 7)
        assert spec(message) == ([(8, first), (16, last)], False)


@given(devices, st.booleans())
def test_a_bridge_looks_at_vlans_or_not(dev: str, on: bool) -> None:
    (message,) = decoded(VlanFilter(dev, on))
    assert (message["event"], message["index"]) == ("RTM_NEWLINK", INDEXES[dev])
    info = message.get_attr("IFLA_LINKINFO")
    assert info.get_attr("IFLA_INFO_KIND") == "bridge"
    assert dict(info.get_attr("IFLA_INFO_DATA")["attrs"]) == {"IFLA_BR_VLAN_FILTERING": int(on)}


def test_vlans_are_read_as_they_are_written() -> None:
    assert (vlan("", "-o vlan"), vlan("10", "-o vlan")) == (0, 10)
    assert trunk("10,20-30", "-o trunk") == ((10, 10), (20, 30))


@pytest.mark.parametrize("text", ["0", "4095", "x", "-1", "1,", "30-20", "1-", "-", "1-2-3", "²"])
def test_what_is_no_vlan_is_refused(text: str) -> None:
    with pytest.raises(ConfigError):
        trunk(text, "-o trunk")


def test_a_kernel_without_it_is_told() -> None:
    with pytest.raises(HostError, match="no VLAN filtering"):
        filtering("netkit0", 10, FakeHost(lacks=("vlan-filtering",)))
