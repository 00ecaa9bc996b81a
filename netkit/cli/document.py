"""Attachments and networks as JSON documents: keys may be added, never renamed."""

from __future__ import annotations

from netkit.plan.ops import RulesAdd
from netkit.plan.render import render
from netkit.plan.rules import Admit, PortGuard
from netkit.state.networks import HOST

TYPE_CHECKING = False
if TYPE_CHECKING:
    from netkit.ipam.dhcp import DhcpLease
    from netkit.model import Dns, Endpoint, Network, PortMap
    from netkit.plan.rules import Rule
    from netkit.plan.steps import Plan
    from netkit.state.records import Record

Document = dict[str, object]


def attachment(record: Record, alive: bool = True) -> Document:
    """What `attach` and `ps` tell of an attachment."""
    return {**endpoint(record.endpoint), "state": "attached" if alive else "dead", "created": record.created}


def endpoint(ep: Endpoint) -> Document:
    """An attachment as it is, or as --dry-run says it would be; what it has not is null."""
    return {
        "id": ep.id,
        "name": ep.name or None,
        "network": ep.network,
        "mode": ep.mode,
        "container": ep.container,
        "ifname": ep.ifname,
        "pid": ep.pid or None,
        "netns": ep.netns.path,
        "netns_inode": ep.netns.inode,
        "host_ifname": ep.host_ifname or None,
        "mac": ep.mac or None,
        "addresses": list(ep.addresses),
        "gateway": next(iter(ep.gateways), None),
        "gateways": list(ep.gateways),
        "mtu": ep.mtu or None,
        "ports": [one for port in ep.ports for one in _each(port)],
        "rate_in": ep.rate_in.bits if ep.rate_in else None,
        "rate_out": ep.rate_out.bits if ep.rate_out else None,
        "dns": _dns(ep.dns) if ep.dns else None,
    }


def _dns(dns: Dns) -> Document:
    return {key: list(value) if isinstance(value, tuple) else value for key, value in vars(dns).items() if value}


def network(net: Network, up: bool) -> Document:
    """What `network ls` tells of a network."""
    return {
        "name": net.name,
        "mode": net.mode,
        "device": net.device or None,
        "subnets": [
            {"cidr": s.cidr, "gateway": s.gateway or None, "ip_range": s.ip_range or None} for s in net.subnets
        ],
        "mtu": net.mtu or None,
        "internal": net.internal,
        "icc": net.icc,
        "parent": net.parent or None,
        "ipam": net.ipam or None,
        "options": dict(net.options),
        "made_by_mode": net.made_by_mode,
        "up": up,
    }


def lease(found: DhcpLease | None) -> Document | None:
    """A DHCP lease, as it stands now; times in seconds."""
    if found is None:
        return None
    from netkit.ipam.dhcp import clock

    now = clock()
    return {
        "server": found.server,
        "renews_in": max(round(found.granted + found.renew - now), 0),
        "ends_in": max(round(found.ends - now), 0),
        "lost": found.why or None,
    }


def steps(plan: Plan) -> list[Document]:
    """Each step's reason and its commands."""
    return [{"why": step.why, "commands": [str(command) for command in render(step.op)]} for step in plan]


def firewall(plan: Plan) -> Document:
    """What a plan's rules are written with, and what they do besides the plain: guard a port, open another's chain."""
    written = [op for op in plan.ops if isinstance(op, RulesAdd)]
    rules: list[Rule] = [rule for op in written for rule in op.rules]
    return {
        "firewall": written[0].backend if written else None,
        "guarded": any(isinstance(rule, PortGuard) for rule in rules),
        "admitted_in": [rule.where for rule in rules if isinstance(rule, Admit)],
    }


def owner(word: str) -> str:
    """Whose steps these are, for people: an attachment, a network, or what all networks share."""
    return "the host" if word.removeprefix("network ") == HOST else word


def ports(ep: Endpoint) -> str:
    """Published ports in a line: `8080 -> 80/tcp`, with the host's address where it is not any, ranges as ranges."""
    shown: dict[str, None] = {}
    for port in ep.ports:
        host = "" if port.host_ip in ("0.0.0.0", "::") else f"{_bracketed(port.host_ip)}:"
        from_, to = _range(port.host_port, port.count), _range(port.container_port, port.count)
        shown[f"{host}{from_} -> {to}/{port.protocol}"] = None
    return ", ".join(shown)


def _each(port: PortMap) -> list[Document]:
    return [
        {
            "host_ip": port.host_ip,
            "host_port": port.host_port + step,
            "container_port": port.container_port + step,
            "protocol": port.protocol,
        }
        for step in range(port.count)
    ]


def _range(first: int, count: int) -> str:
    return f"{first}-{first + count - 1}" if count > 1 else str(first)


def _bracketed(address: str) -> str:
    return f"[{address}]" if ":" in address else address
