"""How rules read: as nftables elements and as iptables lines, one by one."""

from __future__ import annotations

import pytest

from netkit.errors import ConfigError, HostError
from netkit.plan import checked, firewall, nft_base
from netkit.plan.rules import Admit, BaseRules, ClosedTransit, NetworkRules, PortGuard, Publish

TYPE_CHECKING = False
if TYPE_CHECKING:
    from netkit.plan.rules import Rule

WEB = "3f9c1a2b7d10"


def port(host_ip: str = "0.0.0.0", first: int = 8080, to: int = 80, count: int = 1, proto: str = "tcp") -> Publish:
    target = "fd00:90::2" if ":" in host_ip else "10.90.0.2"
    return Publish(WEB, proto, host_ip, first, target, to, "netkit0", count)


def shown(rule: Rule, backend: str = "nftables", verb: str = "add") -> list[str]:
    """The commands for a rule, each as one line; standard input follows its command, line by line."""
    lines: list[str] = []
    for argv, stdin in firewall.commands([rule], backend, verb):
        lines += [" ".join(argv), *stdin.splitlines()]
    return lines


def test_a_port_is_one_element() -> None:
    assert shown(port()) == [f'nft add element inet netkit any4 {{ tcp . 8080 comment "{WEB}" : 10.90.0.2 . 80 }}']


def test_a_port_of_one_address() -> None:
    assert shown(port("192.0.2.1", proto="udp")) == [
        f'nft add element inet netkit host4 {{ 192.0.2.1 . udp . 8080 comment "{WEB}" : 10.90.0.2 . 80 }}'
    ]


def test_an_identity_range_is_one_element() -> None:
    assert shown(port("::", 8000, 8000, 11, "sctp")) == [
        f'nft add element inet netkit rany6 {{ sctp . 8000-8010 comment "{WEB}" : fd00:90::2 }}'
    ]


def test_a_shifted_range_is_one_command_of_many_elements() -> None:
    (line,) = shown(port(first=9000, to=8000, count=3))
    assert [part.split(" : ")[1] for part in line.removesuffix(" }").split(", ")] == [
        "10.90.0.2 . 8000",
        "10.90.0.2 . 8001",
        "10.90.0.2 . 8002",
    ]


def test_deleting_writes_the_element_first_so_that_it_is_there_to_delete() -> None:
    assert shown(port(), verb="delete") == [
        "nft -f -",
        f'add element inet netkit any4 {{ tcp . 8080 comment "{WEB}" : 10.90.0.2 . 80 }}',
        "delete element inet netkit any4 { tcp . 8080 }",
    ]


def test_a_network_is_a_handful_of_elements() -> None:
    assert shown(NetworkRules("default", "netkit0", ("10.90.0.0/16",))) == [
        "nft -f -",
        'add element inet netkit nkif { "netkit0" }',
        'add element inet netkit switches { "netkit0" . "netkit0" }',
        "add element inet netkit nets4 { 10.90.0.0/16 }",
        "add element inet netkit masq4 { 10.90.0.0/16 }",
        'add element inet netkit hair4 { "netkit0" . 10.90.0.0/16 }',
        'add element inet netkit fwd_from { "netkit0" : goto from_nat }',
        'add element inet netkit fwd_to { "netkit0" : goto to_nat }',
    ]


def test_an_internal_network_without_icc() -> None:
    lines = shown(NetworkRules("back", "netkit1", ("10.91.0.0/16",), internal=True, icc=False))
    assert not [line for line in lines if "masq" in line or "pairs" in line]
    assert lines[-2:] == [
        'add element inet netkit fwd_from { "netkit1" : goto from_int }',
        'add element inet netkit fwd_to { "netkit1" : drop }',
    ]


def test_a_network_of_cables_is_known_by_what_their_names_begin_with() -> None:
    rule = NetworkRules("cables", "nkpabcd*", ("10.91.0.0/16", "fd00:91::/64"))
    lines = shown(rule)
    assert 'add element inet netkit pairs { "nkpabcd*" . "nkpabcd*" }' in lines
    assert lines[-2:] == [
        'add element inet netkit cable_from { "nkpabcd*" . ipv4 : goto from_nat, "nkpabcd*" . ipv6 : goto from_nat }',
        'add element inet netkit cable_to { "nkpabcd*" . ipv4 : goto to_nat, "nkpabcd*" . ipv6 : goto to_nat }',
    ]
    assert not [line for line in lines if "nkif" in line or "fwd_" in line]
    raw = without_marks(shown(rule, "iptables"))[2:5]
    assert raw == [
        "-A NETKIT-DIRECT -d 10.91.0.0/16 -j DROP",
        "-I NETKIT-DIRECT -i nkpabcd+ -j RETURN",
        "-I NETKIT-DIRECT -i nkpabcd+ -m rpfilter --invert -j DROP",
    ]


@pytest.mark.parametrize("device", ["*", "nk*p", 'nkp"*', "nkp**", "nkp; drop*"])
def test_what_is_no_beginning_of_a_name_is_in_no_rule(device: str) -> None:
    for backend in ("nftables", "iptables"):
        with pytest.raises(ConfigError):
            shown(NetworkRules("cables", device), backend)


def test_a_network_without_masquerade_gets_its_replies_by_the_subnet() -> None:
    lines = shown(NetworkRules("flat", "netkit1", ("10.91.0.0/16",), masquerade=False))
    assert not [line for line in lines if "masq" in line or "nets" in line]


def test_closed_transit_is_one_element() -> None:
    assert shown(ClosedTransit(6)) == ["nft add element inet netkit closed { ipv6 }"]
    assert 'add element inet netkit routers { ipv4 . "eth0" }' in shown(ClosedTransit(4, ("eth0",)))


def test_a_guard_binds_a_port_to_its_mac_and_addresses() -> None:
    assert shown(PortGuard("nk1", "02:00:00:00:90:02", ("10.1.0.2", "fd00:90::2"))) == [
        "nft -f -",
        'add element bridge netkit ports { "nk1" }',
        'add element bridge netkit bind4 { "nk1" . 02:00:00:00:90:02 . 10.1.0.2, "nk1" . 02:00:00:00:90:02 . 0.0.0.0 }',
        'add element bridge netkit bind6 { "nk1" . 02:00:00:00:90:02 . fd00:90::2, "nk1" . 02:00:00:00:90:02 . :: }',
        'add element bridge netkit targets6 { "nk1" . 0xfd000090000000000000000000000002 }',
    ]


def test_the_frame_is_made_whole_without_touching_its_elements() -> None:
    lines = [line for line in shown(BaseRules()) if not line.startswith(("\t", "}"))]
    assert [line for line in lines if "chain" not in line] == [
        "nft -f -",
        *("add table inet netkit", "table inet netkit {"),
        *("add table bridge netkit", "table bridge netkit {"),
    ]
    names = [("inet", *chain) for chain in nft_base.CHAINS] + [("bridge", *chain) for chain in nft_base.GUARD_CHAINS]
    assert [line for line in lines if line.startswith("flush")] == [f"flush chain {f} netkit {c}" for f, c, *_ in names]
    assert shown(BaseRules(), verb="delete")[1:] == [
        *("add table inet netkit", "delete table inet netkit"),
        *("add table bridge netkit", "delete table bridge netkit"),
    ]


def test_drops_come_first_in_the_frame_and_only_local_addresses_are_translated() -> None:
    chains = {name: rules for name, _, rules in nft_base.CHAINS}
    assert chains["first"][:3] == (
        "iifname . ip saddr . udp dport . @th,96,24 @tunnel4 notrack accept",  # whoever is in it is a peer
        'ip daddr 127.0.0.0/8 iifname != "lo" drop',
        'ip saddr 127.0.0.0/8 iifname != "lo" drop',
    )
    jumps = [rule for rules in chains.values() for rule in rules if "jump publish" in rule]
    assert jumps == ["fib daddr type local jump publish"] * 2


def without_marks(lines: list[str]) -> list[str]:
    return [line.partition(" -m comment --comment nk:")[0] for line in lines]


@pytest.mark.parametrize(("backend", "tool"), [("iptables", "iptables"), ("iptables-legacy", "iptables-legacy")])
def test_a_port_is_one_iptables_command(backend: str, tool: str) -> None:
    (line,) = shown(port(), backend)
    assert line.startswith(
        f"{tool} -w -t nat -A NETKIT-DNAT -p tcp -m tcp --dport 8080 -j DNAT --to-destination 10.90.0.2:80 "
    )
    assert f" --comment nk:{WEB}:" in line
    assert shown(port(), backend, "delete") == [line.replace(" -A ", " -D ")]


def test_ranges_are_one_iptables_command_each() -> None:
    identity, shifted = port("::", 8000, 8000, 11), port("192.0.2.1", 9000, 8000, 11)
    assert without_marks(shown(identity, "iptables") + shown(shifted, "iptables")) == [
        "ip6tables -w -t nat -A NETKIT-DNAT -p tcp -m tcp --dport 8000:8010 -j DNAT --to-destination [fd00:90::2]",
        "iptables -w -t nat -A NETKIT-DNAT -d 192.0.2.1 -p tcp -m tcp --dport 9000:9010 -j DNAT "
        "--to-destination 10.90.0.2:8000-8010/9000",
    ]


def test_a_network_is_a_table_by_table_restore() -> None:
    lines = without_marks(shown(NetworkRules("default", "netkit0", ("10.90.0.0/16",)), "iptables"))
    assert lines[: lines.index("ip6tables-restore --noflush -w")] == [
        "iptables-restore --noflush -w",
        "*raw",
        "-A NETKIT-DIRECT -d 10.90.0.0/16 -j DROP",
        "-I NETKIT-DIRECT -i netkit0 -j RETURN",
        "COMMIT",
        "*filter",
        "-A NETKIT-PAIRS -i netkit0 -o netkit0 -j ACCEPT",
        "-A NETKIT-TO -o netkit0 -g NETKIT-IN",
        "-A NETKIT-FROM -i netkit0 -g NETKIT-NAT",
        "COMMIT",
        "*nat",
        "-A NETKIT-HAIRPIN -s 10.90.0.0/16 -o netkit0 -m conntrack --ctstate DNAT -j MASQUERADE",
        "-A NETKIT-EGRESS -s 10.90.0.0/16 ! -d 224.0.0.0/4 -j MASQUERADE",
        "-A NETKIT-HAIRPIN -s 127.0.0.0/8 -o netkit0 -j MASQUERADE",
        "-I NETKIT-EGRESS -o netkit0 -j RETURN",
        "COMMIT",
    ]


def test_iptables_has_no_port_guard() -> None:
    with pytest.raises(HostError, match="iptables cannot guard the port nk1"):
        shown(PortGuard("nk1", "02:00:00:00:90:02", ()), "iptables")


def test_an_accept_in_another_tools_chain() -> None:
    assert without_marks(shown(Admit("ip6tables DOCKER-USER", "netkit0"))) == [
        "ip6tables-restore --noflush -w",
        "*filter",
        ":NETKIT-ADMIT - [0:0]",
        "-A NETKIT-ADMIT -i netkit0 -j ACCEPT",
        "-A NETKIT-ADMIT -o netkit0 -j ACCEPT",
        "-I DOCKER-USER -j NETKIT-ADMIT",
        "COMMIT",
    ]
    assert shown(Admit("nft inet filter forward", "netkit0"), "iptables")[-2:] == [
        'insert rule inet filter forward jump netkit_admit comment "netkit"',
        'add element inet filter netkit_devices { "netkit0" }',
    ]


def test_no_accept_before_our_own_drops_in_the_same_chain() -> None:
    assert shown(Admit("iptables FORWARD", "netkit0"), "iptables") == []
    assert shown(Admit("ip6tables-legacy DOCKER-USER", "netkit0"), "iptables-legacy") == []
    assert shown(Admit("iptables-legacy FORWARD", "netkit0"), "iptables") != []


@pytest.mark.parametrize(
    ("text", "number"),
    [
        ("::", 0),
        ("::1", 1),
        ("fe80::1:2", 0xFE80 << 112 | 0x10002),
        ("1:2:3:4:5:6:7:8", 0x00010002000300040005000600070008),
    ],
)
def test_an_ipv6_address_as_a_number(text: str, number: int) -> None:
    assert checked.number6(text) == number


@pytest.mark.parametrize("text", ["1:2:3", "1:2:3:4:5:6:7:8:9", "::12345"])
def test_what_is_no_ipv6_address_has_no_number(text: str) -> None:
    with pytest.raises(ConfigError):
        checked.number6(text)
