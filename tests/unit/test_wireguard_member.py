"""Keys of hosts: a pair that is made once, peers that are believed with a key of their own, and what is planned."""

from __future__ import annotations

import base64
import errno
import json
import stat

import pytest

from netkit.agent.config import Config, Pool, Secret, loads
from netkit.agent.host import keys
from netkit.agent.host.member import Member, config, settings
from netkit.agent.iface import Iface
from netkit.drivers.flannel import Flannel
from netkit.errors import ConflictError, HostError, KernelError, NetkitError, StateError, UnsupportedError
from netkit.kernel.failures import explain
from netkit.model import PeerHost
from netkit.parts.backends import Keys, Realm, backend
from netkit.plan.host import Link
from netkit.plan.rare.wireguard import EndSet, PeerAdd
from netkit.state.document import dump
from netkit.state.root import Root
from netkit.stores import records
from netkit.stores.model import STALE, Claim, Host, Seen, Snapshot
from tests.fakes import FakeHost
from tests.wireguards import public_of

TYPE_CHECKING = False
if TYPE_CHECKING:
    from pathlib import Path

PSK = "cHNrcHNrcHNrcHNrcHNrcHNrcHNrcHNrcHNrcHNrcHM="
OWN, ONE, TWO = (public_of(base64.b64encode(bytes([fill]) * 32).decode()) for fill in (1, 2, 3))
CONFIG = Config("wireguard", Pool("10.5.0.0/16", 24, "10.5.1.0", "10.5.255.0"))
MEMBER = Member("a", CONFIG, Iface("eth0", 1500, "192.0.2.1", "", "192.0.2.1"), ("10.5.1.0/24",), keys=Keys("/k", OWN))
HOST = FakeHost(links=(Link("eth0", 2, mtu=1500, up=True),), addresses={"eth0": ("192.0.2.1/24", "fd00:2::1/64")})
REALM = Realm("a", ("10.5.0.0/16", "fd05::/48"), ("10.5.1.0/24", "fd05::/64"), "eth0", "192.0.2.1", "fd00:2::1")
PEER = PeerHost("b", "192.0.2.2", "fd00:2::2", subnets=("10.5.2.0/24", "fd05:0:0:2::/64"), key=ONE)


# -- keys ------------------------------------------------------------------------------------------------------------


def test_the_pair_is_made_once_for_root_alone_and_the_public_key_is_of_the_private_one(tmp_path: Path) -> None:
    found = keys.own(Root(str(tmp_path)), "flannel", CONFIG)
    file = tmp_path / "lib/wireguard/flannel.key"
    assert (found.file, found.psk, found.mark, found.mode) == (str(file), "", "", "separate")
    assert [stat.S_IMODE(path.stat().st_mode) for path in (file, file.parent)] == [0o600, 0o700]
    private = base64.b64decode(file.read_text().strip(), validate=True)
    assert (private[0] & 7, private[31] & 0xC0, len(private)) == (0, 0x40, 32)
    assert found.public == public_of(file.read_text().strip())
    assert keys.own(Root(str(tmp_path)), "flannel", CONFIG) == found
    assert keys.own(Root(str(tmp_path)), "other", CONFIG).public != found.public


def test_the_preshared_key_has_a_file_while_the_configuration_has_it(tmp_path: Path) -> None:
    file = tmp_path / "lib/wireguard/flannel.psk"
    found = keys.own(Root(str(tmp_path)), "flannel", CONFIG.replace(psk=Secret(PSK)))
    assert (found.psk, file.read_text(), stat.S_IMODE(file.stat().st_mode)) == (str(file), f"{PSK}\n", 0o600)
    other = keys.own(Root(str(tmp_path)), "flannel", CONFIG.replace(psk=Secret(OWN)))
    assert len(found.mark) == len(other.mark) == 12
    assert found.mark != other.mark
    keys.own(Root(str(tmp_path)), "flannel", CONFIG)
    assert not file.exists()


def test_what_is_forgotten_leaves_nothing_and_the_next_pair_is_another(tmp_path: Path) -> None:
    first = keys.own(Root(str(tmp_path)), "flannel", CONFIG.replace(psk=Secret(PSK)))
    keys.forget(Root(str(tmp_path)), "flannel")
    assert list((tmp_path / "lib/wireguard").iterdir()) == []
    assert keys.own(Root(str(tmp_path)), "flannel", CONFIG).public != first.public


@pytest.mark.parametrize("text", ["", "short", "A" * 43 + "=", "\xff"])
def test_a_damaged_key_is_named_and_never_replaced_unasked(tmp_path: Path, text: str) -> None:
    keys.own(Root(str(tmp_path)), "flannel", CONFIG)
    file = tmp_path / "lib/wireguard/flannel.key"
    file.write_text(text)
    with pytest.raises(StateError, match=r"flannel\.key holds no WireGuard key"):
        keys.own(Root(str(tmp_path)), "flannel", CONFIG)
    assert file.read_text() == text


# -- who is believed -------------------------------------------------------------------------------------------------


def snapshot(*hosts: Host) -> Snapshot:
    claims = [Claim(f"subnets/10.5.{number + 2}.0-24", 9 - number, host.node) for number, host in enumerate(hosts)]
    return Snapshot(hosts=tuple(Seen(host) for host in hosts), claims=tuple(claims))


def host(node: str, key: str, **more: object) -> Host:
    return Host(node, f"192.0.2.{ord(node) - 96}", 1, backend="wireguard", key=key).replace(**more)


def test_its_record_has_the_public_key_and_the_ports_and_comes_back_whole() -> None:
    said = MEMBER.record()
    assert (said.key, said.port, said.port6, said.vtep) == (OWN, 51820, 51821, "")
    agreed = settings(CONFIG).replace(id="n")
    assert records.host(dump(said), "a", agreed) == said
    assert config(agreed) == CONFIG


@pytest.mark.parametrize("key", ["x", ONE[:-1], ONE + "\n", "A" * 43 + "=", 7, [ONE], {"is": "Host"}, "\ud800"])
def test_a_record_with_a_forged_key_is_no_record(key: object) -> None:
    agreed = settings(CONFIG).replace(id="n")
    with pytest.raises((NetkitError, ValueError)):
        records.host(dump(host("b", ONE).replace(key=key)), "b", agreed)


def test_peers_are_led_to_by_keys_of_their_own_alone() -> None:
    found, refused = MEMBER.peers(
        snapshot(host("b", ONE), host("c", ONE), host("d", OWN), host("e", ""), host("f", TWO))
    )
    assert [(peer.node, peer.key) for peer in found] == [("b", ONE), ("f", TWO)]
    assert [line.rpartition(": ")[2] for line in refused] == [
        "another host has said to have that public key",
        "was this host's state copied?",
        "it does not say its public key",
    ]


def test_of_two_with_one_key_the_later_claim_is_believed_whatever_the_order() -> None:
    told = snapshot(host("b", ONE), host("c", ONE))
    assert MEMBER.peers(told)[0] == MEMBER.peers(told.replace(hosts=told.hosts[::-1]))[0]
    assert [peer.node for peer in MEMBER.peers(told)[0]] == ["b"]


def test_a_host_with_two_leases_is_one_peer_with_both() -> None:
    told = snapshot(host("b", ONE))
    both = told.replace(claims=(*told.claims, Claim("subnets/10.5.9.0-24", 3, "b")))
    assert MEMBER.peers(both) == ((PeerHost("b", "192.0.2.2", subnets=("10.5.2.0/24", "10.5.9.0/24"), key=ONE),), ())


def test_a_host_of_another_backend_is_not_led_to() -> None:
    found, (line,) = MEMBER.peers(snapshot(host("b", ONE, backend="vxlan")))
    assert found == ()
    assert "its backend is vxlan, not wireguard" in line


# -- what is planned -------------------------------------------------------------------------------------------------


def test_a_kernel_without_it_is_refused_before_any_link_is_made() -> None:
    without = FakeHost(links=tuple(HOST.links.values()), addresses=HOST.present, lacks=("wireguard",))
    with pytest.raises(UnsupportedError, match="this kernel has no WireGuard") as caught:
        Flannel().network_up(MEMBER.network(), without)
    assert "modprobe wireguard" in caught.value.hint


def test_no_plan_has_a_secret_and_the_options_say_where_they_are(tmp_path: Path) -> None:
    found = keys.own(Root(str(tmp_path)), "flannel", CONFIG.replace(psk=Secret(PSK)))
    net = MEMBER.replace(keys=found).network()
    private = (tmp_path / "lib/wireguard/flannel.key").read_text().strip()
    plan = Flannel().network_up(net, HOST) + Flannel().peer(net, PEER.replace(subnets=("10.5.2.0/24",)), HOST)
    (end,) = (op for op in plan.ops if isinstance(op, EndSet))
    (known,) = (op for op in plan.ops if isinstance(op, PeerAdd))
    assert (end.key, end.public, known.psk, known.mark) == (found.file, found.public, found.psk, found.mark)
    shown = f"{plan!r} {net!r} {MEMBER.replace(keys=found)!r} {CONFIG.replace(psk=Secret(PSK))!r}"
    assert private not in shown
    assert PSK not in shown


@pytest.mark.parametrize(
    ("mode", "tunnels"),
    [
        ("separate", {"flannel-wg": ("192.0.2.2:51820", 1), "flannel-wg-v6": ("[fd00:2::2]:51821", 1)}),
        ("auto", {"flannel-wg": ("192.0.2.2:51820", 2)}),
        ("ipv4", {"flannel-wg": ("192.0.2.2:51820", 2)}),
        ("ipv6", {"flannel-wg": ("[fd00:2::2]:51820", 2)}),
    ],
)
def test_each_mode_has_its_tunnels(mode: str, tunnels: dict[str, tuple[str, int]]) -> None:
    way, realm = backend("wireguard"), REALM.replace(keys=Keys("/k", OWN, mode=mode))
    assert way.devices(realm) == tuple(tunnels)
    ops = [op for op in way.peer(realm, PEER, HOST).ops if isinstance(op, PeerAdd)]
    assert {op.dev: (op.endpoint, len(op.allowed)) for op in ops} == tunnels


def test_auto_takes_what_both_hosts_have() -> None:
    way, realm = backend("wireguard"), REALM.replace(keys=Keys("/k", OWN, mode="auto"))
    six = PEER.replace(address="fd00:2::2", address6="")
    (op,) = (op for op in way.peer(realm, six, HOST).ops if isinstance(op, PeerAdd))
    assert op.endpoint == "[fd00:2::2]:51820"
    with pytest.raises(ConflictError, match="of another family than this host"):
        way.peer(realm.replace(local6=""), six, HOST)


def test_a_peers_own_ports_count() -> None:
    way, realm = backend("wireguard"), REALM.replace(port=7000, keys=Keys("/k", OWN))
    for peer, ports in ((PEER, ["7000", "51821"]), (PEER.replace(port=8000, port6=8001), ["8000", "8001"])):
        ops = [op for op in way.peer(realm, peer, HOST).ops if isinstance(op, PeerAdd)]
        assert [op.endpoint.rpartition(":")[2] for op in ops] == ports


def test_a_tunnel_over_a_family_that_the_link_has_not_is_refused() -> None:
    realm = REALM.replace(local6="", keys=Keys("/k", OWN, mode="ipv6"))
    with pytest.raises(HostError, match="is to be over IPv6, and eth0 has no such address"):
        backend("wireguard").up(realm, 1420, HOST)
    both = CONFIG.replace(six=Pool("fd05::/48", 64, "fd05::", "fd05::"))
    MEMBER.replace(config=both.replace(mode="ipv4")).check()
    with pytest.raises(HostError, match="the tunnel flannel-wg-v6 is to be over IPv6"):
        MEMBER.replace(config=both).check()


@pytest.mark.parametrize("key", ["", OWN])
def test_no_peer_is_planned_without_a_key_of_its_own(key: str) -> None:
    with pytest.raises(ConflictError, match="has no key of its own"):
        backend("wireguard").peer(REALM.replace(keys=Keys("/k", OWN)), PEER.replace(key=key), HOST)


def test_a_port_that_a_process_has_is_told_as_that() -> None:
    op = EndSet("flannel-wg", "/k", OWN, 51820)
    told = explain(op, KernelError("Address already in use", errno.EADDRINUSE))
    assert isinstance(told, ConflictError)
    assert told.message.startswith(
        "UDP port 51820 is taken by a process (wg set flannel-wg listen-port 51820 private-key"
    )


def test_what_an_operator_wrote_into_etcd_counts_with_its_preshared_key() -> None:
    told = {"Network": "10.5.0.0/16", "Backend": {"Type": "wireguard", "PSK": PSK, "ListenPort": 7000}}
    found = loads(json.dumps(told), "etcd://x/config")
    assert (found.psk, found.port) == (PSK, 7000)


@pytest.mark.parametrize("names", ["ab", "ba"])
def test_of_two_at_one_address_the_one_that_lives_is_believed(names: str) -> None:
    dead, living = tuple(names)
    hosts = [Host(node, "192.0.2.9", 1, f"02:00:00:00:00:0{node}") for node in names]
    told = Snapshot(
        hosts=(Seen(hosts[0], STALE), Seen(hosts[1])),
        claims=tuple(Claim(f"subnets/10.5.{number}.0-24", 1, node) for number, node in enumerate("ab", 2)),
    )
    member = MEMBER.replace(config=MEMBER.config.replace(backend="vxlan"), node="z")
    found, (line,) = member.peers(told)
    assert [peer.node for peer in found] == [living]
    assert f"host {dead} at 192.0.2.9: another host says to be at that address" in line
