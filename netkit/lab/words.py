"""The small texts of a topology file: commands, servers, targets, rates; a ConfigError without a place when off."""

from __future__ import annotations

import shlex

from netkit import parse
from netkit.errors import ConfigError
from netkit.naming import check_ifname, check_name

#: Names of members are host names, parts of file names, and words of a script.
_LONGEST = 32
_RATE = "write a number and a unit: 10mbit, 500kbit, 1gbit"
_SERVED = ("http", "tcp", "udp")


def member_name(text: str) -> str:
    """The name of a member, a switch or a lab."""
    name = check_name(text, "", "name")
    if len(name) > _LONGEST:
        raise ConfigError("", f"{name!r} is too long", f"use {_LONGEST} characters at most")
    if name in ("root", "netkit"):
        raise ConfigError("", f"{{{name}}} has a meaning of its own in commands", "choose another name")
    return name


def network_name(text: str) -> str:
    """The name of a network."""
    return check_name(text, "", "network name")


def ifname(text: str) -> str:
    """An interface name."""
    return check_ifname(text, "")


def interface(text: str) -> str:
    """An address with its prefix length."""
    return parse.interface(text, "")


def address(text: str) -> str:
    """An address."""
    return parse.address(text, "")


def destination(text: str) -> str:
    """Where a route leads: a prefix or `default`."""
    return text if text == "default" else parse.cidr(text, "")


def mac(text: str) -> str:
    """A MAC address."""
    return parse.mac(text, "")


def publish(text: str) -> str:
    """A published port, as `-p` takes it."""
    parse.publish(text, "")
    return text


def sysctl(text: str) -> str:
    """A sysctl's key below `net`, with dots or slashes; returned with slashes."""
    key = text if "/" in text else text.replace(".", "/")
    if not key.startswith("net/") or ".." in key or key.endswith("/"):
        raise ConfigError("", f"{text!r} is no sysctl of a network namespace", "for example net.ipv4.ip_forward")
    return key


def words(text: str) -> tuple[str, ...]:
    """The words of a command, quoted as a shell would have it, but run without one."""
    try:
        found = tuple(shlex.split(text))
    except ValueError as error:
        raise ConfigError("", f"{text!r}: {error}", "close the quote, or write the command as a list") from error
    if not found or not found[0]:
        raise ConfigError("", "the command is empty", "for example: ip link set lo up")
    return found


def server(text: str) -> tuple[str, int]:
    """Protocol and port of a server: `http 80`."""
    protocol, _, port = text.partition(" ")
    if protocol not in _SERVED:
        raise ConfigError("", f"{text!r} is no server", f"write one of {', '.join(_SERVED)} and a port: http 80")
    return protocol, parse.port(port.strip(), "")


def target(text: str) -> str:
    """A member's name or an address; a name is looked for later."""
    return parse.address(text, "") if ":" in text or text.replace(".", "").isdigit() else check_name(text, "")


def target_port(text: str) -> tuple[str, int]:
    """A target with a port: `web:80`, `192.0.2.1:80`, `[2001:db8::1]:80`."""
    host, colon, port = text.rpartition(":")
    bracketed = host.startswith("[") and host.endswith("]")
    if not colon or (":" in host and not bracketed):
        raise ConfigError("", f"{text!r} names no port", "write web:80, 192.0.2.1:80 or [2001:db8::1]:80")
    return target(host[1:-1] if bracketed else host), parse.port(port, "")


def rate(text: str) -> str:
    """What a wire carries a second, in the words of tc."""
    return _with_unit(text, ("kbit", "mbit", "gbit"), _RATE)


def delay(text: str) -> str:
    """How long a packet takes through a wire."""
    return _with_unit(text, ("ms", "us"), "write a number and a unit: 10ms")


def loss(text: str) -> str:
    """How much of what is sent gets lost."""
    return _with_unit(text, ("%",), "write a number and %: 1%")


def _with_unit(text: str, units: tuple[str, ...], hint: str) -> str:
    unit = next((one for one in units if text.endswith(one)), "")
    number = text.removesuffix(unit)
    if not unit or not number.replace(".", "", 1).isdigit() or float(number) == 0:
        raise ConfigError("", f"{text!r} is not understood", hint)
    return text
