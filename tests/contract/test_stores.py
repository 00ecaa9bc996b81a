"""What every store promises to hosts that meet in it, whatever it is made of. A new store is one line in `PLACES`.

A clock that the tests move stands for the hosts' own. A directory has no other; etcd has, and is made to follow.
"""

from __future__ import annotations

import json
import threading
import time

import pytest

from netkit.errors import ConfigError, ConflictError, PoolFullError, StateError
from netkit.stores.choice import lease_subnet
from netkit.stores.directory import DirectoryStore
from netkit.stores.etcd.store import EtcdStore
from netkit.stores.etcd.url import location
from netkit.stores.model import ALIVE, GONE, GRACE, LIVELINESS, STALE, Claim, Endpoint, Host, Settings
from tests.etcds import running
from tests.features import need

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

    from netkit.stores.model import LeaseStore, Snapshot
    from tests.etcds import Etcd

    Open = Callable[[str, Settings | None, "Clock"], LeaseStore]

SETTINGS = Settings("10.5.0.0/16", 24, 7, 3600)
SUBNET = "subnets/10.5.72.0-24"
ADDRESS = "addresses/10.5.72.7"
#: Where in etcd the keys are that a host's leases hold.
_LEASED = ("netkit/alive", "netkit/nodes", "netkit/addresses", "subnets")
NO_RESOURCES = (
    "", "subnets/", "subnets/10.5.72.1-24", "subnets/10.6.72.0-24", "subnets/10.5.72.0-25", "x/y", "addresses/../x",
    "subnets/10.5.72.0-24&10.5.73.0-24", "addresses/010.5.72.7", "addresses/10.6.0.1",
)  # fmt: skip
NO_SETTINGS: tuple[dict[str, object], ...] = (
    {"length": 17}, {"length": 31}, {"cidr": "10.5.0.1/16"}, {"ttl": 5}, {"backend": "x y"},
    {"cidr6": "fd00::/48", "length6": 49}, {"cidr6": "10.6.0.0/16", "length6": 24}, {"cidr6": "fd00::/48"},
    {"cidr": "fd00::/48", "length": 64, "cidr6": "fd01::/48", "length6": 64},
    {"first": "10.5.7.1"}, {"last": "10.6.0.0"}, {"first": "10.5.9.0", "last": "10.5.8.0"}, {"first": "fd00::"},
)  # fmt: skip


class Clock:
    """Time that passes when a test says so."""

    def __init__(self) -> None:
        self.now = 1000.0
        self.told: list[Callable[[], object]] = []

    def __call__(self) -> float:
        return self.now

    def pass_by(self, seconds: float, *acts: Callable[[], object], step: float = 20.0) -> None:
        """Let time go by in steps, with what hosts do after each of them."""
        for _ in range(int(seconds / step) + 1):
            self.now += step
            for act in (*self.told, *acts):
                act()


class Meeting:
    """Hosts at one place, with one clock; `expire` is told of each step, where a place has a clock of its own."""

    def __init__(self, open_store: Open) -> None:
        self._open = open_store
        self.clock = Clock()
        self.stores: list[LeaseStore] = []

    def join(self, node: str, settings: Settings | None = SETTINGS) -> LeaseStore:
        self.stores.append(self._open(node, settings, self.clock))
        return self.stores[-1]


class EtcdMeeting(Meeting):
    """As time of the test goes by, etcd does to silent hosts what it does to them by its own clock: it ends leases."""

    def __init__(self, open_store: Open, etcd: Etcd, prefix: str) -> None:
        super().__init__(open_store)
        self._etcd, self._prefix = etcd, prefix
        self.clock.told.append(self._expire)

    def _expire(self) -> None:
        silent: dict[str, float] = {}
        for store in self.stores:
            assert isinstance(store, EtcdStore)
            since = self.clock.now - store._renewed
            silent[store.node] = min(silent.get(store.node, since), since)
        if max(silent.values()) <= LIVELINESS:
            return
        for lease in {kv["lease"] for kv in self._etcd.keys(f"{self._prefix}/") if self._is_over(kv, silent)}:
            self._etcd.post("lease/revoke", {"ID": lease})

    def _is_over(self, kv: dict[str, str], silent: dict[str, float]) -> bool:
        """Whether a key ends with a lease whose host has been silent for longer than that lasts."""
        kind, _, name = kv["key"].removeprefix(f"{self._prefix}/").rpartition("/")
        if "lease" not in kv or kind not in _LEASED:
            return False
        node = name if kind in ("netkit/alive", "netkit/nodes") else json.loads(kv["value"])["Netkit"]["Node"]
        return silent.get(node, 0.0) > (LIVELINESS if kind == "netkit/alive" else SETTINGS.ttl)


def in_directory(path: Path, _: pytest.FixtureRequest) -> Meeting:
    return Meeting(lambda node, settings, clock: DirectoryStore(str(path), "web", node, settings, clock))


def in_etcd(path: Path, request: pytest.FixtureRequest) -> Meeting:
    etcd: Etcd = request.getfixturevalue("etcd")
    where = location(f"etcd://{etcd.endpoint}/{path.name}", "web")
    return EtcdMeeting(lambda node, settings, clock: EtcdStore(where, node, settings, clock), etcd, where.prefix)


PLACES = {"dir": in_directory, "etcd": in_etcd}


@pytest.fixture(scope="module")
def etcd(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Etcd]:
    need("etcd", "etcd3gw")
    with running(tmp_path_factory.mktemp("etcd")) as found:
        yield found


@pytest.fixture(params=PLACES)
def meeting(request: pytest.FixtureRequest, tmp_path: Path) -> Meeting:
    return PLACES[request.param](tmp_path, request)


def me(node: str, public: str = "192.0.2.1", *endpoints: Endpoint, left: bool = False) -> Host:
    return Host(node, public, 7, f"02:00:00:00:00:{ord(node[0]):02x}", endpoints, left)


def state(seen: Snapshot, node: str) -> str:
    """How a host is seen; one of which nothing is known any more is gone."""
    return next((one.state for one in seen.hosts if one.host.node == node), GONE)


def test_a_resource_has_one_holder_whom_the_refusal_names(meeting: Meeting) -> None:
    a, b = meeting.join("a"), meeting.join("b")
    claim = a.acquire(SUBNET)
    assert (claim.resource, claim.node, claim.reserved) == (SUBNET, "a", False)
    with pytest.raises(ConflictError, match=r"10\.5\.72\.0-24 is leased to a"):
        b.acquire(SUBNET)
    assert b.snapshot().claim(SUBNET) == claim


def test_to_acquire_again_is_to_go_on_having_it(meeting: Meeting) -> None:
    a = meeting.join("a")
    assert a.acquire(SUBNET) == a.acquire(SUBNET) == meeting.join("a").acquire(SUBNET)


def test_what_is_released_can_be_had_with_a_higher_generation(meeting: Meeting) -> None:
    a, b = meeting.join("a"), meeting.join("b")
    first = a.acquire(ADDRESS)
    assert a.release(first)
    second = b.acquire(ADDRESS)
    assert second.node == "b"
    assert second.generation > first.generation
    assert not a.release(first)
    assert b.snapshot().claim(ADDRESS) == second


def test_nobody_releases_what_is_another_hosts(meeting: Meeting) -> None:
    a, b = meeting.join("a"), meeting.join("b")
    claim = a.acquire(ADDRESS)
    assert not b.release(claim)
    assert not b.release(claim.replace(node="b"))
    assert b.snapshot().claim(ADDRESS) == claim


@pytest.mark.parametrize("name", NO_RESOURCES)
def test_what_is_no_resource_is_refused(meeting: Meeting, name: str) -> None:
    with pytest.raises(ConfigError):
        meeting.join("a").acquire(name)


def test_hosts_lease_different_subnets_and_keep_them_when_their_address_changes(meeting: Meeting) -> None:
    a, b = meeting.join("a"), meeting.join("b")
    mine, other = lease_subnet(a), lease_subnet(b)
    assert mine.resource != other.resource
    assert a.renew(me("a", "192.0.2.1")) == (mine,)
    again = meeting.join("a")
    assert lease_subnet(again) == mine
    assert again.renew(me("a", "198.51.100.9")) == (mine,)


def test_the_first_subnet_is_left_alone_and_the_others_run_out(meeting: Meeting) -> None:
    small = Settings("10.5.0.0/16", 18, 7, 3600)
    leased = {lease_subnet(meeting.join(node, small)).resource for node in "abc"}
    assert leased == {"subnets/10.5.64.0-18", "subnets/10.5.128.0-18", "subnets/10.5.192.0-18"}
    with pytest.raises(PoolFullError, match="all 3 of the network are leased"):
        lease_subnet(meeting.join("d", small))


def test_where_there_are_two_families_a_lease_is_a_subnet_of_each(meeting: Meeting) -> None:
    both = SETTINGS.replace(cidr6="fd00::/48", length6=64)
    a, b = meeting.join("a", both), meeting.join("b", both)
    claim = a.acquire("subnets/10.5.72.0-24&fd00:0:0:48::-64")
    assert claim.subnets == ("10.5.72.0/24", "fd00:0:0:48::/64")
    four, six = lease_subnet(b).subnets
    assert (four.partition("/")[2], six.partition("/")[2]) == ("24", "64")
    assert lease_subnet(a) == claim == b.snapshot().claim(claim.resource)
    for name in ("subnets/10.5.73.0-24", "subnets/fd00:0:0:49::-64", "subnets/10.5.73.0-24&fd00:0:0:48::-64"):
        with pytest.raises(ConfigError):
            b.acquire(name)


def test_a_host_has_again_the_subnet_that_it_had_before_if_it_is_still_free(meeting: Meeting) -> None:
    a, b, c = meeting.join("a"), meeting.join("b"), meeting.join("c")
    assert lease_subnet(a, prefer="10.5.200.0/24").resource == "subnets/10.5.200.0-24"
    assert lease_subnet(b, prefer="10.5.200.0/24").resource == "subnets/10.5.201.0-24"
    assert lease_subnet(a, prefer="10.5.7.0/24").resource == "subnets/10.5.200.0-24"
    for odd in ("10.5.0.0/24", "10.5.200.0/25", "10.6.1.0/24", "fd00::/64"):
        assert lease_subnet(c, prefer=odd).resource not in ("subnets/10.5.0.0-24", "subnets/10.6.1.0-24")


def test_a_host_that_was_killed_between_two_leases_has_one_again(meeting: Meeting) -> None:
    a = meeting.join("a")
    for third in (7, 8, 9):
        a.acquire(f"subnets/10.5.{third}.0-24", reserved=third == 9)
    assert lease_subnet(meeting.join("a"), prefer="10.5.8.0/24").subnets == ("10.5.8.0/24",)
    assert {claim.subnets[0] for claim in a.snapshot().of("a")} == {"10.5.8.0/24", "10.5.9.0/24"}


def test_subnets_are_leased_from_the_first_to_the_last_that_were_agreed_on(meeting: Meeting) -> None:
    few = SETTINGS.replace(first="10.5.7.0", last="10.5.9.0")
    leased = [lease_subnet(meeting.join(node, few)).subnets[0] for node in "abc"]
    assert sorted(leased) == ["10.5.7.0/24", "10.5.8.0/24", "10.5.9.0/24"]
    with pytest.raises(PoolFullError):
        lease_subnet(meeting.join("d", few))


def test_a_network_whose_subnets_have_no_length_gives_out_addresses_alone(meeting: Meeting) -> None:
    a = meeting.join("a", SETTINGS.replace(length=0))
    assert a.acquire(ADDRESS).node == "a"
    for other in (SUBNET, "addresses/10.6.0.1"):
        with pytest.raises(ConfigError):
            a.acquire(other)
    with pytest.raises(ConfigError, match="leases no subnets"):
        lease_subnet(a)


def test_who_finds_a_network_full_tries_nothing_that_a_living_host_has(
    meeting: Meeting, monkeypatch: pytest.MonkeyPatch
) -> None:
    small = Settings("10.5.0.0/16", 18, 7, 3600)
    a, b, c, d = (meeting.join(node, small) for node in "abcd")
    for store, reserved in ((a, False), (b, False), (c, True)):
        store.renew(me(store.node))
        lease_subnet(store, reserved=reserved)
    d.renew(me("d"))
    tried: list[str] = []
    acquire = d.acquire

    def counted(resource: str, reserved: bool = False) -> Claim:
        tried.append(resource)
        return acquire(resource, reserved)

    monkeypatch.setattr(d, "acquire", counted)
    with pytest.raises(PoolFullError):
        lease_subnet(d)
    assert tried == []
    meeting.clock.pass_by(3600 + GRACE, lambda: b.renew(me("b")), lambda: d.renew(me("d")), d.snapshot)
    assert lease_subnet(d).resource == tried[-1]
    assert {claim.node for claim in d.snapshot().claims if claim.subnets} == {"b", "c", "d"}
    assert len(tried) == 1


def test_a_silent_host_keeps_what_it_has_until_its_time_is_over(meeting: Meeting) -> None:
    a, b = meeting.join("a"), meeting.join("b")
    claim = a.acquire(SUBNET)
    a.renew(me("a"))
    b.snapshot()
    meeting.clock.pass_by(3600 - 40, b.snapshot, lambda: b.renew(me("b")))
    assert state(b.snapshot(), "a") == STALE
    with pytest.raises(ConflictError):
        b.acquire(SUBNET)
    meeting.clock.pass_by(60 + GRACE, b.snapshot, lambda: b.renew(me("b")))
    assert state(b.snapshot(), "a") == GONE
    taken = b.acquire(SUBNET)
    assert taken.node == "b"
    assert taken.generation > claim.generation


def test_a_host_that_never_spoke_loses_its_claim_as_well(meeting: Meeting) -> None:
    a, b = meeting.join("a"), meeting.join("b")
    a.acquire(SUBNET)
    b.snapshot()
    meeting.clock.pass_by(3600 + GRACE + 20, b.snapshot, lambda: b.renew(me("b")))
    assert b.acquire(SUBNET).node == "b"


def test_a_host_that_renews_loses_nothing_ever(meeting: Meeting) -> None:
    a, b = meeting.join("a"), meeting.join("b")
    claim = a.acquire(SUBNET)
    meeting.clock.pass_by(4 * 3600, lambda: a.renew(me("a")), lambda: b.renew(me("b")), b.snapshot, step=300)
    assert state(b.snapshot(), "a") == ALIVE
    with pytest.raises(ConflictError):
        b.acquire(SUBNET)
    assert a.renew(me("a")) == (claim,)


@pytest.mark.parametrize("jump", [10.0 * 365 * 86400, -10.0 * 365 * 86400])
def test_a_leap_of_the_clock_ends_no_lease(meeting: Meeting, jump: float) -> None:
    a, b = meeting.join("a"), meeting.join("b")
    a.acquire(SUBNET)
    a.renew(me("a"))
    b.snapshot()
    meeting.clock.now += jump
    b.renew(me("b"))
    assert state(b.snapshot(), "a") == ALIVE
    with pytest.raises(ConflictError):
        b.acquire(SUBNET)


def test_what_is_reserved_is_never_taken_from_a_silent_host_and_stays_reserved(meeting: Meeting) -> None:
    a, b = meeting.join("a"), meeting.join("b")
    claim = a.acquire(SUBNET, reserved=True)
    assert claim.reserved
    b.snapshot()
    meeting.clock.pass_by(2 * 3600, b.snapshot, lambda: b.renew(me("b")))
    with pytest.raises(ConflictError, match="reserved for a"):
        b.acquire(SUBNET)
    again = meeting.join("a")
    assert again.acquire(SUBNET) == claim
    assert lease_subnet(again) == claim


def test_a_host_that_slept_withdraws_and_learns_what_it_lost(meeting: Meeting) -> None:
    a, b = meeting.join("a"), meeting.join("b")
    a.acquire(SUBNET)
    a.renew(me("a"))
    b.snapshot()
    assert not a.fenced()
    meeting.clock.pass_by(3600 + GRACE + 60, b.snapshot, lambda: b.renew(me("b")))
    assert a.fenced()
    with pytest.raises(StateError, match="silent for too long"):
        a.acquire(ADDRESS)
    b.acquire(SUBNET)
    a.renew(me("a"))
    assert not a.fenced()
    assert a.renew(me("a")) == ()


def test_who_only_watches_is_not_fenced_while_another_process_of_its_host_speaks(meeting: Meeting) -> None:
    a, b, speaking = meeting.join("a"), meeting.join("b"), meeting.join("b")
    a.acquire(SUBNET)
    a.renew(me("a"))
    b.snapshot()
    meeting.clock.pass_by(3600 + GRACE + 60, b.snapshot, lambda: speaking.renew(me("b")))
    assert not b.fenced()
    assert b.acquire(SUBNET).node == "b", "it has seen that the other one is gone"


def test_a_host_that_slept_and_lost_nothing_has_it_again_at_its_second_word(meeting: Meeting) -> None:
    a = meeting.join("a")
    claim = a.acquire(SUBNET)
    meeting.clock.now += 3600
    a.renew(me("a"))
    assert a.renew(me("a")) == (claim,)


def test_a_host_that_left_is_gone_and_so_are_its_claims(meeting: Meeting) -> None:
    a, b = meeting.join("a"), meeting.join("b")
    a.acquire(SUBNET)
    a.renew(me("a", left=True))
    assert state(b.snapshot(), "a") == GONE
    assert b.acquire(SUBNET).node == "b"


def test_of_who_has_parted_the_address_alone_is_told_until_it_is_back(meeting: Meeting) -> None:
    a, b = meeting.join("a"), meeting.join("b")
    a.renew(me("a"))
    b.snapshot()
    a.renew(me("a", left=True))
    for _ in range(3):
        seen = b.snapshot()
        assert [one.host.node for one in seen.hosts] == []
        assert seen.parted == (("a", me("a").public),)
    a.renew(me("a"))
    seen = b.snapshot()
    assert ([one.host.node for one in seen.hosts], seen.parted) == (["a"], ())


def test_who_has_left_and_still_has_a_claim_is_told_whole(meeting: Meeting) -> None:
    a, b = meeting.join("a"), meeting.join("b")
    a.renew(me("a"))
    a.renew(me("a", left=True))
    assert b.snapshot().parted
    a.acquire(SUBNET, reserved=True)
    for _ in range(3):
        seen = b.snapshot()
        assert [(one.host.node, one.state) for one in seen.hosts] == [("a", GONE)]
        assert seen.parted == ()


def test_hosts_see_what_the_others_say(meeting: Meeting) -> None:
    a, b = meeting.join("a"), meeting.join("b")
    said = me("a", "192.0.2.1", Endpoint("10.5.72.7", "02:00:00:00:01:07")).replace(
        public6="2001:db8::1", backend="udp", vtep6="02:00:00:00:06:61", port=8285
    )
    a.renew(said)
    (seen,) = b.snapshot().hosts
    assert seen.host.replace(beat=0) == said
    assert seen.state == ALIVE
    a.renew(me("a", "198.51.100.1"))
    assert [one.host.public for one in b.snapshot().hosts] == ["198.51.100.1"]


def test_a_host_speaks_for_itself_alone_and_only_of_its_network(meeting: Meeting) -> None:
    a = meeting.join("a")
    for host in (
        me("b"),
        me("a").replace(vni=8),
        me("a", "10.5.1.1"),
        me("a", "127.0.0.1"),
        me("a", "nowhere"),
        me("a").replace(public6="192.0.2.7"),
        me("a").replace(backend="X"),
        me("a").replace(port=65536),
    ):
        with pytest.raises(ConfigError):
            a.renew(host)
    assert a.snapshot().hosts == ()


def test_nobody_takes_the_endpoints_or_the_tunnel_of_one_who_was_there_before(meeting: Meeting) -> None:
    a, z, b = meeting.join("a"), meeting.join("z"), meeting.join("b")
    mine = Endpoint("10.5.72.7", "02:00:00:00:01:07")
    z.renew(me("z", "192.0.2.9", mine))
    before = b.snapshot().told()
    a.renew(me("a", "192.0.2.1", mine, Endpoint("10.5.72.8", "02:00:00:00:01:08")))
    after = b.snapshot().told()
    assert after.hosts[0] == before.hosts[0]
    assert [one.address for one in after.hosts[1].host.endpoints] == ["10.5.72.8"]
    assert any("10.5.72.7" in text for text in after.warnings)
    a.renew(me("a").replace(vtep=me("z").vtep))
    assert b.snapshot().told().hosts == before.hosts


def test_a_machine_that_has_the_address_of_one_that_died_is_told_beside_it(meeting: Meeting) -> None:
    """A tunnel's MAC follows from the address: so it is the dead one's, and not for the store to judge."""
    a, b, c = (meeting.join(node) for node in "abc")
    a.renew(me("a", "192.0.2.1"))
    c.snapshot()
    meeting.clock.pass_by(LIVELINESS, c.snapshot)
    b.renew(me("b", "192.0.2.1").replace(vtep=me("a").vtep))
    assert {seen.host.node: seen.state for seen in c.snapshot().hosts} == {"a": STALE, "b": ALIVE}


def test_an_address_is_behind_the_host_that_has_claimed_it_whoever_said_so_first(meeting: Meeting) -> None:
    a, b, c = (meeting.join(node) for node in "abc")
    a.renew(me("a", "192.0.2.1", Endpoint("10.5.72.7", "02:00:00:00:01:07")))
    b.acquire(ADDRESS)
    b.renew(me("b", "192.0.2.2", Endpoint("10.5.72.7", "02:00:00:00:02:07")))
    behind = {seen.host.node: [one.mac for one in seen.host.endpoints] for seen in c.snapshot().hosts}
    assert behind == {"a": [], "b": ["02:00:00:00:02:07"]}


def test_a_network_has_one_set_of_settings(meeting: Meeting) -> None:
    meeting.join("a")
    with pytest.raises(ConflictError, match="other settings"):
        meeting.join("b", SETTINGS.replace(length=25))
    assert meeting.join("b", None).settings == meeting.join("a").settings


def test_to_say_what_is_so_by_itself_is_to_say_nothing(meeting: Meeting) -> None:
    a = meeting.join("a", SETTINGS.replace(first="10.5.1.0", last="10.5.255.0"))
    b = meeting.join("b", SETTINGS)
    assert a.settings == b.settings
    assert b.settings.first == ""
    with pytest.raises(ConflictError):
        meeting.join("c", SETTINGS.replace(last="10.5.254.0"))


@pytest.mark.parametrize("off", NO_SETTINGS)
def test_settings_that_make_no_sense_are_refused(meeting: Meeting, off: dict[str, object]) -> None:
    with pytest.raises(ConfigError):
        meeting.join("a", SETTINGS.replace(**off))


def test_who_watches_is_told_of_a_change_and_not_of_a_heartbeat(meeting: Meeting) -> None:
    a, b = meeting.join("a"), meeting.join("b")
    a.renew(me("a"))
    seen = b.snapshot()
    a.renew(me("a"))
    assert [one.state for one in b.watch(0.1).hosts] == [one.state for one in seen.hosts]
    begun = time.monotonic()
    later = threading.Timer(0.2, a.acquire, (SUBNET,))
    later.start()
    seen_there = b.watch(60).claim(SUBNET)
    assert seen_there is not None
    assert seen_there.node == "a"
    later.join()
    assert time.monotonic() - begun < 30


def test_who_else_speaks_under_a_hosts_id_is_told_and_how_long_ago(meeting: Meeting) -> None:
    one, two = meeting.join("a"), meeting.join("a", None)
    assert one.twin("s1") is None
    host = Host("a", "192.0.2.1", 7, session="s1")
    one.renew(host)
    assert one.twin("s1") is None
    found = two.twin("s2")
    assert found is not None
    assert (found.host.public, found.host.session, 0 <= found.age < 5) == ("192.0.2.1", "s1", True)
    one.renew(host.replace(session=""))
    assert two.twin("s2") is None, "an older netkit does not say"
    one.renew(host.replace(left=True))
    assert two.twin("s2") is None
