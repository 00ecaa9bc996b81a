"""Ops of VLAN filtering as rtnetlink messages; numbers from linux/if_bridge.h and if_link.h."""

from __future__ import annotations

import sys
from struct import Struct

from netkit.kernel.messages import (
    IFINFO,
    IFLA_AF_SPEC,
    IFLA_EXT_MASK,
    IFLA_IFNAME,
    IFLA_INFO_DATA,
    IFLA_INFO_KIND,
    IFLA_LINKINFO,
    RTM_DELLINK,
    RTM_GETLINK,
    RTM_NEWLINK,
    RTM_SETLINK,
    text,
)
from netkit.kernel.rtnl import Rtnl
from netkit.kernel.threads import beside, unshare
from netkit.kernel.wire import NLM_F_CREATE, NLM_F_EXCL, attr, attributes, every_attribute, u32
from netkit.plan.rare.vlan import VlanAdd, VlanDel, VlanFilter, Vlans

TYPE_CHECKING = False
if TYPE_CHECKING:
    from netkit.kernel.messages import Numbers
    from netkit.kernel.wire import Message

_AF_BRIDGE = 7
_BR_VLAN_FILTERING = 7
_BRIDGE_FLAGS, _BRIDGE_VLAN_INFO, _SELF = 0, 2, 2
_PVID, _UNTAGGED, _RANGE_BEGIN, _RANGE_END = 2, 4, 8, 16
#: RTEXT_FILTER_BRVLAN: tell of each VLAN.
_EACH_VLAN = attr(IFLA_EXT_MASK, u32(1 << 1))
#: struct bridge_vlan_info: flags, VLAN id.
_INFO = Struct("=HH")


def filters() -> bool:
    """Whether this kernel's bridges filter VLANs: one that does is made in a namespace that dies with its thread."""

    def probe() -> bool:
        unshare()
        rtnl = Rtnl()
        try:
            head = IFINFO.pack(0, 0, 0, 0, 0) + attr(IFLA_IFNAME, text("probe"))
            made = (RTM_NEWLINK, NLM_F_CREATE | NLM_F_EXCL, head + _bridge(True))
            return rtnl.batch([made]) == [None]
        finally:
            rtnl.close()

    return beside(probe)()


def seen(rtnl: Rtnl, index: int) -> Vlans:
    """What the bridge or port of that number has to do with VLANs.

    The kernel tells of the VLANs of all ports at once, and nothing where it was built without them.
    """
    link = attributes(rtnl.get((RTM_GETLINK, 0, IFINFO.pack(0, 0, index, 0, 0))), IFINFO.size)
    info = attributes(link.get(IFLA_LINKINFO, b""))
    bridge = info.get(IFLA_INFO_KIND, b"").rstrip(b"\0") == b"bridge"
    data = attributes(info.get(IFLA_INFO_DATA, b"")) if bridge else {}
    pairs: list[tuple[int, int]] = []
    for payload in rtnl.dump((RTM_GETLINK, 0, IFINFO.pack(_AF_BRIDGE, 0, 0, 0, 0) + _EACH_VLAN)):
        if IFINFO.unpack_from(payload)[2] == index:
            spec = attributes(payload, IFINFO.size).get(IFLA_AF_SPEC, b"")
            pairs += [_INFO.unpack(value) for kind, value in every_attribute(spec) if kind == _BRIDGE_VLAN_INFO]
    return Vlans(
        data.get(_BR_VLAN_FILTERING) == b"\1",
        tuple(number for _, number in pairs),
        tuple(number for flags, number in pairs if flags & _UNTAGGED),
        next((number for flags, number in pairs if flags & _PVID), 0),
    )


def _bridge(on: bool) -> bytes:
    data = attr(_BR_VLAN_FILTERING, bytes([on]))
    return attr(IFLA_LINKINFO, attr(IFLA_INFO_KIND, b"bridge") + attr(IFLA_INFO_DATA, data))


def _filter(op: VlanFilter, numbers: Numbers) -> list[Message]:
    return [(RTM_NEWLINK, 0, IFINFO.pack(0, 0, numbers.index(op.dev), 0, 0) + _bridge(op.looks))]


def _port(op: VlanAdd | VlanDel, numbers: Numbers, flags: int) -> bytes:
    spec = attr(_BRIDGE_FLAGS, _SELF.to_bytes(2, sys.byteorder)) if op.own else b""
    ends = (
        [(flags, op.first)]
        if op.first == op.last
        else [(flags | _RANGE_BEGIN, op.first), (flags | _RANGE_END, op.last)]
    )
    spec += b"".join(attr(_BRIDGE_VLAN_INFO, _INFO.pack(*end)) for end in ends)
    return IFINFO.pack(_AF_BRIDGE, 0, numbers.index(op.dev), 0, 0) + attr(IFLA_AF_SPEC, spec)


def _add(op: VlanAdd, numbers: Numbers) -> list[Message]:
    return [(RTM_SETLINK, 0, _port(op, numbers, _PVID | _UNTAGGED if op.access else 0))]


def _del(op: VlanDel, numbers: Numbers) -> list[Message]:
    return [(RTM_DELLINK, 0, _port(op, numbers, 0))]


ENCODERS = {VlanFilter: _filter, VlanAdd: _add, VlanDel: _del}
