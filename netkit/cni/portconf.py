"""Published ports as runtimes write them: runtimeConfig.portMappings.

One port: `{"hostPort": 8080, "containerPort": 80}`. A range: `"8000-8010"` for either, or `hostPortEnd` and
`containerPortEnd` beside them. The reference knows no ranges; every other key is its own.
"""

from __future__ import annotations

from netkit import parse
from netkit.cni.fields import Fields, shown
from netkit.errors import ConfigError
from netkit.model import ANY, PortMap, family

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Collection

#: What the words of an iptables condition begin with.
_IPTABLES = ("-", "!")
BACKENDS = ("iptables", "nftables")


def read(runtime: Fields, families: Collection[int]) -> tuple[PortMap, ...]:
    """The port maps, for the families that the container has; like the reference, we pass over those of another."""
    found: dict[PortMap, None] = {}
    for each in runtime.sections("portMappings"):
        for port in _one(each):
            if family(port.host_ip) in families:
                found[port] = None
    return tuple(found)


def way(conf: Fields) -> dict[str, str]:
    """Options of the driver that say how ports are published; none for the usual way.

    `markMasqBit` says which bit of a packet's mark may be used: netkit uses none.
    """
    told: dict[str, str] = {}
    if not conf.flag("snat", True):
        told["snat"] = "off"
    if conf.flag("masqAll", False):
        told["masqAll"] = "on"
    for key in ("conditionsV4", "conditionsV6"):
        if words := conf.texts(key):
            told[key] = _joined(words, conf.path(key))
    conf.number("markMasqBit", 13, 0, 31)
    if chain := conf.text("externalSetMarkChain"):
        if "markMasqBit" in conf:
            raise ConfigError("externalSetMarkChain", "cannot be set beside markMasqBit", "choose one")
        told["externalSetMarkChain"] = chain
    if told:
        _refuse_mixture(conf.choice("backend", "", BACKENDS), told)
    return told


def _joined(words: tuple[str, ...], at: str) -> str:
    """Conditions as one text, from which the words of iptables come out as they went in."""
    for index, word in enumerate(words):
        if not word.split() or (words[0][:1] in _IPTABLES and len(word.split()) > 1):
            raise ConfigError(f"{at}[{index}]", f"{shown(word)} is no word", "write one word an item")
    return " ".join(words)


def _refuse_mixture(backend: str, told: dict[str, str]) -> None:
    """Each key speaks for a backend; they must agree with the one that is named, and among themselves."""
    conditions = [key for key in told if key.startswith("conditions")]
    spoken = {key: "iptables" if told[key][0] in _IPTABLES else "nftables" for key in conditions}
    if "externalSetMarkChain" in told:
        spoken["externalSetMarkChain"] = "iptables"
    for key, language in spoken.items():
        backend = backend or language
        if language != backend:
            raise ConfigError(key, f"it is for {language}, and the rules are to be {backend}", "let all keys agree")


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
