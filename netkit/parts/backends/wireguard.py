"""Encrypted tunnels, by the kernel's WireGuard: a peer and a route for each host, and each packet proved by a key.

container ==[ bridge ]== 10.5.9.0/24 dev flannel-wg == encrypted, in UDP 51820, for 192.0.2.9 ==> the other host
                         what comes from that host is let in if it is from 10.5.9.0/24

By `mode` each family has a tunnel of its own (`separate`), or one carries both: over IPv4, over IPv6, or (`auto`) over
IPv4 where both hosts have it.
"""

from __future__ import annotations

from netkit.errors import ConflictError, HostError, UnsupportedError
from netkit.model import alone, family
from netkit.naming import GROUP
from netkit.parts.backends.common import address_of, route, whole
from netkit.parts.redirects import redirects
from netkit.plan.ops import AddrAdd, LinkAdd, LinkSet
from netkit.plan.rare.wireguard import HINT, LACKING, EndSet, PeerAdd
from netkit.plan.steps import Plan
from netkit.value import Value

TYPE_CHECKING = False
if TYPE_CHECKING:
    from netkit.model import PeerHost
    from netkit.parts.backends import Realm
    from netkit.plan.host import Host

#: flannel's ports: of the one tunnel or of that for IPv4, and of that for IPv6.
PORT, PORT6 = 51820, 51821
MODES = ("separate", "auto", "ipv4", "ipv6")
#: Outer IPv6 and UDP, 16 bytes of WireGuard's head and 16 of its tag; over IPv4 20 are left over, as with flannel.
_OVERHEAD = 80


class Way(Value):
    """A tunnel: its device and port, the families of subnets in it, and of the underlay (0: what both hosts have)."""

    dev: str
    port: int
    carries: tuple[int, ...]
    over: int


class WireGuardRoutes:
    """flannel's wireguard backend."""

    def overhead(self, realm: Realm) -> int:
        return _OVERHEAD

    def devices(self, realm: Realm) -> tuple[str, ...]:
        return tuple(way.dev for way in _ways(realm))

    def up(self, realm: Realm, mtu: int, host: Host) -> Plan:
        if not host.makes("wireguard"):
            raise UnsupportedError(LACKING, HINT)
        check(realm)
        plan = redirects(host)
        for way in _ways(realm):
            plan += _tunnel(realm, way, mtu)
            plan += sum((whole(realm, version, way.dev, host) for version in way.carries), Plan())
        return plan

    def peer(self, realm: Realm, peer: PeerHost, host: Host) -> Plan:
        if not peer.key or peer.key == realm.keys.public:
            raise ConflictError(f"host {peer.node} has no key of its own", "see what the agent there says")
        plan = Plan()
        for way in _ways(realm):
            subnets = tuple(subnet for subnet in peer.subnets if family(subnet) in way.carries)
            if not subnets:
                continue
            endpoint = _endpoint(realm, way, peer)
            keys = realm.keys
            known = PeerAdd(way.dev, peer.key, endpoint, subnets, keys.keepalive, keys.psk, keys.mark)
            plan += Plan.of((known, f"who has this key is host {peer.node}, at {endpoint}, and speaks for its subnets"))
            for subnet in subnets:
                plan += Plan.of((route(subnet, way.dev, "", host), f"{subnet} is behind it"))
        return plan


def check(realm: Realm) -> None:
    """HostError for a tunnel over a family of which this host has no address on its link."""
    for way in _ways(realm):
        if way.over and not (realm.local6 if way.over == 6 else realm.local):
            what = f"the tunnel {way.dev} is to be over IPv{way.over}, and {realm.dev} has no such address"
            raise HostError(what, "give it one, or choose another Mode, or another link with --iface")


def _ways(realm: Realm) -> tuple[Way, ...]:
    keys, port = realm.keys, realm.port or PORT
    versions = tuple(version for version in (4, 6) if any(family(each) == version for each in realm.whole))
    if keys.mode != "separate":
        return (Way("flannel-wg", port, versions, {"ipv4": 4, "ipv6": 6}.get(keys.mode, 0)),)
    both = (Way("flannel-wg", port, (4,), 4), Way("flannel-wg-v6", keys.port6 or PORT6, (6,), 6))
    return tuple(way for way in both if way.carries[0] in versions)


def _tunnel(realm: Realm, way: Way, mtu: int) -> Plan:
    """The port is taken when the link is up already: so a port that another has is told as just that."""
    keys, name = realm.keys, way.dev
    plan = Plan.of((LinkAdd(name, "wireguard", GROUP, mtu=mtu), "the tunnel: packets travel encrypted, in UDP"))
    for subnet in realm.leased:
        if family(subnet) in way.carries:
            base = alone(subnet.partition("/")[0])
            plan += Plan.of((AddrAdd(base, name), "where this host itself is asked from"))
    return plan + Plan.of(
        (LinkSet(name, up=True), "switch it on"),
        (EndSet(name, keys.file, keys.public, way.port), "its own key, and the port where the others find it"),
    )


def _endpoint(realm: Realm, way: Way, peer: PeerHost) -> str:
    """Where a peer's end of a tunnel is."""
    address = address_of(peer, way.over, realm.local6 if way.over == 6 else realm.local) if way.over else ""
    address = address or _in_common(realm, peer)
    port = (peer.port6 or way.port) if way.dev.endswith("-v6") else (peer.port or way.port)
    return f"[{address}]:{port}" if family(address) == 6 else f"{address}:{port}"


def _in_common(realm: Realm, peer: PeerHost) -> str:
    """An address of a family that both hosts have, IPv4 first."""
    for own in (realm.local, realm.local6):
        for address in (peer.address, peer.address6):
            if own and address and family(own) == family(address):
                return address
    raise ConflictError(f"host {peer.node} is at {peer.address}, of another family than this host", "see --public-ip")
