"""The ipam part of a configuration, with the keys of host-local: ranges, routes, resolvConf."""

from __future__ import annotations

import os

from netkit import parse
from netkit.cni import result
from netkit.cni.failure import incapable
from netkit.cni.fields import Fields, shown
from netkit.cni.ipamtype import DHCP
from netkit.cni.versions import at_least
from netkit.errors import ConfigError
from netkit.ipam.pool import Pool, default_gateway, number, overlaps, prefix_length, span, text
from netkit.model import RouteSpec, Subnet, bare, family
from netkit.value import Value

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable
    from typing import Any

#: host-local gives no addresses out of less than a /30 or a /126.
_LONGEST_PREFIX = {4: 30, 6: 126}
_LARGEST_FILE = 1 << 16
_RESOLV = {"nameserver": "nameservers", "search": "search", "options": "options"}


class IpamConf(Value):
    """Subnets to take an address from each, routes inside, and what resolv.conf says."""

    subnets: tuple[Subnet, ...] = ()
    routes: tuple[RouteSpec, ...] = ()
    dns: dict[str, Any] = {}


def read(ipam: Fields, runtime: Fields, version: str) -> IpamConf:
    """The built-in IPAM's part; ConfigError says at which path it is off."""
    if ipam.text("type") == DHCP:
        return _of_dhcp(ipam)
    subnets = _range_sets(ipam, runtime)
    if not at_least(version, "0.3.0") and len({family(each.cidr) for each in subnets}) < len(subnets):
        hint = "version 0.3.0 is the first that can carry them"
        raise ConfigError(ipam.path("ranges"), f"more than one address a family in version {version}", hint)
    _check_data_dir(ipam)
    return IpamConf(subnets, tuple(spec(result.route(each)) for each in ipam.sections("routes")), _dns(ipam))


def _of_dhcp(ipam: Fields) -> IpamConf:
    """The server says it all; where the reference's daemon listens is nothing to us."""
    for key in ("request", "provide", "priority"):
        if key in ipam:
            raise incapable(ipam.path(key))
    return IpamConf(routes=tuple(spec(result.route(each)) for each in ipam.sections("routes")))


def requested(conf: Fields, runtime: Fields, args: dict[str, str]) -> tuple[str, ...]:
    """Addresses that are asked for: by args.cni.ips, or by CNI_ARGS where that says nothing, and by the runtime."""
    meta = conf.section("args").section("cni")
    first = list(_addresses(meta.texts("ips"), meta.path("ips")))
    if not first and args.get("IP"):
        first = list(_addresses(args["IP"].split(","), "CNI_ARGS.IP"))
    first += _addresses(runtime.texts("ips"), runtime.path("ips"))
    return tuple(dict.fromkeys(first))


def spec(route: dict[str, Any]) -> RouteSpec:
    """A route of a result in the engine's words."""
    return RouteSpec(
        route["dst"],
        route.get("gw", ""),
        route.get("mtu", 0),
        route.get("advmss", 0),
        route.get("priority", 0),
        route.get("table", 0),
        route.get("scope", -1),
    )


def _addresses(texts: Iterable[str], at: str) -> Iterable[str]:
    for index, value in enumerate(texts):
        where = f"{at}[{index}]"
        yield bare(parse.interface(value, where)) if "/" in value else parse.address(value, where)


def _range_sets(ipam: Fields, runtime: Fields) -> tuple[Subnet, ...]:
    """One subnet a range set: the runtime's first, then the old way to write one, then the list."""
    sets = [_ranges(sets, at) for sets, at in _lists(runtime, "ipRanges")]
    if "subnet" in ipam:
        sets.append([_range(ipam)])
    sets += [_ranges(sets, at) for sets, at in _lists(ipam, "ranges")]
    _refuse_overlaps([each for members in sets for each in members], ipam.path("ranges"))
    return tuple(first.replace(also=tuple(rest)) for first, *rest in sets)


def _lists(fields: Fields, key: str) -> list[tuple[list[Any], str]]:
    found = []
    for index, item in enumerate(fields.items(key)):
        at = f"{fields.path(key)}[{index}]"
        if not isinstance(item, list) or not item:
            raise ConfigError(at, f"{shown(item)} is no range set", "write a list of ranges, [[{...}]]")
        found.append((item, at))
    return found


def _ranges(items: list[Any], at: str) -> list[Subnet]:
    holder = Fields({"ranges": items})
    found = [_range(Fields(each.data, f"{at}{each.at.removeprefix('ranges')}")) for each in holder.sections("ranges")]
    if len({family(each.cidr) for each in found}) > 1:
        raise ConfigError(at, "IPv4 and IPv6 in one range set", "one address is taken of a set: make two")
    return found


def _range(fields: Fields) -> Subnet:
    at = fields.path("subnet")
    cidr = parse.cidr(fields.text("subnet"), at)
    version = family(cidr)
    if prefix_length(cidr) > _LONGEST_PREFIX[version]:
        raise ConfigError(at, f"{cidr} is too small to allocate from", f"a /{_LONGEST_PREFIX[version]} is the least")
    gateway = parse.address(fields.text("gateway") or default_gateway(cidr), fields.path("gateway"))
    ends = [_inside(fields, key, cidr) for key in ("rangeStart", "rangeEnd")]
    ip_range = ""
    if any(ends):
        whole = Pool.of(Subnet(cidr, ""))
        first, last = ends[0] or text(whole.lowest, version), ends[1] or text(whole.highest, version)
        if number(first) > number(last):
            raise ConfigError(fields.path("rangeEnd"), f"{last} is below {first}", "write the lower address first")
        ip_range = f"{first}-{last}"
    try:
        (made,) = parse.subnets([cidr], [gateway], [ip_range] if ip_range else [])
    except ConfigError as error:
        raise ConfigError(fields.at or at, error.message.partition(": ")[2], error.hint) from error
    return made


def _inside(fields: Fields, key: str, cidr: str) -> str:
    if not fields.text(key):
        return ""
    found = parse.address(fields.text(key), fields.path(key))
    if family(found) != family(cidr) or not overlaps(cidr, found):
        raise ConfigError(fields.path(key), f"{found} is not in {cidr}", "choose an address of the subnet")
    return found


def _refuse_overlaps(found: list[Subnet], at: str) -> None:
    for index, one in enumerate(found):
        for other in found[:index]:
            mine, theirs = one.ip_range or one.cidr, other.ip_range or other.cidr
            if family(one.cidr) != family(other.cidr):
                continue
            (first, last), (start, end) = span(mine), span(theirs)
            if first <= end and start <= last:
                raise ConfigError(at, f"{mine} overlaps {theirs}", "give ranges that have no address in common")


def _check_data_dir(ipam: Fields) -> None:
    """Addresses are kept in netkit's own state; a dataDir is read by `netkit ipam import` alone."""
    place = ipam.text("dataDir")
    if place and (not place.startswith("/") or "/../" in f"{place}/"):
        raise ConfigError(ipam.path("dataDir"), f"{shown(place)} is no directory", "give an absolute path without ..")


def _dns(ipam: Fields) -> dict[str, Any]:
    path = ipam.text("resolvConf")
    if not path:
        return {}
    try:
        descriptor = os.open(path, os.O_RDONLY | os.O_CLOEXEC | os.O_NONBLOCK)
        try:
            lines = os.read(descriptor, _LARGEST_FILE).decode("utf-8", "replace").splitlines()
        finally:
            os.close(descriptor)
    except (OSError, ValueError) as error:
        raise ConfigError(ipam.path("resolvConf"), f"cannot read {shown(path)}", "give the path of a file") from error
    return resolv_conf(lines)


def resolv_conf(lines: Iterable[str]) -> dict[str, Any]:
    """A dns object from the lines of a resolv.conf."""
    found: dict[str, Any] = {}
    for line in lines:
        word, *values = line.partition("#")[0].partition(";")[0].split() or [""]
        if word == "domain" and values:
            found["domain"] = values[0]
        elif word in _RESOLV and values:
            found.setdefault(_RESOLV[word], []).extend(values)
    return found
