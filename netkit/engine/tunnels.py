"""What ails the tunnels between hosts, as far as one host can see it: for `netkit doctor`."""

from __future__ import annotations

import os

from netkit.engine.compared import report_of
from netkit.engine.doctor import DOUBTFUL, Finding
from netkit.kernel import arp, conntrack, echo, inputs
from netkit.model import bare, family
from netkit.parts.tunnel import OVERHEAD
from netkit.plan.ops import LinkAdd, RulesAdd
from netkit.plan.rare.vxlan import Vxlan
from netkit.plan.rare.wireguard import EndSet, PeerAdd
from netkit.plan.rules import TunnelFrom
from netkit.state.networks import HOST

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator

    from netkit.engine.session import Session
    from netkit.model import Network
    from netkit.plan.host import Host
    from netkit.state.networks import Up

_DADFAILED = 0x08
#: Bytes of a packet that passes everywhere, IP header included; and those that show where a way narrows.
_SMALL = 128
_STEPS = (8950, 4000, 1500, 1492, 1480, 1476, 1460, 1450, 1430, 1420, 1400, 1380, 1350, 1300, 1280, 1200, 1000, 600)
#: So many peers are asked at once.
_MOST = 512
_MANAGER = "/run/NetworkManager"
_MANAGER_CONF = "/etc/NetworkManager/conf.d"


def look(session: Session) -> Iterator[Finding]:
    """Everything that is amiss with the tunnels of all networks."""
    host, seen = session.host(), False
    for up in session.networks.all_up():
        about, ops = f"network {up.network}", up.whole.ops if up.network != HOST else ()
        sealed = {op.dev: op for op in ops if isinstance(op, EndSet)}
        for op in ops:
            if not isinstance(op, LinkAdd) or not isinstance(op.info, Vxlan):
                continue
            seen, inner = True, op.info
            if inner.dev in sealed:  # what it runs in is the network's own, and missed where all of that is
                yield from _outside(about, sealed[inner.dev], up, session.networks.load(up.network), host)
                yield from _firewalls(about, inner, f"iifname {inner.dev} ")
            else:
                yield from _end(about, inner, host)
                yield from _ways(about, op, up, host)
                yield from _firewalls(about, inner)
            yield from _holes(about, op, up, host)
    yield from _told(session)
    if seen:
        yield from _managers()


def _told(session: Session) -> Iterator[Finding]:
    """What those who keep these networks could not do, and why one of them takes nobody in."""
    for net in session.networks.all():
        for line in report_of(session, net.name).failed if net.store else ():
            yield Finding(f"network {net.name}", line, "netkit overlay peers tells how its keeper fares")
        if lost := dict(net.options).get("lost") if net.mode == "flannel" else "":
            yield Finding(f"network {net.name}", f"it takes nobody in: {lost}", "netkit agent status tells more")


def _end(about: str, tunnel: Vxlan, host: Host) -> Iterator[Finding]:
    """This host's own address on the underlay."""
    link, local = host.link(tunnel.dev), tunnel.local
    if link is None or not link.up:
        state = "gone" if link is None else "down"
        yield Finding(
            about, f"{tunnel.dev}, which leads to the other hosts, is {state}", f"ip link set {tunnel.dev} up"
        )
        return
    if not link.carrier:
        yield Finding(about, f"{tunnel.dev}, which leads to the other hosts, has no carrier", "see its cable")
    mine = [address for address in host.addressing(tunnel.dev) if bare(address.address) == local]
    if not mine:
        has = ", ".join(bare(each) for each in host.addresses(tunnel.dev)) or "none"
        todo = "netkit overlay down, and up: the other hosts must name its new address"
        yield Finding(about, f"{tunnel.dev} has no longer the address {local} that it sends from; it has {has}", todo)
        return
    other = arp.held_by_another(tunnel.dev, local, link.mac) if family(local) == 4 else ""
    if other or mine[0].flags & _DADFAILED:
        what = f"another machine on {tunnel.dev} has the address {local}, too{f': {other}' if other else ''}"
        yield Finding(about, what, "two ends of one tunnel: give one of them another address")


def _outside(about: str, end: EndSet, up: Up, net: Network | None, host: Host) -> Iterator[Finding]:
    """The underlay of an encrypted overlay: this host's address there, the ways, and who shuts out or rewrites."""
    if net is None:
        return
    own = dict(net.options)
    outer = Vxlan(int(own["vni"]), own["dev"], own["local"], end.port)
    yield from _end(about, outer, host)
    for endpoint in sorted(op.endpoint for op in up.whole.ops if isinstance(op, PeerAdd)):
        peer = endpoint.rpartition(":")[0].strip("[]")
        if host.way_to(peer) is None:
            yield Finding(about, f"no route leads to the peer {peer}", f"see: ip route get {peer}")
    yield from _firewalls(about, outer)


def _ways(about: str, made: LinkAdd, up: Up, host: Host) -> Iterator[Finding]:
    """The way to each peer: there, by the link that its answers are let in from, and wide enough."""
    tunnel, standing = made.info, host.link(made.name)
    assert isinstance(tunnel, Vxlan)
    for peer in _peers(tunnel, up):
        way = host.way_to(peer)
        if way is None:
            yield Finding(about, f"no route leads to the peer {peer}", f"see: ip route get {peer}")
            continue
        if way.dev != tunnel.dev:
            what = f"the way to the peer {peer} is by {way.dev}, and its packets are let in by {tunnel.dev} alone"
            yield Finding(about, what, f"see: ip route get {peer}; or make it anew with --dev {way.dev}")
        link = host.link(way.dev)
        room = min(size for size in (way.mtu, link.mtu if link else 0, 1 << 16) if size) - OVERHEAD[family(peer)]
        if standing and standing.mtu > room:
            what = f"its links carry {standing.mtu} bytes, the way to {peer} {room} of them: larger packets vanish"
            yield Finding(about, what, f"make it anew, or with --mtu {room}", DOUBTFUL)


def _peers(tunnel: Vxlan, up: Up) -> list[str]:
    """Those whose packets are let in."""
    rules = [rule for op in up.whole.ops if isinstance(op, RulesAdd) for rule in op.rules]
    return sorted({rule.peer for rule in rules if isinstance(rule, TunnelFrom) and rule.vni == tunnel.vni})


def _holes(about: str, made: LinkAdd, up: Up, host: Host) -> Iterator[Finding]:
    """Ways that lose large packets and do not say so: each peer is asked by a small packet and by a full one."""
    tunnel, standing = made.info, host.link(made.name)
    assert isinstance(tunnel, Vxlan)
    link = host.link(tunnel.dev)
    if standing is None or link is None or tunnel.local not in [bare(each) for each in host.addresses(tunnel.dev)]:
        return  # told already
    head = OVERHEAD[family(tunnel.local)]
    whole = standing.mtu + head
    if whole > link.mtu:
        return  # told already
    heard = echo.answered(tunnel.local, dict.fromkeys(_peers(tunnel, up)[:_MOST], (_SMALL, whole)))
    holes = [peer for peer, sizes in heard.items() if sizes == {_SMALL}]
    steps = tuple(size for size in _STEPS if size < whole)
    for peer, sizes in echo.answered(tunnel.local, dict.fromkeys(holes, steps), 0.5).items() if holes else ():
        what = f"{peer} answers small packets, and none of {whole} bytes, which is what a full frame takes"
        fits = f"; {max(sizes)} bytes pass: make it anew, with --mtu {max(sizes) - head}" if sizes else ""
        yield Finding(about, what, f"where the way narrows, let ICMP pass that says so{fits}")


def _firewalls(about: str, tunnel: Vxlan, by: str = "") -> Iterator[Finding]:
    for chain in inputs.unheard_of(tunnel.port, family(tunnel.local)):
        what = f"{chain} drops what no rule lets in, and none names UDP port {tunnel.port}"
        todo = f"let it in from the other hosts: {by}udp dport {tunnel.port} accept"
        yield Finding(about, what, todo, DOUBTFUL)
    if conntrack.translated(tunnel.local, tunnel.port):
        what = f"NAT rewrites its packets from {tunnel.local}: the other hosts take them for a stranger's"
        todo = f"leave UDP port {tunnel.port} out of it: with some cards' offloads (ethtool -k) it breaks sums, too"
        yield Finding(about, what, todo)


def _managers() -> Iterator[Finding]:
    """NetworkManager takes over links that nobody told it to leave alone."""
    if not os.path.isdir(_MANAGER):
        return
    names = os.listdir(_MANAGER_CONF) if os.path.isdir(_MANAGER_CONF) else []
    if not any(_leaves_alone(os.path.join(_MANAGER_CONF, name)) for name in names):
        todo = f"[keyfile] unmanaged-devices=interface-name:nk* in {_MANAGER_CONF}/netkit.conf"
        yield Finding(
            "host", "NetworkManager runs, and may take bridges and tunnels of netkit for its own", todo, DOUBTFUL
        )


def _leaves_alone(path: str) -> bool:
    try:
        with open(path, encoding="utf-8", errors="replace") as file:
            text = file.read(1 << 16)
    except OSError:
        return False
    return "unmanaged-devices" in text and "interface-name:nk" in text
