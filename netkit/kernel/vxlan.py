"""Tunnels, forwarding and neighbour entries as rtnetlink messages; numbers are from linux/{if_link,neighbour}.h.

Without NTF_SELF the kernel would write the bridge's table instead of the tunnel's; NTF_MASTER asks for just that. An
entry of a tunnel is not told apart from a learnt one but by NUD_PERMANENT; one of a bridge is static by NUD_NOARP, for
with NUD_PERMANENT the bridge takes the MAC for its own and forwards nothing.
"""

from __future__ import annotations

from _socket import AF_INET, AF_INET6, inet_ntop
from struct import Struct

from netkit.kernel.messages import IFINFO, IFLA_IFNAME, IFLA_LINKINFO, RTM_GETLINK, RTM_SETLINK, address_bytes
from netkit.kernel.wire import NLM_F_CREATE, NLM_F_REPLACE, attr, attributes, u32
from netkit.model import family
from netkit.plan.rare.vxlan import (
    FLOODED,
    FdbAdd,
    FdbDel,
    FdbEntry,
    NeighAdd,
    Neighbour,
    NeighDel,
    PortQuiet,
    Vxlan,
)

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping
    from typing import Any, TypeVar

    from netkit.kernel.messages import Numbers
    from netkit.kernel.rtnl import Rtnl
    from netkit.kernel.wire import Message
    from netkit.plan.kinds import Info
    from netkit.plan.ops import Op

    T = TypeVar("T")
    #: An entry's flags and state, where it leads to and its MAC.
    _Entry = tuple[int, int, bytes, bytes]

#: Add to a list (NLM_F_APPEND).
_APPEND = 0x800
_NEWNEIGH, _DELNEIGH, _GETNEIGH = 28, 29, 30
_AF_BRIDGE = 7
_DST, _LLADDR = 1, 2
_REACHABLE, _NOARP, _PERMANENT = 0x02, 0x40, 0x80
_SELF, _MASTER = 0x02, 0x04
_ID, _GROUP, _LINK, _LOCAL, _LEARNING, _PORT, _GROUP6, _LOCAL6, _GBP = 1, 2, 3, 4, 7, 15, 16, 17, 23
_FAMILIES = {4: AF_INET, 6: AF_INET6}
_PROTINFO, _NESTED = 12, 0x8000
_KIND, _DATA = 1, 2
_SLAVE_KIND, _SLAVE_DATA = 4, 5
#: IFLA_BRPORT_*
_FLAGS = {"learning": 8, "flood": 9, "mcast_flood": 27, "bcast_flood": 30, "neigh_suppress": 32}
#: struct ndmsg: family, ifindex, state, flags, type.
NDMSG = Struct("=BxxxiHBB")
#: The tables that were looked at last, of so many links at most: what they were told to hold, and the same as values.
_last: dict[tuple[str, int], tuple[list[_Entry], frozenset[Any]]] = {}
_REMEMBERED = 16


def info(vxlan: Info | None, numbers: Numbers) -> bytes:
    """The IFLA_INFO_DATA of a tunnel; its checksums, TTL and the like are left to the kernel."""
    if not isinstance(vxlan, Vxlan):
        return b""
    local = (_LOCAL if family(vxlan.local) == 4 else _LOCAL6, vxlan.local)
    data = attr(_ID, u32(vxlan.vni)) + attr(_LINK, u32(numbers.index(vxlan.dev)))
    data += attr(local[0], address_bytes(local[1]))
    if vxlan.group:
        data += attr(_GROUP if family(vxlan.group) == 4 else _GROUP6, address_bytes(vxlan.group))
    data += attr(_GBP, b"") if vxlan.gbp else b""
    return data + attr(_LEARNING, bytes([vxlan.learning])) + attr(_PORT, vxlan.port.to_bytes(2, "big"))


def _mac(text: str) -> bytes:
    return bytes.fromhex(text.replace(":", ""))


def _fdb(op: FdbAdd | FdbDel, numbers: Numbers, flags: int, state: int) -> bytes:
    head = NDMSG.pack(_AF_BRIDGE, numbers.index(op.dev), state, flags, 0) + attr(_LLADDR, _mac(op.mac))
    return head + (attr(_DST, address_bytes(op.dst)) if flags == _SELF else b"")


def _fdb_add(op: FdbAdd, numbers: Numbers) -> list[Message]:
    how = NLM_F_CREATE | (_APPEND if op.mac == FLOODED else NLM_F_REPLACE)
    messages = [(_NEWNEIGH, how, _fdb(op, numbers, _SELF, _NOARP | _PERMANENT))]
    if op.in_bridge:
        messages.append((_NEWNEIGH, how, _fdb(op, numbers, _MASTER, _NOARP | _REACHABLE)))
    return messages


def _fdb_del(op: FdbDel, numbers: Numbers) -> list[Message]:
    messages = [(_DELNEIGH, 0, _fdb(op, numbers, _SELF, 0))]
    return [(_DELNEIGH, 0, _fdb(op, numbers, _MASTER, 0)), *messages] if op.in_bridge else messages


def _neigh(op: NeighAdd | NeighDel, numbers: Numbers, state: int) -> bytes:
    version = family(op.address)
    head = NDMSG.pack(_FAMILIES[version], numbers.index(op.dev), state, 0, 0)
    return head + attr(_DST, address_bytes(op.address))


def _neigh_add(op: NeighAdd, numbers: Numbers) -> list[Message]:
    payload = _neigh(op, numbers, _PERMANENT) + attr(_LLADDR, _mac(op.mac))
    return [(_NEWNEIGH, NLM_F_CREATE | NLM_F_REPLACE, payload)]


def _neigh_del(op: NeighDel, numbers: Numbers) -> list[Message]:
    return [(_DELNEIGH, 0, _neigh(op, numbers, 0))]


def _port_quiet(op: PortQuiet, numbers: Numbers) -> list[Message]:
    flags = b"".join(attr(_FLAGS[name], bytes([on])) for name, on in op.flags)
    head = IFINFO.pack(_AF_BRIDGE, 0, numbers.index(op.dev), 0, 0)
    return [(RTM_SETLINK, 0, head + attr(_PROTINFO | _NESTED, flags))]


ENCODERS: Mapping[type[Op], Callable[[Any, Numbers], list[Message]]] = {
    FdbAdd: _fdb_add,
    FdbDel: _fdb_del,
    NeighAdd: _neigh_add,
    NeighDel: _neigh_del,
    PortQuiet: _port_quiet,
}


def port_flags(rtnl: Rtnl, index: int) -> dict[str, bool]:
    """What is flooded to a port of a bridge, and so on; {} when it is none."""
    payload = rtnl.get((RTM_GETLINK, 0, IFINFO.pack(0, 0, index, 0, 0)))
    info = attributes(attributes(payload, IFINFO.size).get(IFLA_LINKINFO, b""))
    if info.get(_SLAVE_KIND, b"").rstrip(b"\0") != b"bridge":
        return {}
    flags = attributes(info.get(_SLAVE_DATA, b""))
    return {name: flags.get(number, b"\0") != b"\0" for name, number in _FLAGS.items()}


def rival(rtnl: Rtnl, vxlan: Vxlan) -> str:
    """The name of a tunnel beside which the kernel makes no such one: of that VNI, port and family; "" for none."""
    for payload in rtnl.dump((RTM_GETLINK, 0, IFINFO.pack(0, 0, 0, 0, 0))):
        link = attributes(payload, IFINFO.size)
        info = attributes(link.get(IFLA_LINKINFO, b""))
        if info.get(_KIND, b"").rstrip(b"\0") != b"vxlan":
            continue
        data = attributes(info.get(_DATA, b""))
        version = 6 if _LOCAL6 in data or _GROUP6 in data else 4
        alike = data.get(_ID) == u32(vxlan.vni) and data.get(_PORT) == vxlan.port.to_bytes(2, "big")
        if alike and version == family(vxlan.local):
            return link[IFLA_IFNAME].rstrip(b"\0").decode(errors="replace")
    return ""


def forwards(rtnl: Rtnl, index: int) -> frozenset[FdbEntry]:
    """The entries that lead through the link of that number and stay; what it has learned is left out."""

    def lasts(flags: int, state: int) -> bool:
        return bool(state & (_PERMANENT if flags & _SELF else _NOARP))

    told = [entry for entry in _entries(rtnl, _AF_BRIDGE, index) if lasts(*entry[:2])]
    return _as_before("forwards", index, told, _forward)


def _forward(flags: int, _: int, dst: bytes, mac: bytes) -> FdbEntry:
    return FdbEntry(mac.hex(":"), _text(dst)) if flags & _SELF else FdbEntry(mac.hex(":"), in_bridge=True)


def neighbours(rtnl: Rtnl, index: int) -> frozenset[Neighbour]:
    """The permanent neighbours on the link of that number."""
    every = (entry for version in (AF_INET, AF_INET6) for entry in _entries(rtnl, version, index))
    told = [entry for entry in every if entry[1] & _PERMANENT and entry[3]]
    return _as_before("neighbours", index, told, lambda _, __, dst, mac: Neighbour(_text(dst), mac.hex(":")))


def _entries(rtnl: Rtnl, version: int, index: int) -> Iterator[_Entry]:
    for payload in rtnl.dump((_GETNEIGH, 0, NDMSG.pack(version, 0, 0, 0, 0))):
        _, on, state, flags, _ = NDMSG.unpack_from(payload)
        if on == index:
            found = attributes(payload, NDMSG.size)
            yield flags, state, found.get(_DST, b""), found.get(_LLADDR, b"")


def _as_before(what: str, index: int, told: list[_Entry], value: Callable[..., T]) -> frozenset[T]:
    """The values of what a link's table holds: mostly the same as last time, so they are not made again."""
    known, found = _last.get((what, index), ([], frozenset()))
    if known != told:
        found = frozenset(value(*entry) for entry in told)
        if len(_last) >= _REMEMBERED:
            _last.clear()
        _last[what, index] = told, found
    return found


def _text(packed: bytes) -> str:
    return inet_ntop(AF_INET if len(packed) == 4 else AF_INET6, packed) if packed else ""
