"""The frame of netkit's iptables chains: what is the same whatever networks and ports there are."""

from __future__ import annotations

from netkit.plan.nft_base import FOREIGN

#: Chains that hold one marked line per network or port.
GROWING = (
    ("raw", "NETKIT-DIRECT"),
    ("raw", "NETKIT-TUNNEL"),
    ("filter", "NETKIT-FROM"),
    ("filter", "NETKIT-TO"),
    ("filter", "NETKIT-PAIRS"),
    ("filter", "NETKIT-CLOSED"),
    ("filter", "NETKIT-WALLED"),
    ("filter", "NETKIT-WALL"),
    ("filter", "NETKIT-ADMIN"),
    ("filter", "NETKIT-LET"),
    ("nat", "NETKIT-DNAT"),
    ("nat", "NETKIT-HAIRPIN"),
    ("nat", "NETKIT-EGRESS"),
)

_BRIDGES = tuple(name.replace("*", "+") for name in FOREIGN)
_REPLIES = "-m conntrack --ctstate RELATED,ESTABLISHED -j ACCEPT"
_BOTH = (4, 6)

#: Chains that are written whole: (families, table, chain, lines).
FIXED: tuple[tuple[tuple[int, ...], str, str, tuple[str, ...]], ...] = (
    (
        (4,),
        "raw",
        "NETKIT-RAW",
        (
            "-p udp -j NETKIT-TUNNEL",
            "! -i lo -d 127.0.0.0/8 -j DROP",
            "! -i lo -s 127.0.0.0/8 -j DROP",
            "-i lo -j RETURN",
            "-g NETKIT-DIRECT",
        ),
    ),
    ((6,), "raw", "NETKIT-RAW", ("-p udp -j NETKIT-TUNNEL", "-i lo -j RETURN", "-g NETKIT-DIRECT")),
    (
        _BOTH,
        "filter",
        "NETKIT-IN",
        (_REPLIES, "-m conntrack --ctstate DNAT -j ACCEPT", "-j DROP"),
    ),
    (_BOTH, "filter", "NETKIT-INT", ("-j NETKIT-PAIRS", "-j DROP")),
    (
        _BOTH,
        "filter",
        "NETKIT-NAT",
        (
            "-j NETKIT-PAIRS",
            "-m conntrack --ctstate INVALID -j DROP",  # NAT leaves those alone
            "-j NETKIT-TO",
            *(f"-o {name} -m conntrack ! --ctstate DNAT -j DROP" for name in _BRIDGES),
            "-j ACCEPT",
        ),
    ),
    (
        _BOTH,
        "filter",
        "NETKIT-FWD",
        (
            "-j NETKIT-WALL",
            "-j NETKIT-ADMIN",
            "-j NETKIT-FROM",
            "-j NETKIT-TO",
            "-j NETKIT-LET",
            *(f"-{way} {name} -j RETURN" for name in _BRIDGES for way in "io"),
            "-m physdev --physdev-is-bridged -j RETURN",  # with br_netfilter, switched frames come by here too
            "-j NETKIT-CLOSED",
        ),
    ),
    (_BOTH, "nat", "NETKIT-POST", ("-j NETKIT-HAIRPIN", "-g NETKIT-EGRESS")),
)

_LOCAL = "-m addrtype --dst-type LOCAL -j NETKIT-DNAT"

#: The lines that hang the frame into the built-in chains: (families, table, chain, line, at its head).
JUMPS = (
    (_BOTH, "raw", "PREROUTING", "-j NETKIT-RAW", True),
    (_BOTH, "filter", "FORWARD", "-j NETKIT-FWD", True),
    ((4,), "nat", "PREROUTING", f"! -d 127.0.0.0/8 {_LOCAL}", False),
    ((6,), "nat", "PREROUTING", f"! -s fe80::/10 {_LOCAL}", False),
    ((4,), "nat", "OUTPUT", _LOCAL, False),
    ((6,), "nat", "OUTPUT", f"! -d ::1/128 {_LOCAL}", False),
    (_BOTH, "nat", "POSTROUTING", "-j NETKIT-POST", True),
)
