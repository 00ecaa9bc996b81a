"""The roles `portmap` and `firewall`: for a link that an earlier plugin has made, ours or another's."""

from __future__ import annotations

from netkit.cni import portconf, result
from netkit.cni.failure import CONFIGURATION, CniError, incapable
from netkit.cni.result import Result
from netkit.cni.wish import Wish
from netkit.model import Lease, Network, bare, family

TYPE_CHECKING = False
if TYPE_CHECKING:
    from netkit.cni.call import Call
    from netkit.engine.service import Engine
    from netkit.state.records import Record


def read(call: Call) -> Wish | None:
    """Rules for the addresses of prevResult; None where there is nothing to do."""
    return _portmap(call) if call.role == "portmap" else _firewall(call)


def answer(call: Call, wish: Wish, record: Record, engine: Engine) -> Result:
    """What was there before is all that there is to tell."""
    return Result()


def _portmap(call: Call) -> Wish | None:
    conf = call.conf
    options = tuple(portconf.way(conf).items())
    backend = conf.choice("backend", "", portconf.BACKENDS)
    ports = portconf.read(call.runtime, (4, 6))
    if not ports:
        return None
    leases = _leases(call)
    families = {family(lease.address) for lease in leases}
    ports = tuple(port for port in ports if family(port.host_ip) in families)
    if call.invocation.command in ("ADD", "CHECK") and not ports:
        return None
    network = Network(call.network_name(), "portmap", options=options)
    return Wish(network, ports=ports, firewall=backend or "auto", leases=leases)


def _firewall(call: Call) -> Wish | None:
    conf = call.conf
    policy = conf.choice("ingressPolicy", "open", ("open", "same-bridge", "isolated"))
    if conf.text("backend") not in ("", "iptables", "nftables"):
        raise incapable("backend", f"{conf.text('backend')[:40]!a}: netkit writes its rules itself")
    for key in ("iptablesAdminChainName", "firewalldZone"):
        if conf.text(key):
            raise incapable(key, "netkit has a table of its own; put your rules into one of yours")
    leases = _leases(call)
    links = _host_links(call)
    if not links:
        return None
    network = Network(call.network_name(), "firewall", options=(("link", links[0]), ("policy", policy)))
    return Wish(network, firewall=conf.text("backend") or "auto", leases=leases, link=links[-1] if links[1:] else "")


def _leases(call: Call) -> tuple[Lease, ...]:
    """The container's first IPv4 and first IPv6 address by the earlier plugins."""
    earlier = result.read(call.conf, call.version)
    if earlier is None:
        if call.invocation.command == "ADD":
            raise CniError(CONFIGURATION, "must be called as chained plugin", "put it behind one that makes a link")
        return ()
    mine = {i for i, each in enumerate(earlier.interfaces) if each["name"] == call.invocation.ifname}
    found: dict[int, Lease] = {}
    for ip in earlier.ips:
        if "interface" not in ip or not mine or ip["interface"] in mine:
            found.setdefault(family(bare(ip["address"])), Lease(ip["address"], ip.get("gateway", "")))
    return tuple(found.values())


def _host_links(call: Call) -> list[str]:
    """The host's links that earlier plugins tell of: the bridge first, if there is one, then the cable's end."""
    earlier = result.read(call.conf, call.version)
    return [each["name"] for each in (earlier.interfaces if earlier else ()) if not each.get("sandbox")]
