"""Published ports as runtimes write them: runtimeConfig.portMappings.

One port: `{"hostPort": 8080, "containerPort": 80}`. A range: `"8000-8010"` for either, or `hostPortEnd` and
`containerPortEnd` beside them. The reference knows no ranges; every other key is its own.
"""

from __future__ import annotations

from netkit import parse
from netkit.cni.failure import incapable
from netkit.cni.fields import Fields, shown
from netkit.errors import ConfigError
from netkit.model import ANY, PortMap, family

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Collection

BACKENDS = ("iptables", "nftables")


def read(runtime: Fields, families: Collection[int]) -> tuple[PortMap, ...]:
    """The port maps, for the families that the container has; like the reference, we pass over those of another."""
    found: dict[PortMap, None] = {}
    for each in runtime.sections("portMappings"):
        for port in _one(each):
            if family(port.host_ip) in families:
                found[port] = None
    return tuple(found)


def refuse_unknown_ways(conf: Fields) -> None:
    """What portmap can be told and netkit has no way to do; nothing was changed yet."""
    if not conf.flag("snat", True):
        raise incapable(conf.path("snat"), "hairpin and localhost are masqueraded, nothing else is")
    if conf.flag("masqAll", False):
        raise incapable(conf.path("masqAll"), "netkit keeps the client's address")
    for key in ("conditionsV4", "conditionsV6"):
        if conf.texts(key):
            raise incapable(conf.path(key), "published ports are elements of a map, not rules with conditions")
    if conf.text("externalSetMarkChain"):
        raise incapable(conf.path("externalSetMarkChain"), "netkit uses no marks")
    conf.number("markMasqBit", 13, 0, 31)


def _one(fields: Fields) -> list[PortMap]:
    first, count = _ports(fields, "hostPort")
    inner, inner_count = _ports(fields, "containerPort")
    if inner_count != count:
        hint = "give as many host ports as container ports"
        raise ConfigError(fields.at, f"{count} host ports for {inner_count} container ports", hint)
    protocol = parse.protocol(fields.text("protocol") or "tcp", fields.path("protocol"))
    host_ip = fields.text("hostIP")
    hosts = [parse.address(host_ip, fields.path("hostIP"))] if host_ip else list(ANY.values())
    return [PortMap(protocol, host, first, inner, count) for host in hosts]


def _ports(fields: Fields, key: str) -> tuple[int, int]:
    """The first port under a key, and how many."""
    value = fields.data.get(key)
    if isinstance(value, str) and "-" in value:
        start, _, end = value.partition("-")
        first, last = parse.port(start, fields.path(key)), parse.port(end, fields.path(key))
    elif value is None or isinstance(value, (bool, float)):
        raise ConfigError(fields.path(key), f"{shown(value)} is no port", "use a number from 1 to 65535")
    else:
        first = last = parse.port(value, fields.path(key))
    if f"{key}End" in fields:
        last = parse.port(fields.data[f"{key}End"], fields.path(f"{key}End"))
    if last < first:
        raise ConfigError(fields.path(key), f"the range {first}-{last} runs backwards", f"write {last}-{first}")
    return first, last - first + 1
