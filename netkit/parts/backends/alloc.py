"""Subnets are leased and nothing is routed: someone else does that, a cloud for example."""

from __future__ import annotations

from netkit.plan.steps import Plan

TYPE_CHECKING = False
if TYPE_CHECKING:
    from netkit.model import PeerHost
    from netkit.parts.backends import Realm
    from netkit.plan.host import Host


class Alloc:
    """No device, no route."""

    def overhead(self, realm: Realm) -> int:
        return 0

    def devices(self, realm: Realm) -> tuple[str, ...]:
        return ()

    def up(self, realm: Realm, mtu: int, host: Host) -> Plan:
        return Plan()

    def peer(self, realm: Realm, peer: PeerHost, host: Host) -> Plan:
        return Plan()
