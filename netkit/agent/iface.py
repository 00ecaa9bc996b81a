"""Which link leads to the other hosts, chosen as flannel chooses it, and why that one."""

from __future__ import annotations

import re

from netkit.errors import ConfigError, HostError, NotFoundError
from netkit.model import bare, family
from netkit.parts.egress import egress
from netkit.plan.host import FOREVER
from netkit.value import Value

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Sequence

    from netkit.plan.host import Address, Host

#: IFA_F_*: not yet checked, at the end of its life, one of many that change (privacy).
_DADFAILED, _TENTATIVE, _DEPRECATED, _TEMPORARY = 0x08, 0x40, 0x20, 0x01


class Wish(Value):
    """What a person says: links by name or address, patterns, an address that must be reached, own addresses."""

    ifaces: tuple[str, ...] = ()
    patterns: tuple[str, ...] = ()
    reach: str = ""
    public: str = ""
    public6: str = ""


class Iface(Value):
    """The link, this host's addresses there, what the others are told to send to, its MTU, and why it was chosen."""

    dev: str
    mtu: int
    local: str = ""
    local6: str = ""
    public: str = ""
    public6: str = ""
    why: str = ""


def choose(wish: Wish, links: Sequence[str], versions: Sequence[int], host: Host) -> Iface:
    """The link for these IP versions: what is named, else what matches, else what reaches, else the way out."""
    dev, why = _link(wish, links, versions, host)
    link = host.link(dev)
    if link is None:
        raise NotFoundError(f"this host has no link {dev}", f"it has: {', '.join(links)}")
    if not link.up:
        raise HostError(f"{dev} is down", f"put it up: ip link set dev {dev} up")
    if not link.carrier:
        raise HostError(f"{dev} has no carrier: nothing is at its other end", "plug it in, or name another: --iface IF")
    asked = (_source(wish.reach, host), *wish.ifaces)
    named = next((each for each in asked if each in _own(dev, host)), "")
    local, local6 = (_best(dev, version, named, host) for version in (4, 6))
    if (4 in versions and not local) or not (local or local6):
        hint = f"give it one, or choose another with --iface ({why})"
        raise HostError(f"{dev} has no IPv{4 if 4 in versions else 6} address", hint)
    public6 = wish.public6 or (local6 if local else "")
    return Iface(dev, link.mtu, local, local6, wish.public or local or local6, public6, why)


def _link(wish: Wish, links: Sequence[str], versions: Sequence[int], host: Host) -> tuple[str, str]:
    found = _named(wish.ifaces, links, host) or _matching(wish.patterns, links, host) or _reaching(wish.reach, host)
    asked = [each for each in (*wish.ifaces, *wish.patterns, wish.reach) if each]
    if asked and not found:
        raise NotFoundError(f"no link of this host is {' or '.join(asked)}", f"it has: {', '.join(links)}")
    for public in (wish.public, wish.public6):
        if not found and public and (dev := _with_address(public, links, host)):
            found = dev, f"{public} is an address of {dev}"
    return found or _way_out(versions, host)


def _named(names: Sequence[str], links: Sequence[str], host: Host) -> tuple[str, str] | None:
    for name in names:
        if name in links:
            return name, f"--iface {name}"
        if dev := _with_address(name, links, host):
            return dev, f"--iface {name} is an address of {dev}"
    return None


def _matching(patterns: Sequence[str], links: Sequence[str], host: Host) -> tuple[str, str] | None:
    """The first link with an address that matches, or else the first whose name does."""
    for pattern in patterns:
        try:
            wanted = re.compile(pattern)
        except re.error as error:
            raise ConfigError("iface-regex", f"{pattern!r} is no pattern: {error}") from error
        fitting = [dev for dev in links if any(wanted.search(address) for address in _own(dev, host))]
        fitting += [dev for dev in links if wanted.search(dev)]
        if fitting:
            return fitting[0], f"--iface-regex {pattern}"
    return None


def _reaching(address: str, host: Host) -> tuple[str, str] | None:
    way = host.way_to(address) if address else None
    return (way.dev, f"the way to {address} is by {way.dev}") if way and way.dev else None


def _way_out(versions: Sequence[int], host: Host) -> tuple[str, str]:
    found = {version: way.dev for version in versions if (way := egress(host, version))}
    if len(set(found.values())) > 1:
        raise ConfigError("iface", f"IPv4 leaves by {found[4]} and IPv6 by {found[6]}", "say which with --iface")
    if not found:
        raise HostError("this host has no default route that would say which link", "say it with --iface IF")
    dev = next(iter(found.values()))
    return dev, f"the default route is by {dev}"


def _with_address(address: str, links: Sequence[str], host: Host) -> str:
    return next((dev for dev in links if address in _own(dev, host)), "")


def _own(dev: str, host: Host) -> list[str]:
    return [bare(address) for address in host.addresses(dev)]


def _source(address: str, host: Host) -> str:
    way = host.way_to(address) if address else None
    return way.src if way else ""


def _best(dev: str, version: int, named: str, host: Host) -> str:
    """The address of one family: the named one, else a global one that stays."""
    if named and family(named) == version:
        return named
    usable = [each for each in host.addressing(dev) if family(each.address) == version and not each.flags & _DEPRECATED]
    usable = [each for each in usable if not each.flags & (_TENTATIVE | _DADFAILED)] or usable
    return bare(min(usable, key=_rank).address) if usable else ""


def _rank(address: Address) -> tuple[bool, bool, bool]:
    local = address.address.startswith("fe80:") or address.address.startswith("169.254.")
    return local, family(address.address) == 6 and bool(address.flags & _TEMPORARY), address.valid != FOREVER
