"""The other hosts of overlays: who they are, what is wanted of each, what the kernel has, and why that differs."""

from __future__ import annotations

import time

from netkit.drivers.overlay import Overlay, OverlayOptions
from netkit.engine.repair import missing
from netkit.engine.report import Report
from netkit.errors import StateError
from netkit.model import PeerHost
from netkit.parts.sealed import link_name
from netkit.parts.tunnel import tunnel_name
from netkit.plan.rare.vxlan import FLOODED, FdbAdd, NeighAdd
from netkit.plan.rare.wireguard import PeerAdd
from netkit.plan.steps import Plan
from netkit.value import Value

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from netkit.engine.session import Session
    from netkit.model import Network
    from netkit.plan.host import Host

GONE, REFUSED = "gone", "refused"
OK, MISSING, UNWANTED, ELSEWHERE = "ok", "missing", "unwanted", "elsewhere"


class Other(Value):
    """A peer: its id, "" where none is known; whether it lives, for how long it has been silent (-1: nobody knows).

    `kernel` is `ok`, or what of it is not as it should be.
    """

    network: str
    vni: int
    peer: str
    node: str = ""
    state: str = ""
    silent: float = -1.0
    endpoints: int = 0
    kernel: str = OK


class Gap(Value):
    """One difference: of which peer, of which address behind it ("" for the peer as a whole), and why."""

    network: str
    vni: int
    peer: str
    node: str
    endpoint: str
    state: str
    wanted: str
    kernel: str
    reason: str


class Compared(Value):
    """One overlay; `report` is None where no store tells of its hosts."""

    network: str
    vni: int
    others: tuple[Other, ...]
    gaps: tuple[Gap, ...]
    counters: dict[str, int]
    report: Report | None = None


def compared(session: Session) -> list[Compared]:
    """All overlays, by name."""
    host, told = session.host(), []
    for net in sorted((net for net in session.networks.all() if net.mode == Overlay.name), key=lambda net: net.name):
        vni, found = int(dict(net.options)["vni"]), tuple(gaps(session, net, host))
        report = report_of(session, net.name) if net.store else None
        shown = tuple(_met(net, vni, report, found)) if report else tuple(_named(net, host, found))
        told.append(Compared(net.name, vni, shown, found, counters(vni), report))
    return told


def report_of(session: Session, name: str) -> Report:
    """What the keeper saw last; an empty report where it has not looked yet."""
    try:
        return session.root.keeper.load(name, Report) or Report()
    except StateError:
        return Report()


def gaps(session: Session, net: Network, host: Host) -> Iterator[Gap]:
    """Each difference between what is wanted of an overlay's peers and what the kernel has."""
    options = Overlay().parse_options(dict(net.options), "options")
    if not net.store:
        yield from _flooded(net, options, host)
        return
    yield from _Comparison(session, net, options, host).gaps()


def counters(vni: int) -> dict[str, int]:
    """What has passed the tunnel of a VNI, {} when there is none: the kernel counts by device, not by entry."""
    names = ("rx_bytes", "rx_packets", "rx_errors", "rx_dropped"), ("tx_bytes", "tx_packets", "tx_errors", "tx_dropped")
    with open("/proc/self/net/dev", encoding="ascii") as table:
        for line in table:
            name, _, rest = line.strip().partition(":")
            if name == tunnel_name(vni):
                words = [int(word) for word in rest.split()]
                return dict(zip((*names[0], *names[1]), (*words[0:4], *words[8:12]), strict=True))
    return {}


def _met(net: Network, vni: int, report: Report, found: Sequence[Gap]) -> Iterator[Other]:
    """Peers that a store tells of, and who else is led to."""
    now = time.clock_gettime(time.CLOCK_BOOTTIME)
    refused = {each.node for each in report.refused if not each.address}
    for peer in report.peers:
        wrong = [gap.state for gap in found if gap.node == peer.node]
        state = REFUSED if peer.node in refused and peer.state != GONE else peer.state
        kernel = ", ".join(f"{wrong.count(word)} {word}" for word in sorted(set(wrong))) or OK
        silent = max(now - peer.heard, 0.0)
        yield Other(net.name, vni, peer.address, peer.node, state, silent, len(peer.endpoints), kernel)
    for stranger in sorted({gap.peer for gap in found if not gap.node and gap.peer}):
        yield Other(net.name, vni, stranger, kernel=UNWANTED)


def _named(net: Network, host: Host, found: Sequence[Gap]) -> list[Other]:
    """Peers that a person, or EVPN, has named: nobody knows whether they live."""
    options = Overlay().parse_options(dict(net.options), "options")
    wrong = {gap.peer: gap.state for gap in found}
    known = {*options.peers} | _flooded_to(options, host)
    return [Other(net.name, options.vni, peer, kernel=wrong.get(peer, OK)) for peer in sorted(known)]


def _flooded(net: Network, options: OverlayOptions, host: Host) -> Iterator[Gap]:
    present = _flooded_to(options, host)
    for peer in sorted({*options.peers} ^ present):
        named = peer in options.peers
        if not named and options.control:
            continue  # it is EVPN that tells who is there
        state, reason = (MISSING, "others have taken it away") if named else (UNWANTED, "others have added it")
        wanted, kernel = ("flooded to", "") if named else ("", "flooded to")
        yield Gap(net.name, options.vni, peer, "", "", state, wanted, kernel, reason)


def _flooded_to(options: OverlayOptions, host: Host) -> set[str]:
    """The hosts that get what is flooded."""
    entries = host.forwards(tunnel_name(options.vni))
    return {entry.dst for entry in entries if entry.mac == FLOODED and entry.dst} - {options.group}


class _Comparison:
    """What the keeper judged last, beside the kernel."""

    def __init__(self, session: Session, net: Network, options: OverlayOptions, host: Host) -> None:
        vni = options.vni
        self._net, self._vni, self._host, self._options = net, vni, host, options
        self._report = report_of(session, net.name)
        self._up = session.networks.up(net.name)
        self._ops = frozenset(self._up.met.ops if self._up else ())
        entries = host.forwards(tunnel_name(vni))
        self._leads = {entry.mac: entry.dst for entry in entries if entry.dst}
        self._in_bridge = {entry.mac for entry in entries if entry.in_bridge}
        self._macs = {each.address: each.mac for each in host.neighbours(net.device)}
        told = self._report.peers
        self._peers = [PeerHost(one.node, one.address, endpoints=one.endpoints, key=one.key) for one in told]
        self._ends = {peer.node: options.end_of(peer) if peer.key else peer.address for peer in self._peers}
        self._keyed = {peer.key: peer for peer in self._peers if peer.key}

    def gaps(self) -> Iterator[Gap]:
        for dev in sorted({*Overlay().own(self._net)}):
            if self._host.link(dev) is None:
                yield self._gap(PeerHost("", ""), "", MISSING, dev, "no such link", self._since())
        for peer in self._peers:
            for address, mac in peer.endpoints:
                yield from self._entry(peer, address, mac)
        for step in missing(self._up.met, self._host) if self._up else ():
            if not isinstance(step.op, (FdbAdd, NeighAdd)):
                whose = self._keyed.get(step.op.public) if isinstance(step.op, PeerAdd) else None
                yield self._gap(whose or PeerHost("", ""), "", MISSING, step.why, "", self._since())
        yield from self._unwanted()
        if self._options.public:
            yield from self._sealed()
        for one in self._report.refused:
            at = next((peer for peer in self._peers if peer.node == one.node), PeerHost(one.node, ""))
            yield self._gap(at, one.address, REFUSED, "", "", one.why)
        for text in self._report.warnings:
            yield self._gap(PeerHost("", ""), "", REFUSED, "", "", text)

    def _entry(self, peer: PeerHost, address: str, mac: str) -> Iterator[Gap]:
        leads = self._leads.get(mac, "")
        end = self._ends[peer.node]
        known = any(isinstance(op, FdbAdd) and (op.mac, op.dst) == (mac, end) for op in self._ops)
        why = self._since() if known else "new: the keeper's next round leads there"
        wanted = f"{mac} by {end}"
        if leads and leads != end:
            yield self._gap(peer, address, ELSEWHERE, wanted, f"{mac} by {leads}", why.replace("deleted", "changed"))
        elif not leads:
            yield self._gap(peer, address, MISSING, wanted, "", why)
        elif mac not in self._in_bridge:
            yield self._gap(peer, address, MISSING, wanted, "in the tunnel, not in the bridge", why)
        if (found := self._macs.get(address, "")) != mac:
            state, kernel = (ELSEWHERE, f"{address} is {found}") if found else (MISSING, "")
            yield self._gap(peer, address, state, f"{address} is {mac}", kernel, why)

    def _unwanted(self) -> Iterator[Gap]:
        wanted = {mac for peer in self._peers for _, mac in peer.endpoints}
        for mac, dst in sorted(self._leads.items()):
            if mac not in wanted:
                peer, why = self._blamed(dst)
                yield self._gap(peer, "", UNWANTED, "", f"{mac} by {dst}", why)
        addresses = {address for peer in self._peers for address, _ in peer.endpoints}
        for address, mac in sorted(self._macs.items()):
            if address not in addresses:
                peer, why = self._blamed(self._leads.get(mac, ""))
                yield self._gap(peer, address, UNWANTED, "", f"{address} is {mac}", why)

    def _sealed(self) -> Iterator[Gap]:
        """What is amiss with the link that an encrypted tunnel runs in, and peers of it that no host is."""
        dev, known = link_name(self._vni), {op.public for op in self._ops if isinstance(op, PeerAdd)}
        steps = self._up.plan if self._up and self._host.link(dev) else ()
        its = Plan(tuple(step for step in steps if getattr(step.op, "dev", "") in (dev, "lo")))
        for step in missing(its, self._host):
            yield self._gap(PeerHost("", ""), "", MISSING, step.why, "", self._since())
        for one in self._host.wireguard(dev).peers:
            if one.public not in known:
                why = "no host of this network has that key: others have added it"
                yield self._gap(PeerHost("", ""), "", UNWANTED, "", f"the key {one.public} on {dev}", why)

    def _blamed(self, dst: str) -> tuple[PeerHost, str]:
        """Whose an entry was that nobody has."""
        for one in self._report.peers:
            if self._ends[one.node] == dst:
                why = "stale: that host has left" if one.state == GONE else "that host does not have it"
                return PeerHost(one.node, one.address), f"{why}; the keeper's next round takes it away"
        return PeerHost("", dst), "no host of this network has it: others have added it"

    def _since(self) -> str:
        if not self._report.at:
            return "the keeper has not looked yet"
        return f"deleted by others since {time.strftime('%H:%M:%S', time.localtime(self._report.at))}"

    def _gap(self, peer: PeerHost, endpoint: str, state: str, wanted: str, kernel: str, reason: str) -> Gap:
        return Gap(self._net.name, self._vni, peer.address, peer.node, endpoint, state, wanted, kernel, reason)
