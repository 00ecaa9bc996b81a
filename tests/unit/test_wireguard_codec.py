"""Ops of WireGuard as messages: the same to pyroute2 as those that it writes, and what it writes is read as it is."""

from __future__ import annotations

import base64
import os
import time

import pytest
from hypothesis import given
from hypothesis import strategies as st

from netkit.errors import HostError
from netkit.kernel import wireguard
from netkit.plan.ops import Op
from netkit.plan.rare.wireguard import EndClear, EndSet, PeerAdd, PeerDel, Tunnel, TunnelPeer
from netkit.value import from_json, to_json
from tests.fakes import FakeHost
from tests.wireguards import ZERO, Family, public_of, read, request

TYPE_CHECKING = False
if TYPE_CHECKING:
    from pathlib import Path

DEV = "flannel-wg"
PRIVATE, PSK = (base64.b64encode(bytes([fill]) * 32).decode() for fill in (7, 9))
ONE, TWO = (public_of(base64.b64encode(bytes([fill]) * 32).decode()) for fill in (1, 2))

keys = st.binary(min_size=32, max_size=32).map(lambda data: base64.b64encode(data).decode())
four, six = (st.ip_addresses(v=version).map(str) for version in (4, 6))
ports = st.integers(1, 65535)
endpoints = st.one_of(st.builds("{}:{}".format, four, ports), st.builds("[{}]:{}".format, six, ports))
prefixes = st.one_of(
    st.builds("10.{}.{}.0/24".format, st.integers(0, 255), st.integers(0, 255)),
    st.builds("fd00:{:x}::/64".format, st.integers(1, 65535)),
)
peers = st.builds(
    PeerAdd,
    st.just(DEV),
    keys,
    endpoints,
    st.lists(prefixes, min_size=1, max_size=4, unique=True).map(tuple),
    st.integers(0, 65535),
)


@pytest.fixture
def key(tmp_path: Path) -> Path:
    return secret(tmp_path / "flannel.key", PRIVATE)


def secret(path: Path, text: str) -> Path:
    path.touch(0o600)
    path.write_text(text + "\n")
    return path


def pyroute(op: PeerAdd, psk: str = ZERO) -> bytes:
    """What pyroute2 would send."""
    address, _, port = op.endpoint.rpartition(":")
    peer = {"public_key": op.public, "preshared_key": psk, "persistent_keepalive": op.keepalive}
    peer |= {"endpoint_addr": address.strip("[]"), "endpoint_port": int(port)}
    return request(op.dev, peer=peer | {"replace_allowed_ips": True, "allowed_ips": list(op.allowed)})


@given(peers)
def test_a_peer_is_told_as_pyroute2_tells_it(op: PeerAdd) -> None:
    ours, theirs = wireguard.payload(op), pyroute(op)
    assert len(ours) == len(theirs)
    assert read(ours) == read(theirs)
    assert from_json(to_json(op)) == op


def test_secrets_are_read_from_their_files_when_the_kernel_is_told(key: Path, tmp_path: Path) -> None:
    psk = secret(tmp_path / "flannel.psk", PSK)
    end = EndSet(DEV, str(key), public_of(PRIVATE), 51820)
    peer = PeerAdd(DEV, ONE, "192.0.2.9:51820", ("10.5.9.0/24",), 25, str(psk), "0" * 12)
    assert wireguard.payload(end) == request(DEV, PRIVATE, 51820)
    assert read(wireguard.payload(peer)) == read(pyroute(peer, PSK))
    assert wireguard.payload(EndClear(DEV)) == request(DEV, ZERO, 0)
    assert read(wireguard.payload(PeerDel(DEV, ONE))) == read(request(DEV, peer={"public_key": ONE, "remove": True}))


def test_lists_are_marked_as_nested_for_the_kernel_refuses_them_otherwise() -> None:
    data = wireguard.payload(PeerAdd(DEV, ONE, "192.0.2.9:51820", ("10.5.9.0/24",)))
    place = data.index(base64.b64decode(ONE)) - 4  # the peer's first attribute
    kinds = [int.from_bytes(data[at + 2 : at + 4], "little") for at in (place - 8, place - 4)]
    assert kinds == [0x8008, 0x8000]


@pytest.mark.parametrize("mode", [0o644, 0o640, 0o604, 0o660])
def test_a_key_that_others_may_read_is_not_used(key: Path, mode: int) -> None:
    key.chmod(mode)
    with pytest.raises(HostError, match="others may read") as caught:
        wireguard.secret(str(key))
    assert caught.value.hint.startswith(f"chmod 600 {key}")


@pytest.mark.parametrize("text", ["", "AAAA", PRIVATE[:-2], PRIVATE + "A", "x" * 44, "\xff" * 44, PRIVATE * 4])
def test_a_file_without_a_key_is_named_and_not_shown(key: Path, text: str) -> None:
    key.write_text(text)
    with pytest.raises(HostError) as caught:
        wireguard.secret(str(key))
    assert caught.value.message == f"{key} holds no WireGuard key"


def test_no_link_and_no_pipe_is_followed_to_a_key(key: Path, tmp_path: Path) -> None:
    (tmp_path / "link").symlink_to(key)
    os.mkfifo(tmp_path / "pipe", 0o600)
    for name in ("link", "pipe", "nowhere"):
        with pytest.raises(HostError):
            wireguard.secret(str(tmp_path / name))


def told(*ops: Op, family: Family | None = None) -> tuple[Family, FakeHost]:
    """A kernel that was told these, and the host as it is read back from it."""
    family = family or Family()
    for op in ops:
        family.set(wireguard.payload(op))
    return family, FakeHost(tunnels={DEV: wireguard.decode(family.show(DEV))})


@given(st.lists(peers, max_size=4, unique_by=lambda op: op.public))
def test_what_was_told_holds_and_what_was_taken_back_does_not(ops: list[PeerAdd]) -> None:
    apart = [op.replace(allowed=(f"10.{place}.0.0/16", f"fd{place:02}::/64")) for place, op in enumerate(ops)]
    family, host = told(*apart)
    assert all(op.holds(host) for op in apart)
    assert not any(back.holds(host) for op in apart for back in op.reverse())
    _, after = told(*(back for op in apart for back in op.reverse()), family=family)
    assert after.wireguard(DEV) == Tunnel()
    assert all(back.holds(after) for op in apart for back in op.reverse())


def test_its_own_end_holds_until_key_or_port_are_others(key: Path) -> None:
    end = EndSet(DEV, str(key), public_of(PRIVATE), 51820)
    family, host = told(end)
    assert end.holds(host)
    assert not end.replace(port=51821).holds(host)
    assert not end.replace(public=ONE).holds(host)
    _, host = told(*end.reverse(), family=family)
    assert not end.holds(host)
    assert all(back.holds(host) for back in end.reverse())


def test_a_change_of_anything_that_a_peer_has_is_seen(key: Path, tmp_path: Path) -> None:
    psk = secret(tmp_path / "flannel.psk", PSK)
    mark = wireguard.mark(base64.b64decode(PSK))
    op = PeerAdd(DEV, ONE, "[2001:db8::9]:51820", ("10.5.9.0/24", "fd05::/64"), 25, str(psk), mark)
    _, host = told(EndSet(DEV, str(key), public_of(PRIVATE), 51820), op)
    assert op.holds(host)
    for change in ({"public": TWO}, {"endpoint": "[2001:db8::9]:51821"}, {"allowed": op.allowed[:1]}, {"keepalive": 0},
                   {"mark": ""}, {"mark": "0" * 12}):  # fmt: skip
        assert not op.replace(**change).holds(host), change


def test_a_peer_that_talks_from_elsewhere_is_left_there_until_its_session_is_old() -> None:
    op = PeerAdd(DEV, ONE, "192.0.2.9:51820", ("10.5.9.0/24",))
    family, _ = told(op)
    peer = family.links[DEV]["peers"][ONE]
    peer["endpoint"] = ["203.0.113.7", 4711]
    for age, holds in ((5, True), (179, True), (190, False), (-100, False), (10**9, False)):
        peer["at"] = int(time.time()) - age
        _, host = told(family=family)
        assert op.holds(host) is holds, age


def test_of_secrets_nothing_is_in_what_is_observed(key: Path, tmp_path: Path) -> None:
    psk = secret(tmp_path / "flannel.psk", PSK)
    _, host = told(
        EndSet(DEV, str(key), public_of(PRIVATE), 51820),
        PeerAdd(DEV, ONE, "192.0.2.9:51820", ("10.5.9.0/24",), psk=str(psk)),
    )
    seen = repr(host.wireguard(DEV))
    assert PRIVATE not in seen
    assert PSK not in seen
    assert host.wireguard(DEV).peers == (
        TunnelPeer(ONE, "192.0.2.9:51820", frozenset(["10.5.9.0/24"]), 0, wireguard.mark(base64.b64decode(PSK))),
    )
