"""Names and MAC addresses, derived from ids and never drawn at random.

The same attachment always gets the same id, host link and MAC, so a plan is known before the kernel is touched, and
whatever is found on a host can be traced to its record.
"""

from __future__ import annotations

from netkit.errors import ConfigError

#: Link group of everything that netkit creates: the ownership mark that exists from a link's first instant.
GROUP = 28267
#: Route protocol of every route that netkit adds (/etc/iproute2/rt_protos has no name for it).
PROTOCOL = 142
#: How the host ends of routed cables begin; what follows tells the network's from another's, then the attachment's.
ROUTED = "nkp"
#: How the devices of tunnels begin: those of overlays, and those that are called as flannel calls them.
TUNNELS = ("nkv", "flannel.", "flannel-v6.")
#: Length of the hexadecimal ids that people see.
ID_LENGTH = 12

_NAME = frozenset("abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789_.-")
_ALNUM = _NAME - frozenset("_.-")
_RESERVED_IFNAMES = frozenset({"all", "default", "lo"})
_LETTERS = "abcdefghijklmnopqrstuvwxyz234567"
_OFFSET, _PRIME, _MASK = 0xCBF29CE484222325, 0x100000001B3, (1 << 64) - 1


def digest(*parts: str) -> int:
    """A 64-bit FNV-1a hash with a final mix; hashlib would load OpenSSL (2 ms) and nothing here is a secret."""
    value = _OFFSET
    for byte in "\0".join(parts).encode("utf-8", "surrogatepass"):
        value = ((value ^ byte) * _PRIME) & _MASK
    value = ((value ^ (value >> 33)) * 0xFF51AFD7ED558CCD) & _MASK
    value = ((value ^ (value >> 33)) * 0xC4CEB9FE1A85EC53) & _MASK
    return value ^ (value >> 33)


def short_id(*parts: str) -> str:
    """Twelve hexadecimal digits that stand for these parts."""
    return f"{digest(*parts):016x}"[:ID_LENGTH]


def attachment_id(network: str, container: str, ifname: str) -> str:
    """The id of an attachment: one container on one network under one interface name."""
    return short_id("attachment", network, container, ifname)


def host_ifname(attachment: str) -> str:
    """The host end of an attachment's cable: `nk` and its id, 14 of the 15 characters that Linux allows."""
    return f"nk{attachment}"


def passing_name(ifname: str) -> str:
    """What a link is called that is on its way into a namespace, until it has its own name there."""
    return host_ifname(short_id("passing", ifname))


def bridge_name(network: str) -> str:
    """The bridge of a network that names none: `nk-` and the network's name, or its hash where that is too long."""
    return f"nk-{network}" if len(network) <= 12 else f"nk-{short_id('bridge', network)}"


def bundle(network: str) -> str:
    """All host ends of a network whose containers are routed one by one: what their names begin with, and `*`."""
    value = digest("bundle", network)
    return ROUTED + "".join(_LETTERS[value >> shift & 31] for shift in (0, 5, 10, 15)) + "*"


def of_bundle(device: str, attachment: str) -> str:
    """The host end of one attachment among those of a bundle."""
    start = device.removesuffix("*")
    return start + attachment[: 15 - len(start)]


def queue_ifname(attachment: str) -> str:
    """The link on which what an attachment sends waits for its turn: `nq` and its id."""
    return f"nq{attachment}"


def mac(*parts: str) -> str:
    """A locally administered unicast MAC address for these parts."""
    tail = digest("mac", *parts).to_bytes(8, "big")[:5]
    return ":".join(f"{byte:02x}" for byte in (0x02, *tail))


def link_local(mac: str) -> str:
    """The IPv6 link-local address that the kernel makes from a MAC (modified EUI-64), in canonical text."""
    b = [int(part, 16) for part in mac.split(":")]
    words = ((b[0] ^ 2) << 8 | b[1], b[2] << 8 | 0xFF, 0xFE00 | b[3], b[4] << 8 | b[5])
    return "fe80::" + ":".join(f"{word:x}" for word in words)


def check_name(name: str, at: str, what: str = "name") -> str:
    """A network's, container's or attachment's name as CNI allows it, or ConfigError."""
    if isinstance(name, str) and 0 < len(name) <= 128 and name[0] in _ALNUM and _NAME.issuperset(name):
        return name
    raise ConfigError(
        at,
        f"{name!r} is no valid {what}",
        "use letters, digits, '_', '.' and '-', a letter or digit first, 128 at most",
    )


def check_ifname(name: str, at: str = "ifname") -> str:
    """An interface name that is safe in /proc/sys paths, rules and commands, or ConfigError.

    Linux itself takes `-x`, `a;b` and `eth%d` (a template); netkit takes what people mean by a name.
    """
    if isinstance(name, str) and 0 < len(name) <= 15 and name[0] in _ALNUM and _NAME.issuperset(name):
        if name not in _RESERVED_IFNAMES:
            return name
        raise ConfigError(at, f"{name!r} is reserved", "choose another interface name, for example eth0")
    raise ConfigError(
        at,
        f"{name!r} is no valid interface name",
        "use 1 to 15 letters, digits, '_', '.' and '-', a letter or digit first",
    )
