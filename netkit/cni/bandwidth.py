"""The role `bandwidth`: limits on the link that an earlier plugin has made, on the cable's host end if it has one."""

from __future__ import annotations

from netkit.cni import chained, rates
from netkit.cni.result import Result
from netkit.cni.wish import Wish
from netkit.model import Network
from netkit.naming import queue_ifname

TYPE_CHECKING = False
if TYPE_CHECKING:
    from netkit.cni.call import Call
    from netkit.engine.service import Engine
    from netkit.state.records import Record


def read(call: Call) -> Wish | None:
    """The limits, None where there are none."""
    rate_in, rate_out = rates.read(call.conf, call.runtime)
    if not (rate_in or rate_out):
        return None
    leases, links = chained.leases(call), chained.host_links(call)
    network = Network(call.network_name(), "bandwidth")
    return Wish(network, leases=leases, link=links[-1] if links else "", rate_in=rate_in, rate_out=rate_out)


def answer(call: Call, wish: Wish, record: Record, engine: Engine) -> Result:
    """The link that packets wait on, if there is one; of one inside the container nobody outside is told."""
    if not (wish.rate_out and wish.link):
        return Result()
    queue = queue_ifname(record.id)
    return Result(({"name": queue, "mac": engine.macs([queue]).get(queue, "")},))
