"""The proxy of backend `udp`: running before the network comes up, and told who is where."""

from __future__ import annotations

from netkit.agent.udp.proxy import Proxy
from netkit.agent.udp.settings import Settings
from netkit.parts.backends import Realm
from netkit.parts.backends.udp import DEVICE, PORT, UdpRoutes

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Sequence

    from netkit.agent.host.member import Member
    from netkit.model import PeerHost
    from netkit.state.root import Root


def carry(root: Root, member: Member, peers: Sequence[PeerHost] | None = None, known: Sequence[PeerHost] = ()) -> None:
    """Have a proxy for this host, with these peers; with None its table stays, or is what is `known` if it is empty."""
    proxy = Proxy(root, _settings(member))
    proxy.start()
    if peers is None and known and not proxy.counters()["peers"]:
        peers = known  # it has begun anew, and the store that would tell who is there is away
    if peers is not None:
        proxy.table({subnet: (peer.address, peer.port or PORT) for peer in peers for subnet in peer.subnets})


def stop(root: Root, member: Member) -> None:
    """End the proxy, and take its device away."""
    Proxy(root, _settings(member)).stop()


def _settings(member: Member) -> Settings:
    iface = member.iface
    overhead = UdpRoutes().overhead(Realm(member.node, (), (), iface.dev, iface.local, iface.local6))
    mtu = member.config.mtu or iface.mtu - overhead
    return Settings(DEVICE, mtu, (iface.local or iface.local6, member.config.port or PORT), member.leased)
