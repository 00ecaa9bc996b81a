"""DHCP messages as frames, by scapy's layers, and what an answer says if it makes sense (RFC 2131, 2132, 3442)."""

from __future__ import annotations

import ipaddress
import struct

from scapy.layers.dhcp import BOOTP, DHCP
from scapy.layers.inet import IP, UDP
from scapy.layers.l2 import ARP, Ether

from netkit.value import Value

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

    from netkit.ipam.dhcp import DhcpLink

BROADCAST = "ff:ff:ff:ff:ff:ff"
NOWHERE, EVERYWHERE = "0.0.0.0", "255.255.255.255"
#: What we would like to be told: mask, routers, DNS, name, domain, MTU, lease, T1, T2, classless routes.
_WANTED = [1, 3, 6, 12, 15, 26, 51, 58, 59, 121]
_LARGEST = 1500
_BROADCAST_FLAG = 0x8000
_ETHERNET = 1
#: A lease shorter than this would be renewed all the time.
SHORTEST = 10
_FOREVER = 0xFFFFFFFF
_KINDS = {2: "offer", 5: "ack", 6: "nak"}


class Answer(Value):
    """A server's answer: `kind` is offer, ack or nak; the rest as it was told, "" and 0 for what was not."""

    kind: str
    server: str
    server_mac: str
    address: str = ""
    seconds: int = 0
    renew: int = 0
    rebind: int = 0
    gateway: str = ""
    routes: tuple[tuple[str, str], ...] = ()
    nameservers: tuple[str, ...] = ()
    domain: str = ""
    mtu: int = 0


def message(
    link: DhcpLink, kind: str, number: int, *options: tuple[str, Any], to: str = BROADCAST, **fields: str
) -> bytes:
    """A client's message; `fields` are `ciaddr`, where we have an address already, and `server`, where it goes to."""
    source, server = fields.get("ciaddr", NOWHERE), fields.get("server", EVERYWHERE)
    told = [("message-type", kind), ("client_id", b"\0" + link.id.encode()), *options]
    if kind in ("discover", "request"):
        told += [("max_dhcp_size", _LARGEST), ("param_req_list", _WANTED)]
        told += [("hostname", link.hostname)] if link.hostname else []
    bootp = BOOTP(
        op=1,
        htype=_ETHERNET,
        hlen=6,
        xid=number,
        flags=0 if source != NOWHERE else _BROADCAST_FLAG,
        ciaddr=source,
        chaddr=bytes.fromhex(link.mac.replace(":", "")),
    )
    ip = IP(src=source, dst=server) / UDP(sport=68, dport=67)
    return bytes(Ether(src=link.mac, dst=to) / ip / bootp / DHCP(options=[*told, "end"]))


def read(frame: bytes, link: DhcpLink, number: int) -> Answer | str | None:
    """The answer to our message `number`; a text says why it makes no sense; None is not for us at all."""
    packet = _dissected(frame)
    if packet is None or UDP not in packet or packet[UDP].dport != 68 or BOOTP not in packet:
        return None
    bootp = packet[BOOTP]
    if bootp.op != 2 or bootp.xid != number or bootp.chaddr[:6] != bytes.fromhex(link.mac.replace(":", "")):
        return None
    if DHCP not in packet:
        return "it has no options"
    options = {option[0]: option[1:] for option in packet[DHCP].options if isinstance(option, tuple)}
    try:
        return _answer(bootp, options, packet.src)
    except (ValueError, TypeError, LookupError) as error:
        return str(error)


def probe(link: DhcpLink, address: str) -> bytes:
    """An ARP probe, which asks whether anybody has this address already (RFC 5227)."""
    asked = ARP(op=1, hwsrc=link.mac, psrc=NOWHERE, hwdst="00:00:00:00:00:00", pdst=address)
    return bytes(Ether(src=link.mac, dst=BROADCAST) / asked)


def announcement(link: DhcpLink, address: str) -> bytes:
    """A gratuitous ARP: from now on it is ours."""
    told = ARP(op=1, hwsrc=link.mac, psrc=address, hwdst="00:00:00:00:00:00", pdst=address)
    return bytes(Ether(src=link.mac, dst=BROADCAST) / told)


def claimant(frame: bytes, link: DhcpLink, address: str) -> str:
    """The MAC of whoever else says that this address is its own, "" when this frame says no such thing."""
    packet = _dissected(frame)
    if packet is None or ARP not in packet:
        return ""
    arp = packet[ARP]
    theirs = arp.psrc == address or (arp.op == 1 and arp.psrc == NOWHERE and arp.pdst == address)
    return str(arp.hwsrc) if theirs and arp.hwsrc != link.mac else ""


def _dissected(frame: bytes) -> Ether | None:
    """The frame in layers; None for one that is shorter than it says."""
    try:
        return Ether(frame)
    except struct.error:
        return None


def _answer(bootp: Any, options: dict[str, Any], mac: str) -> Answer:
    kind = _KINDS.get(options["message-type"][0] if "message-type" in options else 0, "")
    if not kind:
        raise ValueError("it is neither offer, ack nor nak")
    if "server_id" not in options:
        raise ValueError("it does not say which server it is from")
    server = str(ipaddress.IPv4Address(options["server_id"][0]))
    if kind == "nak":
        return Answer(kind, server, mac)
    address = _address(bootp.yiaddr, options)
    seconds = int(options.get("lease_time", [0])[0])
    if seconds < SHORTEST:
        raise ValueError(f"a lease of {seconds} s is too short to be kept" if seconds else "it names no lease time")
    renew, rebind = _times(options, seconds)
    routes = _routes(options.get("classless_static_routes", [()])[0])
    gateway = next((via for dst, via in routes if dst == "0.0.0.0/0"), "") if routes else _gateway(options, address)
    return Answer(
        kind,
        server,
        mac,
        str(address),
        seconds,
        renew,
        rebind,
        gateway,
        tuple((dst, via) for dst, via in routes if dst != "0.0.0.0/0"),
        tuple(str(ipaddress.IPv4Address(one)) for one in options.get("name_server", ())),
        _text(options.get("domain", [b""])[0]),
        int(options.get("interface-mtu", [0])[0]),
    )


def _address(told: str, options: dict[str, Any]) -> ipaddress.IPv4Interface:
    """The address with its mask, if a host can have it."""
    if "subnet_mask" not in options:
        raise ValueError("it names no subnet mask")
    found = ipaddress.IPv4Interface(f"{told}/{options['subnet_mask'][0]}")
    if found.ip.is_multicast or found.ip.is_loopback or found.ip.is_unspecified or found.ip.is_reserved:
        raise ValueError(f"{found.ip} is no address of a host")
    net = found.network
    if net.prefixlen < 31 and found.ip in (net.network_address, net.broadcast_address):
        raise ValueError(f"{found.ip} is no address of a host in {net}")
    if not 1 <= net.prefixlen <= 32:
        raise ValueError(f"{net} is no subnet")
    return found


def _gateway(options: dict[str, Any], address: ipaddress.IPv4Interface) -> str:
    """The first router that the subnet has; others could not be reached."""
    routers = [ipaddress.IPv4Address(one) for one in options.get("router", ())]
    return next((str(router) for router in routers if router in address.network and router != address.ip), "")


def _times(options: dict[str, Any], seconds: int) -> tuple[int, int]:
    """T1 and T2, in order and within the lease; halfway and seven eighths where they are not."""
    renew, rebind = (int(options.get(key, [0])[0]) for key in ("renewal_time", "rebinding_time"))
    if 0 < renew < rebind < seconds:
        return renew, rebind
    return seconds // 2, seconds * 7 // 8


def _routes(told: Any) -> list[tuple[str, str]]:
    """Classless routes: scapy gives them as `10.0.0.0/8:10.0.0.1`."""
    found: list[tuple[str, str]] = []
    for one in told if isinstance(told, (list, tuple)) else [told]:
        dst, _, via = str(one).partition(":")
        found.append((str(ipaddress.IPv4Network(dst)), str(ipaddress.IPv4Address(via))))
    return found


def _text(told: bytes | str) -> str:
    text = told.decode("ascii", "ignore") if isinstance(told, bytes) else told
    return "".join(char for char in text if char.isalnum() or char in ".-_")[:253]
