"""Causes that somebody meant: a firewall, netkit's own or another's, and networks that are kept apart. Pure."""

from __future__ import annotations

import errno

from netkit.model import bare
from netkit.probe.cause import Cause, switched
from netkit.probe.evidence import HOST
from netkit.probe.sighting import REQUEST

TYPE_CHECKING = False
if TYPE_CHECKING:
    from netkit.probe.evidence import End, Evidence, Said

_INTERNAL = "an internal network is reached from inside only"
#: What netkit's own chains drop: a chain's name (of nftables or iptables), words of the rule ("" is any), the reason.
_KEPT_APART = (
    ("from_nat", "@fwd_to", _INTERNAL),
    ("from_nat", "invalid", "connection tracking knows no connection that it belongs to"),
    ("from_nat", "", "other tools' container networks are reached by published ports only"),
    ("forward", "@fwd_to", _INTERNAL),
    ("forward", "", "containers that may not reach each other, an internal network, or transit that is not netkit's"),
    ("to_nat", "", "from outside, only published ports and answers come into a network"),
    ("from_int", "", "an internal network has no way out"),
    ("first", "", "a container's own address is reached from its network only, loopback addresses from inside only"),
    ("netkit-nat", "INVALID", "connection tracking knows no connection that it belongs to"),
    ("netkit-nat", "", "other tools' container networks are reached by published ports only"),
    ("netkit-to", "", _INTERNAL),
    ("netkit-in", "", "from outside, only published ports and answers come into a network"),
    ("netkit-int", "", "an internal network has no way out"),
    ("netkit-direct", "", "a container's own address is reached from its network only"),
    ("netkit-closed", "", "transit that is not netkit's"),
)
_REACHED = "networks reach each other by published ports only; an --internal network reaches nobody else"


def dropped(evidence: Evidence, leg: str) -> Cause | None:
    """The firewall said so."""
    said = evidence.drop(leg) or next((one for one in evidence.said if one.arp and one.dropped), None)
    if said is None:
        return None
    sender, _ = evidence.ends(leg)
    family, table, chain = [*said.where.split(), "", "", ""][:3]
    if (family, table) == ("bridge", "netkit"):
        return _guard(evidence, said, sender)
    if table == "netkit" or chain.startswith("NETKIT-"):
        return _isolated(said)
    return _foreign(said, family, table, chain)


def _guard(evidence: Evidence, said: Said, sender: End) -> Cause:
    port = evidence.place(sender.place).port(sender.ifname)
    changed = f" (its MAC is {port.link.mac} now, not {sender.mac})" if port and port.link.mac != sender.mac else ""
    own = ", ".join(map(bare, sender.addresses))
    return Cause(
        "port-guard",
        _place(said),
        f"netkit's port guard dropped it: {sender.place} may send from {sender.mac} with {own} only{changed}",
        f"give {sender.ifname} its MAC and addresses back; netkit check {sender.place} tells what is off",
        meant=True,
    )


def _isolated(said: Said) -> Cause:
    chain = said.where.split()[-1].lower()
    reasons = (why for name, words, why in _KEPT_APART if name == chain and words in said.rule)
    reason = next(reasons, f"by the rule: {said.rule}")
    return Cause("isolated", _place(said), f"kept apart by netkit: {reason}", _REACHED, meant=True)


def _foreign(said: Said, family: str, table: str, chain: str) -> Cause:
    iptables = table in ("filter", "nat", "mangle", "raw") and family in ("ip", "ip6")
    tool = {"ip": "iptables", "ip6": "ip6tables"}.get(family, "") if iptables else "nftables"
    what = f"the policy of chain {chain} is drop" if said.kind == "policy" else f"the rule: {said.rule}"
    hint = (
        f"{tool} -t {table} -I {chain} ... -j ACCEPT, or ask the tool that made it"
        if iptables
        else f"let {family} table {table}, chain {chain}, accept it: nft list chain {family} {table} {chain}"
    )
    return Cause(
        f"{'iptables' if iptables else 'nft'}-{'policy' if said.kind == 'policy' else 'rule'}-drop",
        _place(said),
        f"a firewall that is not netkit's dropped it: {what}",
        hint if said.place == HOST else f"in {said.place}: {hint}",
    )


def _place(said: Said) -> str:
    return said.where if said.place == HOST else f"{said.place} {said.where}"


def internal(evidence: Evidence, leg: str) -> Cause | None:
    """An attachment of an internal network has no default route, for there is no way out."""
    sender, _ = evidence.ends(leg)
    if not sender.internal or evidence.of(leg) or evidence.hop(leg, sender.place).errno != errno.ENETUNREACH:
        return None
    why = f"kept apart by netkit: the network of {sender.place} is internal, without a way out and without a route"
    return Cause("isolated", sender.place, why, _REACHED, meant=True)


def no_icc(evidence: Evidence, leg: str) -> Cause | None:
    """Two isolated ports of one bridge: not even a question for the other's address passes."""
    if not switched(evidence, leg):
        return None
    host = evidence.place(HOST)
    ports = [host.port(end.host_ifname) for end in evidence.ends(leg)]
    if not all(port and port.isolated and port.link.up for port in ports):
        return None
    last = evidence.last(leg)
    if last and last.place not in (HOST, evidence.ends(leg)[0].place):
        return None
    master = next(port.link.master for port in ports if port)
    return Cause(
        "isolated",
        f"{HOST} {master}",
        "kept apart by netkit: this network was made with --no-icc, so its containers do not reach each other",
        "netkit inspect NETWORK; put both on a network that is made without --no-icc",
        meant=True,
    )


def beside_its_host(evidence: Evidence, leg: str) -> Cause | None:
    """A macvlan or ipvlan link and the host on whose link it stands do not hear each other."""
    sender, receiver = evidence.ends(leg)
    last = evidence.last(leg)
    at = last.place if last else sender.place
    if last and last.outgoing:
        return None
    other = receiver if at == HOST else sender if receiver.place == HOST else None
    port = evidence.place(other.place).port(other.ifname) if other else None
    if not other or not port or port.link.kind not in ("macvlan", "ipvlan"):
        return None
    return Cause(
        "macvlan-host",
        f"{other.place} {other.ifname}",
        f"{other.place} is on a {port.link.kind} link, and nothing passes between such a link and its own host",
        "reach it from another machine; on this host, by a second network (netkit attach --mode bridge)",
        meant=True,
    )


def hidden(evidence: Evidence, leg: str) -> Cause | None:
    """It came into the host and did not leave, and there are rules that nobody can trace."""
    last = evidence.stuck(leg)
    if not last or last.place != HOST or not evidence.silent_drops:
        return None
    return Cause(
        "untraceable-drop",
        f"{HOST} {last.link}",
        f"it was last seen here, and {' and '.join(evidence.silent_drops)} would drop it; its rules cannot be shown",
        "let that chain accept it; netkit's networks are let in when they come up: netkit inspect NETWORK",
    )


def refused(evidence: Evidence) -> Cause:
    """It was delivered, and whoever got it said no."""
    protocol, port = evidence.probe.protocol, evidence.probe.port
    who = evidence.target.place or evidence.probe.dst
    last = next((one for one in evidence.of(REQUEST) if one.place == evidence.target.place), evidence.last(REQUEST))
    port = last.packet.dport if last else port
    return Cause(
        "nothing-listens",
        who,
        f"the probe was delivered and refused: nothing listens on port {port}/{protocol} there",
        "start the server, or let it listen on 0.0.0.0 instead of 127.0.0.1; `ss -ltnu` inside shows what listens",
    )
