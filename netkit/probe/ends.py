"""From what a person names to the two ends of a probe: an attachment, a target's namespace, the host, or the world."""

from __future__ import annotations

import ipaddress

from netkit.errors import UsageError
from netkit.model import bare, family
from netkit.probe.evidence import HOST, End
from netkit.value import Value

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from netkit.model import Endpoint, NsRef, PortMap

_ANY = ("0.0.0.0", "::")
_LOOPBACK = {4: "127.0.0.1", 6: "::1"}


class Located(Value):
    """An end, the namespace that it is in (None: the host's own), and its addresses without prefix length."""

    end: End
    netns: NsRef | None = None
    addresses: tuple[str, ...] = ()
    gateways: tuple[str, ...] = ()


def host_end() -> Located:
    """The host itself."""
    return Located(End(HOST))


def attachment_end(ep: Endpoint, internal: bool = False) -> Located:
    """An attachment; `internal` when its network is."""
    end = End(ep.name or ep.id, ep.ifname, ep.host_ifname, ep.mac, ep.addresses, internal)
    return Located(end, ep.netns, tuple(map(bare, ep.addresses)), ep.gateways)


def namespace_end(name: str, netns: NsRef) -> Located:
    """A namespace that netkit knows nothing more of."""
    return Located(End(name), netns)


def address_of(source: Located, target: Located) -> str:
    """Where a probe from `source` goes to reach `target`: an address of a family that both have, IPv4 first."""
    if target.end.place == HOST:
        return _host_address(source)
    spoken = {family(address) for address in source.addresses} or {4, 6}
    found = [address for address in target.addresses if family(address) in spoken]
    if not found:
        raise UsageError(f"{target.end.place} has no address that {source.end.place} could reach", "give an address")
    return found[0]


def _host_address(source: Located) -> str:
    if source.end.place == HOST:
        return _LOOPBACK[4]
    if not source.gateways:
        raise UsageError(f"the host has no address on {source.end.place}'s network", "give an address of the host")
    return source.gateways[0]


def behind(dst: str, port: int, protocol: str, local: bool, known: Sequence[Endpoint]) -> Located:
    """Who gets what is sent to an address: its attachment, that of a published port, the host, or nobody here."""
    for ep in known:
        if dst in map(bare, ep.addresses):
            return attachment_end(ep)
    if not local:
        return Located(End(""))
    for ep in known:
        if any(_publishes(one, dst, port, protocol) for one in ep.ports):
            return attachment_end(ep)
    return host_end()


def _publishes(one: PortMap, dst: str, port: int, protocol: str) -> bool:
    return (
        one.protocol == protocol
        and one.host_port <= port < one.host_port + one.count
        and (one.host_ip == dst or (one.host_ip in _ANY and family(one.host_ip) == family(dst)))
    )


def parsed_address(text: str) -> str:
    """A canonical address, "" when the text is none; UsageError for one that no single machine has."""
    try:
        address = ipaddress.ip_address(text)
    except ValueError:
        return ""
    if address.is_multicast or address.is_unspecified or text == "255.255.255.255":
        raise UsageError(f"{text} is no machine's address", "a probe goes to one machine: give its address or name")
    return str(address)


def watched_ends(words: Sequence[str], found: Callable[[str], NsRef], *ends: Located) -> list[Located]:
    """The places that are watched, too, each as `[NAME=]WHERE`; one that is an end already is left out.

    UsageError when two places have one name.
    """
    taken = {HOST, *(one.end.place for one in ends)}
    known = {one.netns.inode for one in ends if one.netns}
    watched = []
    for word in words:
        name, _, where = word.rpartition("=")
        ref, name = found(where), name or where
        if ref.inode in known:
            continue
        if name in taken:
            raise UsageError(f"--watch: two places are called {name}", f"give it another name: NAME={where}")
        known.add(ref.inode)
        taken.add(name)
        watched.append(namespace_end(name, ref))
    return watched
