"""The roles `macvlan` and `ipvlan`: drop-ins for the reference's plugins of those names.

{"type": "macvlan", "master": "eth0", "mode": "bridge", "mtu": 1500, "bcqueuelen": 1000, "linkInContainer": false}
"""

from __future__ import annotations

from netkit import parse
from netkit.cni import ipamconf, linkconf, result
from netkit.cni.failure import CONFIGURATION, CniError
from netkit.cni.ipamconf import IpamConf
from netkit.cni.ipamtype import delegate, ipam_of
from netkit.cni.link import answer
from netkit.cni.wish import Wish
from netkit.drivers.registry import driver
from netkit.model import Lease, Network
from netkit.naming import check_ifname

TYPE_CHECKING = False
if TYPE_CHECKING:
    from netkit.cni.call import Call
    from netkit.cni.result import Result

__all__ = ["answer", "read"]


def read(call: Call) -> Wish:
    """What the configuration asks for. Like the reference's, these take DNS from the configuration, not from IPAM."""
    conf, other = call.conf, delegate(call)
    ipam = IpamConf() if other else ipamconf.read(conf.section("ipam"), call.runtime, call.version)
    earlier = result.read(conf, call.version) if call.role == "ipvlan" else None
    leases = _leases(earlier) if earlier and "ipam" not in conf else None
    mtu = conf.number("mtu", 0, 0, 65535)
    by_dhcp = ipam_of(call)
    has_addresses = bool(ipam.subnets or other or leases or by_dhcp)
    options = {**linkconf.stacked_options(conf, call.role, has_addresses, bool(by_dhcp)), **_mode(call)}
    network = Network(
        call.name,
        call.role,
        subnets=ipam.subnets,
        mtu=parse.mtu(mtu, "mtu") if mtu else 0,
        parent=linkconf.master(conf) or (_chained_master(call, earlier) if earlier else ""),
        ipam=by_dhcp,
        options=tuple(sorted(options.items())),
    )
    return Wish(
        network,
        ips=ipamconf.requested(conf, call.runtime, dict(call.invocation.args)),
        mac=linkconf.mac(call) if call.role == "macvlan" else "",
        routes=ipam.routes,
        dns=linkconf.dns(call),
        delegate=other,
        leases=leases,
        instead=leases is not None,
    )


def _mode(call: Call) -> dict[str, str]:
    words = driver(call.role).modes  # type: ignore[attr-defined]
    mode = call.conf.choice("mode", "", words)
    return {"mode": mode} if mode else {}


def _chained_master(call: Call, earlier: Result) -> str:
    """Behind another plugin ipvlan stands on the link which that one has made."""
    names = [each["name"] for each in earlier.interfaces]
    if len(names) == 1 and names[0]:
        return check_ifname(names[0], "prevResult.interfaces[0].name")
    if call.invocation.command in ("ADD", "STATUS"):
        raise CniError(CONFIGURATION, "chained master failure: prevResult lacks a single named interface", "set master")
    return ""


def _leases(earlier: Result) -> tuple[Lease, ...] | None:
    """The addresses that an earlier plugin tells, to be put on this link instead."""
    return tuple(Lease(ip["address"], ip.get("gateway", "")) for ip in earlier.ips) or None
