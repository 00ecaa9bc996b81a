"""What there is in some namespaces, as the kernel tells it: links, addresses, which cable leads where.

Records of netkit add only what the kernel has no word for: the names of networks and attachments, published ports.
"""

from __future__ import annotations

import os

from netkit.errors import KernelError, NetkitError
from netkit.kernel import sysctl
from netkit.kernel.wire import attr, attributes, number, u32
from netkit.lab.look import ask
from netkit.value import Value

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping
    from typing import Any

    from netkit.engine.service import Engine
    from netkit.kernel.namespaces import Handle
    from netkit.model import Network

_RTM_GETNSID, _NETNSA_NSID, _NETNSA_FD = 90, 1, 3
_NOT_ASSIGNED = (1 << 32) - 1
#: Links that are tied to another one: a cable's two ends, and parts of a link.
_TIED = ("veth", "macvlan", "ipvlan", "vlan")


class Link(Value):
    """A link: what it is, what is on it, the bridge that it is plugged into, and where its cable leads.

    Of a tunnel, `over` is the link or the address that it goes through, `about` says more of it.
    """

    name: str
    kind: str
    addresses: tuple[str, ...] = ()
    mtu: int = 0
    up: bool = True
    master: str = ""
    peer: tuple[str, str] | None = None
    over: str = ""
    about: tuple[str, ...] = ()


class Space(Value):
    """A namespace: a host, a switch or a container (then: of which host); `notes` are lines for people."""

    name: str
    kind: str
    links: tuple[Link, ...] = ()
    host: str = ""
    forwards: bool = False
    notes: tuple[str, ...] = ()
    networks: tuple[tuple[str, str], ...] = ()


def survey(places: Mapping[str, tuple[str, Handle]]) -> list[Space]:
    """What is in these namespaces, (kind, handle) by name."""
    raw = {name: ask(handle, "-d", "addr", "show") for name, (_, handle) in places.items()}
    numbers = {name: _numbers(name, places) for name in places}
    found = []
    for name, (kind, handle) in places.items():
        links = tuple(_link(one, name, raw, numbers[name]) for one in raw[name] if one["ifname"] != "lo")
        found.append(Space(name, kind, links, forwards=_forwards(handle)))
    return found


def noted(
    spaces: Iterable[Space], engines: Mapping[str, Engine], places: Mapping[str, tuple[str, Handle]]
) -> list[Space]:
    """The same with what netkit's records know of each host: networks by device, containers' hosts and ports."""
    inodes = {os.fstat(handle.fd).st_ino: name for name, (_, handle) in places.items()}
    found = {space.name: space for space in spaces}
    for host, engine in engines.items():
        nets = tuple((net.device, _named(net)) for net in engine.all_networks() if net.device)
        found[host] = found[host].replace(networks=nets)
        for record, alive in engine.attachments():
            name = inodes.get(record.endpoint.netns.inode, "")
            if alive and name in found and name != host:
                ports = tuple(_port(port) for port in record.endpoint.ports)
                notes = dict.fromkeys((*found[name].notes, *ports))
                found[name] = found[name].replace(host=host, notes=tuple(notes))
    return list(found.values())


def _named(net: Network) -> str:
    return f"{net.name}, internal" if net.internal else net.name


def _port(port: Any) -> str:
    last = port.count - 1
    from_ = f"{port.host_port}-{port.host_port + last}" if last else str(port.host_port)
    to = f"{port.container_port}-{port.container_port + last}" if last else str(port.container_port)
    ip = "" if port.host_ip in ("0.0.0.0", "::") else f"{port.host_ip}:"
    return f"{ip}{from_} -> {to}/{port.protocol}"


def _link(one: dict[str, Any], name: str, raw: Mapping[str, list[dict[str, Any]]], numbers: Mapping[int, str]) -> Link:
    addresses = [f"{i['local']}/{i['prefixlen']}" for i in one.get("addr_info", ()) if i.get("scope") != "link"]
    kind = one.get("linkinfo", {}).get("info_kind", "")
    peer = _peer(one, name, raw, numbers) if kind in _TIED else None
    up, master = "UP" in one["flags"], one.get("master", "")
    over, about = _tunnel(one) if kind == "vxlan" else ("", ())
    return Link(one["ifname"], kind, tuple(addresses), one.get("mtu", 0), up, master, peer, over, about)


def _tunnel(one: dict[str, Any]) -> tuple[str, tuple[str, ...]]:
    """What a VXLAN goes through, and its number and whom it sends to."""
    told = one["linkinfo"].get("info_data", {})
    local = told.get("local", told.get("local6", ""))
    remote = next((told[key] for key in ("remote", "remote6", "group", "group6") if key in told), "")
    return told.get("link", local), (f"VNI {told.get('id', 0)}", *((f"to {remote}",) if remote else ()))


def _peer(
    one: dict[str, Any], name: str, raw: Mapping[str, list[dict[str, Any]]], numbers: Mapping[int, str]
) -> tuple[str, str] | None:
    """The other end of a cable, or the link that one is a part of, if it is in a namespace that we look at."""
    if "link" in one:  # the kernel names it where it is in the same namespace
        return name, str(one["link"])
    other = numbers.get(one.get("link_netnsid", _NOT_ASSIGNED), "")
    for link in raw.get(other, ()):
        if link["ifindex"] == one.get("link_index"):
            return other, str(link["ifname"])
    return None


def _numbers(name: str, places: Mapping[str, tuple[str, Handle]]) -> dict[int, str]:
    """How a namespace calls the others: the kernel gives each of them a number of its own there."""
    socket = places[name][1].socket()
    found: dict[int, str] = {}
    for other, (_, handle) in places.items():
        message = (_RTM_GETNSID, 0, bytes(4) + attr(_NETNSA_FD, u32(handle.fd)))
        try:
            answer = number(attributes(socket.get(message), 4)[_NETNSA_NSID])
        except (KernelError, KeyError):
            continue
        if answer != _NOT_ASSIGNED:
            found[answer] = other
    return found


def _forwards(handle: Handle) -> bool:
    try:
        return handle.call(lambda: sysctl.read("net/ipv4/ip_forward")) == "1"
    except NetkitError:
        return False
