"""The tuning driver: settings of a link that another tool has put into a container, and of its namespace.

    eth0   its MAC, MTU, promiscuity, queue        net.*   its namespace's sysctls

Each gets its former value back.
"""

from __future__ import annotations

from netkit.drivers.options import only
from netkit.drivers.protocols import Attachment, Options
from netkit.errors import NotFoundError
from netkit.parts.endpoint import endpoint
from netkit.plan.rare.tuning import LinkTune
from netkit.plan.steps import Plan

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from typing import Any

    from netkit.model import AttachRequest, Lease, Network
    from netkit.plan.host import Host, Link


class Tuning:
    """Settings alone; what is wanted of the link stands in the request's `tune`."""

    name = "tuning"

    def parse_options(self, raw: Mapping[str, object], at: str) -> Options:
        only(raw, (), self.name, at)
        return Options()

    def network_up(self, net: Network, host: Host) -> Plan:
        return Plan()

    def attach(self, net: Network, req: AttachRequest, leases: Sequence[Lease], host: Host) -> Attachment:
        link = host.link(req.ifname, req.netns)
        if link is None:
            raise NotFoundError(f"the container has no {req.ifname}", "put tuning behind a plugin that makes it")
        ep = endpoint(net, req.replace(mtu=0), leases, req.mtu or link.mtu)
        return Attachment(_tuned(req, link), ep.replace(host_ifname="", mac=req.mac or link.mac))


def _tuned(req: AttachRequest, link: Link) -> Plan:
    told = dict(req.tune)
    wanted: dict[str, Any] = {key: True for key in ("promisc", "allmulti") if told.get(key)}
    wanted |= {"mac": req.mac} if req.mac else {}
    wanted |= {"mtu": req.mtu} if req.mtu else {}
    wanted |= {"txqlen": told["txqlen"]} if "txqlen" in told else {}
    changed = {key: value for key, value in wanted.items() if getattr(link, key) != value}
    if not changed:
        return Plan()
    was = LinkTune(req.ifname, req.netns, **{key: getattr(link, key) for key in changed})
    return Plan.of((LinkTune(req.ifname, req.netns, was=was, **changed), f"{req.ifname}: {', '.join(changed)}"))
