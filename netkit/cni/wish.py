"""What a configuration asks for, in the engine's words."""

from __future__ import annotations

from netkit.model import AttachRequest, Dns, Network, PortMap, Rate, RouteSpec
from netkit.value import Value

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

    from netkit.cni.env import Invocation
    from netkit.model import Lease, NsRef


class Wish(Value):
    """The network and what one attachment to it shall get.

    `defined` says that the network is one that a person has made (key `network`), not this configuration's own.
    `delegate` names another's IPAM plugin. `leases` are addresses that the container has already, None when it gets
    them now; `link` is the host's end of its cable. `instead` says that the answer stands in place of prevResult.
    """

    network: Network
    defined: bool = False
    ips: tuple[str, ...] = ()
    mac: str = ""
    ports: tuple[PortMap, ...] = ()
    routes: tuple[RouteSpec, ...] = ()
    dns: dict[str, Any] = {}
    firewall: str = "auto"
    delegate: str = ""
    leases: tuple[Lease, ...] | None = None
    link: str = ""
    instead: bool = False
    rate_in: Rate | None = None
    rate_out: Rate | None = None
    mtu: int = 0
    tune: tuple[tuple[str, int], ...] = ()
    sysctls: tuple[tuple[str, str], ...] = ()

    def request(self, who: Invocation, netns: NsRef, origin: str) -> AttachRequest:
        """The request of one attachment."""
        return AttachRequest(
            who.container,
            netns,
            who.ifname,
            ips=() if self.delegate else self.ips,
            mac=self.mac,
            ports=self.ports,
            routes=self.routes,
            leases=self.leases,
            origin=origin,
            link=self.link,
            rate_in=self.rate_in,
            rate_out=self.rate_out,
            mtu=self.mtu,
            tune=self.tune,
            sysctls=self.sysctls,
            dns=self._names(),
        )

    def _names(self) -> Dns | None:
        """The result's dns, for the record."""
        told: dict[str, Any] = {key: value if key == "domain" else tuple(value) for key, value in self.dns.items()}
        return Dns(**told) if told else None
