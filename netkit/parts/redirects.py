"""What a WireGuard link does to its host beyond itself."""

from __future__ import annotations

from netkit.plan.ops import SysctlSet
from netkit.plan.steps import Plan

TYPE_CHECKING = False
if TYPE_CHECKING:
    from netkit.plan.host import Host

_REDIRECTS = "net/ipv4/conf/all/send_redirects"


def redirects(host: Host) -> Plan:
    """The first WireGuard link that is put up turns this off for the whole host, and nobody turns it on again."""
    was = host.sysctl(_REDIRECTS)
    if was in (None, "0"):
        return Plan()
    off = SysctlSet(_REDIRECTS, "0", str(was))
    return Plan.of((off, "WireGuard turns ICMP redirects off as it starts; noted, so that it can be taken back"))
