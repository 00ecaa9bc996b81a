"""How rare ops read as commands."""

from __future__ import annotations

from netkit.plan.rare.dhcp import Dhcp, DhcpAnnounce, DhcpBind, DhcpRelease
from netkit.plan.rare.fastpath import (
    FastPathAdd,
    FastPathDel,
    FastPeerAdd,
    FastPeerDel,
    FastPortAdd,
    FastPortDel,
    FastUnderlayAdd,
    FastUnderlayDel,
)
from netkit.plan.rare.later import Later
from netkit.plan.rare.plugins import Plugin, PluginAdd, PluginDel
from netkit.plan.rare.shaping import HANDLE, IngressAdd, IngressDel, RedirectAdd, TokenBucketAdd, TokenBucketDel
from netkit.plan.rare.tuning import LinkTune
from netkit.plan.rare.udppath import UdpPathAdd, UdpPathDel, UdpPeerAdd, UdpPeerDel
from netkit.plan.rare.vlan import VlanAdd, VlanDel, VlanFilter
from netkit.plan.rare.vxlan import FLOODED, FdbAdd, FdbDel, NeighAdd, NeighDel, PortQuiet, Vxlan
from netkit.plan.rare.wireguard import EndClear, EndSet, PeerAdd, PeerDel
from netkit.plan.render import Command, ip, link_set, quote, switch, within

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import Any

    from netkit.plan.kinds import Info
    from netkit.plan.ops import Op


def _plugin(verb: str) -> Callable[[Any], tuple[Command, ...]]:
    def render_plugin(op: Plugin) -> tuple[Command, ...]:
        where = ":".join(op.directories)
        told = {
            "CNI_COMMAND": verb,
            "CNI_CONTAINERID": op.container,
            "CNI_NETNS": op.ns.path,
            "CNI_IFNAME": op.ifname,
            "CNI_PATH": where,
            "PATH": f"{where}:/usr/sbin:/usr/bin:/sbin:/bin",
        }
        return (Command(("env", *(f"{key}={value}" for key, value in told.items()), op.type), op.configuration),)

    return render_plugin


def _dhcp(*words: str) -> Callable[[Any], tuple[Command, ...]]:
    def render_dhcp(op: Dhcp) -> tuple[Command, ...]:
        name = ("-x", f"hostname:{op.hostname}") if op.hostname else ()
        return (Command(("nsenter", f"--net={op.ns.path}", "busybox", "udhcpc", "-i", op.ifname, *name, *words)),)

    return render_dhcp


def _dhcp_release(op: Dhcp) -> tuple[Command, ...]:
    return (Command(("pkill", "-USR2", "-f", f"udhcpc -i {op.ifname}"), may_fail=True),)


def _link_tune(op: LinkTune) -> tuple[Command, ...]:
    words: list[str | int] = ["address", op.mac] if op.mac else []
    words += ["txqueuelen", op.txqlen] if op.txqlen is not None else []
    words += ["allmulticast", switch(op.allmulti)] if op.allmulti is not None else []
    return (*(ip(op.ns, "link", "set", "dev", op.dev, *words) if words else ()), *link_set(op))


def _vlan_filter(op: VlanFilter) -> tuple[Command, ...]:
    return ip(op.ns, "link", "set", "dev", op.dev, "type", "bridge", "vlan_filtering", int(op.looks))


def _vlan(op: VlanAdd | VlanDel) -> tuple[Command, ...]:
    verb = "add" if isinstance(op, VlanAdd) else "del"
    ids = str(op.first) if op.first == op.last else f"{op.first}-{op.last}"
    access = ("pvid", "untagged") if isinstance(op, VlanAdd) and op.access else ()
    own = ("self",) if op.own else ()
    return (within(op.ns, "bridge", "vlan", verb, "dev", op.dev, "vid", ids, *access, *own),)


def _bucket(op: TokenBucketAdd | TokenBucketDel) -> tuple[Command, ...]:
    if isinstance(op, TokenBucketDel):
        return (within(op.ns, "tc", "qdisc", "del", "dev", op.dev, "root", "handle", f"{HANDLE:x}:"),)
    head = ("qdisc", "add", "dev", op.dev, "root", "handle", f"{HANDLE:x}:", "tbf")
    return (within(op.ns, "tc", *head, "rate", f"{op.rate}bit", "burst", op.burst, "limit", op.limit),)


def _ingress(op: IngressAdd | IngressDel) -> tuple[Command, ...]:
    verb = "add" if isinstance(op, IngressAdd) else "del"
    return (within(op.ns, "tc", "qdisc", verb, "dev", op.dev, "ingress"),)


def _redirect(op: RedirectAdd) -> tuple[Command, ...]:
    every = ("protocol", "all", "prio", 1, "handle", "800::800", "u32", "match", "u32", 0, 0)
    to = ("action", "mirred", "egress", "redirect", "dev", op.to)
    return (within(op.ns, "tc", "filter", "replace", "dev", op.dev, "ingress", *every, *to),)


def _vxlan(info: Vxlan) -> tuple[str | int, ...]:
    group = ("group", info.group) if info.group else ()
    learning = "learning" if info.learning else "nolearning"
    gbp = ("gbp",) if info.gbp else ()
    return ("id", info.vni, "local", info.local, *group, "dev", info.dev, "dstport", info.port, learning, *gbp)


def _fdb_add(op: FdbAdd) -> tuple[Command, ...]:
    verb = "append" if op.mac == FLOODED else "replace"
    own = within(op.ns, "bridge", "fdb", verb, op.mac, "dev", op.dev, "dst", op.dst, "self", "permanent")
    return (own, within(op.ns, "bridge", "fdb", verb, op.mac, "dev", op.dev, "master", "static"))[: 1 + op.in_bridge]


def _fdb_del(op: FdbDel) -> tuple[Command, ...]:
    own = within(op.ns, "bridge", "fdb", "del", op.mac, "dev", op.dev, "dst", op.dst, "self")
    return (*([within(op.ns, "bridge", "fdb", "del", op.mac, "dev", op.dev, "master")] if op.in_bridge else []), own)


def _neigh_add(op: NeighAdd) -> tuple[Command, ...]:
    words = ("neigh", "replace", op.address, "lladdr", op.mac, "dev", op.dev, "nud", "permanent")
    return (within(op.ns, "ip", *words),)


def _neigh_del(op: NeighDel) -> tuple[Command, ...]:
    return (within(op.ns, "ip", "neigh", "del", op.address, "dev", op.dev),)


def _port_quiet(op: PortQuiet) -> tuple[Command, ...]:
    words = [word for name, on in op.flags for word in (name, switch(on))]
    return (within(op.ns, "bridge", "link", "set", "dev", op.dev, *words),)


def _end_set(op: EndSet) -> tuple[Command, ...]:
    return (_wg(op.dev, "listen-port", op.port, "private-key", op.key),)


def _end_clear(op: EndClear) -> tuple[Command, ...]:
    return (_wg(op.dev, "listen-port", 0, "private-key", "/dev/null"),)


def _peer_add(op: PeerAdd) -> tuple[Command, ...]:
    preshared = ("preshared-key", op.psk) if op.psk else ()
    words = ("endpoint", op.endpoint, "persistent-keepalive", op.keepalive, "allowed-ips", ",".join(op.allowed))
    return (_wg(op.dev, "peer", op.public, *preshared, *words),)


def _peer_del(op: PeerDel) -> tuple[Command, ...]:
    return (_wg(op.dev, "peer", op.public, "remove"),)


def _wg(dev: str, *words: str | int) -> Command:
    return within(None, "wg", "set", dev, *words)


#: What follows `type KIND` of rare kinds of links.
KIND_WORDS: dict[type[Info], Callable[[Any], tuple[str | int, ...]]] = {Vxlan: _vxlan}


def _dhcp_announce(op: DhcpAnnounce) -> tuple[Command, ...]:
    """The address is known by now to whoever's shell this is."""
    address = (
        f"$(nsenter --net={quote(op.ns.path)} ip -o -4 addr show dev {op.ifname} | sed 's,.*inet \\([^/]*\\)/.*,\\1,')"
    )
    return (Command(line=f'nsenter --net={quote(op.ns.path)} arping -A -c 1 -I {op.ifname} "{address}"'),)


def _fast_path(
    op: FastPathAdd | FastPathDel | FastPortAdd | FastPortDel | FastUnderlayAdd | FastUnderlayDel,
) -> tuple[Command, ...]:
    """There is no command that makes one; `bpftool net show` tells what there is."""
    what = (
        "put a program at" if isinstance(op, (FastPathAdd, FastPortAdd, FastUnderlayAdd)) else "take the program from"
    )
    past = "the tunnel and the bridge" if isinstance(op, (FastUnderlayAdd, FastUnderlayDel)) else "the bridge"
    return (Command(line=f"# eBPF: {what} {op.dev} that leads frames past {past}"),)


def _fast_peer(op: FastPeerAdd | FastPeerDel) -> tuple[Command, ...]:
    what = "opens" if isinstance(op, FastPeerAdd) else "does not open"
    return (Command(line=f"# eBPF: the program at {op.dev} {what} what {op.peer} sends"),)


def _udp_path(op: UdpPathAdd | UdpPathDel) -> tuple[Command, ...]:
    if isinstance(op, UdpPathDel):
        return (Command(line=f"# eBPF: take the programs from {op.dev} and {op.link}"),)
    return (Command(line=f"# eBPF: put programs at {op.dev} and {op.link} that do in the kernel what the proxy does"),)


def _udp_peer(op: UdpPeerAdd | UdpPeerDel) -> tuple[Command, ...]:
    if isinstance(op, UdpPeerDel):
        return (Command(line=f"# eBPF: have the program at {op.dev} forget {op.subnet}"),)
    takes = "takes" if op.takes else "does not take"
    what = f"{op.subnet} is behind {op.address} port {op.port}, which {takes} what a kernel sends"
    return (Command(line=f"# eBPF: tell the program at {op.dev} that {what}"),)


def _later(op: Later) -> tuple[Command, ...]:
    return (Command(line=f"# {op.what}"),)


RENDERERS: dict[type[Op], Callable[[Any], tuple[Command, ...]]] = {
    Later: _later,
    FastPathAdd: _fast_path,
    FastPathDel: _fast_path,
    FastPortAdd: _fast_path,
    FastPortDel: _fast_path,
    FastUnderlayAdd: _fast_path,
    FastUnderlayDel: _fast_path,
    FastPeerAdd: _fast_peer,
    FastPeerDel: _fast_peer,
    UdpPathAdd: _udp_path,
    UdpPathDel: _udp_path,
    UdpPeerAdd: _udp_peer,
    UdpPeerDel: _udp_peer,
    PluginAdd: _plugin("ADD"),
    PluginDel: _plugin("DEL"),
    DhcpBind: _dhcp("-n", "-b"),
    DhcpAnnounce: _dhcp_announce,
    DhcpRelease: _dhcp_release,
    LinkTune: _link_tune,
    VlanFilter: _vlan_filter,
    VlanAdd: _vlan,
    VlanDel: _vlan,
    TokenBucketAdd: _bucket,
    TokenBucketDel: _bucket,
    IngressAdd: _ingress,
    IngressDel: _ingress,
    RedirectAdd: _redirect,
    FdbAdd: _fdb_add,
    FdbDel: _fdb_del,
    NeighAdd: _neigh_add,
    NeighDel: _neigh_del,
    PortQuiet: _port_quiet,
    EndSet: _end_set,
    EndClear: _end_clear,
    PeerAdd: _peer_add,
    PeerDel: _peer_del,
}
