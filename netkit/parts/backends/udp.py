"""Packets in UDP, carried by a process of ours: where a network lets nothing else through.

container ==[ bridge ]== 10.5.9.0/24 dev flannel0 (TUN) == proxy == UDP 8285 ==> the other host's proxy

The proxy makes the device, before the network comes up, and is told by the agent who is where.
"""

from __future__ import annotations

from netkit.errors import NotFoundError
from netkit.model import family
from netkit.parts.backends.common import address_of, route, whole
from netkit.plan.steps import Plan

TYPE_CHECKING = False
if TYPE_CHECKING:
    from netkit.model import PeerHost
    from netkit.parts.backends import Realm
    from netkit.plan.host import Host

#: The proxy's device, called as flannel calls it.
DEVICE = "flannel0"
#: What IP and UDP take.
_OVERHEAD = {4: 28, 6: 48}


class UdpRoutes:
    """flannel's udp backend."""

    def overhead(self, realm: Realm) -> int:
        return _OVERHEAD[family(realm.local or realm.local6)]

    def devices(self, realm: Realm) -> tuple[str, ...]:
        return (DEVICE,)

    def up(self, realm: Realm, mtu: int, host: Host) -> Plan:
        if host.link(DEVICE) is None:
            raise NotFoundError(f"there is no {DEVICE}: the proxy does not run", "run: netkit agent run")
        return sum((whole(realm, family(each), DEVICE, host) for each in realm.leased), Plan())

    def peer(self, realm: Realm, peer: PeerHost, host: Host) -> Plan:
        address_of(peer, 4 if realm.local else 6, realm.local or realm.local6)
        plan = Plan()
        for subnet in peer.subnets:
            plan += Plan.of((route(subnet, DEVICE, "", host), f"{subnet} is behind {peer.address}, by UDP"))
        return plan
