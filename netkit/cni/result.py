"""Results: computed in the shape of 1.1.0, read and written in the shape of every version.

0.1.0 0.2.0          ip4 and ip6, one address each, with its routes
0.3.0 0.3.1 0.4.0    interfaces, ips with their version, routes
1.0.0                ips without version
1.1.0                interfaces with mtu, routes with mtu, advmss, priority, table, scope
"""

from __future__ import annotations

from netkit import parse
from netkit.cni.failure import CONFIGURATION, CniError
from netkit.cni.fields import Fields
from netkit.cni.versions import NEWEST, SUPPORTED, at_least
from netkit.errors import ConfigError
from netkit.model import family
from netkit.value import Value

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

_INTERFACE = ("name", "mac", "sandbox")
_INTERFACE_11 = (*_INTERFACE, "mtu", "socketPath", "pciID")
_ROUTE_11 = ("mtu", "advmss", "priority", "table", "scope")
_DNS = ("nameservers", "domain", "search", "options")


class Result(Value):
    """Interfaces, addresses, routes and DNS as JSON objects of version 1.1.0; `dns` is empty when there is none."""

    interfaces: tuple[dict[str, Any], ...] = ()
    ips: tuple[dict[str, Any], ...] = ()
    routes: tuple[dict[str, Any], ...] = ()
    dns: dict[str, Any] = {}

    def after(self, earlier: Result) -> Result:
        """This result behind an earlier plugin's: what was there stays, indexes of ours move on."""
        shift = len(earlier.interfaces)
        ips = tuple({**ip, "interface": ip["interface"] + shift} if "interface" in ip else ip for ip in self.ips)
        return Result(
            earlier.interfaces + self.interfaces,
            earlier.ips + ips,
            earlier.routes + self.routes,
            self.dns or earlier.dns,
        )


def read(conf: Fields, version: str) -> Result | None:
    """The prevResult of a configuration, None when there is none; ConfigError says what is off in it."""
    if "prevResult" not in conf:
        return None
    return from_document(conf.section("prevResult"), version)


def from_document(found: Fields, version: str) -> Result:
    """A result in the shape that its cniVersion says, or the configuration's version if it says nothing."""
    version = found.text("cniVersion") or version
    if version not in SUPPORTED:
        hint = f"netkit reads {', '.join(SUPPORTED)}"
        raise ConfigError(found.path("cniVersion"), f"unsupported result version {version!a}", hint)
    dns = dns_of(found.section("dns"))
    if not at_least(version, "0.3.0"):
        return _from_02(found, dns)
    interfaces = tuple(_interface(each) for each in found.sections("interfaces"))
    ips = tuple(_ip(each, len(interfaces)) for each in found.sections("ips"))
    return Result(interfaces, ips, tuple(route(each) for each in found.sections("routes")), dns)


def to_document(result: Result, version: str) -> dict[str, Any]:
    """The result in the shape of a version."""
    if not at_least(version, "0.3.0"):
        return _to_02(result, version)
    newest = version == NEWEST
    ips = [dict(ip) for ip in result.ips]
    if not at_least(version, "1.0.0"):
        ips = [{"version": str(family(ip["address"])), **ip} for ip in ips]
    keys = _INTERFACE_11 if newest else _INTERFACE
    routes = [each if newest else _only(each, ("dst", "gw")) for each in result.routes]
    shown: dict[str, Any] = {"cniVersion": version}
    shown |= {"interfaces": [_only(each, keys) for each in result.interfaces]} if result.interfaces else {}
    shown |= {"ips": ips} if ips else {}
    shown |= {"routes": routes} if routes else {}
    return shown | ({"dns": result.dns} if result.dns else {})


def dns_of(found: Fields) -> dict[str, Any]:
    """A dns object: nameservers, domain, search, options; what is empty is left out."""
    texts = {key: list(found.texts(key)) for key in _DNS if key != "domain"}
    domain = found.text("domain")
    return {key: value for key in _DNS if (value := domain if key == "domain" else texts[key])}


def route(found: Fields) -> dict[str, Any]:
    """A route of a result: dst, gw, and from 1.1.0 on mtu, advmss, priority, table, scope."""
    made: dict[str, Any] = {"dst": parse.interface(found.text("dst"), found.path("dst"))}
    if gateway := found.text("gw"):
        made["gw"] = parse.address(gateway, found.path("gw"))
    for key in _ROUTE_11:
        if key in found:
            made[key] = found.number(key, 0, 0, 0xFFFFFFFF)
    return made


def _interface(found: Fields) -> dict[str, Any]:
    made: dict[str, Any] = {"name": found.text("name")}
    made |= {key: text for key in ("mac", "sandbox", "socketPath", "pciID") if (text := found.text(key))}
    if mtu := found.number("mtu", 0, 0, 0xFFFFFFFF):
        made["mtu"] = mtu
    return made


def _ip(found: Fields, interfaces: int) -> dict[str, Any]:
    made: dict[str, Any] = {}
    if "interface" in found:
        made["interface"] = found.number("interface", 0, 0, max(interfaces - 1, 0))
    made["address"] = parse.interface(found.text("address"), found.path("address"))
    if gateway := found.text("gateway"):
        made["gateway"] = parse.address(gateway, found.path("gateway"))
    return made


def _from_02(found: Fields, dns: dict[str, Any]) -> Result:
    ips: list[dict[str, Any]] = []
    routes: list[dict[str, Any]] = []
    for key in ("ip4", "ip6"):
        if key not in found:
            continue
        one = found.section(key)
        ip = {"address": parse.interface(one.text("ip"), one.path("ip"))}
        if gateway := one.text("gateway"):
            ip["gateway"] = parse.address(gateway, one.path("gateway"))
        ips.append(ip)
        # A route without gw leads to the address's own gateway.
        routes += [_route_02(each, ip.get("gateway", "")) for each in one.sections("routes")]
    return Result((), tuple(ips), tuple(routes), dns)


def _route_02(found: Fields, gateway: str) -> dict[str, Any]:
    """A route of version 0.2.0: without gw it leads to the gateway of its address."""
    made = route(found)
    return made if "gw" in made or not gateway else {**made, "gw": gateway}


def _to_02(result: Result, version: str) -> dict[str, Any]:
    """The first address of each family; later ones have no place in this shape."""
    shown: dict[str, Any] = {"cniVersion": version}
    for key, number in (("ip4", 4), ("ip6", 6)):
        ip = next((each for each in result.ips if family(each["address"]) == number), None)
        if ip is None:
            continue
        shown[key] = {"ip": ip["address"]}
        if "gateway" in ip:
            shown[key]["gateway"] = ip["gateway"]
        routes = [_only(each, ("dst", "gw")) for each in result.routes if family(each["dst"]) == number]
        if routes:
            shown[key]["routes"] = routes
    if len(shown) == 1:
        raise CniError(CONFIGURATION, "cannot convert: no valid IP addresses", f"a result of {version} needs one")
    return shown | ({"dns": result.dns} if result.dns else {})


def _only(data: dict[str, Any], keys: tuple[str, ...]) -> dict[str, Any]:
    return {key: data[key] for key in keys if key in data}
