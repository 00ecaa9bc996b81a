"""Ops of an overlay as messages: what pyroute2's decoder reads is what the op says."""

from __future__ import annotations

from netkit.model import family
from netkit.plan.ops import LinkAdd
from netkit.plan.rare.vxlan import FLOODED, FdbAdd, FdbDel, NeighAdd, Vxlan
from netkit.value import from_json, to_json
from tests.unit.test_rtnl_codec import decoded

MAC = "02:00:00:00:00:0a"
REPLACE, CREATE, APPEND = 0x100, 0x400, 0x800


def test_a_tunnel_is_made_with_all_that_it_has() -> None:
    for local, names in (
        ("192.0.2.1", ("IFLA_VXLAN_LOCAL", "IFLA_VXLAN_GROUP")),
        ("fd00::1", ("IFLA_VXLAN_LOCAL6", "IFLA_VXLAN_GROUP6")),
    ):
        group = "239.1.1.7" if family(local) == 4 else "ff05::7"
        op = LinkAdd("nkv42", "vxlan", 28267, mac=MAC, mtu=1450, info=Vxlan(42, "eth0", local, 4789, True, group))
        found = dict(decoded(op)[0]["attrs"])
        info = dict(dict(found["IFLA_LINKINFO"]["attrs"])["IFLA_INFO_DATA"]["attrs"])
        told = [info[name] for name in ("IFLA_VXLAN_ID", "IFLA_VXLAN_LINK", *names, "IFLA_VXLAN_LEARNING")]
        assert (found["IFLA_ADDRESS"], found["IFLA_MTU"]) == (MAC, 1450)
        assert told == [42, 7, local, group, 1]
        assert info["IFLA_VXLAN_PORT"] == 4789
        assert from_json(to_json(op)) == op


def test_a_unicast_entry_is_replaced_and_one_of_the_flooded_list_appended() -> None:
    (one,) = decoded(FdbAdd(MAC, "eth0", "192.0.2.2"))
    (two,) = decoded(FdbAdd(FLOODED, "eth0", "fd00::2"))
    assert one["header"]["flags"] & (REPLACE | CREATE | APPEND) == REPLACE | CREATE
    assert two["header"]["flags"] & (REPLACE | CREATE | APPEND) == CREATE | APPEND
    for message, dst in ((one, "192.0.2.2"), (two, "fd00::2")):
        assert (message["family"], message["ifindex"], message["flags"], message["state"]) == (7, 7, 2, 0xC0)
        assert dict(message["attrs"])["NDA_DST"] == dst


def test_the_bridge_gets_an_entry_that_is_static_and_not_its_own() -> None:
    own, bridge = decoded(FdbAdd(MAC, "eth0", "192.0.2.2", in_bridge=True))
    assert (own["flags"], bridge["flags"], bridge["state"]) == (2, 4, 0x42)
    back, gone = decoded(FdbDel(MAC, "eth0", "192.0.2.2", in_bridge=True))
    assert (back["event"], back["flags"], gone["flags"]) == ("RTM_DELNEIGH", 4, 2)


def test_a_neighbour_is_permanent() -> None:
    (made,) = decoded(NeighAdd("fd00::9", MAC, "netkit0"))
    found = dict(made["attrs"])
    assert (made["event"], made["state"]) == ("RTM_NEWNEIGH", 0x80)
    assert (found["NDA_DST"], found["NDA_LLADDR"]) == ("fd00::9", MAC)
    (gone,) = decoded(*NeighAdd("10.9.0.9", MAC, "netkit0").reverse())
    assert (gone["event"], dict(gone["attrs"])["NDA_DST"]) == ("RTM_DELNEIGH", "10.9.0.9")
