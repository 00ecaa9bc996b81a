"""The firewall's account: what marks a probe, how rules are found by their handles, which event is whose."""

from __future__ import annotations

from netkit.probe.nftrace import Event, script
from netkit.probe.packet import ACK, IPV4, SYN, TCP, Packet
from netkit.probe.probe import Probe
from netkit.probe.rulebook import Rulebook
from netkit.probe.story import told

LISTING = """table inet netkit { # handle 1
\tset nkif { # handle 1
\t\ttype ifname
\t}

\tchain forward { # handle 12
\t\ttype filter hook forward priority filter; policy accept;
\t\tiifname vmap @fwd_from # handle 71
\t}

\tchain from_nat { # handle 13
\t\taccept # handle 67
\t}
}
"""
PROBE = Probe("tcp", "192.0.2.2", 80, 40000)


def book() -> Rulebook:
    made = Rulebook()
    made.add("inet netkit", LISTING)
    return made


def packet(flags: int, sport: int = 40000, dport: int = 80) -> Packet:
    return Packet(b"", IPV4, 14, "10.90.0.2", "192.0.2.2", TCP, 34, sport, dport, (flags, 0))


def test_probe_and_answer_are_marked_in_front_of_all_tables() -> None:
    text = script("t", PROBE, "nk1")
    assert "add chain inet t prerouting_ { type filter hook prerouting priority -450; }" in text
    assert "add rule inet t output_ meta l4proto 6 th dport 40000 meta nftrace set 1" in text
    assert 'add rule bridge t prerouting_ iifname "nk1" ether type arp meta nftrace set 1' in text
    assert "icmpv6 id 7 meta" in script("t", Probe("icmp", "fd00::1", sport=7), "")


def test_a_rule_is_known_by_its_handle_and_a_table_by_the_packets_family() -> None:
    rules = book()
    assert rules.place("ip", "netkit", "forward") == "inet netkit"
    assert rules.place("ip", "filter", "FORWARD") == "ip filter"
    assert rules.rule("inet netkit", "forward", 71) == "iifname vmap @fwd_from"
    assert rules.rule("inet netkit", "forward", 9) == "rule with handle 9"
    assert (rules.hook("inet netkit", "forward"), rules.hook("inet netkit", "from_nat")) == ("forward", "")


def test_a_chain_without_a_hook_is_in_that_of_its_caller() -> None:
    syn = packet(SYN)
    events = [
        Event("ip", "netkit", "forward", "rule", "goto from_nat", 71, 5, syn),
        Event("ip", "netkit", "from_nat", "rule", "accept", 67, 5, syn),
        Event("ip", "netkit", "from_nat", "rule", "continue", 0, 5, syn),
    ]
    said = told(PROBE, events, book())
    assert [(one.where, one.hook, one.rule, one.leg) for one in said] == [
        ("inet netkit forward", "forward", "iifname vmap @fwd_from", "request"),
        ("inet netkit from_nat", "forward", "accept", "request"),
    ]


def test_only_the_opening_of_a_connection_is_the_probes_story() -> None:
    def event(seen: Packet) -> Event:
        return Event("ip", "netkit", "forward", "policy", "accept", 0, 1, seen)

    answer = packet(SYN | ACK, 80, 40000)
    said = told(PROBE, map(event, (packet(SYN), answer, packet(ACK), packet(ACK, 80, 40000))), book())
    assert [one.leg for one in said] == ["request", "answer"]
