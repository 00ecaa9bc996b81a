"""etcd under attack and in trouble: killed, stopped, compacted, full, made anew; logins, certificates, forgeries."""

from __future__ import annotations

import contextlib
import random
import shutil
import signal
import sys
import threading
import time
from unittest import mock

import pytest

from netkit import stores
from netkit.errors import ConflictError, HostError, StateError
from netkit.state.files import Directory, dump
from netkit.stores.choice import lease_subnet
from netkit.stores.etcd import flannel, gateway, mirror, reading
from netkit.stores.etcd import store as module
from netkit.stores.etcd.mirror import Mirror
from netkit.stores.etcd.store import EtcdStore
from netkit.stores.etcd.url import location
from netkit.stores.model import ALIVE, STALE, Endpoint, Host, Settings
from tests.etcds import Etcd, answering, certificates, cluster, running
from tests.features import need
from tests.forgeries import forged

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from netkit.stores.etcd.mirror import Entry

pytestmark = pytest.mark.requires("etcd", "etcd3gw")

SETTINGS = Settings("10.5.0.0/16", 24, 7, 3600, backend="vxlan")
SUBNET, OTHER, ADDRESS = "subnets/10.5.72.0-24", "subnets/10.5.73.0-24", "addresses/10.5.72.7"
A = Host("a", "192.0.2.1", 7, "02:00:00:00:00:0a", (Endpoint("10.5.72.7", "02:00:00:00:01:07"),))
B = Host("b", "192.0.2.2", 7, "02:00:00:00:00:0b")


@pytest.fixture
def own(tmp_path: Path) -> Iterator[Etcd]:
    """An etcd for one test, which may do to it what it likes."""
    with running(tmp_path / "etcd") as found:
        yield found


@pytest.fixture(scope="module")
def common(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Etcd]:
    need("etcd", "etcd3gw")
    with running(tmp_path_factory.mktemp("etcd")) as found:
        yield found


@pytest.fixture
def prefix(tmp_path: Path) -> str:
    """Keys of one test."""
    return tmp_path.name


def join(etcd: Etcd, node: str, settings: Settings | None = SETTINGS, prefix: str = "net") -> EtcdStore:
    found = stores.open(f"etcd://{etcd.endpoint}/{prefix}", "", node, settings)
    assert isinstance(found, EtcdStore)
    return found


@pytest.mark.parametrize("end", [signal.SIGTERM, signal.SIGKILL])
def test_an_etcd_that_is_stopped_loses_no_host_and_comes_back(own: Etcd, end: int) -> None:
    a, b = join(own, "a"), join(own, "b")
    claim = a.acquire(SUBNET)
    a.renew(A)
    before = b.snapshot()
    own.stop(end)
    away = b.snapshot()
    assert not away.reachable
    assert own.endpoint in away.why
    assert (away.hosts, away.claims) == (before.hosts, before.claims)
    for act in (lambda: b.acquire(OTHER), lambda: b.renew(B), lambda: a.release(claim)):
        with pytest.raises(StateError, match="does not answer"):
            act()
    own.start()
    assert b.snapshot().told() == before.told()
    assert a.renew(A) == (claim,)
    assert b.acquire(OTHER).node == "b"


def test_an_etcd_that_neither_answers_nor_refuses_is_given_up(own: Etcd, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(gateway, "_DEADLINE", 0.3)
    a = join(own, "a")
    before = a.snapshot()
    own.pause()
    away = a.snapshot()
    own.resume()
    assert not away.reachable
    assert away.claims == before.claims
    while not a.snapshot().reachable:
        time.sleep(0.05)


def test_who_watches_is_told_at_once_when_etcd_is_back_and_after_a_compaction(own: Etcd) -> None:
    a, b = join(own, "a"), join(own, "b")
    a.renew(A)
    b.snapshot()
    for number in range(20):
        a.renew(A.replace(public=f"192.0.2.{number + 100}"))
    own.ctl("compact", str(a._mirror.revision))
    assert b.watch(60).hosts[0].host.public == "192.0.2.119"
    own.stop()
    assert not b.watch(0.5).reachable
    own.start()
    assert b.watch(60).reachable
    later = threading.Timer(0.3, a.acquire, (SUBNET,))
    later.start()
    begun = time.monotonic()
    assert [claim.node for claim in b.watch(60).claims] == ["a"]
    assert time.monotonic() - begun < 20
    later.join()


def test_an_etcd_that_was_made_anew_or_restored_is_not_believed(own: Etcd, tmp_path: Path) -> None:
    b = stores.kept(f"etcd://{own.endpoint}/net", "", "b", SETTINGS, Directory.open(str(tmp_path / "state")))
    a = join(own, "a")
    a.acquire(SUBNET)
    a.renew(A)
    before = b.snapshot()
    own.stop()
    shutil.rmtree(own.home / "data")
    own.start()
    for again in (False, True):
        away = b.snapshot()
        assert not away.reachable
        assert (away.hosts, away.claims) == (before.hosts, before.claims)
        if not again:
            join(own, "z").acquire(OTHER)
    with pytest.raises(StateError):
        b.acquire(OTHER)


def test_a_full_etcd_refuses_claims_and_loses_none(tmp_path: Path) -> None:
    with running(tmp_path / "etcd", "--quota-backend-bytes", str(2 << 20)) as small:
        a, b = join(small, "a"), join(small, "b")
        claim = a.acquire(SUBNET)
        a.renew(A)
        before = b.snapshot()
        for number in range(100):
            if small.fails("put", f"ballast{number}", "x" * 100_000):
                break
        assert "NOSPACE" in small.ctl("alarm", "list")
        with pytest.raises(StateError, match="space exceeded") as caught:
            b.acquire(OTHER)
        assert "etcdctl alarm disarm" in caught.value.hint
        assert b.snapshot().told() == before.told()
        assert a.renew(A) == (claim,)  # a heartbeat writes nothing
        small.ctl("del", "--prefix", "ballast")
        small.ctl("compact", str(b._mirror.revision + 1))
        small.ctl("defrag")
        small.ctl("alarm", "disarm")
        assert b.acquire(OTHER).node == "b"


def test_a_heartbeat_changes_nothing_that_others_would_be_told_of(own: Etcd) -> None:
    a = join(own, "a")
    a.acquire(SUBNET)
    a.acquire(ADDRESS)
    a.renew(A)
    revision = a._mirror.revision
    for _ in range(5):
        a.renew(A)
    join(own, "a").renew(A)
    assert a._mirror.revision == revision
    a.snapshot()
    assert a._mirror.revision == revision
    assert len(own.ctl("lease", "list").split()[3:]) == 2
    with mock.patch.object(a._gateway, "call", wraps=a._gateway.call) as call:
        a.renew(A)
    assert [one.args[0] for one in call.mock_calls] == ["kv/txn", "lease/keepalive", "lease/keepalive"]


def test_silence_is_judged_by_etcds_own_clock(own: Etcd, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "LIVELINESS", 3)
    a, b = join(own, "a"), join(own, "b")
    a._lease.ttl = 9
    a.acquire(SUBNET)
    a.acquire(OTHER, reserved=True)
    a.renew(A)
    beats = [b.snapshot().hosts[0].host.beat for _ in range(2)]
    assert beats[0] != beats[1]
    while [seen.state for seen in b.snapshot().hosts] == [ALIVE]:
        time.sleep(0.1)
    seen = b.snapshot()
    if seen.claim(SUBNET):
        assert seen.hosts[0].state == STALE
        assert seen.hosts[0].host.beat == b.snapshot().hosts[0].host.beat
    while b.snapshot().claim(SUBNET):
        time.sleep(0.1)
    assert [claim.resource for claim in b.snapshot().claims] == [OTHER]
    assert b.acquire(SUBNET).node == "b"
    with pytest.raises(ConflictError, match="reserved for a"):
        b.acquire(OTHER)
    assert [claim.resource for claim in a.renew(A)] == [OTHER]
    assert b.snapshot().claim(SUBNET) == b.acquire(SUBNET)


def test_a_lease_is_not_written_over_another_that_has_part_of_it(
    common: Etcd, prefix: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    both = SETTINGS.replace(cidr6="fd00::/48", length6=64)
    a = join(common, "a", both, prefix)
    a.renew(A)
    flannel = f"/{prefix}/subnets/10.5.9.0-24&fd00:0:0:48::-64"
    real = a._claim

    def late(resource: str, seen: Entry | None, reserved: bool) -> None:
        common.ctl("put", flannel, '{"PublicIP":"192.0.2.9","PublicIPv6":"2001:db8::9","BackendType":"vxlan"}')
        monkeypatch.setattr(a, "_claim", real)
        real(resource, seen, reserved)

    monkeypatch.setattr(a, "_claim", late)
    with pytest.raises(ConflictError, match=r"overlaps fd00:0:0:48::/64"):
        a.acquire("subnets/10.5.72.0-24&fd00:0:0:48::-64")
    assert [claim.node for claim in a.snapshot().claims] == ["192.0.2.9"]
    assert lease_subnet(a).node == "a"


def test_of_several_members_one_that_answers_is_enough(own: Etcd, tmp_path: Path) -> None:
    with running(tmp_path / "dead") as dead:
        pass
    url = f"etcd://{dead.endpoint},{own.endpoint}/net"
    a = stores.open(url, "", "a", SETTINGS)
    assert a.acquire(SUBNET).node == "a"
    assert a.snapshot().reachable
    own.stop()
    assert all(where in a.snapshot().why for where in (dead.endpoint, own.endpoint))


@pytest.mark.limit(120)
def test_a_cluster_of_three_goes_on_when_the_member_that_was_asked_is_killed(tmp_path: Path) -> None:

    with cluster(tmp_path) as members:
        url = f"etcd://{','.join(one.endpoint for one in members)}/net"
        a, b = stores.open(url, "", "a", SETTINGS), stores.open(url, "", "b", SETTINGS)
        claim = a.acquire(SUBNET)
        a.renew(A)
        members[0].stop(signal.SIGKILL)
        while True:
            try:
                assert a.renew(A) == (claim,)
                break
            except StateError:
                time.sleep(0.2)  # an election
        assert b.snapshot().claims == (claim,)
        members[1].stop(signal.SIGKILL)
        away = b.snapshot()
        assert not away.reachable
        assert away.claims == (claim,)


def test_a_user_and_a_password_are_asked_for_and_are_asked_for_again(own: Etcd, tmp_path: Path) -> None:
    own.ctl("user", "add", "root:top")
    own.ctl("user", "grant-role", "root", "root")
    own.ctl("role", "add", "net")
    own.ctl("role", "grant-permission", "net", "readwrite", "--prefix=true", "/net/")
    own.ctl("user", "add", "me:secret")
    own.ctl("user", "grant-role", "me", "net")
    own.ctl("auth", "enable")
    right, wrong = tmp_path / "right", tmp_path / "wrong"
    right.write_text("secret\n")
    wrong.write_text("guess\n")
    url = f"etcd://{own.endpoint}/net?user=me&password-file="
    a = stores.open(f"{url}{right}", "", "a", SETTINGS)
    a.renew(A)
    assert a.acquire(SUBNET).node == "a"
    own.stop()
    own.start()  # it has forgotten whom it let in
    assert a.acquire(ADDRESS).node == "a"
    assert a.watch(0.2).reachable
    for other, says in (
        (f"etcd://{own.endpoint}/net", "user name is empty"),
        (f"{url}{wrong}", "authentication failed"),
    ):
        with pytest.raises(StateError, match=says):
            stores.open(other, "", "b", SETTINGS)
    with pytest.raises(StateError, match="permission denied") as caught:
        stores.open(f"etcd://{own.endpoint}/others?user=me&password-file={right}", "", "b", SETTINGS)
    assert "grant" in caught.value.hint
    with pytest.raises(StateError, match="cannot read the password"):
        stores.open(f"{url}/nowhere", "", "b", SETTINGS)


@pytest.mark.requires("openssl")
def test_certificates_are_asked_for_on_both_sides(tmp_path: Path) -> None:

    place = certificates(tmp_path / "certificates")
    words = ("--cert-file", f"{place}/server.pem", "--key-file", f"{place}/server.key", "--client-cert-auth")
    with running(tmp_path / "etcd", tls=(*words, "--trusted-ca-file", f"{place}/ca.pem")) as secure:
        url = f"etcds://{secure.endpoint}/net?ca={place}/ca.pem"
        a = stores.open(f"{url}&cert={place}/client.pem&key={place}/client.key", "", "a", SETTINGS)
        assert a.acquire(SUBNET).node == "a"
        assert a.watch(0.2).reachable
        plain = f"etcd://{secure.endpoint}/net"
        other = f"etcds://{secure.endpoint}/net?ca={place}/server.pem&cert={place}/client.pem&key={place}/client.key"
        system = f"etcds://{secure.endpoint}/net?cert={place}/client.pem&key={place}/client.key"
        gone = f"{url}&cert={place}/gone.pem&key={place}/gone.key"
        for bad in (url, plain, other, system):
            with pytest.raises(StateError, match="does not answer"):
                stores.open(bad, "", "b", SETTINGS)
        for odd in (gone, f"{url}&cert={place}/client.pem&key={place}/server.key", f"{gone}&ca=/etc/hostname"):
            with pytest.raises(StateError, match="of the store cannot be used"):
                stores.open(odd, "", "b", SETTINGS)


def test_a_network_that_nobody_made_is_not_there(common: Etcd, prefix: str) -> None:
    with pytest.raises(StateError, match=f"/{prefix}/config is missing"):
        join(common, "a", None, prefix)


def test_what_an_operator_wrote_in_the_configuration_can_be_read_as_it_is(common: Etcd, prefix: str) -> None:
    url = f"etcd://{common.endpoint}/{prefix}"
    assert stores.net_conf(url, "") == stores.net_conf("/shared", "web") == ""
    written = '{"Network": "10.5.0.0/16", "Backend": {"Type": "vxlan", "VNI": 7, "DirectRouting": true}}'
    common.ctl("put", f"/{prefix}/config", written)
    assert stores.net_conf(url, "") == written
    assert join(common, "a", SETTINGS.replace(ttl=86400), prefix).acquire(SUBNET).node == "a"


def test_without_the_library_the_refusal_says_what_to_install(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "etcd3gw", None)
    with pytest.raises(HostError, match="etcd3gw") as caught:
        stores.open("etcd://127.0.0.1:1/net", "", "a", SETTINGS)
    assert "[etcd]" in caught.value.hint


def test_what_is_no_etcd_is_told_from_one(tmp_path: Path) -> None:

    for answer in (b"", b"hello", b"<html>", b"{}", b"[]", b'{"header":{}}', b'{"header":7,"responses":[]}', b"\xff\0"):
        with answering(answer) as port, pytest.raises(StateError):
            stores.open(f"etcd://127.0.0.1:{port}/net", "", "a", SETTINGS)


@pytest.mark.parametrize("seed", range(3))
def test_a_mirror_is_what_reading_everything_gives(common: Etcd, prefix: str, seed: int) -> None:
    """Random puts and deletions between looks, also of keys that come and go unseen."""
    chance = random.Random(seed)  # noqa: S311 - the same every time
    where = location(f"etcd://{common.endpoint}/{prefix}", "")
    gate = gateway.Gateway(where)
    kept = Mirror(gate, (where.key_of("config"), where.key_of("subnets/")))
    for _ in range(40):
        for _ in range(chance.randrange(6)):
            key = gateway.encode(where.key_of(f"subnets/{chance.randrange(8)}"))
            if chance.random() < 0.5:
                gate.call("kv/put", {"key": key, "value": gateway.encode(str(chance.random()))})
            else:
                gate.call("kv/deleterange", {"key": key})
        if chance.random() < 0.1:
            with contextlib.suppress(gateway.RefusedError):  # when nothing has changed since the last time
                gate.call("kv/compaction", {"revision": str(max(kept.revision, 1)), "physical": True})
        kept.refresh()
        fresh = Mirror(gate, kept.prefixes)
        fresh.refresh()
        assert kept.under(kept.prefixes[1]) == fresh.under(fresh.prefixes[1])


def test_more_keys_than_anyone_can_know_are_refused(common: Etcd, prefix: str, monkeypatch: pytest.MonkeyPatch) -> None:
    b = join(common, "b", prefix=prefix)
    b.acquire(SUBNET)
    before = b.snapshot()
    monkeypatch.setattr(mirror, "KEYS", 5)
    for number in range(6):
        common.ctl("put", f"/{prefix}/subnets/x{number}", "y")
    after = b.snapshot()
    assert not after.reachable
    assert after.claims == before.claims


def test_hosts_that_have_left_etcd_are_in_nobodys_way(
    common: Etcd, prefix: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(reading, "HOSTS", 3)
    for number in range(5):
        left = Host(f"a{number}", f"192.0.2.1{number}", 7, f"02:00:00:00:01:0{number}", left=True)
        join(common, left.node, prefix=prefix).renew(left)
    b = join(common, "b", prefix=prefix)
    b.renew(B)
    seen = b.snapshot()
    assert ([one.host.node for one in seen.hosts], seen.warnings) == (["b"], ())


ODD_KEYS = (
    "subnets/x", "subnets/10.5.72.0-25", "subnets/10.5.72.128-25", "subnets/10.5.0.0-16", "subnets/10.6.1.0-24",
    "subnets/10.5.72.1-24", "subnets/10.5.72.0-24/x", "subnets/../config", "subnets/10.5.72.0-24&fd00::-64", "subnets/",
    "subnets/10.5.91.0-24&10.5.92.0-24", "subnets/" + "9" * 5000, "subnets/\0", "netkit/nodes/", "netkit/nodes/../a",
    "netkit/nodes/a/b", "netkit/addresses/10.6.0.1", "netkit/addresses/x", "netkit/alive/?", "x", "config/",
)  # fmt: skip


def hostile(chance: random.Random) -> tuple[str, bytes]:
    """A key and a value that someone wrote who means no good."""
    number = chance.randrange(12)
    host = Host(f"e{number}", "192.0.2.66", 7, chance.choice((A.vtep, f"02:00:00:00:66:{number:02x}")), A.endpoints)
    lease = forged(chance, flannel.lease(host, host.node))
    return chance.choice(
        (
            (f"subnets/10.5.{number + 90}.0-24", lease),
            (f"netkit/nodes/e{number}", forged(chance, dump(host))),
            (f"netkit/nodes/e{number}", dump(host)),
            (f"netkit/addresses/10.5.9.{number}", lease),
            (chance.choice(ODD_KEYS), lease),
        )
    )


@pytest.mark.parametrize("seed", range(4))
def test_ten_thousand_hostile_keys_change_nothing_but_their_own(common: Etcd, prefix: str, seed: int) -> None:
    chance = random.Random(seed)  # noqa: S311 - the same every time
    a, b = join(common, "a", prefix=prefix), join(common, "b", prefix=prefix)
    a.renew(A)
    claim, address = a.acquire(SUBNET), a.acquire(ADDRESS)
    b.renew(B)
    before = b.snapshot()
    believed, theirs = set(), set()
    for _ in range(100):
        written = dict(hostile(chance) for _ in range(25))
        puts = [
            {"request_put": {"key": gateway.encode(f"/{prefix}/{key}"), "value": gateway.encode(value)}}
            for key, value in written.items()
        ]
        a._gateway.call("kv/txn", {"success": puts})
        theirs |= {key.removeprefix("netkit/") for key in written}
        seen = b.snapshot()
        assert seen.reachable, seen.why
        assert seen.told().hosts[:2] == before.told().hosts
        assert (seen.claim(SUBNET), seen.claim(ADDRESS)) == (claim, address)
        assert len(seen.warnings) <= 100
        assert all(len(text) < 1000 for text in seen.warnings)
        believed |= {one.host.node for one in seen.hosts[2:]}
        leased = [cidr for one in seen.claims for cidr in one.subnets]
        assert len(leased) == len(set(leased))
        assert all(cidr.startswith("10.5.") and cidr.endswith(".0/24") for cidr in leased)
        assert not any(one.host.endpoints or one.host.vtep == A.vtep for one in seen.hosts[2:])
    assert believed
    held = a.renew(A)
    assert {claim, address} <= set(held)
    assert {one.resource for one in held} - {claim.resource, address.resource} <= theirs, "what they say is a's"
    assert lease_subnet(b).node == "b"
