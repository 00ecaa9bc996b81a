"""What people write, as values: addresses, subnets, MACs, MTUs, published ports.

Every function takes `at`, the path or option that the text stands at, and raises ConfigError with it. What comes out is
canonical text, safe in rules, file names and commands.
"""

from __future__ import annotations

from binascii import Error, a2b_base64, b2a_base64

from netkit.errors import ConfigError
from netkit.ipam.pool import BITS, Pool, default_gateway, number, overlaps, prefix_length, span, text
from netkit.model import ANY, PortMap, Subnet, bare, family

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Sequence

PROTOCOLS = ("tcp", "udp", "sctp")
_MIN_MTU = {4: 68, 6: 1280}
_MAX_MTU = 65535
_RATES = {"": 1, "bit": 1, "kbit": 10**3, "mbit": 10**6, "gbit": 10**9, "tbit": 10**12}
_KEY = frozenset("abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789_.-")
_PUBLISH = "write [IP:][HOST[-END]:]CONTAINER[-END][/tcp|udp|sctp], for example 8080:80"
_NO_HOSTS = {  # where no container can live
    "0.0.0.0/8": "stands for this host",
    "127.0.0.0/8": "is loopback",
    "224.0.0.0/4": "is multicast",
    "240.0.0.0/4": "is reserved",
    "::/127": "is loopback",
    "fe80::/10": "is link-local",
    "ff00::/8": "is multicast",
}


def address(value: object, at: str) -> str:
    """An IP address, without zone or prefix length, as canonical text."""
    if not isinstance(value, str):
        raise ConfigError(at, f"{value!r} is no IP address: text is needed", "for example 10.90.0.7 or fd00::7")
    if "%" in value:
        raise ConfigError(at, f"{value!r} has a zone", "leave out the % and what follows")
    if "/" in value:
        raise ConfigError(at, f"{value!r} has a prefix length", f"write {value.partition('/')[0]!r} alone")
    try:
        found = number(value)
    except ValueError as error:
        raise ConfigError(at, str(error), "for example 10.90.0.7 or fd00::7") from error
    if ":" in value and 1 < found < 1 << 48:
        raise ConfigError(at, f"{value!r} is an IPv4 address in IPv6's clothes", "write it as IPv4")
    return text(found, family(value))


def cidr(value: object, at: str) -> str:
    """A subnet `address/length` without host bits, as canonical text."""
    whole = interface(value, at)
    version, length = family(whole), prefix_length(whole)
    network = f"{text(span(whole)[0], version)}/{length}"
    if network != whole:
        raise ConfigError(at, f"{value!r} is an address in a subnet", f"the subnet is {network}")
    return whole


def interface(value: object, at: str) -> str:
    """An address with its prefix length, as canonical text."""
    if not isinstance(value, str) or "/" not in value:
        raise ConfigError(at, f"{value!r} is no subnet", "write address/length, for example 10.90.0.0/16")
    host, _, length = value.partition("/")
    host = address(host, at)
    bits = _decimal(length)
    if bits is None or bits > BITS[family(host)]:
        hint = f"use 0 to {BITS[family(host)]}" if "." not in length else "write the number of bits, no netmask"
        raise ConfigError(at, f"{length!r} is no prefix length", hint)
    return f"{host}/{bits}"


def subnets(
    cidrs: Sequence[object], gateways: Sequence[object] = (), ranges: Sequence[object] = ()
) -> tuple[Subnet, ...]:
    """Subnets, each with the gateway and the range that lie in it; the first usable address is the default gateway."""
    found: list[Subnet] = []
    for i, value in enumerate(cidrs):
        found.append(_subnet(value, f"subnets[{i}]", found))
    gateway_of = _spread([(address(v, f"gateways[{i}]"), f"gateways[{i}]") for i, v in enumerate(gateways)], found)
    range_of = _spread([(_range(v, f"ranges[{i}]"), f"ranges[{i}]") for i, v in enumerate(ranges)], found)
    made = []
    for i, subnet in enumerate(found):
        gateway = gateway_of.get(subnet.cidr, subnet.gateway)
        Pool.of(subnet.replace(gateway="")).check(gateway, f"subnets[{i}].gateway")
        whole = subnet.replace(gateway=gateway, ip_range=range_of.get(subnet.cidr, ""))
        try:
            Pool.of(whole)
        except ConfigError as error:
            raise ConfigError(f"subnets[{i}]", error.message.partition(": ")[2], error.hint) from error
        made.append(whole)
    return tuple(made)


def mac(value: object, at: str) -> str:
    """A unicast MAC address, in lower case."""
    parts = value.split(":") if isinstance(value, str) else []
    if len(parts) != 6 or not all(len(part) == 2 and set(part) <= set("0123456789abcdefABCDEF") for part in parts):
        raise ConfigError(at, f"{value!r} is no MAC address", "six pairs of hexadecimal digits: 02:42:ac:11:00:02")
    if int(parts[0], 16) & 1:
        raise ConfigError(at, f"{value!r} is a multicast address", "the first byte must be even, for example 02")
    if not any(int(part, 16) for part in parts):
        raise ConfigError(at, f"{value!r} is no address of an interface", "for example 02:42:ac:11:00:02")
    return ":".join(parts).lower()


def wireguard_key(value: object, at: str) -> str:
    """A WireGuard key in base64: 32 bytes in their one spelling, not all zero. No error shows it: it may be secret."""
    try:
        found = a2b_base64(value, strict_mode=True) if isinstance(value, str) else b""
    except (Error, ValueError):
        found = b""
    if len(found) != 32 or not any(found) or b2a_base64(found, newline=False).decode("ascii") != value:
        raise ConfigError(
            at, "no WireGuard key", "32 bytes in base64, as `wg genkey`, `wg pubkey` and `wg genpsk` print"
        )
    return str(value)


def mtu(value: object, at: str, version: int = 4) -> int:
    """An MTU in bytes: 68 (IPv4) or 1280 (IPv6) to 65535."""
    found = _integer(value)
    if found is None or not _MIN_MTU[version] <= found <= _MAX_MTU:
        raise ConfigError(at, f"{value!r} is no MTU", f"use {_MIN_MTU[version]} to {_MAX_MTU}, for example 1500")
    return found


def rate(value: object, at: str) -> int:
    """A bandwidth in bits a second: `10mbit`, `500kbit`, `1.5gbit`, or the bare number."""
    text = value.strip().lower() if isinstance(value, str) else ""
    digits = text.rstrip("abcdefghijklmnopqrstuvwxyz/")
    whole, dot, part = digits.partition(".")
    unit = text[len(digits) :]
    if unit.endswith(("bps", "b/s")):
        raise ConfigError(at, f"{value!r}: to tc {unit} are bytes, to others bits", f"write bits: {digits}mbit")
    known = unit in _RATES and whole.isascii() and whole.isdigit() and len(digits) < 20
    if not known or (dot and not (part.isascii() and part.isdigit())):
        raise ConfigError(at, f"{value!r} is no bandwidth", "for example 500kbit, 10mbit or 1gbit")
    bits = int(whole + part) * _RATES[unit] // int(f"1{'0' * len(part)}")
    if bits < 8:
        raise ConfigError(at, f"{value!r} lets nothing through", "for example 10mbit; leave it out for no limit")
    return bits


def sysctl(value: str, at: str) -> tuple[str, str]:
    """`net.ipv4.tcp_syncookies=1` as the key with slashes and the value; only what a namespace has of its own."""
    key, equals, setting = value.partition("=")
    if not equals or not setting.strip():
        raise ConfigError(at, f"{value!r} sets nothing", "for example net.ipv4.ip_unprivileged_port_start=0")
    return sysctl_key(key.strip(), at), " ".join(setting.split())


def sysctl_key(key: str, at: str) -> str:
    """A key with slashes; its first separator decides, as for sysctl(8): `net.ipv4.conf.eth0/7.mtu` is of eth0.7."""
    dots, slashes = key.find("."), key.find("/")
    if dots >= 0 and (slashes < 0 or dots < slashes):
        key = key.replace(".", "\0").replace("/", ".").replace("\0", "/")
    parts = key.split("/")
    if len(parts) < 2 or not all(part.strip(".") and _KEY.issuperset(part) for part in parts):
        raise ConfigError(at, f"{key!r} is no sysctl key", "for example net.ipv4.ip_unprivileged_port_start")
    if parts[0] != "net":
        raise ConfigError(
            at, f"{key.replace('/', '.')} is the whole machine's", "a container has only net.* of its own"
        )
    return key


def port(value: object, at: str) -> int:
    """A port number, 1 to 65535."""
    found = _integer(value)
    if found is None:
        raise ConfigError(at, f"{value!r} is no port", "use a number from 1 to 65535")
    if found == 0:
        raise ConfigError(at, "there is no port 0", "leave the host's port out to get a free one")
    if found > 65535:
        raise ConfigError(at, f"port {found} is too high", "use a number from 1 to 65535")
    return found


def protocol(value: object, at: str) -> str:
    """`tcp`, `udp` or `sctp`."""
    found = value.lower() if isinstance(value, str) else ""
    if found not in PROTOCOLS:
        raise ConfigError(at, f"{value!r} is no protocol that has ports", "use tcp, udp or sctp")
    return found


def publish(value: str, at: str, dual: bool = False) -> tuple[PortMap, ...]:
    """The port maps of one `-p`: `[IP:][HOST[-END]:]CONTAINER[-END][/PROTOCOL]`, IPv6 hosts in brackets.

    A host port left out is 0, to be chosen later. Without IP it is every address of the host: of IPv4, and of IPv6 too
    if `dual`.
    """
    ports, slash, name = value.partition("/")
    proto = protocol(name, at) if slash else "tcp"
    host_ip, host, container = _split(ports, at)
    first, count = _ports(container, at)
    host_first = 0
    if host:
        host_first, host_count = _ports(host, at)
        _refuse_unequal(host, host_count, container, count, at)
    host_ips = (address(host_ip, at),) if host_ip else (ANY[4], ANY[6]) if dual else (ANY[4],)
    return tuple(PortMap(proto, ip, host_first, first, count) for ip in host_ips)


def expose(value: str, at: str) -> tuple[PortMap, ...]:
    """The port maps of one `--expose`: `CONTAINER[-END][/PROTOCOL]`, on free host ports of both families."""
    if ":" in value:
        raise ConfigError(at, f"{value!r} names a host's port or address, too", f"publish it: -p {value}")
    return publish(value, at, dual=True)


def _split(ports: str, at: str) -> tuple[str, str, str]:
    """`IP`, `HOST` and `CONTAINER`, "" for what is left out."""
    bracketed = ports.startswith("[")
    host_ip, closed, rest = ports[1:].partition("]") if bracketed else ("", "", ports)
    if bracketed and not (closed and rest.startswith(":") and ":" in host_ip):
        raise ConfigError(at, f"{ports!r}: an IPv6 host stands in brackets, a colon after them", "[::1]:8080:80")
    parts = rest.removeprefix(":").split(":") if bracketed else rest.split(":")
    if len(parts) > (2 if bracketed else 3):
        hint = _PUBLISH if bracketed else f"put an IPv6 host in brackets: [::1]:8080:80; {_PUBLISH}"
        raise ConfigError(at, f"{ports!r} has too many colons", hint)
    if not bracketed and (len(parts) == 3 or (len(parts) == 2 and "." in parts[0])):
        host_ip, *parts = parts
        if not host_ip:
            raise ConfigError(at, f"{ports!r} begins with a colon", _PUBLISH)
    if not parts[-1]:
        raise ConfigError(at, f"{ports!r} names no container port", _PUBLISH)
    return host_ip, parts[0] if len(parts) == 2 else "", parts[-1]


def _ports(value: str, at: str) -> tuple[int, int]:
    """`8000` or `8000-8005` as the first port and how many."""
    start, dash, end = value.partition("-")
    if dash and not (start and end):
        raise ConfigError(at, f"{value!r} is no range of ports", "write first-last, for example 8000-8005")
    first = port(start, at)
    last = port(end, at) if dash else first
    if last < first:
        raise ConfigError(at, f"the range {value} runs backwards", f"write {last}-{first}")
    return first, last - first + 1


def _refuse_unequal(host: str, host_count: int, container: str, count: int, at: str) -> None:
    if host_count == count:
        return
    if count == 1:
        hint = f"leave the host's port out for any free one, or name one: {host.partition('-')[0]}:{container}"
        raise ConfigError(at, f"{host}:{container} asks for any one free port of a range, as Docker allows", hint)
    raise ConfigError(
        at,
        f"the ranges {host} and {container} are of different length: {host_count} and {count}",
        "give as many host ports as container ports",
    )


def habitable(value: object, at: str) -> str:
    """A subnet in which containers can live, in canonical text."""
    whole = cidr(value, at)
    for no_hosts, why in _NO_HOSTS.items():
        if overlaps(whole, no_hosts):
            raise ConfigError(at, f"no container can live in {whole}: {no_hosts} {why}", "for example 10.90.0.0/16")
    return whole


def _subnet(value: object, at: str, earlier: Sequence[Subnet]) -> Subnet:
    whole = habitable(value, at)
    for other in earlier:
        if overlaps(whole, other.cidr):
            raise ConfigError(at, f"{whole} overlaps {other.cidr}", "give subnets that have no address in common")
    try:
        return Subnet(whole, default_gateway(whole))
    except ConfigError as error:
        raise ConfigError(at, error.message.partition(": ")[2], error.hint) from error


def _range(value: object, at: str) -> str:
    """A range of addresses to give out, as a subnet or as `first-last`."""
    if not isinstance(value, str) or "-" not in value:
        return cidr(value, at)
    start, _, end = value.partition("-")
    first, last = address(start, at), address(end, at)
    if family(first) != family(last) or number(first) > number(last):
        raise ConfigError(at, f"{value!r} is no range", "write the lower address first, both of one family")
    return f"{first}-{last}"


def _spread(values: Sequence[tuple[str, str]], found: Sequence[Subnet]) -> dict[str, str]:
    """Which of these addresses or ranges belongs to which subnet."""
    spread: dict[str, str] = {}
    for value, at in values:
        ends = value.split("-") if "-" in value else [bare(value), text(span(value)[1], family(value))]
        inside = [s.cidr for s in found if all(overlaps(end, s.cidr) for end in ends)]
        if not inside:
            raise ConfigError(at, f"{value} lies in no subnet of this network", "give it the subnet that it belongs to")
        if inside[0] in spread:
            raise ConfigError(at, f"{value} is the second for {inside[0]}", "give one a subnet")
        spread[inside[0]] = value
    return spread


def _integer(value: object) -> int | None:
    """A whole number, of JSON or in decimal text; a bool is none."""
    if isinstance(value, str):
        return _decimal(value)
    return value if type(value) is int and value >= 0 else None


def _decimal(digits: str) -> int | None:
    """Plain decimal digits, without sign, space or leading zero."""
    plain = 0 < len(digits) < 10 and digits.isascii() and digits.isdigit()
    return int(digits) if plain and (digits == "0" or digits[0] != "0") else None
