"""Overlays with a store whose hosts have no address but IPv6: who is reached, what fits, what is mended and refused."""

from __future__ import annotations

import json

import pytest

from tests.contract.drivers import pings
from tests.hosts import Container, Lab, wait_until
from tests.netns.calls import ip
from tests.netns.keepers import kill_keeper
from tests.netns.test_overlay_store import MORE, UP, Crowd, end, forwards, neighbours, reaches
from tests.oracle import diff

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator

pytestmark = [pytest.mark.root, pytest.mark.requires("vxlan", "bridge", "nftables"), pytest.mark.limit(120)]

FOUR, SIX = ("--subnet", "10.142.0.0/16"), ("--subnet", "fd42::/64")
#: Of IPv4 and IPv6, what a ping's own headers take.
HEADERS = {4: 28, 6: 48}


@pytest.fixture
def six(lab: Lab) -> Iterator[Crowd]:
    """Three hosts whose only addresses are IPv6."""
    made = Crowd(lab, 3, six=True)
    assert all("inet " not in host.run("ip", "addr", "show", "dev", "eth0").stdout for host in made.hosts)
    yield made
    end(made)


def stream(source: Container, target: Container, address: str) -> int:
    """How many bytes of a megabyte arrive by TCP."""
    version, place = (6, f"[{address}]") if ":" in address else (4, address)
    receiver = target.popen("sh", "-c", f"socat -u TCP{version}-LISTEN:5000 - | wc -c")
    assert wait_until(lambda: ":5000 " in target.run("ss", "-Hltn").stdout)
    source.run("sh", "-c", f"head -c 1000000 /dev/zero | socat -u - TCP{version}:{place}:5000")
    return int(receiver.communicate(timeout=30)[0])


@pytest.mark.parametrize("subnets", [(), FOUR, SIX, (*FOUR, *SIX)], ids=["as-usual", "ipv4", "ipv6", "dual-stack"])
def test_three_hosts_over_ipv6_are_one_segment_and_as_before_after_down(six: Crowd, subnets: tuple[str, ...]) -> None:
    before = [host.snapshot(*six.containers) for host in six.hosts]
    six.up(*subnets)
    told = six.attach()
    assert all(each.keys() == {4 if ":" not in word else 6 for word in subnets or FOUR if "/" in word} for each in told)
    for container in six.containers:
        assert ip(container, "link", "show", "dev", "eth0")[0]["mtu"] == 1500 - 70
        for each in told:
            assert all(reaches(container, address) for address in each.values())
    one = six.containers[0]
    for version, address in told[2].items():
        fits = 1430 - HEADERS[version]
        assert pings(one, {"fits": address}, 1, "-Mdo", f"-s{fits}") == {"fits"}
        assert pings(one, {"large": address}, 1, "-Mdo", f"-s{fits + 1}") == set()
        assert stream(one, six.containers[2], address) == 1_000_000
    for host in six.hosts:
        assert host.netkit("overlay", "peers", "--diff").returncode == 0
        assert host.netkit("check").stdout == "all holds\n"
        assert host.netkit("doctor").stdout == "all is well\n"
    for host, container in zip(six.hosts, six.containers, strict=True):
        host.netkit("detach", "--pid", str(container.pid), check=True)
        host.netkit("overlay", "down", "--vni", "42", check=True)
    for host, seen in zip(six.hosts, before, strict=True):
        assert wait_until(lambda host=host, seen=seen: diff(seen, host.snapshot(*six.containers), MORE) == "", 20)  # type: ignore[misc]


@pytest.mark.parametrize("alive", [True, False], ids=["its-keeper", "the-next-keeper"])
def test_what_is_deleted_over_ipv6_is_told_and_put_back(six: Crowd, alive: bool) -> None:
    six.up(*FOUR, *SIX)
    told = six.attach()
    host, one = six.hosts[0], six.containers[0]
    assert all(reaches(one, address) for each in told for address in each.values())
    before = forwards(host), neighbours(host)
    assert set(before[0].values()) == {"fd00:2::2", "fd00:2::3"}
    if not alive:
        kill_keeper(host)
    host.run("ip", "link", "del", "nkv42")
    if not alive:
        done = host.netkit("overlay", "peers", "--diff", "--json")
        assert done.returncode == 1
        assert {"fd00:2::2", "fd00:2::3"} <= {gap["peer"] for gap in json.loads(done.stdout)}
    assert wait_until(lambda: (forwards(host), neighbours(host)) == before, 15)
    assert all(reaches(one, address) for each in told for address in each.values())
    assert host.netkit("overlay", "peers", "--diff").returncode == 0


def test_a_host_that_has_link_local_addresses_alone_is_refused_before_anybody_hears_of_it(six: Crowd) -> None:
    host = six.hosts[0]
    host.run("ip", "-6", "addr", "flush", "dev", "eth0", "scope", "global")
    local = next(one["local"] for one in ip(host, "-6", "addr", "show", "dev", "eth0")[0]["addr_info"])
    before = host.snapshot()
    done = host.netkit(*UP, six.store, "--dev", "eth0")
    assert (done.returncode, "eth0 has no address but link-local ones" in done.stderr) == (5, True), done.stderr
    done = host.netkit(*UP, six.store, "--dev", "eth0", "--local", local)
    assert (done.returncode, f"--local: {local} is link-local" in done.stderr) == (2, True), done.stderr
    assert diff(before, host.snapshot(), MORE) == ""
    assert list(six.path.iterdir()) == []


def test_a_host_of_the_other_family_is_refused_by_name_and_takes_nothing_away(six: Crowd) -> None:
    first, second = six.hosts[:2]
    second.run("ip", "addr", "add", "192.0.2.2/24", "dev", "eth0")
    first.netkit(*UP, six.store, check=True)
    second.netkit(*UP, six.store, "--local", "192.0.2.2", check=True)
    six.hosts[2].netkit(*UP, six.store, check=True)
    assert wait_until(lambda: "of another family" in first.netkit("overlay", "peers", "--diff").stdout, 15)
    assert wait_until(lambda: set(forwards(first).values()) == {"fd00:2::3"}, 15)
