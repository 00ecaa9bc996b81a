"""The causes of a loss, told from evidence alone: what was seen, said, and stands in the tables."""

from __future__ import annotations

import errno

import pytest

from netkit.plan.host import Link
from netkit.probe.causes import cause
from netkit.probe.evidence import HOST, End, Evidence, Said
from netkit.probe.packet import ICMP, IPV4, Packet
from netkit.probe.probe import Probe, Result
from netkit.probe.sighting import ASK, REQUEST, Sighting
from netkit.probe.tables import FdbEntry, Hop, Place, Port

MAC = "02:00:00:00:00:0b"
FRAME = bytes.fromhex(MAC.replace(":", "")) + bytes(6) + b"\x08\0" + bytes(30)
ECHO = Packet(FRAME, IPV4, 14, "10.90.0.2", "192.0.2.2", ICMP, 34, code=(8, 0))
ASKED = Packet(FRAME, 0x0806, 14, "192.0.2.1", "192.0.2.2", code=(1, 0))


def link(name: str, master: str = "", up: bool = True, **more: bool) -> Port:
    return Port(Link(name, 1, mtu=1500, up=up, master=master), up, **more)


WEB = Place("web", (link("eth0"),), Hop("default", "10.90.0.1", "eth0"))
HOSTS = Place(
    HOST,
    (link("nkweb", "netkit0"), link("nkdb", "netkit0"), link("netkit0"), link("up0")),
    Hop("192.0.2.0/24", dev="up0"),
    Hop("10.90.0.0/16", dev="netkit0"),
    forwards=("nkweb", "netkit0", "up0"),
)


def evidence(*steps: tuple[str, str, bool], host: Place = HOSTS, **more: object) -> Evidence:
    """An echo from web to the world that was seen at these (place, link, outgoing)."""
    seen = tuple(Sighting(*step, REQUEST, ECHO) for step in steps)
    base = Evidence(Probe("icmp", "192.0.2.2"), Result(), End("web", "eth0", "nkweb", MAC), End(""), (WEB, host), seen)
    return base.replace(**more)


INTO = (("web", "eth0", True), (HOST, "nkweb", False), (HOST, "netkit0", False))
SWITCHED = INTO[:2]
DB = End("db", "eth0", "nkdb")


def name(found: Evidence) -> str:
    told = cause(found)
    return told.name if told else ""


def test_what_was_answered_has_no_cause() -> None:
    assert cause(evidence(*INTO, result=Result("answered"))) is None


@pytest.mark.parametrize(
    ("found", "expected"),
    [
        (evidence(*INTO, host=HOSTS.replace(forwards=())), "forwarding-off"),
        (evidence(*INTO, host=HOSTS.replace(there=Hop("192.0.2.2/32", kind="blackhole"))), "wrong-route"),
        (evidence(*INTO, host=HOSTS.replace(there=Hop("192.0.2.2", errno=errno.ENETUNREACH))), "wrong-route"),
        (evidence(*INTO), "unexplained"),
        (evidence(*INTO, silent_drops=("iptables-legacy FORWARD",)), "untraceable-drop"),
        (evidence(*INTO, (HOST, "up0", True)), "beyond"),
        (evidence(result=Result("error", errno.EMSGSIZE)), "mtu"),
        (evidence(result=Result("error", errno.EPERM)), "not-sent"),
        (evidence(places=(WEB.replace(ports=(link("eth0", up=False),)), HOSTS)), "link-down"),
        (evidence(places=(WEB, HOSTS.replace(ports=HOSTS.ports[1:]))), "link-down"),
        (evidence(places=(WEB.replace(there=Hop("192.0.2.2", errno=errno.ENETUNREACH)), HOSTS)), "no-route"),
    ],
)
def test_each_cause_is_told_from_its_evidence(found: Evidence, expected: str) -> None:
    assert name(found) == expected


def test_without_a_trace_of_the_firewall_that_is_said() -> None:
    told = cause(evidence(*INTO, traced=False))
    assert told is not None
    assert told.where == "host netkit0"
    assert "no nft trace" in told.why


@pytest.mark.parametrize(
    ("where", "kind", "expected"),
    [
        ("bridge netkit port_ip4", "rule", "port-guard"),
        ("inet netkit to_nat", "rule", "isolated"),
        ("ip filter NETKIT-FORWARD", "rule", "isolated"),
        ("ip filter FORWARD", "policy", "iptables-policy-drop"),
        ("ip filter DOCKER-USER", "rule", "iptables-rule-drop"),
        ("inet firewalld filter_FORWARD", "rule", "nft-rule-drop"),
        ("inet filter forward", "policy", "nft-policy-drop"),
    ],
)
def test_what_the_firewall_says_goes_before_all_else(where: str, kind: str, expected: str) -> None:
    said = Said(where, "forward", kind, "drop", "drop")
    found = evidence(*INTO, host=HOSTS.replace(forwards=()), said=(said,))
    told = cause(found)
    assert told is not None
    assert (told.name, told.where) == (expected, where)


def test_a_next_hop_that_nobody_has() -> None:
    ask = Sighting(HOST, "up0", True, ASK, ASKED)
    seen = evidence(*INTO)
    told = cause(seen.replace(sightings=(*seen.sightings, ask)))
    assert told is not None
    assert (told.name, told.where) == ("no-neighbour", "host up0")
    assert "192.0.2.2" in told.why


def test_a_bridge_without_an_entry() -> None:
    ports = (link("nkweb", "netkit0"), link("nkdb", "netkit0", floods=False), link("netkit0"))
    host = HOSTS.replace(ports=ports, there=Hop("10.90.0.0/16", dev="netkit0"))
    assert name(evidence(*SWITCHED, host=host, target=DB)) == "no-fdb-entry"
    known = host.replace(fdb=(FdbEntry(MAC, "nkdb", "netkit0"),))
    assert name(evidence(*SWITCHED, host=known, target=DB)) == "unexplained"


def test_a_bridge_port_that_is_too_narrow() -> None:
    narrow = link("nkdb", "netkit0")
    narrow = narrow.replace(link=narrow.link.replace(mtu=20))
    host = HOSTS.replace(ports=(link("nkweb", "netkit0"), narrow, link("netkit0")))
    assert name(evidence(*SWITCHED, host=host, target=DB)) == "mtu"
