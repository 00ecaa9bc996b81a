"""Routes between neighbours: every host is the gateway of its subnet, and nothing is packed into anything.

container ==[ bridge ]== 10.5.9.0/24 via 192.0.2.9 dev eth0 ==> the other host ==[ bridge ]== container
"""

from __future__ import annotations

from netkit.errors import ConflictError
from netkit.model import family
from netkit.parts.backends.common import address_of, by_gateway, neighbour_link
from netkit.plan.steps import Plan

TYPE_CHECKING = False
if TYPE_CHECKING:
    from netkit.model import PeerHost
    from netkit.parts.backends import Realm
    from netkit.plan.host import Host


class HostGateway:
    """One route a host."""

    def overhead(self, realm: Realm) -> int:
        return 0

    def devices(self, realm: Realm) -> tuple[str, ...]:
        return ()

    def up(self, realm: Realm, mtu: int, host: Host) -> Plan:
        return Plan()

    def peer(self, realm: Realm, peer: PeerHost, host: Host) -> Plan:
        plan = Plan()
        for subnet in peer.subnets:
            version = family(subnet)
            address = address_of(peer, version, realm.local6 if version == 6 else realm.local)
            if not (dev := neighbour_link(address, host)):
                raise ConflictError(
                    f"host {peer.node} at {address} is no neighbour: a router lies between",
                    "use the backend vxlan there, with DirectRouting for those that are neighbours",
                )
            plan += by_gateway(realm, subnet, address, dev, host)
        return plan
