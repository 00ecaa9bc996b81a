"""Configurations of the types that make a link: `netkit`, and `bridge` and `ptp` as drop-ins for the reference's.

All know the same keys. They differ where a key is absent: `netkit` is safe and complete (a gateway, a default route,
masquerade, closed from outside), the others are what the reference documents.
"""

from __future__ import annotations

from netkit import parse
from netkit.cni import ipamconf, portconf, result
from netkit.cni.failure import incapable
from netkit.cni.fields import Fields, shown
from netkit.cni.ipamconf import IpamConf
from netkit.cni.ipamtype import delegate, ipam_of
from netkit.cni.wish import Wish
from netkit.drivers.options import PUBLISHING
from netkit.drivers.registry import driver, written
from netkit.errors import ConfigError, UsageError
from netkit.model import Network, family
from netkit.naming import check_ifname, check_name

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

    from netkit.cni.call import Call
    from netkit.model import Rate

POLICIES = ("open", "same-bridge", "isolated")
_VLANS = ("vlan", "vlanTrunk", "preserveDefaultVlan")
#: A network that a person made is described by netkit, not by a configuration.
_OF_A_NETWORK = (
    *("mode", "bridge", "ipam", "mtu", "options", "isGateway", "ipMasq", "master", "parent", "internal"),
    *PUBLISHING,
)


_OF_THE_FIREWALL = ("iptablesAdminChainName", "firewalldZone")


def read(call: Call) -> Wish:
    """What the configuration asks for, checked to its last key; nothing is touched."""
    conf = call.conf
    limits = _limits(call)
    for key in _OF_THE_FIREWALL if call.role == "netkit" else ():
        if conf.text(key):
            raise incapable(key, "chain the firewall plugin behind netkit")
    wish = _defined(call) if "network" in conf and call.role == "netkit" else _own(call)
    _check_aliases(call.runtime)
    return wish.replace(mac=mac(call), dns=dns(call) or wish.dns, **limits)


def _limits(call: Call) -> dict[str, Rate | None]:
    """Bandwidth, of the type netkit alone: the others leave that to a plugin behind them."""
    told = any(call.document.get(key) for key in ("ingressRate", "egressRate", "ingressBurst", "egressBurst"))
    if not told and not call.runtime.section("bandwidth").data:
        return {}
    if call.role != "netkit":
        if call.runtime.section("bandwidth").data:
            raise incapable("runtimeConfig.bandwidth", f"chain the bandwidth plugin behind {call.role}")
        return {}
    from netkit.cni import rates  # few ask for it

    rate_in, rate_out = rates.read(call.conf, call.runtime)
    return {"rate_in": rate_in, "rate_out": rate_out}


def _defined(call: Call) -> Wish:
    conf = call.conf
    name = check_name(conf.text("network"), "network", "network name")
    clash = [key for key in _OF_A_NETWORK if key in conf]
    if clash:
        raise ConfigError(clash[0], f"network {name} is defined by netkit", f"leave {', '.join(clash)} out")
    args = dict(call.invocation.args)
    return Wish(
        Network(name, ""),
        defined=True,
        ips=ipamconf.requested(conf, call.runtime, args),
        ports=portconf.read(call.runtime, (4, 6)),
        firewall=_firewall(conf),
    )


def _mode(conf: Fields) -> str:
    mode = conf.text("mode", "bridge")
    try:
        written(mode)
    except UsageError as error:
        raise ConfigError(conf.path("mode"), error.message.removeprefix("mode: "), error.hint) from error
    return mode


def _own(call: Call) -> Wish:
    conf = call.conf
    mode = _mode(conf) if call.role == "netkit" else call.role
    other = delegate(call)
    ipam = IpamConf() if other else ipamconf.read(conf.section("ipam"), call.runtime, call.version)
    mtu = parse.mtu(conf.number("mtu", 0, 0, 65535), "mtu") if conf.number("mtu", 0, 0, 65535) else 0
    policy = conf.choice("ingressPolicy", "same-bridge" if call.role == "netkit" else "open", POLICIES)
    network = Network(
        call.name,
        mode,
        subnets=ipam.subnets,
        mtu=mtu,
        internal=conf.flag("internal", False),
        icc=policy != "isolated" and not conf.flag("portIsolation", False),
        parent=master(conf),
        options=_options(call, mode, policy, has_ipam=bool(ipam.subnets or other or ipam_of(call))),
        ipam=ipam_of(call),
    )
    driver(mode).parse_options(dict(network.options), "options")
    families = {family(each.cidr) for each in ipam.subnets} or ({4, 6} if other else {4})
    return Wish(
        network,
        ips=ipamconf.requested(conf, call.runtime, dict(call.invocation.args)),
        ports=portconf.read(call.runtime, families),
        routes=ipam.routes,
        dns=ipam.dns,
        firewall=_firewall(conf),
        delegate=other,
    )


def _options(call: Call, mode: str, policy: str, has_ipam: bool) -> tuple[tuple[str, str], ...]:
    conf = call.conf
    made: dict[str, str] = {}
    if mode == "bridge":
        made = {**_bridge_options(call, policy, has_ipam), **portconf.way(conf)}
    if mode == "ptp":
        made = {**_ptp_options(call, policy, has_ipam), **portconf.way(conf)}
    if mode in ("macvlan", "ipvlan"):
        made = stacked_options(conf, mode, True, conf.flag("isDefaultGateway", True))
    if mode == "underlay":
        made = _underlay_options(conf, elsewhere=bool(delegate(call)))
    for key, value in conf.section("options").data.items():
        if not isinstance(value, (str, bool, int)):
            raise ConfigError(f"options.{key}", f"{shown(value)} is not allowed", "a text, a number, true or false")
        made[key] = ("on" if value else "off") if isinstance(value, bool) else str(value)
    return tuple(sorted(made.items()))


def stacked_options(conf: Fields, mode: str, has_addresses: bool, default_route: bool = False) -> dict[str, str]:
    """The options of macvlan and ipvlan that have a key of their own in a configuration."""
    inside = conf.flag("linkInContainer", False)
    if inside and not conf.text("master"):
        raise ConfigError("linkInContainer", "which link of the container?", "name it with master")
    switches = {"addresses": has_addresses, "default_route": default_route, "inside": inside}
    made = {key: "on" if value else "off" for key, value in switches.items()}
    queue = conf.number("bcqueuelen", 0, 0, 0xFFFFFFFF) if mode == "macvlan" else 0
    return {**made, "bcqueuelen": str(queue)} if queue else made


def _underlay_options(conf: Fields, elsewhere: bool) -> dict[str, str]:
    """What an underlay has a key for; that the host's own way out may move is said in `options`, by `yes`."""
    switches = {
        "default_route": conf.flag("isDefaultGateway", True),
        "guard": conf.flag("macspoofchk", True),
        "dad": conf.flag("enabledad", False),
        "addresses": not elsewhere,
    }
    named = {"bridge": check_ifname(conf.text("bridge"), "bridge")} if conf.text("bridge") else {}
    return named | {key: "on" if value else "off" for key, value in switches.items()}


def master(conf: Fields) -> str:
    """The link to stand on, "" for the one of the way out; `parent` is netkit's own word for it."""
    key = "parent" if "parent" in conf and "master" not in conf else "master"
    return check_ifname(conf.text(key), key) if conf.text(key) else ""


def _bridge_options(call: Call, policy: str, has_ipam: bool) -> dict[str, str]:
    conf, safe = call.conf, call.role == "netkit"
    _refuse_what_bridge_cannot(conf, has_ipam)
    name = conf.text("bridge", "" if safe else "cni0")
    default = conf.flag("isDefaultGateway", safe)
    gateway = conf.flag("isGateway", safe) or default
    # Without addresses the reference's bridge is a switch and no more; netkit's own type gets a subnet.
    inactive = conf.flag("disableContainerInterface", False)
    level_2 = not has_ipam and (inactive or not safe)
    chosen = {
        "gateway": gateway and not level_2,
        "default_route": (default or bool(ipam_of(call))) and not level_2,
        "masquerade": conf.flag("ipMasq", safe and gateway),
        "guard": conf.flag("macspoofchk", safe),
        "hairpin": conf.flag("hairpinMode", False),
        "promisc": conf.flag("promiscMode", False),
        "dad": conf.flag("enabledad", False),
        "force_address": conf.flag("forceAddress", False),
        "routed": policy == "open",
    }
    told = {"bridge": check_ifname(name, "bridge")} if name else {}
    if inactive:
        told["inactive"] = "on"
    if any(conf.data.get(key) for key in _VLANS):
        told |= _vlans(conf)
    return told | {key: "on" if value else "off" for key, value in chosen.items()}


def _vlans(conf: Fields) -> dict[str, str]:
    """The VLAN keys as the bridge driver's options."""
    ranges = []
    for each in conf.sections("vlanTrunk"):
        first = each.number("id", each.number("minID", 0, 1, 4094), 1, 4094)
        last = first if "id" in each else each.number("maxID", 0, 1, 4094)
        if not first or last < first:
            raise ConfigError(
                each.at, "it is no VLAN and no range of them", "give id, or minID and maxID, from 1 to 4094"
            )
        ranges.append(f"{first}-{last}")
    vlan = conf.number("vlan", 0, 0, 4094)
    told = {"vlan": str(vlan) if vlan else "", "trunk": ",".join(ranges)}
    keep = conf.flag("preserveDefaultVlan", False)
    return {key: value for key, value in told.items() if value} | ({"default_vlan": "on"} if keep else {})


def _ptp_options(call: Call, policy: str, has_ipam: bool) -> dict[str, str]:
    """The reference's makes no default route by itself: the IPAM plugin says which routes there are."""
    conf, safe = call.conf, call.role == "netkit"
    if not has_ipam and not safe:
        raise ConfigError("ipam", "a routed container needs an address", 'for example {"type": "host-local", ...}')
    chosen = {
        "default_route": conf.flag("isDefaultGateway", safe),
        "masquerade": conf.flag("ipMasq", safe),
        "routed": policy == "open",
    }
    return {key: "on" if value else "off" for key, value in chosen.items()}


def _refuse_what_bridge_cannot(conf: Fields, has_ipam: bool) -> None:
    """Nothing is done by halves: what the driver lacks is said before anything changes."""
    if conf.flag("hairpinMode", False) and conf.flag("promiscMode", False):
        raise ConfigError("hairpinMode", "cannot set hairpin mode and promiscuous mode at the same time", "choose one")
    if conf.flag("disableContainerInterface", False) and has_ipam:
        raise ConfigError("disableContainerInterface", "cannot use IPAM when it is set", "leave one of both out")


def _check_aliases(runtime: Fields) -> None:
    """Names that nobody here resolves: a list by the conventions, lists by network from podman."""
    if isinstance(runtime.data.get("aliases"), dict):
        named = runtime.section("aliases")
        for network in named.data:
            named.texts(network)
    else:
        runtime.texts("aliases")


def _firewall(conf: Fields) -> str:
    """What rules are written with: what the configuration says, else what the host uses."""
    conf.choice("ipMasqBackend", "", portconf.BACKENDS)
    return conf.choice("backend", "", portconf.BACKENDS) or conf.text("ipMasqBackend") or "auto"


def mac(call: Call) -> str:
    """The runtime's word goes before args.cni's, and that before CNI_ARGS'."""
    meta = call.conf.section("args").section("cni")
    for fields, key in ((call.runtime, "mac"), (meta, "mac")):
        if fields.text(key):
            return parse.mac(fields.text(key), fields.path(key))
    given = dict(call.invocation.args).get("MAC", "")
    return parse.mac(given, "CNI_ARGS.MAC") if given else ""


def dns(call: Call) -> dict[str, Any]:
    """The runtime's DNS, else the configuration's."""
    asked = call.runtime.section("dns")
    named = {
        "nameservers": asked.texts("servers"),
        "search": asked.texts("searches"),
        "options": asked.texts("options"),
    }
    found = {key: list(value) for key, value in named.items() if value}
    return found or result.dns_of(call.conf.section("dns"))
