"""doctor and overlays: two hosts that are well, and each thing that comes between them, done to a real host."""

from __future__ import annotations

import pytest

from tests.hosts import Lab
from tests.netns.test_doctor import doctor
from tests.netns.test_overlay import Pair

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

pytestmark = [pytest.mark.root, pytest.mark.requires("vxlan", "bridge", "nftables")]


@pytest.fixture
def pair(lab: Lab) -> Pair:
    """Two hosts with an overlay, where nothing is amiss."""
    made = Pair(lab)
    lab.link(made.left, lab.host("far"), ("198.51.100.1/24", "198.51.100.2/24"))
    made.up()
    made.attach()
    return made


def told(pair: Pair, said: str) -> dict[str, Any]:
    """The one finding on the left host that says this."""
    code, found = doctor(pair.left)
    fitting = [each for each in found if said in each["what"]]
    assert len(fitting) == 1, found
    assert code == (1 if any(each["severity"] == "broken" for each in found) else 0)
    return fitting[0]


@pytest.mark.parametrize("six", [False, True], ids=["ipv4-underlay", "ipv6-underlay"])
def test_two_hosts_that_are_well_have_nothing_to_tell(lab: Lab, six: bool) -> None:
    pair = Pair(lab, six)
    pair.up()
    two = pair.attach()[1]
    pair.one.run("ping", "-n", "-c1", "-W5", two[4])
    assert doctor(pair.left) == (0, [])
    assert doctor(pair.right) == (0, [])


#: What is done to the left host; what is told; how bad it is; what is to be done; whether --fix mends it.
HARM = {
    "another machine has its address": (
        "right: ip addr add 192.0.2.1/24 dev eth0",
        "another machine on eth0 has the address 192.0.2.1",
        "broken",
        "another address",
        False,
    ),
    "its address is gone": (
        "left: ip addr del 192.0.2.1/24 dev eth0; ip addr add 192.0.2.7/24 dev eth0",
        "eth0 has no longer the address 192.0.2.1 that it sends from; it has 192.0.2.7",
        "broken",
        "overlay down",
        False,
    ),
    "the way is another": (
        "left: ip route add 192.0.2.2 dev eth1",
        "the way to the peer 192.0.2.2 is by eth1",
        "broken",
        "--dev eth1",
        False,
    ),
    "there is no way": (
        "left: ip route add unreachable 192.0.2.2",
        "no route leads to",
        "broken",
        "ip route get",
        False,
    ),
    "the route is narrow": (
        "left: ip route add 192.0.2.2 dev eth0 mtu 1400",
        "its links carry 1450 bytes, the way to 192.0.2.2 1350 of them",
        "doubtful",
        "--mtu 1350",
        False,
    ),
    "the link is narrow": (
        "left: ip link set eth0 mtu 1400",
        "its links carry 1450 bytes, the way to 192.0.2.2 1350 of them",
        "doubtful",
        "--mtu 1350",
        False,
    ),
    "a firewall came": (
        "left: nft 'add table inet f; add chain inet f i { type filter hook input priority 0; policy drop; }'",
        "nft inet f i drops what no rule lets in, and none names UDP port 4789",
        "doubtful",
        "udp dport 4789 accept",
        False,
    ),
    "an iptables firewall came": (
        "left: iptables -P INPUT DROP; iptables -A INPUT -p udp --dport 14789 -j ACCEPT",
        "drops what no rule lets in, and none names UDP port 4789",
        "doubtful",
        "udp dport 4789 accept",
        False,
    ),
    "the underlay is down": (
        "left: ip link set eth0 down",
        "eth0, which leads to the other hosts, is down",
        "broken",
        "up",
        False,
    ),
    "the tunnel is no port": (
        "left: ip link set nkv42 nomaster",
        "plug the tunnel into the bridge",
        "broken",
        "reload",
        True,
    ),
    "the tunnel is down": ("left: ip link set nkv42 down", "plug the tunnel into the bridge", "broken", "reload", True),
    "the tunnel is gone": ("left: ip link del nkv42", "the tunnel: frames travel", "broken", "reload", True),
    "a peer is flushed": (
        "left: bridge fdb del 00:00:00:00:00:00 dev nkv42 dst 192.0.2.2",
        "a peer gets what is sent to everybody",
        "broken",
        "reload",
        True,
    ),
    "forwarding is dropped": (
        "left: nft 'add table ip l; add chain ip l f { type filter hook forward priority 0; policy drop; }'",
        "its packets are dropped",
        "broken",
        "--fix",
        True,
    ),
    "NetworkManager runs": (
        "left: mkdir -p /run/NetworkManager",
        "NetworkManager runs",
        "doubtful",
        "unmanaged-devices=interface-name:nk*",
        False,
    ),
}


@pytest.mark.parametrize("harm", HARM)
def test_what_comes_between_hosts_is_told(pair: Pair, harm: str) -> None:
    command, said, severity, todo, fix = HARM[harm]
    where, _, words = command.partition(": ")
    (pair.left if where == "left" else pair.right).run("sh", "-c", words)
    found = told(pair, said)
    assert (found["severity"], found["fix"]) == (severity, fix), found
    assert todo in found["todo"]
    if fix:
        assert doctor(pair.left, "--fix") == (0, [])


def test_a_firewall_that_names_the_port_is_let_be(pair: Pair) -> None:
    chain = "add table inet f; add chain inet f i { type filter hook input priority 0; policy drop; }"
    pair.left.run("nft", f"{chain}; add rule inet f i udp dport 4789 accept")
    assert doctor(pair.left) == (0, [])
    pair.left.run("nft", "delete table inet f")
    pair.left.run("sh", "-c", "iptables -P INPUT DROP; iptables -A INPUT -p udp --dport 4789 -j ACCEPT")
    assert doctor(pair.left) == (0, [])


@pytest.mark.parametrize("backend", ["nftables", "iptables"])
def test_masquerading_of_the_tunnel_itself_is_told_or_cannot_be(lab: Lab, backend: str) -> None:
    """With nftables its packets are not tracked, and what is not tracked no NAT touches."""
    pair = Pair(lab)
    pair.up("--firewall", backend)
    two = pair.attach()[1]
    chain = "add table ip n; add chain ip n p { type nat hook postrouting priority 100; }"
    pair.left.run("nft", f"{chain}; add rule ip n p oifname eth0 snat to 192.0.2.77")
    pair.left.run("conntrack", "-F")
    done = pair.one.run("ping", "-n", "-c1", "-W1", two[4], check=False)
    if backend == "nftables":
        assert done.returncode == 0
        assert doctor(pair.left) == (0, [])
        return
    found = told(pair, "NAT rewrites its packets from 192.0.2.1")
    assert (found["severity"], "4789" in found["todo"]) == ("broken", True)
