"""net-conf.json, as flannel reads it: what the network is, and how hosts reach each other.

Keys are flannel's, in any case. What netkit does not do is refused by its key; what flannel would pass over, a key that
it does not know, is refused as well: it is a slip of the pen.
"""

from __future__ import annotations

import json

from netkit import parse
from netkit.errors import ConfigError, StateError
from netkit.ipam.pool import number, prefix_length, span, text
from netkit.model import family
from netkit.parts.backends import BACKENDS, REFUSED
from netkit.parts.backends.wireguard import MODES, PORT, PORT6
from netkit.value import Value

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Mapping
    from typing import Any

_LARGEST_FILE = 1 << 20
_LARGEST_VNI = (1 << 24) - 1
_TOP = (
    "EnableIPv4", "EnableIPv6", "EnableNFTables", "Network", "IPv6Network", "SubnetLen", "IPv6SubnetLen", "SubnetMin",
    "SubnetMax", "IPv6SubnetMin", "IPv6SubnetMax", "Backend",
    "Netkit",  # where netkit's own stores say what flannel has no word for
)  # fmt: skip
_OF_BACKEND = {
    "vxlan": ("VNI", "Port", "MTU", "GBP", "Learning", "DirectRouting"),
    "wireguard": ("ListenPort", "ListenPortV6", "PSK", "PersistentKeepaliveInterval", "Mode", "MTU"),
    "udp": ("Port",),
    "host-gw": (),
    "alloc": (),
}
_WINDOWS = ("Name", "MacPrefix", "VSID")


class Secret(str):
    """A text that no message shows by mistake."""

    __slots__ = ()

    def __repr__(self) -> str:
        return "'...'"


class Pool(Value):
    """The subnets of one family: of `length` bits, in `cidr`, from `first` to `last`; "" and 0 without that family."""

    cidr: str = ""
    length: int = 0
    first: str = ""
    last: str = ""


class Config(Value):
    """A network configuration, checked. `port`, `port6` and `mtu` 0 are the backend's own.

    `port6`, `psk` (a key that all hosts share), `keepalive` and `mode` are of the backend wireguard.
    """

    backend: str
    four: Pool = Pool()
    six: Pool = Pool()
    vni: int = 1
    port: int = 0
    mtu: int = 0
    direct: bool = False
    learning: bool = False
    gbp: bool = False
    port6: int = 0
    psk: Secret = Secret()
    keepalive: int = 0
    mode: str = "separate"

    @property
    def versions(self) -> tuple[int, ...]:
        """The families that it has."""
        return tuple(version for version, pool in ((4, self.four), (6, self.six)) if pool.cidr)

    @property
    def networks(self) -> tuple[str, ...]:
        """The network's prefixes, IPv4 first."""
        return tuple(pool.cidr for pool in (self.four, self.six) if pool.cidr)


def load(path: str) -> Config:
    """Read a net-conf.json."""
    try:
        with open(path, "rb") as file:
            data = file.read(_LARGEST_FILE + 1)
    except OSError as error:
        raise StateError(f"cannot read {path}: {error.strerror}", "--config names a net-conf.json") from error
    if len(data) > _LARGEST_FILE:
        raise ConfigError(path, "is larger than 1 MiB", "a net-conf.json has a few lines")
    return loads(data, path)


def loads(data: bytes | str, at: str, usual: str = "vxlan") -> Config:
    """A configuration from JSON text; `usual` is the backend where it names none. Errors have each path from `at`."""
    try:
        told = json.loads(data, object_pairs_hook=lambda pairs: _object(pairs, at))
    except (ValueError, RecursionError) as error:
        raise ConfigError(at, f"is no JSON: {error}", 'for example {"Network": "10.5.0.0/16"}') from error
    return read(told, at, usual)


def read(told: object, at: str, usual: str = "vxlan") -> Config:
    """A configuration from parsed JSON."""
    whole = _keys(told, _TOP, at)
    _switch(whole, "EnableNFTables", False, at)  # netkit uses what the host uses; both words are right
    four, six = _switch(whole, "EnableIPv4", True, at), _switch(whole, "EnableIPv6", False, at)
    if not four and not six:
        raise ConfigError(f"{at}.EnableIPv4", "neither family is enabled", "enable one")
    found = Config(
        "vxlan",
        _pool(whole, 4, "Network", "SubnetLen", ("SubnetMin", "SubnetMax"), at) if four else Pool(),
        _pool(whole, 6, "IPv6Network", "IPv6SubnetLen", ("IPv6SubnetMin", "IPv6SubnetMax"), at) if six else Pool(),
    )
    return _backend(whole.get("Backend", {}), found, usual, f"{at}.Backend")


def _backend(told: object, found: Config, usual: str, at: str) -> Config:
    kind = _lowered(told, at).get("type", usual)
    if not isinstance(kind, str):
        raise ConfigError(f"{at}.Type", f"{kind!r} is no backend", f"one of: {', '.join(BACKENDS)}")
    kind = kind.lower()
    if kind not in _OF_BACKEND or kind not in BACKENDS:
        why = REFUSED.get(kind, "nobody knows it")
        raise ConfigError(f"{at}.Type", f"there is no backend {kind[:40]}: {why}", f"use one of: {', '.join(BACKENDS)}")
    keys = _keys(told, ("Type", *_OF_BACKEND[kind]), at)
    found = _encrypted(keys, found, at) if kind == "wireguard" else found
    return found.replace(
        backend=kind,
        vni=_number(keys, "VNI", 1, 1, _LARGEST_VNI, at),
        port=_number(keys, "ListenPort" if kind == "wireguard" else "Port", 0, 1, 65535, at),
        mtu=_number(keys, "MTU", 0, 576, 65535, at),
        direct=_switch(keys, "DirectRouting", False, at),
        learning=_switch(keys, "Learning", False, at),
        gbp=_switch(keys, "GBP", False, at),
    )


def _encrypted(keys: Mapping[str, Any], found: Config, at: str) -> Config:
    """What the backend wireguard has and no other."""
    mode, psk = keys.get("Mode", "separate"), keys.get("PSK", "")
    if mode not in MODES:
        raise ConfigError(f"{at}.Mode", f"{str(mode)[:40]!r} is no mode", f"one of: {', '.join(MODES)}")
    if (lacking := {"ipv4": 4, "ipv6": 6}.get(mode, 0)) and lacking not in found.versions:
        raise ConfigError(f"{at}.Mode", f"{mode} is for a network that has IPv{lacking}", f"see EnableIPv{lacking}")
    port6 = _number(keys, "ListenPortV6", 0, 1, 65535, at)
    port = _number(keys, "ListenPort", 0, 1, 65535, at)
    if mode == "separate" and len(found.versions) > 1 and (port or PORT) == (port6 or PORT6):
        raise ConfigError(f"{at}.ListenPortV6", "is ListenPort as well", "each of two tunnels has a port of its own")
    return found.replace(
        port6=port6,
        psk=Secret(parse.wireguard_key(psk, f"{at}.PSK") if psk != "" else ""),
        keepalive=_number(keys, "PersistentKeepaliveInterval", 0, 1, 65535, at),
        mode=mode,
    )


def _pool(whole: Mapping[str, Any], version: int, key: str, length: str, ends: tuple[str, str], at: str) -> Pool:
    """Subnets of one family, with flannel's defaults: a /24 (/64) each, the first one left out."""
    if key not in whole:
        raise ConfigError(f"{at}.{key}", "is missing", f"IPv{version} is enabled: which addresses has the network?")
    cidr, bits = parse.habitable(whole[key], f"{at}.{key}"), 32 if version == 4 else 128
    if family(cidr) != version:
        raise ConfigError(f"{at}.{key}", f"{cidr} is no IPv{version} network")
    whole_length, usual = prefix_length(cidr), 24 if version == 4 else 64
    if whole_length > bits - 4:
        raise ConfigError(f"{at}.{key}", f"{cidr} is too small", f"at most a /{bits - 4}: it has subnets")
    size = _number(whole, length, max(usual, whole_length + 2), whole_length + 2, bits - 2, at)
    low, high = span(cidr)
    step = 1 << (bits - size)
    first, last = low + step, high + 1 - step
    given = [_end(whole, name, version, (low, high, step), at) for name in ends]
    first, last = given[0] if given[0] is not None else first, given[1] if given[1] is not None else last
    if first > last:
        raise ConfigError(f"{at}.{ends[1]}", f"comes before {ends[0]}", "exchange them")
    return Pool(cidr, size, text(first, version), text(last, version))


def _end(whole: Mapping[str, Any], key: str, version: int, place: tuple[int, int, int], at: str) -> int | None:
    if key not in whole:
        return None
    address = parse.address(whole[key], f"{at}.{key}")
    low, high, step = place
    if family(address) != version or not low <= number(address) <= high:
        raise ConfigError(f"{at}.{key}", f"{address} is outside of the network")
    if (number(address) - low) % step:
        raise ConfigError(f"{at}.{key}", f"{address} is not where a subnet begins", "see SubnetLen")
    return number(address)


def _number(keys: Mapping[str, Any], key: str, default: int, least: int, most: int, at: str) -> int:
    value = keys.get(key, default)
    if isinstance(value, bool) or not isinstance(value, int) or (not least <= value <= most and value != default):
        raise ConfigError(f"{at}.{key}", f"{str(value)[:40]!r} does not fit", f"a whole number from {least} to {most}")
    return value


def _switch(keys: Mapping[str, Any], key: str, default: bool, at: str) -> bool:
    value = keys.get(key, default)
    if not isinstance(value, bool):
        raise ConfigError(f"{at}.{key}", f"{str(value)[:40]!r} is neither true nor false", "without quotes")
    return value


def _keys(told: object, known: tuple[str, ...], at: str) -> dict[str, Any]:
    """An object's values under the spelling that flannel documents, whatever case they are written in."""
    spelling = {key.lower(): key for key in known}
    lowered = _lowered(told, at)
    for key in told if isinstance(told, dict) else ():
        if key.lower() not in spelling:
            hint = "it is for Windows" if key in _WINDOWS else f"known: {', '.join(known)}"
            raise ConfigError(f"{at}.{key[:40]}", "netkit knows no such key here", hint)
    return {spelling[key]: value for key, value in lowered.items() if value is not None}


def _lowered(told: object, at: str) -> dict[str, Any]:
    if not isinstance(told, dict):
        raise ConfigError(at, f"{str(told)[:40]!r} is no object", "write { ... }")
    lowered = {str(key).lower(): value for key, value in told.items()}
    if len(lowered) < len(told):
        raise ConfigError(at, "a key stands there twice, in different cases", "leave one out")
    return lowered


def _object(pairs: list[tuple[str, Any]], at: str) -> dict[str, Any]:
    found = dict(pairs)
    if len(found) < len(pairs):
        raise ConfigError(at, f"a key stands there twice: {', '.join(sorted({k for k, _ in pairs}))[:80]}", "leave one")
    return found
