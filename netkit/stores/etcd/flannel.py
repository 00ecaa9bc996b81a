"""What flannel writes to etcd, and how netkit says the same: its net-conf.json, and the JSON of a lease.

    PREFIX/config                       {"Network": "10.5.0.0/16", "Backend": {"Type": "vxlan", "VNI": 1}}
    PREFIX/subnets/10.5.72.0-24         {"PublicIP": "192.0.2.1", "BackendType": "vxlan", "BackendData": {...}}

Go takes the names of fields in any case, and passes over those that it does not know: under `Netkit` stands what
flannel has no word for.
"""

from __future__ import annotations

from netkit import parse
from netkit.errors import ConfigError
from netkit.ipam.pool import BITS, prefix_length
from netkit.jsontext import dumps, loads
from netkit.model import family
from netkit.stores import records
from netkit.stores.model import Host, Settings
from netkit.stores.subnets import usual

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

#: What flannel writes in place of an IPv4 address that it does not have.
_NONE = "0.0.0.0"
#: What flannel does where a configuration says nothing of a backend, and the VNI where it says none.
_BACKEND, _VNI = {"type": "udp"}, 1
#: What flannel calls the port where tunnels listen, other than Port.
_PORTS = {"wireguard": "ListenPort"}


def settings(data: bytes, identity: str = "") -> Settings:
    """The settings that a net-conf.json stands for; ValueError or ConfigError with its path when it makes no sense.

    `identity` is the id of a network that netkit did not make.
    """
    body = _object(data)
    four, six = _flag(body, "enableipv4", True), _flag(body, "enableipv6", False)
    ours, backend = _part(body, "netkit"), _part(body, "backend") if "backend" in body else _BACKEND
    kind = _text(backend, "type", "Backend.Type").lower()
    found = Settings(
        ttl=_number(ours, "ttl", "Netkit.TTL", 86400),
        id=records.node(ours.get("id", identity), "Netkit.Id"),
        vni=_number(backend, "vni", "Backend.VNI", _VNI, 1 << 24),
        backend=records.backend(kind, "Backend.Type") if kind else "",
        port=_number(backend, _port_of(kind).lower(), f"Backend.{_port_of(kind)}", 0, 1 << 16),
    )
    one = _network(body, "", 24) if four else {}
    other = _network(body, "IPv6", 64) if six else {}
    if four and six:
        found = found.replace(**one, **{f"{name}6": value for name, value in other.items()})
    else:
        found = found.replace(**one, **other)
    records.check_settings(found)
    return usual(found)


def config(found: Settings) -> bytes:
    """The net-conf.json of settings, for flannel to read."""
    body: dict[str, Any] = {}
    if found.cidr and family(found.cidr) == 6:
        body |= {"EnableIPv4": False, "EnableIPv6": True, **_words("IPv6", found.cidr, found.length)}
        body |= _ends("IPv6", found.first, found.last)
    elif found.cidr:
        body |= _words("", found.cidr, found.length) | _ends("", found.first, found.last)
    if found.cidr6:
        body |= {"EnableIPv6": True, **_words("IPv6", found.cidr6, found.length6)}
        body |= _ends("IPv6", found.first6, found.last6)
    of_vxlan = found.backend in ("", "vxlan") or found.vni != _VNI
    body["Backend"] = {"VNI": found.vni} if of_vxlan else {}
    body["Backend"] |= {"Type": found.backend} if found.backend else {}
    if found.port:
        body["Backend"][_port_of(found.backend)] = found.port
    body["Netkit"] = {"Id": found.id, "TTL": found.ttl}
    return dumps(body).encode()


def lease(host: Host | None, node: str) -> bytes:
    """The value of a lease: of a host that has not yet said what it is, no flannel takes notice."""
    ours: dict[str, Any] = {"Node": node}
    if host is None or host.left:
        return dumps({"PublicIP": _NONE, "BackendType": "alloc", "Netkit": ours}).encode()
    ours |= {name: port for name, port in (("Port", host.port), ("PortV6", host.port6)) if port}
    ours |= {"FastPath": True} if host.fast_path else {}
    both = {family(address): address for address in (host.public6, host.public) if address}
    body: dict[str, Any] = {"PublicIP": both.get(4, _NONE), "PublicIPv6": both.get(6), "BackendType": host.backend}
    for name, mac in (("BackendData", host.vtep), ("BackendV6Data", host.vtep6)):
        if mac:
            body[name] = {"VNI": host.vni, "VtepMAC": mac}
    if host.key:  # of both families, whichever the network has
        body |= {name: {"PublicKey": host.key} for name in ("BackendData", "BackendV6Data")}
    return dumps(body | {"Netkit": ours}).encode()


def leased_to(data: bytes) -> tuple[str, str]:
    """The node id in a lease, "" where flannel wrote it, and its public address, "" for none.

    ValueError or ConfigError when the bytes are no lease.
    """
    body = _object(data)
    node = _part(body, "netkit").get("node")
    return records.node(node, "Netkit.Node") if node is not None else "", _address(body, "publicip", "publicipv6")


def host(data: bytes, node: str, agreed: Settings) -> Host | None:
    """What a lease says of its host, None when that has not said anything yet; ValueError or ConfigError as above."""
    body = _object(data)
    found, other = _address(body, "publicip", "publicipv6"), _address(body, "publicipv6")
    if not found:
        return None
    kind = _text(body, "backendtype", "BackendType").lower()
    four, six = _part(body, "backenddata"), _part(body, "backendv6data")
    for part, at in ((four, "BackendData.VNI"), (six, "BackendV6Data.VNI")):
        vni = _number(part, "vni", at, agreed.vni)
        if vni != agreed.vni:
            raise ConfigError(at, f"{vni} is not the network's, {agreed.vni}")
    return Host(
        node,
        records.public(found, agreed, "PublicIP"),
        agreed.vni,
        _mac(four, "BackendData.VtepMAC"),
        public6=records.public6(other, agreed, "PublicIPv6") if other and other != found else "",
        backend=records.backend(kind, "BackendType") if kind else _unnamed(agreed),
        vtep6=_mac(six, "BackendV6Data.VtepMAC"),
        port=_number(_part(body, "netkit"), "port", "Netkit.Port", 0, 1 << 16),
        key=_key(four, six),
        port6=_number(_part(body, "netkit"), "portv6", "Netkit.PortV6", 0, 1 << 16),
        fast_path=_flag(_part(body, "netkit"), "fastpath", False),
    )


def _unnamed(agreed: Settings) -> str:
    """The backend of a lease that names none: flannel writes no BackendType for its udp and its alloc."""
    return "udp" if agreed.backend == "udp" else "alloc"


def _network(body: dict[str, Any], word: str, usual: int) -> dict[str, Any]:
    """The fields of one family's network; flannel's default length of its subnets is `usual`, if that fits."""
    at = f"{word}Network"
    value = body.get(at.lower())
    cidr = parse.cidr(value, at)
    if (family(cidr) == 6) != (word == "IPv6"):
        raise ConfigError(at, f"{cidr} is of the other family")
    short = prefix_length(cidr) + 2
    length = _number(body, f"{word}SubnetLen".lower(), f"{word}SubnetLen", max(usual, short), BITS[family(cidr)] + 1)
    ends = {"first": f"{word}SubnetMin", "last": f"{word}SubnetMax"}
    found = {name: parse.address(body[key.lower()], key) for name, key in ends.items() if body.get(key.lower())}
    return {"cidr": cidr, "length": length, **found}


def _words(word: str, cidr: str, length: int) -> dict[str, Any]:
    return {f"{word}Network": cidr, f"{word}SubnetLen": length}


def _ends(word: str, first: str, last: str) -> dict[str, str]:
    both = {f"{word}SubnetMin": first, f"{word}SubnetMax": last}
    return {name: value for name, value in both.items() if value}


def _object(data: bytes) -> dict[str, Any]:
    """A JSON object with its fields' names in small letters; ValueError when it is none."""
    try:
        body = loads(data.decode("utf-8"))
    except RecursionError as error:
        raise ValueError("nested too deeply") from error
    if not isinstance(body, dict):
        raise ConfigError("", "no object")
    return {name.lower(): value for name, value in body.items()}


def _part(body: dict[str, Any], name: str) -> dict[str, Any]:
    """An object in an object, empty where there is none."""
    value = body.get(name)
    if value is not None and not isinstance(value, dict):
        raise ConfigError(name, "no object")
    return {key.lower(): one for key, one in (value or {}).items()}


def _address(body: dict[str, Any], *names: str) -> str:
    """The first of those fields that holds an address, "" when none does."""
    found = [parse.address(body[name], name) for name in names if body.get(name) not in (None, "", _NONE, "::")]
    return found[0] if found else ""


def _mac(body: dict[str, Any], at: str) -> str:
    value = body.get("vtepmac")
    return parse.mac(value, at) if value not in (None, "") else ""


def _key(four: dict[str, Any], six: dict[str, Any]) -> str:
    """The public key of a host, "" for none; it is the same for both families."""
    told = {
        at: part["publickey"] for part, at in ((four, "BackendData"), (six, "BackendV6Data")) if "publickey" in part
    }
    found = {parse.wireguard_key(value, f"{at}.PublicKey") for at, value in told.items() if value != ""}
    if len(found) > 1:
        raise ConfigError("BackendV6Data.PublicKey", "is another than that of BackendData")
    return next(iter(found), "")


def _port_of(kind: str) -> str:
    return _PORTS.get(kind, "Port")


def _text(body: dict[str, Any], name: str, at: str) -> str:
    value = body.get(name, "")
    if not isinstance(value, str):
        raise ConfigError(at, "no text")
    return value


def _flag(body: dict[str, Any], name: str, default: bool) -> bool:
    value = body.get(name, default)
    if type(value) is not bool:
        raise ConfigError(name, "neither true nor false")
    return value


def _number(body: dict[str, Any], name: str, at: str, default: int, end: int = 1 << 31) -> int:
    value = body.get(name, default)
    if type(value) is not int or not 0 <= value < end:
        raise ConfigError(at, f"no whole number from 0 to {end - 1}")
    return value
