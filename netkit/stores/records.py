"""What is read from a store, judged: every field typed and bounded, or an error that names its path.

Whoever may write to the store may write anything. Here nothing is believed because of how it looks: text becomes
canonical addresses, numbers have bounds, and a field that is not known is ignored.
"""

from __future__ import annotations

from netkit import parse
from netkit.errors import ConfigError
from netkit.ipam.pool import number, span
from netkit.model import family
from netkit.state.document import unseal
from netkit.stores.model import Claim, Endpoint, Host, Settings
from netkit.stores.subnets import ranges, usual

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import Any

#: The most bytes of a claim and of a host's record, and the most endpoints of a host.
CLAIM_SIZE, HOST_SIZE, ENDPOINTS = 4096, 1 << 20, 4096
_MAX_GENERATION = 10**12
_NODE = frozenset("abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789_-")
_KINDS = ("subnets", "addresses")


def node(value: object, at: str = "node") -> str:
    """The id of a host, such as that of /etc/machine-id: safe as the name of a file."""
    if isinstance(value, str) and 0 < len(value) <= 64 and set(value) <= _NODE:
        return value
    raise ConfigError(at, "no node id: 1 to 64 letters, digits, - and _ are needed")


def resource(value: object, at: str = "resource") -> str:
    """A resource in its one spelling."""
    kind, _, name = value.partition("/") if isinstance(value, str) else ("", "", "")
    if kind not in _KINDS or len(name) > 64 or name.count("&") > 1:
        raise ConfigError(at, "no resource", "write subnets/10.5.72.0-24 or addresses/10.5.72.7")
    if kind == "addresses":
        canonical = parse.address(name, at)
    else:
        both = [parse.cidr(part.replace("-", "/", 1), at).replace("/", "-") for part in name.split("&")]
        canonical = "&".join(sorted(both, key=family))
    if canonical != name:
        raise ConfigError(at, f"{name} is written {canonical}")
    return f"{kind}/{name}"


def claim(data: bytes, what: str, generation: int) -> Claim:
    """The claim of a resource in its generation; ValueError, StateError or ConfigError when the bytes hold none."""
    body = _fields(data)
    if body.get("resource") != what or body.get("generation") != generation:
        raise ConfigError("resource", "not what the file's name says")
    return Claim(what, generation, _optional(body, "node", node), _flag(body, "reserved"))


def host(data: bytes, name: str, settings: Settings) -> Host:
    """What the host of that name says of itself; ValueError, StateError or ConfigError when it makes no sense."""
    body = _fields(data)
    if body.get("node") != name:
        raise ConfigError("node", "not what the file's name says")
    if (vni := _number(body, "vni", 1 << 24)) != settings.vni:
        raise ConfigError("vni", f"{vni} is not the network's, {settings.vni}")
    return Host(
        node(name),
        public(body.get("public"), settings),
        vni,
        _optional(body, "vtep", parse.mac),
        _endpoints(body.get("endpoints", []), settings),
        _flag(body, "left"),
        _number(body, "beat", 1 << 63),
        _optional(body, "public6", lambda value, at: public6(value, settings, at)),
        _optional(body, "backend", backend) or "vxlan",
        _optional(body, "vtep6", parse.mac),
        _number(body, "port", 1 << 16),
        _optional(body, "session", node),
        _optional(body, "key", parse.wireguard_key),
        _number(body, "port6", 1 << 16),
        _flag(body, "fast_path"),
    )


def settings(data: bytes) -> Settings:
    """The settings of a network; ValueError, StateError or ConfigError when they make no sense."""
    body = _fields(data)
    found = Settings(
        _optional(body, "cidr", parse.cidr),
        _number(body, "length", 129),
        _number(body, "vni", 1 << 24),
        _number(body, "ttl", 1 << 31, 86400),
        node(body.get("id"), "id"),
        _optional(body, "cidr6", parse.cidr),
        _number(body, "length6", 129),
        _optional(body, "backend", backend),
        _number(body, "port", 1 << 16),
        _optional(body, "first", parse.address),
        _optional(body, "last", parse.address),
        _optional(body, "first6", parse.address),
        _optional(body, "last6", parse.address),
    )
    check_settings(found)
    return found


def agreeable(wanted: Settings | None) -> Settings | None:
    """Settings in the one way to write them; ConfigError when they make no sense."""
    if wanted is None:
        return None
    check_settings(wanted)
    return usual(wanted)


def check_settings(found: Settings) -> None:
    """ConfigError when settings make no sense, such as subnets that cannot be leased from their network."""
    if found.ttl < 60:
        raise ConfigError("ttl", f"{found.ttl} s is too short", "use 60 or more")
    _optional({"backend": found.backend}, "backend", backend)
    _optional({"cidr": found.cidr}, "cidr", parse.cidr)
    if found.cidr6 and not (found.cidr and family(found.cidr) == 4 and family(found.cidr6) == 6):
        raise ConfigError("cidr6", f"{found.cidr6} is not an IPv6 network beside an IPv4 one", "give it as cidr alone")
    if found.cidr6 and not found.length6 and found.length:
        raise ConfigError("length6", "missing beside length", "each lease is a subnet of each family")
    for one in ranges(found):
        one.check()


def generation(text: str) -> int | None:
    """The generation in a file's name, None when it is none in its one spelling."""
    if not 0 < len(text) < 13 or not text.isascii() or not text.isdigit() or text[0] == "0":
        return None
    return int(text)


def next_generation(current: int) -> int:
    """The one after; ConfigError when someone has used them up."""
    if current + 1 >= _MAX_GENERATION:
        raise ConfigError("generation", f"{current} is the last one", "see who writes such files, and remove this one")
    return current + 1


def _fields(data: bytes) -> dict[str, Any]:
    body = unseal(data, "it")
    if not isinstance(body, dict):
        raise ConfigError("", "no object")
    return body


def _optional(body: dict[str, Any], name: str, judge: Callable[[object, str], str]) -> str:
    """A text that may be missing, "" then."""
    return judge(body[name], name) if body.get(name, "") != "" else ""


def _flag(body: dict[str, Any], name: str) -> bool:
    value = body.get(name, False)
    if type(value) is not bool:
        raise ConfigError(name, "neither true nor false")
    return value


def _number(body: dict[str, Any], name: str, end: int, default: int = 0) -> int:
    value = body.get(name, default)
    if type(value) is not int or not 0 <= value < end:
        raise ConfigError(name, f"no whole number from 0 to {end - 1}")
    return value


def backend(value: object, at: str = "backend") -> str:
    """The name of a way to reach other hosts, known here or not."""
    if isinstance(value, str) and 0 < len(value) <= 32 and set(value) <= _NODE and value == value.lower():
        return value
    raise ConfigError(at, "no backend: small letters, digits and - are needed", "for example vxlan")


def public(value: object, settings: Settings, at: str = "public") -> str:
    """An address that a host can have, outside of the network itself."""
    found = parse.address(value, at)
    _check_unicast(found, at)
    for cidr in (settings.cidr, settings.cidr6):
        if cidr and _within(found, cidr):
            raise ConfigError(at, f"{found} lies in the overlay itself, {cidr}")
    return found


def public6(value: object, settings: Settings, at: str = "public6") -> str:
    """As `public`, and IPv6."""
    found = public(value, settings, at)
    if family(found) != 6:
        raise ConfigError(at, f"{found} is not IPv6")
    return found


def _check_unicast(address: str, at: str) -> None:
    """ConfigError when nobody can have that address."""
    for cidr in ("0.0.0.0/8", "127.0.0.0/8", "224.0.0.0/3", "::/127", "fe80::/10", "ff00::/8"):
        if _within(address, cidr):
            raise ConfigError(at, f"{address} is no address of a host")


def _within(address: str, cidr: str) -> bool:
    if family(address) != family(cidr):
        return False
    low, high = span(cidr)
    return low <= number(address) <= high


def _endpoints(value: object, settings: Settings) -> tuple[Endpoint, ...]:
    if not isinstance(value, list) or len(value) > ENDPOINTS:
        raise ConfigError("endpoints", f"no list of at most {ENDPOINTS}")
    return tuple(_endpoint(one, f"endpoints[{i}]", settings) for i, one in enumerate(value))


def _endpoint(value: object, at: str, settings: Settings) -> Endpoint:
    if not isinstance(value, dict):
        raise ConfigError(at, "no object")
    address = parse.address(value.get("address"), f"{at}.address")
    _check_unicast(address, f"{at}.address")
    networks = [cidr for cidr in (settings.cidr, settings.cidr6) if cidr]
    if networks and not any(_within(address, cidr) for cidr in networks):
        raise ConfigError(f"{at}.address", f"{address} lies outside of {' and '.join(networks)}")
    return Endpoint(address, parse.mac(value.get("mac"), f"{at}.mac"))
