"""Which of the hosts that a store tells of are believed, and why the others are not.

Whoever may write to a store may write anything. What is odd by itself is passed over where it is read; here is what
does not fit this host, the network, or another host. A refusal never takes anything else away.
"""

from __future__ import annotations

from netkit.ipam.pool import span, text
from netkit.model import PeerHost, family
from netkit.stores.model import ALIVE, GONE, Host
from netkit.value import Value

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator

    from netkit.model import Network
    from netkit.stores.model import Endpoint, Snapshot

#: So many interfaces of others are known at once; the kernel's tables have an end.
MOST = 65536


class Refusal(Value):
    """What is not believed: of which host, which of its addresses ("" for the host as a whole), and why."""

    node: str
    address: str
    why: str


class Judged(Value):
    """The hosts that are led to, and what was refused."""

    peers: tuple[PeerHost, ...] = ()
    refused: tuple[Refusal, ...] = ()


def judged(found: Snapshot, net: Network, own: Host) -> Judged:
    """The other hosts; of two that say to be at one address the one that lives is believed, else the older one."""
    judge = _Judge(found, net, own)
    hosts = sorted((seen for seen in found.hosts if seen.host.node != own.node), key=lambda seen: seen.state != ALIVE)
    peers = [judge.peer(seen.host) for seen in hosts if seen.state != GONE]
    return Judged(tuple(peer for peer in peers if peer), tuple(judge.refused))


class _Judge:
    def __init__(self, found: Snapshot, net: Network, own: Host) -> None:
        self.refused: list[Refusal] = []
        self._own = own
        self._port = int(dict(net.options)["port"])
        self._holders = {claim.resource.partition("/")[2]: claim.node for claim in found.claims if claim.node}
        self._at = {own.public: "this host itself"}
        self._keys = {own.key: "this host's own: was this host's state copied?"} if own.key else {}
        self._behind = dict.fromkeys([key for one in own.endpoints for key in (one.address, one.mac)], "this host")
        self._behind[own.vtep] = "this host"
        self._roles = {address for subnet in net.subnets for address in _roles(subnet.cidr)}
        self._left = MOST

    def peer(self, host: Host) -> PeerHost | None:
        """A host with those of its interfaces that are believed, None when it is not."""
        if why := self._odd(host):
            self.refused.append(Refusal(host.node, "", why))
            return None
        self._at[host.public] = host.node
        self._keys[host.key] = f"that of {host.node}, too"
        behind = tuple((one.address, one.mac) for one in self._believed(host))
        return PeerHost(host.node, host.public, mac=host.vtep, port=host.port, endpoints=behind, key=host.key)

    def _odd(self, host: Host) -> str:
        if family(host.public) != family(self._own.public):
            return f"it is at {host.public}, of another family than {self._own.public}"
        if host.public in self._at:
            return f"it says to be at {host.public}, which is {self._at[host.public]}"
        if host.backend != self._own.backend:
            return f"it speaks {host.backend}, not {self._own.backend}"
        if host.port not in (0, self._port):
            return f"its tunnel listens on port {host.port}"
        return self._key_amiss(host) if self._own.key else ""

    def _key_amiss(self, host: Host) -> str:
        """Two peers with one key are one peer to the kernel, and it passes over one with our own."""
        if not host.key:
            return "it does not say its public key"
        return f"its public key is {self._keys[host.key]}" if host.key in self._keys else ""

    def _believed(self, host: Host) -> Iterator[Endpoint]:
        for one in host.endpoints:
            if why := self._amiss(one, host):
                self.refused.append(Refusal(host.node, one.address, why))
                continue
            self._behind |= {one.address: host.node, one.mac: host.node}
            self._left -= 1
            yield one

    def _amiss(self, one: Endpoint, host: Host) -> str:
        if one.address in self._roles:
            return "no interface can have that address"
        if one.address in self._behind:
            return f"that address is behind {self._behind[one.address]}"
        if self._behind.get(one.mac, host.node) != host.node:
            return f"{one.mac} is behind {self._behind[one.mac]}"
        if (holder := self._holders.get(one.address, host.node)) != host.node:
            return f"{holder} has claimed it"
        return f"{MOST} interfaces of others are known already" if self._left <= 0 else ""


def _roles(cidr: str) -> tuple[str, ...]:
    """The addresses of a subnet that stand for it, or for all in it."""
    first, last = span(cidr)
    version = family(cidr)
    return (text(first, version), text(last, version)) if version == 4 else (text(first, version),)
