"""What is planned and said of backend udp's fast path: refused by name where it cannot be, IPv4 alone."""

from __future__ import annotations

import json

import pytest

from netkit.agent.config import Config, Pool
from netkit.agent.host.member import Member
from netkit.agent.host.show import document, lines
from netkit.agent.host.status import Peer, Status
from netkit.agent.iface import Iface
from netkit.drivers.flannel import Flannel
from netkit.errors import ConfigError, UnsupportedError
from netkit.kernel.udppath import Passed
from netkit.model import PeerHost
from netkit.plan.host import Link
from netkit.plan.rare.udppath import UdpPath, UdpPathAdd, UdpPathDel, UdpPeerAdd, UdpPeerDel
from netkit.plan.render import render
from netkit.stores import records
from netkit.stores.etcd import flannel
from netkit.stores.model import Host, Settings
from tests.fakes import FakeHost

CONFIG = Config("udp", Pool("10.5.0.0/16", 24, "10.5.1.0", "10.5.255.0"), Pool("fd05::/48", 64, "fd05::", "fd05::"))
MEMBER = Member(
    "a",
    CONFIG,
    Iface("eth0", 1500, "192.0.2.1", "fd00:2::1", "192.0.2.1"),
    ("10.5.1.0/24", "fd05:0:0:1::/64"),
    fast_path=True,
)
PEER = PeerHost("b", "192.0.2.2", subnets=("10.5.2.0/24", "fd05:0:0:2::/64"), fast_path=True)
PATH = UdpPathAdd("flannel0", "eth0", "192.0.2.1", 8285, ("10.5.1.0/24",))
AGREED = Settings("10.5.0.0/16", 24, 1, backend="udp")


def host(hardware: int = 1, paths: dict[str, UdpPath] | None = None, lacks: tuple[str, ...] = ()) -> FakeHost:
    links = (Link("eth0", 2, mtu=1500, up=True, hardware=hardware), Link("flannel0", 3, mtu=1472, up=True))
    return FakeHost(links=links, addresses={"eth0": ("192.0.2.1/24", "fd00:2::1/64")}, udp_paths=paths, lacks=lacks)


def test_only_who_asks_has_one() -> None:
    ops = Flannel().network_up(MEMBER.network(), host()).ops
    assert [op for op in ops if isinstance(op, UdpPathAdd)] == [PATH]
    plain = MEMBER.replace(fast_path=False).network()
    assert not [op for op in Flannel().network_up(plain, host(lacks=("udp path",))).ops if isinstance(op, UdpPathAdd)]
    assert not [op for op in Flannel().peer(plain, PEER, host()).ops if isinstance(op, UdpPeerAdd)]


def test_where_there_can_be_none_it_is_refused_by_name() -> None:
    with pytest.raises(UnsupportedError, match="no programs at links, which a fast path is") as raised:
        Flannel().network_up(MEMBER.network(), host(lacks=("udp path",)))
    assert "Linux 6.6" in raised.value.hint
    with pytest.raises(UnsupportedError, match="eth0 has no Ethernet frames"):
        Flannel().network_up(MEMBER.network(), host(hardware=65534))
    for other in (
        MEMBER.replace(config=CONFIG.replace(backend="host-gw")),
        MEMBER.replace(iface=MEMBER.iface.replace(local="", public="fd00:2::1")),
        MEMBER.replace(config=CONFIG.replace(four=Pool(), six=CONFIG.six)),
    ):
        with pytest.raises(ConfigError, match="--fast-path"):
            other.check()


@pytest.mark.parametrize(
    ("peer", "port", "takes"), [(PEER, 8285, True), (PEER.replace(port=9, fast_path=False), 9, False)]
)
def test_of_a_peers_subnets_ipv4_is_told(peer: PeerHost, port: int, takes: bool) -> None:
    ops = Flannel().peer(MEMBER.network(), peer, host()).ops
    told = [op for op in ops if isinstance(op, UdpPeerAdd)]
    assert told == [UdpPeerAdd("flannel0", "10.5.2.0/24", "192.0.2.2", port, takes)]
    assert told[0].reverse() == (UdpPeerDel("flannel0", "10.5.2.0/24"),)


def test_it_holds_while_both_programs_are_ours_and_share_what_they_know() -> None:
    name = PATH.program
    both = {"flannel0": UdpPath(name, 7), "eth0": UdpPath(name, 7)}
    assert PATH.holds(host(paths=both))
    for broken in (
        {"flannel0": UdpPath(name, 7)},
        {"eth0": UdpPath(name, 7)},
        both | {"eth0": UdpPath(name, 8)},
        both | {"eth0": UdpPath("nku0", 7)},
    ):
        assert not PATH.holds(host(paths=broken))
        assert not PATH.reverse()[0].holds(host(paths=broken))
    assert PATH.reverse() == (UdpPathDel("flannel0", "eth0"),)
    assert PATH.reverse()[0].holds(host())
    others = (PATH.replace(port=9), PATH.replace(leased=("10.5.3.0/24",)), PATH.replace(local="192.0.2.9"))
    assert len({name, *(other.program for other in others)}) == 4


def test_a_peer_is_told_again_when_anything_of_it_is_another() -> None:
    op = UdpPeerAdd("flannel0", "10.5.2.0/24", "192.0.2.2", 8285, True)
    known = ("10.5.2.0/24", "192.0.2.2", 8285, True)
    assert op.holds(host(paths={"flannel0": UdpPath("nku0", 7, frozenset({known}))}))
    for at, other in enumerate(("10.5.3.0/24", "192.0.2.3", 9, False)):
        told = frozenset({(*known[:at], other, *known[at + 1 :])})
        assert not op.holds(host(paths={"flannel0": UdpPath("nku0", 7, told)}))  # type: ignore[arg-type]


def test_what_is_shown_names_both_links_and_the_subnet() -> None:
    peer = UdpPeerAdd("flannel0", "10.5.2.0/24", "192.0.2.2", 8285, False)
    for op in (PATH, *PATH.reverse()):
        assert {"flannel0", "eth0"} <= {*str(render(op)[0]).split()}
    assert "10.5.2.0/24 is behind 192.0.2.2 port 8285, which does not take" in str(render(peer)[0])
    assert "forget 10.5.2.0/24" in str(render(*peer.reverse())[0])


def test_the_others_are_told_once_there_is_a_lease() -> None:
    assert MEMBER.record().fast_path
    assert not MEMBER.replace(leased=()).record().fast_path
    assert not MEMBER.replace(fast_path=False).record().fast_path
    said = Host("a", "192.0.2.1", 1, backend="udp", fast_path=True)
    data = flannel.lease(said, "a")
    assert json.loads(data)["Netkit"] == {"Node": "a", "FastPath": True}
    assert flannel.host(data, "a", AGREED) == said
    with pytest.raises(ConfigError, match=r"Netkit\.FastPath|fastpath"):
        flannel.host(data.replace(b"true", b'"yes"'), "a", AGREED)


def test_a_record_in_a_directory_says_it_too() -> None:
    from netkit.state.document import dump

    said = Host("a", "192.0.2.1", 1, backend="udp", fast_path=True)
    assert records.host(dump(said), "a", AGREED) == said


def test_status_tells_which_way_each_host_is_reached() -> None:
    peers = (Peer("b", "192.0.2.2", PEER.subnets, "alive"), Peer("c", "192.0.2.3", ("10.5.3.0/24",), "alive"))
    status, past = Status(network="flannel", backend="udp", peers=peers, fast_path=True), {
        "10.5.2.0/24": Passed(True, 5, 500, 7, 700),
        "10.5.3.0/24": Passed(False, 0, 0, 0, 0),
    }  # fmt: skip
    told = list(lines(status, [], past))
    assert [line.partition("as wanted  ")[2] for line in told[-2:]] == [
        "in the kernel: 5 packets out, 7 in",
        "by the proxy",
    ]
    assert not any("by the proxy" in line for line in lines(status, []))
    shown = document(status, [], past)["peers"][0]["past_proxy"]
    counted = {"takes": True, "packets_out": 5, "bytes_out": 500, "packets_in": 7, "bytes_in": 700}
    assert shown == {"10.5.2.0/24": counted}
