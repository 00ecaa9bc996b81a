"""The endpoint: what an attachment will be, worked out before anything is touched."""

from __future__ import annotations

from netkit.errors import ConfigError, ConflictError
from netkit.model import Endpoint
from netkit.naming import attachment_id, host_ifname, mac

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Sequence

    from netkit.model import AttachRequest, Lease, Network
    from netkit.plan.host import Host


def endpoint(net: Network, req: AttachRequest, leases: Sequence[Lease], mtu: int) -> Endpoint:
    """The endpoint of a request on a network whose links carry `mtu` bytes."""
    if req.mtu > mtu:
        raise ConfigError("mtu", f"{req.mtu} is more than network {net.name} carries", f"use {mtu} or less")
    ident = attachment_id(net.name, req.container, req.ifname)
    return Endpoint(
        ident,
        network=net.name,
        mode=net.mode,
        container=req.container,
        ifname=req.ifname,
        netns=req.netns,
        name=req.name,
        pid=req.pid,
        host_ifname=host_ifname(ident),
        mac=req.mac or mac(ident),
        mtu=req.mtu or mtu,
        addresses=tuple(lease.address for lease in leases),
        gateways=() if net.internal else tuple(lease.gateway for lease in leases if lease.gateway),
        ports=req.ports,
        routes=req.routes,
        origin=req.origin,
        dns=req.dns,
    )


def free_ifname(req: AttachRequest, host: Host) -> None:
    """Nothing in the namespace has the wanted interface name yet, or ConflictError."""
    if host.link(req.ifname, req.netns) is not None:
        raise ConflictError(
            f"the namespace already has an interface {req.ifname}", "choose another with --ifname, for example eth1"
        )
