"""The delegate driver, mode `cni:TYPE`: any CNI plugin lays the cable, netkit does the rest.

    eth0 == whatever TYPE makes of it ==> wherever that leads
       ^-- dnat from every local address, port 8080: netkit's, as are the address, the record and the cleaning up

The network's options are the plugin's configuration. Addresses are netkit's own, handed over by the IPAM plugin
`static`, unless the options name another IPAM; then the plugin's result tells them.
"""

from __future__ import annotations

from netkit.drivers.portmap import Portmap, comes_home
from netkit.drivers.protocols import Attachment, Options
from netkit.errors import ConfigError, NetkitError
from netkit.jsontext import dumps, loads
from netkit.model import Lease, family
from netkit.naming import check_name
from netkit.parts.addresses import EVERYWHERE, loopback
from netkit.parts.base import base
from netkit.parts.endpoint import endpoint, free_ifname
from netkit.parts.ports import publish
from netkit.plan.rare.later import Later
from netkit.plan.rare.plugins import PLACES, PluginAdd
from netkit.plan.steps import Plan

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from typing import Any

    from netkit.model import AttachRequest, Endpoint, Network
    from netkit.plan.host import Host
    from netkit.plan.ops import Op

#: Keys of a plugin's configuration that are netkit's to say.
_OURS = ("name", "type", "cniVersion", "prevResult", "runtimeConfig", "args")
_VERSION = "1.0.0"
#: Plugins that give a link of the host away, which comes back as it is.
_GIVING = ("host-device",)


class DelegateOptions(Options):
    """`configuration` is the plugin's, `directories` where plugins are looked for."""

    configuration: dict[str, Any] = {}
    directories: tuple[str, ...] = PLACES


class Delegate:
    """Any CNI plugin as a driver."""

    name = "cni"

    def __init__(self, kind: str) -> None:
        self.kind = check_name(kind, "mode", "plugin type")

    def parse_options(self, raw: Mapping[str, object], at: str) -> DelegateOptions:
        for key in _OURS:
            if key in raw:
                raise ConfigError(f"{at}.{key}", "netkit says this itself", "leave it out")
        directories = tuple(part for part in str(raw.get("bin-dir", "")).split(":") if part)
        for directory in directories:
            if not directory.startswith("/"):
                raise ConfigError(f"{at}.bin-dir", f"{directory!r} is no absolute path", "/opt/cni/bin, for example")
        found = {key: _value(value) for key, value in raw.items() if key != "bin-dir"}
        if not isinstance(found.get("ipam", {}), dict):
            raise ConfigError(f"{at}.ipam", "an object is needed", """-o 'ipam={"type": "dhcp"}'""")
        return DelegateOptions(found, directories or PLACES)

    def device(self, net: Network) -> str:
        return ""

    def needs_subnet(self, net: Network) -> bool:
        return "ipam" not in self._options(net).configuration

    def host_up(self, net: Network, host: Host) -> Plan:
        return base(net, host)

    def network_up(self, net: Network, host: Host) -> Plan:
        return Plan()

    def attach(self, net: Network, req: AttachRequest, leases: Sequence[Lease], host: Host) -> Attachment:
        free_ifname(req, host)
        ep = endpoint(net, req, leases, req.mtu or net.mtu).replace(host_ifname="", mac=req.mac)
        options = self._options(net)
        if req.ips and not leases:
            raise ConfigError("ip", f"the addresses of network {net.name} are its plugin's to choose", "leave --ip out")
        for at, limit in (("rate_in", req.rate_in), ("rate_out", req.rate_out)):
            if limit and self.kind in _GIVING:
                raise ConfigError(at, "a link of the host would come back with its limit on it", "use --mode macvlan")
        laid = PluginAdd(
            self.kind,
            dumps(self._configuration(net, req, leases)),
            req.container,
            req.ifname,
            req.netns,
            options.directories,
        )
        cable = Plan.of((laid, f"the cable, and all that the CNI plugin {self.kind} does"))
        return Attachment(loopback(req.netns, host) + cable, ep)

    def learn(
        self, net: Network, req: AttachRequest, first: Attachment, answers: Mapping[Op, object], host: Host
    ) -> Attachment:
        result: Any = next(answers[op] for op in first.plan.ops if isinstance(op, PluginAdd))
        try:
            ep = _told(first.endpoint, result, host)
        except (LookupError, TypeError, AttributeError, ValueError) as error:
            raise NetkitError(f"the CNI plugin {self.kind} answered with no result: {error!r}") from error
        if not ep.ports:
            return Attachment(first.plan, ep)
        has = tuple(Lease(address, "") for address in ep.addresses)
        published = Portmap().attach(net.replace(options=()), req, has, host)
        return Attachment(first.plan + published.plan, ep)

    def foresee(self, net: Network, req: AttachRequest, first: Attachment, host: Host) -> Plan:
        """What is known of the second half: published ports, where the address is netkit's."""
        ep, unknown = first.endpoint, []
        plan = Plan()
        if req.ports and ep.addresses and host.firewall == "nftables":
            plan = comes_home(ep, host) + publish(ep, "", host)
            unknown.append("the link that leads to the container, for packets from the host's loopback")
        elif req.ports:
            unknown.append("the container's addresses, and the rules by which the published ports lead there")
        if req.rate_in or req.rate_out:
            unknown.append("where the limits of bandwidth stand")
        if not unknown:
            return plan
        told = f"with its answer: {'; '.join(unknown)}"
        return plan + Plan.of((Later(told), f"known when the CNI plugin {self.kind} has run"))

    def _configuration(self, net: Network, req: AttachRequest, leases: Sequence[Lease]) -> dict[str, Any]:
        chosen = self._options(net).configuration
        told: dict[str, Any] = {"cniVersion": _VERSION, "name": net.name, "type": self.kind, **chosen}
        if req.mtu or net.mtu:
            told["mtu"] = req.mtu or net.mtu
        if req.mac:
            told |= {"runtimeConfig": {"mac": req.mac}, "args": {"cni": {"mac": req.mac}}}
        if "ipam" not in chosen and leases:
            told["ipam"] = _static(leases, req, net.internal)
        return told

    def _options(self, net: Network) -> DelegateOptions:
        return self.parse_options(dict(net.options), f"networks.{net.name}.options")


def _value(text: object) -> object:
    """What a person wrote, as JSON has it: `1400`, `true` and `{...}` are what they look like, the rest is text."""
    if not isinstance(text, str):
        return text
    try:
        return loads(text)
    except (ValueError, RecursionError):
        return text


def _static(leases: Sequence[Lease], req: AttachRequest, internal: bool) -> dict[str, Any]:
    addresses = [
        {"address": lease.address, **({"gateway": lease.gateway} if lease.gateway else {})} for lease in leases
    ]
    out = [] if internal else [lease.gateway for lease in leases if lease.gateway]
    routes = [{"dst": EVERYWHERE[family(gateway) == 6], "gw": gateway} for gateway in out]
    routes += [{"dst": spec.dst, **({"gw": spec.via} if spec.via else {})} for spec in req.routes]
    return {"type": "static", "addresses": addresses, "routes": routes}


def _told(ep: Endpoint, result: Any, host: Host) -> Endpoint:
    """The endpoint with what the plugin says of it: its MAC, its addresses, and the host's end of the cable."""
    links = [link for link in result.get("interfaces", []) if isinstance(link, dict)]
    inside = [link for link in links if link.get("sandbox") and link.get("name") == ep.ifname]
    outside = [host.link(str(link["name"])) for link in links if not link.get("sandbox")]
    ends = [link.name for link in outside if link and link.kind == "veth"]
    made = host.link(ep.ifname, ep.netns)
    addresses = tuple(str(ip["address"]) for ip in result.get("ips", []))
    gateways = tuple(str(ip["gateway"]) for ip in result.get("ips", []) if ip.get("gateway"))
    return ep.replace(
        host_ifname=ends[-1] if ends else "",
        mac=str(inside[0].get("mac", "")) if inside else ep.mac,
        mtu=ep.mtu or (made.mtu if made else 0),
        addresses=addresses or ep.addresses,
        gateways=gateways or ep.gateways,
    )
