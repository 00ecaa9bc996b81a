"""The roles `portmap` and `firewall`: for a link that an earlier plugin has made, ours or another's."""

from __future__ import annotations

import os

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


#: What the links begin with on which containers' packets wait: ours, and the reference's.
QUEUES = ("nq", "bwp")
_FIREWALLD = "firewalld"
#: Where firewalld is spoken to.
_BUS = "/run/dbus/system_bus_socket"


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
    found = leases(call)
    families = {family(lease.address) for lease in found}
    ports = tuple(port for port in ports if family(port.host_ip) in families)
    if call.invocation.command in ("ADD", "CHECK") and not ports:
        return None
    network = Network(call.network_name(), "portmap", options=options)
    return Wish(network, ports=ports, firewall=backend or "auto", leases=found)


def _firewall(call: Call) -> Wish | None:
    conf = call.conf
    policy = conf.choice("ingressPolicy", "open", ("open", "same-bridge", "isolated"))
    backend = conf.choice("backend", "", (*portconf.BACKENDS, _FIREWALLD))
    told = {"iptablesAdminChainName": conf.text("iptablesAdminChainName"), "firewalldZone": _zone(call, backend)}
    found = leases(call)
    links = host_links(call)
    if not links:
        return None
    options = (("link", links[0]), ("policy", policy), *((key, value) for key, value in told.items() if value))
    network = Network(call.network_name(), "firewall", options=options)
    firewall = backend if backend in portconf.BACKENDS else "auto"
    return Wish(network, firewall=firewall, leases=found, link=links[-1] if links[1:] else "")


def _zone(call: Call, backend: str) -> str:
    """The firewalld zone for the container's addresses, "" where none is asked for, or no firewalld runs.

    Like the reference: firewalld where it runs and no other backend is named, and then the zone `trusted` if no other
    is named.
    """
    wanted = call.conf.text("firewalldZone")
    if backend in portconf.BACKENDS:
        return ""
    if _firewalld_runs():
        return wanted or "trusted"
    if backend == _FIREWALLD:
        raise incapable("backend: firewalld", "no firewalld runs on this host; leave backend out, or start it")
    if wanted and call.invocation.command == "ADD":
        from netkit.cni.delegate import say

        say(f"netkit: no firewalld runs on this host: firewalldZone {wanted[:40]!a} is passed over, the rules are ours")
    return ""


def _firewalld_runs() -> bool:
    if not os.path.exists(_BUS):
        return False
    from netkit.kernel import firewalld  # only where it may be

    return firewalld.running()


def leases(call: Call) -> tuple[Lease, ...]:
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


def host_links(call: Call) -> list[str]:
    """The host's links that earlier plugins tell of: the bridge first, if there is one, then the cable's end."""
    earlier = result.read(call.conf, call.version)
    names = [each["name"] for each in (earlier.interfaces if earlier else ()) if not each.get("sandbox")]
    return [name for name in names if not name.startswith(QUEUES)]
