"""The role `static`: addresses that the configuration says, or the runtime. It keeps nothing and undoes nothing."""

from __future__ import annotations

from netkit import parse
from netkit.cni import result
from netkit.cni.failure import DIFFERENT, CniError
from netkit.cni.fields import Fields
from netkit.cni.result import Result
from netkit.cni.versions import at_least
from netkit.errors import ConfigError
from netkit.ipam.pool import overlaps
from netkit.model import bare, family

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Sequence
    from typing import Any

    from netkit.cni.call import Call
    from netkit.cni.wish import Wish

_HINT = 'for example {"addresses": [{"address": "10.90.0.7/16", "gateway": "10.90.0.1"}]}'


def read(call: Call) -> Wish | None:
    """Nothing for the engine to do; a CHECK holds the addresses against those that the runtime knows."""
    wanted = stateless(call)
    if call.invocation.command == "CHECK":
        told = result.read(call.conf, call.version) or Result()
        known = {ip["address"] for ip in told.ips}
        missing = [ip["address"] for ip in wanted.ips if ip["address"] not in known]
        if missing:
            raise CniError(DIFFERENT, f"missing: {', '.join(missing)} in prevResult")
    return None


def stateless(call: Call) -> Result:
    """The result; the runtime's addresses stand in for the configuration's, those of CNI_ARGS come after them."""
    ipam, args = call.conf.section("ipam"), dict(call.invocation.args)
    ips = [_address(each) for each in ipam.sections("addresses")] + _from_args(args.get("IP", ""))
    for source in (call.conf.section("args").section("cni"), call.runtime):
        if source.texts("ips"):
            at = source.path("ips")
            ips = [{"address": _whole(value, f"{at}[{i}]")} for i, value in enumerate(source.texts("ips"))]
    if not ips:
        raise ConfigError(ipam.path("addresses"), "there are none", _HINT)
    _refuse_many(ips, call.version, ipam.path("addresses"))
    _give_gateways(ips, args.get("GATEWAY", ""))
    routes = tuple(result.route(each) for each in ipam.sections("routes"))
    return Result(ips=tuple(ips), routes=routes, dns=result.dns_of(ipam.section("dns")))


def _address(found: Fields) -> dict[str, Any]:
    made = {"address": _whole(found.text("address"), found.path("address"))}
    if gateway := found.text("gateway"):
        made["gateway"] = parse.address(gateway, found.path("gateway"))
    return made


def _whole(value: str, at: str) -> str:
    if "/" not in value:
        raise ConfigError(at, f"{value!r} has no prefix length", "write address/length, for example 10.90.0.7/16")
    return parse.interface(value, at)


def _from_args(words: str) -> list[dict[str, Any]]:
    return [{"address": _whole(word, "CNI_ARGS.IP")} for word in words.split(",") if word]


def _refuse_many(ips: Sequence[dict[str, Any]], version: str, at: str) -> None:
    families = [family(ip["address"]) for ip in ips]
    if not at_least(version, "0.3.0") and len(set(families)) < len(families):
        hint = "version 0.3.0 is the first that can carry them"
        raise ConfigError(at, f"more than one address a family in version {version}", hint)


def _give_gateways(ips: Sequence[dict[str, Any]], words: str) -> None:
    """Each gateway of CNI_ARGS is that of the addresses in whose subnet it lies."""
    for word in words.split(",") if words else ():
        gateway = parse.address(word, "CNI_ARGS.GATEWAY")
        for ip in ips:
            if family(ip["address"]) == family(gateway) and overlaps(ip["address"], bare(gateway)):
                ip["gateway"] = gateway
