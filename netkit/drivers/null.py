"""The null driver: a loopback and nothing else.

127.0.0.1 ==[ lo ]==      no cable, no address, no way in or out
"""

from __future__ import annotations

from netkit.drivers.options import only
from netkit.drivers.protocols import Attachment, Options
from netkit.errors import ConfigError
from netkit.model import Endpoint
from netkit.naming import attachment_id
from netkit.parts.addresses import loopback
from netkit.plan.steps import Plan

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from netkit.model import AttachRequest, Lease, Network
    from netkit.plan.host import Host


class Null:
    """Loopback up, nothing else."""

    name = "null"

    def parse_options(self, raw: Mapping[str, object], at: str) -> Options:
        only(raw, (), self.name, at)
        return Options()

    def network_up(self, net: Network, host: Host) -> Plan:
        return Plan()

    def attach(self, net: Network, req: AttachRequest, leases: Sequence[Lease], host: Host) -> Attachment:
        links = {"publish": req.ports, "ip": req.ips, "mac": req.mac, "mtu": req.mtu}
        for word, given in {**links, "rate_in": req.rate_in, "rate_out": req.rate_out}.items():
            if given:
                hint = f"leave --{word.replace('_', '-')} out, or use --mode bridge"
                raise ConfigError(word, "a null network has only a loopback", hint)
        ident = attachment_id(net.name, req.container, "lo")
        ep = Endpoint(ident, net.name, net.mode, req.container, "lo", req.netns, req.name, req.pid, origin=req.origin)
        return Attachment(loopback(req.netns, host), ep)
