"""What is planned of a fast path: refused where the kernel has none; a port of a limited container has no program."""

from __future__ import annotations

import pytest

from netkit.drivers.overlay import Overlay
from netkit.errors import UnsupportedError
from netkit.kernel.instructions import R0, R1, Code
from netkit.model import AttachRequest, Lease, Network, NsRef, PeerHost, Rate, Subnet
from netkit.plan.host import Link, Route
from netkit.plan.rare.fastpath import FastPathAdd, FastPeerAdd, FastPortAdd, FastUnderlayAdd
from tests.fakes import FakeHost

OPTIONS = {"vni": "42", "local": "192.0.2.1", "dev": "eth0", "port": "4789", "fast_path": "yes"}
NET = Network(
    "overlay42", "overlay", "nk-overlay42", (Subnet("10.142.0.0/16", "10.142.0.1"),), options=tuple(OPTIONS.items())
)
REQUEST = AttachRequest("web", NsRef("/run/netns/web"))
LEASES = (Lease("10.142.0.2/16", "10.142.0.1"), Lease("fd42::2/64", "fd42::1"))


def host(**more: tuple[str, ...]) -> FakeHost:
    link = Link("eth0", 2, mac="02:00:00:00:00:0a", mtu=1500, up=True)
    way = Route("192.0.2.0/24", 4, dev="eth0", table=254)
    return FakeHost(links=(link,), addresses={"eth0": ("192.0.2.1/24",)}, routes=(way,), lacks=more.get("lacks", ()))


def test_where_there_can_be_none_it_is_refused_by_name() -> None:
    with pytest.raises(UnsupportedError, match="no programs at links, which a fast path is") as raised:
        Overlay().network_up(NET, host(lacks=("fast path",)))
    assert "Linux 6.6" in raised.value.hint
    plain = NET.replace(options=tuple({**OPTIONS, "fast_path": ""}.items()))
    assert not [op for op in Overlay().network_up(plain, host(lacks=("fast path",))).ops if isinstance(op, FastPathAdd)]


@pytest.mark.parametrize("limit", [{}, {"rate_in": Rate(10**6)}, {"rate_out": Rate(10**6)}])
def test_a_port_may_send_from_its_addresses_and_of_a_limited_one_from_none(limit: dict[str, Rate]) -> None:
    made = Overlay().attach(NET, REQUEST.replace(**limit), LEASES, host())
    (port,) = [op for op in made.plan.ops if isinstance(op, FastPortAdd)]
    known = () if limit else ("10.142.0.2", "fd42::2")
    assert port.addresses[:2] == known
    assert [address[:6] for address in port.addresses[2:]] == ([] if limit else ["fe80::"])


KEY = "dGhpcyBpcyBub3QgYSBrZXksIGJ1dCBhcyBsb25nIGE="


@pytest.mark.parametrize(
    ("others", "opened"),
    [
        ({"peers": "192.0.2.2"}, ["192.0.2.2"]),
        ({"store": "dir:///s"}, []),
        ({"group": "239.1.1.42"}, None),
        ({"control": "evpn"}, None),
        ({"store": "dir:///s", "key": "/k", "public": KEY}, None),
    ],
)
def test_packets_are_opened_at_the_underlay_where_peers_are_known_one_by_one(
    others: dict[str, str], opened: list[str] | None
) -> None:
    net = NET.replace(options=tuple({**OPTIONS, **others}.items()))
    ops = Overlay().network_up(net, host()).ops
    assert [op.peer for op in ops if isinstance(op, FastPeerAdd)] == (opened or [])
    assert len([op for op in ops if isinstance(op, FastUnderlayAdd)]) == (opened is not None)
    if "store" in others:
        met = Overlay().peer(net, PeerHost("b" * 32, "192.0.2.3", key=KEY.swapcase()), host()).ops
        assert [op.peer for op in met if isinstance(op, FastPeerAdd)] == (["192.0.2.3"] if opened is not None else [])


def test_what_jumps_knows_how_far() -> None:
    code = Code()
    code.go_if(R1, 7, "end")
    code.set(R0, 0)
    code.place("end")
    code.end()
    assert code.whole().hex(" ", 8) == "1601010007000000 b700000000000000 9500000000000000"
