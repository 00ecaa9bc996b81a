"""VLAN filtering: messages as pyroute2 reads them, options as people write them."""

from __future__ import annotations

import struct

import pytest
from hypothesis import given
from hypothesis import strategies as st

from netkit.engine.repair import check_plan
from netkit.errors import ConfigError, HostError
from netkit.kernel.messages import IFINFO
from netkit.kernel.vlans import seen
from netkit.kernel.wire import attr
from netkit.parts.vlans import filtering, port_vlans, trunk, vlan
from netkit.plan.host import Link
from netkit.plan.rare.vlan import VlanAdd, VlanDel, VlanFilter, Vlans
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


@pytest.mark.parametrize("text", ["0", "4095", "x", "-1", "1,", "30-20", "1-", "-", "1-2-3", "²", "9" * 5000])
def test_what_is_no_vlan_is_refused(text: str) -> None:
    with pytest.raises(ConfigError):
        trunk(text, "-o trunk")


@pytest.mark.parametrize(
    ("access", "text", "keep", "wanted"),
    [
        (10, "5-20", False, [("VlanAdd", 10, 10), ("VlanDel", 1, 1), ("VlanAdd", 5, 9), ("VlanAdd", 11, 20)]),
        (10, "10,20", False, [("VlanAdd", 10, 10), ("VlanDel", 1, 1), ("VlanAdd", 20, 20)]),
        (10, "1-10", False, [("VlanAdd", 10, 10), ("VlanAdd", 1, 9)]),
        (0, "1-3", False, [("VlanAdd", 2, 3)]),
        (1, "1-3", False, [("VlanAdd", 1, 1), ("VlanAdd", 2, 3)]),
        (10, "20", True, [("VlanAdd", 10, 10), ("VlanAdd", 20, 20)]),
    ],
)
def test_the_vlan_of_untagged_frames_is_none_of_the_trunk(
    access: int, text: str, keep: bool, wanted: list[tuple[str, int, int]]
) -> None:
    ops = port_vlans("nk1", access, trunk(text, "-o trunk"), keep).ops
    assert [(type(op).__name__, op.first, op.last) for op in ops if isinstance(op, VlanAdd | VlanDel)] == wanted


def test_a_kernel_without_it_is_told() -> None:
    with pytest.raises(HostError, match="no VLAN filtering"):
        filtering("netkit0", 10, FakeHost(lacks=("vlan-filtering",)))


PORT = Vlans(members=(10, 20, 21), untagged=(10,), access=10)


def lost(vlans: Vlans) -> list[str]:
    """What `netkit check` misses of a port that should be in VLAN 10, with 20 and 21 tagged, when it is in these."""
    host = FakeHost(links=(Link("nk1", 5),), vlans={"nk1": vlans})
    return [difference.missing for difference in check_plan("web", port_vlans("nk1", 10, ((20, 21),), False), host)]


def test_a_port_that_is_in_its_vlans_lacks_nothing() -> None:
    assert lost(PORT) == []


@pytest.mark.parametrize(
    ("vlans", "missing"),
    [
        (PORT.replace(members=(10, 20)), "a VLAN of its trunk"),
        (PORT.replace(members=(20, 21), untagged=(), access=0), "its frames are of VLAN 10"),
        (PORT.replace(access=20), "its frames are of VLAN 10"),
        (PORT.replace(untagged=()), "its frames are of VLAN 10"),
        (PORT.replace(members=(1, 10, 20, 21)), "and of no other"),
    ],
    ids=str,
)
def test_a_vlan_that_a_port_has_lost_is_a_difference(vlans: Vlans, missing: str) -> None:
    (found,) = lost(vlans)
    assert missing in found


def test_a_bridge_that_no_longer_looks_at_vlans_is_a_difference() -> None:
    plan = filtering("netkit0", 10, FakeHost())
    looks = Vlans(True, (1, 10), (1, 10), 10)
    for vlans, count in ((looks, 0), (looks.replace(looks=False), 1), (looks.replace(access=1), 1), (Vlans(), 2)):
        host = FakeHost(links=(Link("netkit0", 4, "bridge"),), vlans={"netkit0": vlans})
        assert len(check_plan("network", plan, host)) == count, vlans


class Kernel:
    """An Rtnl that shows a bridge with VLANs and a port of it, as a kernel that has them does."""

    def get(self, message: Any) -> bytes:
        data = attr(18, attr(1, b"bridge\0") + attr(2, attr(7, b"\1")))
        return IFINFO.pack(0, 0, IFINFO.unpack_from(message[2])[2], 0, 0) + (data if self.bridge(message) else b"")

    def bridge(self, message: Any) -> bool:
        return bool(IFINFO.unpack_from(message[2])[2] == 4)

    def dump(self, message: Any) -> list[bytes]:
        shown = {4: ((2 | 4, 10),), 5: ((0, 20), (0, 21), (2 | 4, 10))}
        return [
            IFINFO.pack(7, 0, index, 0, 0) + attr(26, b"".join(attr(2, struct.pack("=HH", *each)) for each in pairs))
            for index, pairs in shown.items()
        ]


def test_what_the_kernel_shows_is_read() -> None:
    kernel: Any = Kernel()
    assert seen(kernel, 4) == Vlans(True, (10,), (10,), 10)
    assert seen(kernel, 5) == Vlans(False, (20, 21, 10), (10,), 10)
    assert seen(kernel, 6) == Vlans()
