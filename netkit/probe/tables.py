"""What decides where a packet goes, as the kernel has it now: links, ports, routes, neighbours, forwarding entries.

One `Place` is what one namespace has of these; the causes of a loss are told from places and sightings alone.
"""

from __future__ import annotations

import struct
from _socket import AF_INET, AF_INET6, inet_ntop

from netkit.errors import KernelError
from netkit.kernel import decode, sysctl
from netkit.kernel.messages import (
    IFINFO,
    IFLA_INFO_DATA,
    IFLA_LINKINFO,
    RTA_DST,
    RTA_GATEWAY,
    RTA_OIF,
    RTM_GETLINK,
    RTM_GETROUTE,
    RTMSG,
    address_bytes,
)
from netkit.kernel.wire import attr, attributes, number
from netkit.model import family
from netkit.plan.host import Link
from netkit.value import Value

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Collection, Iterable

    from netkit.kernel.namespaces import Handle
    from netkit.kernel.rtnl import Rtnl

_RTM_GETNEIGH, _AF_BRIDGE = 30, 7
_NDMSG = struct.Struct("=BBHiHBB")
_NDA_DST, _NDA_LLADDR, _NDA_MASTER = 1, 2, 9
_IFF_LOWER_UP = 0x10000
_INFO_SLAVE_DATA = 5
_BRPORT_LEARNING, _BRPORT_FLOOD, _BRPORT_ISOLATED = 8, 9, 33
_VXLAN_ID, _VXLAN_PORT = 1, 15
_RTM_F_FIB_MATCH = 0x2000
_FAMILIES = {4: AF_INET, 6: AF_INET6}
_ROUTE_TYPES = {1: "unicast", 2: "local", 3: "broadcast", 6: "blackhole", 7: "unreachable", 8: "prohibit", 9: "throw"}
_INCOMPLETE, _FAILED = 0x01, 0x20
#: Where a VXLAN device sends what it has no entry for, and broadcasts.
EVERY_MAC = "00:00:00:00:00:00"


class Port(Value):
    """A link with what `Link` leaves out: its carrier, and as a bridge's port, whether it learns and floods.

    An `isolated` port reaches no other such port. Of a VXLAN device its VNI and UDP port, -1 and 0 of anything else.
    """

    link: Link
    carrier: bool
    learns: bool = True
    floods: bool = True
    isolated: bool = False
    vni: int = -1
    udp_port: int = 0


class Hop(Value):
    """The route that the kernel takes to an address; `errno` says why there is none."""

    dst: str = ""
    via: str = ""
    dev: str = ""
    kind: str = "unicast"
    errno: int = 0

    def __str__(self) -> str:
        words = [self.kind] if self.kind not in ("unicast", "") else []
        words += [self.dst, *(["via", self.via] if self.via else []), *(["dev", self.dev] if self.dev else [])]
        return " ".join(words)


class Neighbour(Value):
    """Who has an address: a MAC, "" when nobody said so; `missing` when somebody is or was asked for in vain."""

    address: str
    dev: str
    mac: str = ""
    missing: bool = False


class FdbEntry(Value):
    """Where a bridge (or a VXLAN device: `dst`) sends frames to a MAC."""

    mac: str
    dev: str
    master: str = ""
    dst: str = ""


class Place(Value):
    """One namespace. `there` and `back` are its routes to the probe's two ends.

    `forwards` names the links that forward, `strict` those that take a packet only where its sender's route leads.
    `under` are the far ends of tunnels that the probe takes or may take, each with the route to it.
    """

    name: str
    ports: tuple[Port, ...] = ()
    there: Hop = Hop()
    back: Hop = Hop()
    neighbours: tuple[Neighbour, ...] = ()
    fdb: tuple[FdbEntry, ...] = ()
    forwards: tuple[str, ...] = ()
    strict: tuple[str, ...] = ()
    under: tuple[tuple[str, Hop], ...] = ()

    def port(self, name: str) -> Port | None:
        """The link of that name."""
        return next((port for port in self.ports if port.link.name == name), None)

    def neighbour(self, address: str, dev: str) -> Neighbour | None:
        """What is known of an address on a link."""
        return next((one for one in self.neighbours if (one.address, one.dev) == (address, dev)), None)


def look(
    handle: Handle, name: str, there: str, back: str, macs: Collection[str] = (), outer: Collection[str] = ()
) -> Place:
    """A namespace as it is now; `macs` are those that the probe was sent to there, `outer` where tunnels took it."""
    rtnl = handle.socket()
    ports = _ports(rtnl)
    names = {port.link.index: port.link.name for port in ports}
    ip = family(there)
    fdb = tuple(_fdb(rtnl, names))
    return Place(
        name,
        ports,
        route(rtnl, there, names),
        route(rtnl, back, names) if back else Hop(),
        tuple(_neighbours(rtnl, ip, names)),
        fdb,
        handle.call(lambda: tuple(port.link.name for port in ports if _forwards(ip, port.link.name))),
        handle.call(lambda: tuple(port.link.name for port in ports if _is_strict(ip, port.link.name))),
        tuple((dst, route(rtnl, dst, names)) for dst in sorted({*outer, *_far_ends(fdb, macs)})),
    )


def _far_ends(fdb: Iterable[FdbEntry], macs: Collection[str]) -> set[str]:
    return {entry.dst for entry in fdb if entry.dst and entry.mac in (*macs, EVERY_MAC)}


def route(rtnl: Rtnl, address: str, names: dict[int, str]) -> Hop:
    """The entry of the routing tables that decides about an address."""
    packed = address_bytes(address)
    af = _FAMILIES[family(address)]
    head = RTMSG.pack(af, len(packed) * 8, 0, 0, 0, 0, 0, 0, _RTM_F_FIB_MATCH)
    try:
        payload = rtnl.get((RTM_GETROUTE, 0, head + attr(RTA_DST, packed)))
    except KernelError as error:
        return Hop(address, errno=error.errno)
    _, length, _, _, _, _, _, kind, _ = RTMSG.unpack_from(payload)
    found = attributes(payload, RTMSG.size)
    return Hop(
        f"{inet_ntop(af, found[RTA_DST])}/{length}" if RTA_DST in found and length else "default",
        inet_ntop(af, found[RTA_GATEWAY]) if RTA_GATEWAY in found else "",
        names.get(number(found.get(RTA_OIF, b"")), ""),
        _ROUTE_TYPES.get(kind, str(kind)),
    )


def _ports(rtnl: Rtnl) -> tuple[Port, ...]:
    payloads = rtnl.dump((RTM_GETLINK, 0, IFINFO.pack(0, 0, 0, 0, 0)))
    seen = [(decode.link(payload), payload) for payload in payloads]
    names = {link.index: link.name for (link, _), _ in seen}
    return tuple(_port(link.replace(master=names.get(master, "")), payload) for (link, master), payload in seen)


def _port(link: Link, payload: bytes) -> Port:
    info = attributes(attributes(payload, IFINFO.size).get(IFLA_LINKINFO, b""))
    bridge = attributes(info.get(_INFO_SLAVE_DATA, b"")) if link.master else {}
    flags = IFINFO.unpack_from(payload)[3]
    learns, floods = (number(bridge.get(kind, b"\1")) == 1 for kind in (_BRPORT_LEARNING, _BRPORT_FLOOD))
    isolated = number(bridge.get(_BRPORT_ISOLATED, b"\0")) == 1
    port = Port(link, bool(flags & _IFF_LOWER_UP), learns, floods, isolated)
    if link.kind != "vxlan":
        return port
    data = attributes(info.get(IFLA_INFO_DATA, b""))
    udp_port = int.from_bytes(data.get(_VXLAN_PORT, b""), "big")
    return port.replace(vni=number(data[_VXLAN_ID]) if _VXLAN_ID in data else -1, udp_port=udp_port)


def _neighbours(rtnl: Rtnl, ip: int, names: dict[int, str]) -> list[Neighbour]:
    found = []
    for payload in rtnl.dump((_RTM_GETNEIGH, 0, _NDMSG.pack(_FAMILIES[ip], 0, 0, 0, 0, 0, 0))):
        af, _, _, index, state, _, _ = _NDMSG.unpack_from(payload)
        told = attributes(payload, _NDMSG.size)
        if af == _FAMILIES[ip] and _NDA_DST in told:
            missing = bool(state & (_INCOMPLETE | _FAILED))
            mac = "" if missing else told.get(_NDA_LLADDR, b"").hex(":")
            found.append(Neighbour(inet_ntop(af, told[_NDA_DST]), names.get(index, ""), mac, missing))
    return found


def _fdb(rtnl: Rtnl, names: dict[int, str]) -> list[FdbEntry]:
    found = []
    for payload in rtnl.dump((_RTM_GETNEIGH, 0, _NDMSG.pack(_AF_BRIDGE, 0, 0, 0, 0, 0, 0))):
        index = _NDMSG.unpack_from(payload)[3]
        told = attributes(payload, _NDMSG.size)
        dst = told.get(_NDA_DST, b"")
        where = inet_ntop(AF_INET if len(dst) == 4 else AF_INET6, dst) if len(dst) in (4, 16) else ""
        master = names.get(number(told.get(_NDA_MASTER, b"")), "")
        found.append(FdbEntry(told.get(_NDA_LLADDR, b"").hex(":"), names.get(index, ""), master, where))
    return found


def _forwards(ip: int, link: str) -> bool:
    return sysctl.read(f"net/ipv{ip}/conf/{link if ip == 4 else 'all'}/forwarding") not in ("0", None)


def _is_strict(ip: int, link: str) -> bool:
    """The larger of a link's value and that of all counts; 1 is strict, 2 loose. IPv6 has no such thing."""
    values = [sysctl.read(f"net/ipv4/conf/{name}/rp_filter") or "0" for name in ("all", link)]
    return ip == 4 and max(values) == "1"
