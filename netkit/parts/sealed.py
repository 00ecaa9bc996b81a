"""The way of an encrypted overlay's tunnel: a WireGuard link of its own, which carries nothing else.

containers ==[ bridge ]-- nkv42 --UDP 4789, fd8f...:1 to fd8f...:2--> nkw42 == encrypted, in UDP 51942 ==> the peer

Hosts have addresses in there that follow from their public keys: nobody leases them, and to whom one belongs no record
can say otherwise. If the link goes down its routes go, and the kernel would send by the next one that leads anywhere,
in clear: so beneath the route into the link lies one that leads nowhere.
"""

from __future__ import annotations

from _blake2 import blake2s

from netkit.errors import ConflictError, HostError, UnsupportedError
from netkit.ipam.pool import text
from netkit.model import alone, family
from netkit.naming import GROUP, digest
from netkit.parts.redirects import redirects
from netkit.plan.ops import AddrAdd, LinkAdd, LinkSet, RouteAdd, SysctlSet
from netkit.plan.rare.wireguard import LACKING, EndSet, PeerAdd
from netkit.plan.steps import Plan

TYPE_CHECKING = False
if TYPE_CHECKING:
    from netkit.model import PeerHost
    from netkit.plan.host import Host

#: What WireGuard adds to each packet: outer IPv6 and UDP, 16 bytes of its head and 16 of its tag.
OVERHEAD = 80
#: The tunnel's packets are IPv6 in there, which takes no link that carries less.
SMALLEST = 1280
#: What to do where there can be none.
HINT = "it takes Linux 5.6 or newer with that driver (modprobe wireguard); or a network you trust, without --encrypt"
_PORTS = 51900
#: Later than any route that a person makes without thinking of this one.
_LAST = 1 << 20


def default_port(vni: int) -> int:
    """Where WireGuard listens when nobody says: the same on all hosts, and not where the agent's does."""
    return _PORTS + vni % 100


def link_name(vni: int) -> str:
    """The name of the WireGuard link."""
    return f"nkw{vni}"


def inside(public: str, vni: int) -> str:
    """The address in there of the host that has this public key."""
    tail = blake2s(public.encode("ascii"), digest_size=8, salt=vni.to_bytes(8, "big"), person=b"netkit").digest()
    return text(_prefix(vni) | int.from_bytes(tail, "big"), 6)


def sealed(vni: int, key: str, public: str, port: int, mtu: int, host: Host) -> Plan:
    """The link, with this host's end: `key` is the file of its private key; `mtu` is what it carries."""
    name, whole = link_name(vni), f"{text(_prefix(vni), 6)}/64"
    plan = redirects(host) + Plan.of((LinkAdd(name, "wireguard", GROUP, mtu=mtu), "what the tunnel's frames travel in"))
    if host.sysctl("net/ipv6/conf/default/disable_ipv6") == "1":
        on = SysctlSet(f"net/ipv6/conf/{name}/disable_ipv6", "0", "1", dev=name)
        plan += Plan.of((on, "the tunnel's packets are IPv6 in there"))
    return plan + Plan.of(
        (AddrAdd(alone(inside(public, vni)), name), "this host's address in there, which follows from its key"),
        (LinkSet(name, up=True), "switch it on"),
        (EndSet(name, key, public, port), "its own key, and the port where the others find it"),
        (
            RouteAdd(whole, "lo", family=6, metric=_LAST),
            "if the link is away frames go nowhere, and not in clear",
        ),
        (RouteAdd(whole, name, family=6), "all hosts of the overlay are behind it"),
    )


def known(vni: int, own: str, peer: PeerHost, port: int) -> Plan:
    """A peer: who has its key may send from its address in there, and from no other; ConflictError without a key."""
    if not peer.key or peer.key == own:
        raise ConflictError(f"host {peer.node} has no key of its own", "see netkit overlay peers --diff there")
    endpoint = f"[{peer.address}]:{port}" if family(peer.address) == 6 else f"{peer.address}:{port}"
    added = PeerAdd(link_name(vni), peer.key, endpoint, (alone(inside(peer.key, vni)),))
    return Plan.of((added, f"who has this key is the host at {peer.address}"))


def refuse(vni: int, host: Host) -> None:
    """Raise what this host lacks for such a link, or has in its place."""
    if not host.makes("wireguard"):
        raise UnsupportedError(LACKING, HINT)
    for dev in ("default", "lo"):
        if host.sysctl(f"net/ipv6/conf/{dev}/disable_ipv6") is None:
            raise UnsupportedError("this kernel has no IPv6, which an encrypted overlay uses inside", HINT)
    if host.sysctl("net/ipv6/conf/lo/disable_ipv6") == "1":
        what = "IPv6 is switched off on lo: a route of it that leads nowhere keeps an encrypted overlay's frames in"
        raise HostError(what, "sysctl -w net.ipv6.conf.lo.disable_ipv6=0")
    if host.link(link_name(vni)):
        raise ConflictError(f"VNI {vni} is in use by {link_name(vni)}", "choose another --vni")


def _prefix(vni: int) -> int:
    """The number of the overlay's own /64, of unique local addresses."""
    return 0xFD << 120 | digest("inside", str(vni)) >> 8 << 64
