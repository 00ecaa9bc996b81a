"""Ops of VLAN filtering as rtnetlink messages; numbers from linux/if_bridge.h and if_link.h."""

from __future__ import annotations

import sys
from struct import Struct

from netkit.kernel.messages import (
    IFINFO,
    IFLA_AF_SPEC,
    IFLA_IFNAME,
    IFLA_INFO_DATA,
    IFLA_INFO_KIND,
    IFLA_LINKINFO,
    RTM_DELLINK,
    RTM_NEWLINK,
    RTM_SETLINK,
    text,
)
from netkit.kernel.rtnl import Rtnl
from netkit.kernel.threads import beside, unshare
from netkit.kernel.wire import NLM_F_CREATE, NLM_F_EXCL, attr
from netkit.plan.rare.vlan import VlanAdd, VlanDel, VlanFilter

TYPE_CHECKING = False
if TYPE_CHECKING:
    from netkit.kernel.messages import Numbers
    from netkit.kernel.wire import Message

_AF_BRIDGE = 7
_BR_VLAN_FILTERING = 7
_BRIDGE_FLAGS, _BRIDGE_VLAN_INFO, _SELF = 0, 2, 2
_PVID, _UNTAGGED, _RANGE_BEGIN, _RANGE_END = 2, 4, 8, 16
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
