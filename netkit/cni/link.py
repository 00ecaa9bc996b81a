"""The roles `netkit`, `bridge` and `ptp`: what an attachment looks like to the runtime."""

from __future__ import annotations

from netkit.cni.linkconf import read
from netkit.cni.result import Result
from netkit.ipam.pool import overlaps
from netkit.model import family
from netkit.parts.addresses import EVERYWHERE
from netkit.plan.ops import LinkSet, RouteAdd

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

    from netkit.cni.call import Call
    from netkit.cni.wish import Wish
    from netkit.engine.service import Engine
    from netkit.model import Endpoint, RouteSpec
    from netkit.state.records import Record

__all__ = ["answer", "read"]


def answer(call: Call, wish: Wish, record: Record, engine: Engine) -> Result:
    """The host's links first, then the container's; every address is the container's."""
    ep = record.endpoint
    names = [name for name in (_master(record), ep.host_ifname) if name]
    macs = engine.macs(names)
    interfaces: list[dict[str, Any]] = [{"name": name, "mac": macs.get(name, "")} for name in names]
    mtu = ep.mtu if call.role == "netkit" else 0  # the reference's bridge tells none
    interfaces.append({"name": ep.ifname, "mac": ep.mac, "mtu": mtu, "sandbox": call.invocation.netns})
    ips = [{"interface": len(names), **each} for each in addresses(ep)]
    return Result(
        tuple({key: value for key, value in each.items() if value} for each in interfaces),
        tuple(ips),
        tuple(routes(ep.routes)) + tuple(_default_routes(record)),
        wish.dns or dns_of_lease(wish, record, engine),
    )


def dns_of_lease(wish: Wish, record: Record, engine: Engine) -> dict[str, Any]:
    """What the DHCP server says of names, if one was asked."""
    lease = engine.dhcp_lease(record.id) if wish.network.ipam else None
    if lease is None:
        return {}
    told = {"nameservers": list(lease.nameservers), "domain": lease.domain}
    return {key: value for key, value in told.items() if value}


def addresses(ep: Endpoint) -> list[dict[str, str]]:
    """The endpoint's addresses, each with the gateway of its subnet."""
    found = []
    for address in ep.addresses:
        gateway = next((each for each in ep.gateways if overlaps(each, address)), "")
        found.append({"address": address, **({"gateway": gateway} if gateway else {})})
    return found


def routes(specs: tuple[RouteSpec, ...]) -> list[dict[str, Any]]:
    """Routes that were asked for, as they were asked for."""
    found = []
    for spec in specs:
        told = {"gw": spec.via, "mtu": spec.mtu, "advmss": spec.advmss, "priority": spec.metric, "table": spec.table}
        made: dict[str, Any] = {"dst": spec.dst, **{key: value for key, value in told.items() if value}}
        found.append({**made, "scope": spec.scope} if spec.scope >= 0 else made)
    return found


def _default_routes(record: Record) -> list[dict[str, Any]]:
    """Default routes that were made because the network has a gateway, not because someone asked for them."""
    asked = {family(spec.dst) for spec in record.endpoint.routes if spec.dst in EVERYWHERE}
    return [
        {"dst": EVERYWHERE[op.family == 6], "gw": op.via}
        for op in record.plan.ops
        if isinstance(op, RouteAdd) and op.dst == "default" and op.via and op.family not in asked
    ]


def _master(record: Record) -> str:
    """The link that the host's end is plugged into, "" when there is none."""
    host_ifname = record.endpoint.host_ifname
    ports = (op for op in record.plan.ops if isinstance(op, LinkSet) and op.dev == host_ifname)
    return next((op.master for op in ports if op.master), "")
