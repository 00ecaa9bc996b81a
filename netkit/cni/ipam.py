"""The roles `netkit-ipam`, `host-local` and `dhcp`: addresses for a link that another plugin makes."""

from __future__ import annotations

from netkit.cni import ipamconf, link
from netkit.cni.fields import Fields
from netkit.cni.ipamtype import DHCP
from netkit.cni.result import Result
from netkit.cni.wish import Wish
from netkit.errors import ConfigError
from netkit.model import Network
from netkit.parts.addresses import EVERYWHERE

TYPE_CHECKING = False
if TYPE_CHECKING:
    from netkit.cni.call import Call
    from netkit.engine.service import Engine
    from netkit.state.records import Record


def read(call: Call) -> Wish:
    """Ranges, routes and requested addresses; ConfigError when there is no range to take from."""
    ipam = call.conf.section("ipam")
    if call.role == DHCP:
        conf = ipamconf.read(Fields({**ipam.data, "type": DHCP}, ipam.at), call.runtime, call.version)
        return Wish(Network(call.network_name(), "ipam", ipam=DHCP), routes=conf.routes)
    found = ipamconf.read(ipam, call.runtime, call.version)
    if not found.subnets:
        raise ConfigError("ipam.ranges", "no IP ranges specified", 'for example [[{"subnet": "10.90.0.0/16"}]]')
    ips = ipamconf.requested(call.conf, call.runtime, dict(call.invocation.args))
    return Wish(
        Network(call.network_name(), "ipam", subnets=found.subnets), ips=ips, routes=found.routes, dns=found.dns
    )


def answer(call: Call, wish: Wish, record: Record, engine: Engine) -> Result:
    """Addresses without an interface: whoever asked makes it."""
    ep = record.endpoint
    out = tuple({"dst": EVERYWHERE[0], "gw": gateway} for gateway in ep.gateways if wish.network.ipam == DHCP)
    dns = wish.dns or link.dns_of_lease(wish, record, engine)
    return Result(ips=tuple(link.addresses(ep)), routes=out + tuple(link.routes(ep.routes)), dns=dns)
