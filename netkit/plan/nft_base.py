"""The frame of netkit's own nftables tables: what is the same whatever networks, ports and containers there are.

    raw prerouting    first        loopback and container addresses are not reachable by a route from outside
    nat prerouting    prerouting   a packet for an address of this host -> publish (one map look-up, however many ports)
    nat output        output       the same for what the host itself sends
    filter forward    forward      a verdict map by interface: isolation, internal networks, egress, published ports
    nat postrouting   postrouting  masquerade for egress, hairpin and host-loopback, and for nothing else
    bridge prerouting (-300)       a guarded port sends under its own MAC and addresses only

Networks, ports and containers are elements of the sets and maps; no rule ever comes or goes with them, but for ports
that are published under conditions (`nft_when`): each has a chain, which the maps `when4` and `when6` lead to. What
most packets need is asked for first, and cheaply: a name costs more than an address, an interval more than a value. A
network whose containers are routed one by one is known by what its links' names begin with, so that nothing at all
comes or goes with a container of it. (nft 1.0.6 cannot delete such a beginning, unless it is one field of several.) An
accept here is a verdict for this base chain alone: other tools' drops stay (see `Admit`), and other tools' accepts do
not open what is dropped here.
"""

from __future__ import annotations

from netkit.naming import ROUTED

TYPE_CHECKING = False
if TYPE_CHECKING:
    Chains = tuple[tuple[str, str, tuple[str, ...]], ...]

#: Bridges of other container tools: not netkit's to cut off, and not its containers' to reach.
FOREIGN = ("docker0", "br-*", "virbr*", "cni*", "podman*", "lxcbr*", "lxdbr*")

_BRIDGES = "{ " + ", ".join(f'"{name}"' for name in FOREIGN) + " }"
_CABLE = f'"{ROUTED}*"'
_PORT, _RANGE = "inet_proto . inet_service", "flags interval"

SETS = {
    "nkif": "type ifname",
    "nets4": f"type ipv4_addr; {_RANGE}",
    "nets6": f"type ipv6_addr; {_RANGE}",
    "masq4": f"type ipv4_addr; {_RANGE}",
    "masq6": f"type ipv6_addr; {_RANGE}",
    "hair4": f"type ifname . ipv4_addr; {_RANGE}",
    "hair6": f"type ifname . ipv6_addr; {_RANGE}",
    "switches": "type ifname . ifname",
    "pairs": f"type ifname . ifname; {_RANGE}",
    "closed": "type nf_proto",
    "routers": "type nf_proto . ifname",
    "back4": f"type ipv4_addr . ipv4_addr; {_RANGE}",
    "back6": f"type ipv6_addr . ipv6_addr; {_RANGE}",
    "keep4": "type ipv4_addr",
    "keep6": "type ipv6_addr",
    "let": "type ifname",
    "walls": "type ifname",
    "selves": "type ifname . ifname",
    "tunnels": "typeof udp dport . @th,96,24",  # port and VNI; nft 1.0.6 has no `vxlan vni`
    "tunnel4": "typeof iifname . ip saddr . udp dport . @th,96,24",
    "tunnel6": "typeof iifname . ip6 saddr . udp dport . @th,96,24",
    "tunnel_any": "typeof iifname . udp dport . @th,96,24",
    "road4": f"type ifname . ipv4_addr . ipv4_addr; {_RANGE}",
    "road6": f"type ifname . ipv6_addr . ipv6_addr; {_RANGE}",
}
MAPS = {
    "fwd_from": "type ifname : verdict",
    "fwd_to": "type ifname : verdict",
    "cable_from": f"type ifname . nf_proto : verdict; {_RANGE}",
    "cable_to": f"type ifname . nf_proto : verdict; {_RANGE}",
    "any4": f"type {_PORT} : ipv4_addr . inet_service",
    "any6": f"type {_PORT} : ipv6_addr . inet_service",
    "host4": f"type ipv4_addr . {_PORT} : ipv4_addr . inet_service",
    "host6": f"type ipv6_addr . {_PORT} : ipv6_addr . inet_service",
    "rany4": f"type {_PORT} : ipv4_addr; {_RANGE}",
    "rany6": f"type {_PORT} : ipv6_addr; {_RANGE}",
    "rhost4": f"type ipv4_addr . {_PORT} : ipv4_addr; {_RANGE}",
    "rhost6": f"type ipv6_addr . {_PORT} : ipv6_addr; {_RANGE}",
    "when4": f"type ipv4_addr . {_PORT} : verdict; {_RANGE}",
    "when6": f"type ipv6_addr . {_PORT} : verdict; {_RANGE}",
}

#: Chains in an order in which each is known before another names it: (name, hook, rules).
CHAINS: Chains = (
    (
        "tunnel",
        "",
        (
            "iifname . ip6 saddr . udp dport . @th,96,24 @tunnel6 notrack accept",
            "iifname . udp dport . @th,96,24 @tunnel_any notrack accept",
            "fib daddr type { local, broadcast, multicast } drop",  # the rest is another host's
        ),
    ),
    (
        "untracked",
        "type filter hook output priority raw; policy accept",
        ("udp dport . @th,96,24 @tunnels notrack",),
    ),
    (
        "first",
        "type filter hook prerouting priority raw; policy accept",
        (
            # Not tracked, so that it costs less and nobody's NAT has a hand in it; first, as these are most.
            "iifname . ip saddr . udp dport . @th,96,24 @tunnel4 notrack accept",
            'ip daddr 127.0.0.0/8 iifname != "lo" drop',
            'ip saddr 127.0.0.0/8 iifname != "lo" drop',
            "udp dport . @th,96,24 @tunnels jump tunnel",
            "iifname @nkif return",
            'iifname "lo" return',
            f"iifname {_CABLE} fib saddr . iif oif missing drop",
            f"iifname {_CABLE} return",
            "iifname . ip saddr . ip daddr @road4 return",
            "iifname . ip6 saddr . ip6 daddr @road6 return",
            "ip daddr @nets4 drop",
            "ip6 daddr @nets6 drop",
        ),
    ),
    (
        "publish",
        "",
        (
            "dnat ip to ip daddr . meta l4proto . th dport map @host4",
            "dnat ip6 to ip6 daddr . meta l4proto . th dport map @host6",
            "dnat ip to meta l4proto . th dport map @any4",
            "dnat ip6 to meta l4proto . th dport map @any6",
            "dnat ip to ip daddr . meta l4proto . th dport map @rhost4",
            "dnat ip6 to ip6 daddr . meta l4proto . th dport map @rhost6",
            "dnat ip to meta l4proto . th dport map @rany4",
            "dnat ip6 to meta l4proto . th dport map @rany6",
            "ip daddr . meta l4proto . th dport vmap @when4",
            "ip6 daddr . meta l4proto . th dport vmap @when6",
        ),
    ),
    (
        "prerouting",
        "type nat hook prerouting priority dstnat; policy accept",
        ("ip daddr 127.0.0.0/8 return", "ip6 saddr fe80::/10 return", "fib daddr type local jump publish"),
    ),
    (
        "output",
        "type nat hook output priority -100; policy accept",
        ("ip6 daddr ::1 return", "fib daddr type local jump publish"),
    ),
    (
        "postrouting",
        "type nat hook postrouting priority srcnat; policy accept",
        (
            "oifname . ip daddr . ip saddr @road4 return",
            "oifname . ip6 daddr . ip6 saddr @road6 return",
            f"ip saddr @masq4 oifname != @nkif oifname != {_CABLE} ip daddr != 224.0.0.0/4 masquerade",
            f"ip6 saddr @masq6 oifname != @nkif oifname != {_CABLE} ip6 daddr != ff00::/8 masquerade",
            "ct status dnat ip daddr @keep4 return",
            "ct status dnat ip6 daddr @keep6 return",
            "ct status dnat oifname . ip saddr @hair4 masquerade",
            "ct status dnat oifname . ip6 saddr @hair6 masquerade",
            "ip saddr 127.0.0.0/8 oifname @nkif masquerade",
            f"ip saddr 127.0.0.0/8 oifname {_CABLE} masquerade",
            "ct status dnat ip saddr . ip daddr @back4 masquerade",
            "ct status dnat ip6 saddr . ip6 daddr @back6 masquerade",
        ),
    ),
    ("masked", "", ('meta iifkind "vxlan" return', "drop")),  # what the tunnel itself sends is let go
    (
        "disguised",
        "type filter hook postrouting priority srcnat + 1; policy accept",
        # Masqueraded, a container's packet to another host's tunnel would look as if this host had sent it.
        ("ct status snat udp dport . @th,96,24 @tunnels iif != 0 goto masked",),
    ),
    ("to_nat", "", ("ct state established,related accept", "ct status dnat accept", "drop")),
    ("to_cable", "", ("oifname . meta nfproto vmap @cable_to", "drop")),
    (
        "from_nat",
        "",
        (
            "iifname . oifname @pairs accept",
            "ct state invalid drop",  # NAT leaves those alone, so they would go out with a container's address
            f"oifname {_CABLE} goto to_cable",
            "oifname vmap @fwd_to",
            f"oifname {_BRIDGES} ct status ! dnat drop",
            "accept",
        ),
    ),
    ("from_int", "", ("iifname . oifname @pairs accept", "drop")),
    ("from_cable", "", ("iifname . meta nfproto vmap @cable_from", "drop")),
    (
        "forward",
        "type filter hook forward priority filter; policy accept",
        (
            "iifname . oifname @switches accept",
            "iifname @walls oifname @walls iifname . oifname != @selves drop",
            "iifname . ip saddr . ip daddr @road4 accept",
            "iifname . ip6 saddr . ip6 daddr @road6 accept",
            f"iifname {_CABLE} goto from_cable",
            "iifname vmap @fwd_from",
            f"oifname {_CABLE} goto to_cable",
            "oifname vmap @fwd_to",
            "iifname @let accept",
            "oifname @let accept",
            f"iifname {_BRIDGES} accept",
            f"oifname {_BRIDGES} accept",
            "iifname . oifname @selves accept",
            "meta nfproto != @closed accept",
            "meta nfproto . iifname @routers accept",
            # With br_netfilter, frames that others' bridges switch come by here too, from a bridge to itself.
            'meta iifkind "bridge" meta oifkind "bridge" fib daddr . iif oif exists accept',
            'meta iifkind "bridge" meta oifkind "bridge" fib saddr . iif oif missing accept',
            "drop",
        ),
    ),
)

GUARD_SETS = {
    "ports": "type ifname",
    "bind4": "type ifname . ether_addr . ipv4_addr",
    "bind6": "type ifname . ether_addr . ipv6_addr",
    "targets6": "typeof iifname . @th,64,128",  # nft 1.0.6 has no `icmpv6 taddr`
}
GUARD_CHAINS: Chains = (
    (
        "port_arp",
        "",
        (
            "arp htype 1 arp ptype ip arp hlen 6 arp plen 4 iifname . ether saddr . arp saddr ip @bind4 "
            "iifname . arp saddr ether . arp saddr ip @bind4 accept",
            "drop",
        ),
    ),
    (
        "port_ip4",
        "",
        (
            "iifname . ether saddr . ip saddr != @bind4 drop",
            "ip saddr 0.0.0.0 udp dport != 67 drop",
            "ip saddr 0.0.0.0 meta l4proto != udp drop",
            "udp sport 67 drop",
        ),
    ),
    (
        "port_ip6",
        "",
        (
            "iifname . ether saddr . ip6 saddr != @bind6 drop",
            "icmpv6 type { nd-router-advert, nd-redirect } drop",
            "udp sport 547 drop",
            "ip6 saddr :: icmpv6 type != { nd-router-solicit, nd-neighbor-solicit, mld2-listener-report } drop",
            "ip6 saddr :: meta l4proto != ipv6-icmp drop",
            "icmpv6 type { nd-neighbor-solicit, nd-neighbor-advert } ip6 hoplimit != 255 drop",
            "icmpv6 type nd-neighbor-advert iifname . @th,64,128 != @targets6 drop",
        ),
    ),
    ("port", "", ("ether type vmap { arp : goto port_arp, ip : goto port_ip4, ip6 : goto port_ip6 }", "drop")),
    ("prerouting", "type filter hook prerouting priority -300; policy accept", ("iifname @ports goto port",)),
)


def frame() -> str:
    """The script that makes both tables, or makes them whole again without touching their elements."""
    return _table("inet", SETS, MAPS, CHAINS) + _table("bridge", GUARD_SETS, {}, GUARD_CHAINS)


def lengths(family: str) -> dict[str, int]:
    """How many rules each chain of that family's table has."""
    return {name: len(rules) for name, _, rules in (CHAINS if family == "inet" else GUARD_CHAINS)}


def _table(family: str, sets: dict[str, str], maps: dict[str, str], chains: Chains) -> str:
    lines = [f"add table {family} netkit"]
    for name, hook, _ in chains:  # not the table: chains of ports with conditions keep their rules
        lines += [f"add chain {family} netkit {name}" + (f" {{ {hook}; }}" if hook else "")]
        lines += [f"flush chain {family} netkit {name}"]
    lines += [f"table {family} netkit {{"]
    lines += [f"\tset {name} {{ {kind}; }}" for name, kind in sets.items()]
    lines += [f"\tmap {name} {{ {kind}; }}" for name, kind in maps.items()]
    for name, _, rules in chains:
        lines += [f"\tchain {name} {{", *(f"\t\t{rule}" for rule in rules), "\t}"]
    return "\n".join([*lines, "}"]) + "\n"
