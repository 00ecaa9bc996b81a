"""Encrypted overlays: where keys are kept, who is believed with one, what is planned for a peer."""

from __future__ import annotations

import base64
import stat

import pytest

from netkit.drivers.overlay import SEALED, Overlay
from netkit.engine import keys
from netkit.engine.judge import judged
from netkit.engine.overlay import Wish, overlay
from netkit.engine.session import Session
from netkit.errors import ConfigError, ConflictError, HostError, NetkitError, UnsupportedError
from netkit.ipam.pool import overlaps
from netkit.model import Network, PeerHost, Subnet
from netkit.parts import sealed
from netkit.parts.tunnel import vtep_mac
from netkit.plan.host import Link, Route
from netkit.plan.ops import LinkAdd, RouteAdd, RulesAdd
from netkit.plan.rare.vxlan import FdbAdd
from netkit.plan.rare.wireguard import PeerAdd
from netkit.plan.rules import TunnelFrom
from netkit.state.files import dump
from netkit.state.root import Root
from netkit.stores import records
from netkit.stores.etcd import flannel
from netkit.stores.model import GONE, STALE, Host, Seen, Settings, Snapshot
from tests.fakes import FakeHost
from tests.wireguards import public_of

TYPE_CHECKING = False
if TYPE_CHECKING:
    from pathlib import Path

OWN, ONE, TWO = (public_of(base64.b64encode(bytes([fill]) * 32).decode()) for fill in (1, 2, 3))
WISH = Wish(42, store="dir:///srv/x", encrypt=True, key="/k", public=OWN)
LINK = Link("eth0", 2, mtu=1500, up=True, carrier=True)
HOST = FakeHost(
    links=(LINK,), addresses={"eth0": ("192.0.2.1/24",)}, routes=(Route("default", 4, "192.0.2.9", "eth0"),)
)


def net() -> Network:
    found = overlay(WISH, HOST)
    return found.replace(device="nk-overlay42")


def host(node: str, key: str = "", **more: object) -> Host:
    return Host(node, f"192.0.2.{ord(node) - 96}", 42, backend=SEALED, port=51942, key=key).replace(**more)


ITSELF = host("a", OWN)


def refused(*others: Seen | Host) -> dict[str, str]:
    seen = tuple(other if isinstance(other, Seen) else Seen(other) for other in others)
    return {each.node: each.why for each in judged(Snapshot(hosts=seen), net(), ITSELF).refused}


# -- keys ------------------------------------------------------------------------------------------------------------


def test_a_private_key_is_for_root_alone_and_goes_with_its_overlay(tmp_path: Path) -> None:
    root, private = Root(str(tmp_path)), keys.draw()
    keys.keep(root, "overlay42", private)
    file = tmp_path / "lib/wireguard/overlay42.private"
    assert keys.place(root, "overlay42") == str(file)
    assert [stat.S_IMODE(path.stat().st_mode) for path in (file, file.parent)] == [0o600, 0o700]
    assert base64.b64decode(file.read_text().strip(), validate=True) == private
    assert keys.public_of(private) == public_of(file.read_text().strip())
    keys.forget(root, "overlay42")
    assert list(file.parent.iterdir()) == []


def test_what_is_left_of_overlays_that_are_not_there_is_found_and_no_key_of_the_agents(tmp_path: Path) -> None:
    root = Root(str(tmp_path))
    with Session(root) as session:
        assert list(keys.left(session)) == []
        assert not (tmp_path / "lib/wireguard").exists()
        keys.keep(root, "overlay42", keys.draw())
        keys.keep(root, "overlay43", keys.draw())
        root.wireguard.create("flannel.key", keys.line(keys.draw()))
        session.networks.save(net())
        assert list(keys.left(session)) == ["overlay43"]


# -- who is believed -------------------------------------------------------------------------------------------------


def test_a_host_is_led_to_by_its_key() -> None:
    (peer,) = judged(Snapshot(hosts=(Seen(host("b", ONE)),)), net(), ITSELF).peers
    assert (peer.node, peer.address, peer.key) == ("b", "192.0.2.2", ONE)


def test_who_has_no_key_of_its_own_is_refused_by_name() -> None:
    assert refused(host("b")) == {"b": "it does not say its public key"}
    assert refused(host("b", OWN)) == {"b": "its public key is this host's own: was this host's state copied?"}
    assert refused(host("b", ONE), host("c", ONE)) == {"c": "its public key is that of b, too"}
    assert refused(Seen(host("b", ONE), STALE), Seen(host("c", ONE))) == {"b": "its public key is that of c, too"}
    assert refused(Seen(host("b", ONE), GONE), Seen(host("c", ONE))) == {}


def test_who_is_not_encrypted_is_refused_and_the_other_way_round() -> None:
    assert refused(host("b", ONE, backend="vxlan")) == {"b": "it speaks vxlan, not vxlan-wireguard"}
    clear = overlay(Wish(42, store="dir:///srv/x"), HOST)
    found = judged(Snapshot(hosts=(Seen(host("b", ONE, port=0)),)), clear, ITSELF.replace(backend="vxlan", key=""))
    assert [each.why for each in found.refused] == ["it speaks vxlan-wireguard, not vxlan"]


@pytest.mark.parametrize("agreed", [Settings("10.142.0.0/16", vni=42, backend=SEALED, port=51942, id="x")])
def test_a_record_and_what_hosts_agree_on_come_back_whole(agreed: Settings) -> None:
    said = ITSELF.replace(vtep=vtep_mac(sealed.inside(OWN, 42), 42))
    assert records.host(dump(said), "a", agreed) == said
    assert flannel.settings(flannel.config(agreed)) == agreed


# -- what is planned -------------------------------------------------------------------------------------------------


def test_an_address_inside_follows_from_the_key_in_the_overlays_own_prefix() -> None:
    found = {sealed.inside(key, vni) for key in (OWN, ONE, TWO) for vni in (42, 43)}
    assert len(found) == 6
    assert all(overlaps(f"{address}/128", "fd00::/8") for address in found)
    (whole,) = {op.dst for op in Overlay().network_up(net(), HOST).ops if isinstance(op, RouteAdd)}
    assert all(overlaps(f"{sealed.inside(key, 42)}/128", whole) for key in (OWN, ONE, TWO))
    assert not overlaps(f"{sealed.inside(OWN, 43)}/128", whole)


def test_beneath_the_route_into_the_link_lies_one_that_leads_nowhere() -> None:
    ways = [op for op in Overlay().network_up(net(), HOST).ops if isinstance(op, RouteAdd)]
    assert [(op.dev, op.metric > 1024) for op in ways] == [("lo", True), ("nkw42", False)]
    assert len({op.dst for op in ways}) == 1


@pytest.mark.parametrize(
    ("address", "endpoint"), [("192.0.2.2", "192.0.2.2:51942"), ("2001:db8::2", "[2001:db8::2]:51942")]
)
def test_a_peer_is_let_in_by_the_link_from_its_own_address_alone(address: str, endpoint: str) -> None:
    mode, mine, end = Overlay(), net(), sealed.inside(ONE, 42)
    if ":" in address:
        mine = mine.replace(options=tuple({**dict(mine.options), "local": "2001:db8::1"}.items()))
    peer = PeerHost("b", address, key=ONE, endpoints=(("10.142.9.1", "02:00:00:00:00:01"),))
    ops = mode.peer(mine, peer, HOST).ops
    assert [op for op in ops if isinstance(op, PeerAdd)] == [PeerAdd("nkw42", ONE, endpoint, (f"{end}/128",))]
    assert [op.rules for op in ops if isinstance(op, RulesAdd)] == [(TunnelFrom("nkw42", 4789, 42, end),)]
    assert [op.dst for op in ops if isinstance(op, FdbAdd)] == [end]


@pytest.mark.parametrize("key", ["", OWN])
def test_no_peer_is_planned_without_a_key_of_its_own(key: str) -> None:
    with pytest.raises(ConflictError, match="has no key of its own"):
        Overlay().peer(net(), PeerHost("b", "192.0.2.2", key=key), HOST)


@pytest.mark.parametrize(
    ("changes", "error", "says"),
    [
        ({"lacks": ("wireguard",)}, UnsupportedError, "this kernel has no WireGuard"),
        ({"sysctls": {"net/ipv6/conf/lo/disable_ipv6": "1"}}, HostError, "IPv6 is switched off on lo"),
        ({"sysctls": {"net/ipv6/conf/default/disable_ipv6": None}}, UnsupportedError, "this kernel has no IPv6"),
        ({"links": (LINK.replace(mtu=1359),)}, HostError, "eth0 carries 1359 bytes, .* needs 1360"),
        ({"links": (LINK, Link("nkw42", 3))}, ConflictError, "VNI 42 is in use by nkw42"),
    ],
)
def test_a_host_that_cannot_is_told_why(changes: dict[str, object], error: type[NetkitError], says: str) -> None:
    given: dict[str, object] = {"links": (LINK,), "addresses": HOST.present, "routes": HOST.host_routes, **changes}
    poor = FakeHost(**given)  # type: ignore[arg-type]
    with pytest.raises(error, match=says):
        Overlay().network_up(net(), poor)


def test_the_narrowest_underlay_makes_the_narrowest_link_that_ipv6_takes() -> None:
    narrow = FakeHost(links=(LINK.replace(mtu=1360),), addresses=HOST.present)
    for asked, carried in ((0, 1210), (1000, 1000)):
        ops = Overlay().network_up(net().replace(mtu=asked), narrow).ops
        sizes = {op.name: op.mtu for op in ops if isinstance(op, LinkAdd)}
        assert (sizes["nkw42"], sizes["nkv42"]) == (1280, carried)


def test_keys_go_with_a_store_and_are_keys() -> None:
    options = dict(net().options)
    for changes, says in (
        ({"store": ""}, "hosts tell each other their keys in a store"),
        ({"public": "x"}, "no WireGuard key"),
    ):
        with pytest.raises(ConfigError, match=says):
            Overlay().parse_options(options | changes, "options")


def test_ports_follow_from_the_vni_unless_one_is_said() -> None:
    assert [Wish(vni, encrypt=True).its_port for vni in (1, 42, 142)] == [51901, 51942, 51942]
    assert (Wish(42).its_port, Wish(42, encrypt=True, port=7).its_port) == (4789, 7)
    assert Subnet("10.142.0.0/16", "10.142.0.1") in net().subnets
