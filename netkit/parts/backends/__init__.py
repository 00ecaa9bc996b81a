"""How a host's packets reach the subnets of other hosts: one file a backend, each a few pure functions."""

from __future__ import annotations

from netkit.errors import HostError
from netkit.value import Value

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Protocol

    from netkit.model import PeerHost
    from netkit.plan.host import Host
    from netkit.plan.steps import Plan
else:
    Protocol = object


class Keys(Value):
    """What a host's encrypted tunnels need: the `file` of its private key, and the `public` one that goes with it.

    `psk` is the file of a key that all hosts share, "" for none, and `mark` what that is known by. `port6` is where a
    tunnel for IPv6 alone listens, `keepalive` in seconds. `mode` is flannel's word for which tunnels there are.
    """

    file: str = ""
    public: str = ""
    psk: str = ""
    mark: str = ""
    port6: int = 0
    keepalive: int = 0
    mode: str = "separate"


class Realm(Value):
    """One network over many hosts, as this host is in it.

    `whole` are the network's prefixes, `leased` this host's subnets, of each family one. `dev` is the link to the other
    hosts, `local` and `local6` this host's addresses there. With `direct`, hosts that are neighbours get no tunnel.
    With `fast_path`, programs of the kernel do what the proxy of backend `udp` does.
    """

    node: str
    whole: tuple[str, ...]
    leased: tuple[str, ...]
    dev: str
    local: str = ""
    local6: str = ""
    vni: int = 1
    port: int = 0
    direct: bool = False
    learning: bool = False
    gbp: bool = False
    keys: Keys = Keys()
    fast_path: bool = False


class Backend(Protocol):
    """One way to the others."""

    def overhead(self, realm: Realm) -> int:
        """How many bytes of the underlay's MTU it takes for itself."""

    def devices(self, realm: Realm) -> tuple[str, ...]:
        """The links that it makes; all entries and routes of theirs are the network's."""

    def up(self, realm: Realm, mtu: int, host: Host) -> Plan:
        """What it needs before the first peer; `mtu` is what its links carry."""

    def peer(self, realm: Realm, peer: PeerHost, host: Host) -> Plan:
        """What leads to another host's subnets; ConflictError when that cannot be."""


#: Module and class of each backend.
BACKENDS = {
    "vxlan": ("netkit.parts.backends.vxlan", "VxlanRoutes"),
    "host-gw": ("netkit.parts.backends.hostgw", "HostGateway"),
    "wireguard": ("netkit.parts.backends.wireguard", "WireGuardRoutes"),
    "udp": ("netkit.parts.backends.udp", "UdpRoutes"),
    "alloc": ("netkit.parts.backends.alloc", "Alloc"),
}
#: Backends of flannel that netkit does not drive, and why.
REFUSED = {
    "ipip": "its tunnels carry IPv4 alone, and VXLAN costs 30 bytes more",
    "ipsec": "netkit drives no IPsec",
    "extension": "netkit runs no commands that stand in a configuration",
    "tencent-vpc": "netkit talks to no cloud",
}


def backend(name: str) -> Backend:
    """The backend of that name; HostError for one that netkit has not."""
    if name not in BACKENDS:
        why = REFUSED.get(name, "nobody knows it")
        raise HostError(f"there is no backend {name}: {why}", f"use one of: {', '.join(BACKENDS)}")
    module, kind = BACKENDS[name]
    found: Backend = getattr(__import__(module, fromlist=[kind]), kind)()
    return found
