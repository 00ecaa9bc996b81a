"""Overlays whose hosts find each other in a store: addresses, peers, repairs, outages, records that lie."""

from __future__ import annotations

import json
import os
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import pytest

from tests.contract.drivers import pings
from tests.hosts import Container, HostNs, Lab, wait_until
from tests.netns.calls import ip
from tests.netns.keepers import end_keeper, keeper, kill_keeper
from tests.netns.test_overlay import EMPTY, attached
from tests.oracle import diff

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator
    from typing import Any

pytestmark = [pytest.mark.root, pytest.mark.requires("vxlan", "bridge", "nftables"), pytest.mark.limit(120)]

UP = ("overlay", "up", "--vni", "42", "--store")
#: What is lasting beside that which every first command leaves.
MORE = (*EMPTY, "state */stores/*", "state */keeper/*", "state */beats/*")


class Crowd:
    """Hosts on one switch that share a directory, each with a container."""

    def __init__(self, lab: Lab, count: int = 2, six: bool = False) -> None:
        self.lab = lab
        self.hosts = [lab.host(f"h{number}") for number in range(1, count + 1)]
        both = {host: (f"192.0.2.{at}/24", f"fd00:2::{at}/64") for at, host in enumerate(self.hosts, 1)}
        lab.switch({host: addresses[1:] if six else addresses for host, addresses in both.items()})
        self.containers = [lab.container(f"c{number}") for number in range(1, count + 1)]
        self.place = Path(tempfile.mkdtemp(dir="/dev/shm"))  # a tmpfs that all hosts see
        self.path = self.place / "shared"
        self.path.mkdir(mode=0o700)
        for host in self.hosts:
            host.run("ip", "route", "add", "default", "via", "fd00:2::fe" if six else "192.0.2.254")

    @property
    def store(self) -> str:
        return f"dir://{self.path}"

    def up(self, *words: str) -> None:
        for host in self.hosts:
            host.netkit(*UP, self.store, *words, check=True)

    def attach(self) -> list[dict[int, str]]:
        return [attached(host, container) for host, container in zip(self.hosts, self.containers, strict=True)]

    def file(self, name: str = "") -> Path:
        """A file of the network in the store; a host's own record by its number."""
        return self.path / "overlay42" / name

    def node(self, at: int) -> str:
        told: dict[str, Any] = json.loads((self.hosts[at].root / "lib/identity/node").read_text())
        return str(told["value"]["id"])


def kill(host: HostNs) -> None:
    """End the keeper as nobody expects it."""
    assert kill_keeper(host), "there is no keeper to kill"


def forwards(host: HostNs) -> dict[str, str]:
    told: list[dict[str, Any]] = json.loads(
        host.run("bridge", "-j", "fdb", "show", "dev", "nkv42", check=False).stdout or "[]"
    )
    return {entry["mac"]: entry["dst"] for entry in told if "dst" in entry}


def neighbours(host: HostNs) -> set[str]:
    words = ("ip", "-j", "neigh", "show", "dev", "nk-overlay42", "nud", "permanent")
    return {entry["dst"] for entry in json.loads(host.run(*words, check=False).stdout or "[]")}


def reaches(container: Container, address: str, seconds: float = 30) -> bool:
    return wait_until(lambda: bool(pings(container, {"it": address}, 1)), seconds)


@pytest.fixture
def crowd(lab: Lab) -> Iterator[Crowd]:
    made = Crowd(lab)
    yield made
    end(made)


@pytest.fixture
def three(lab: Lab) -> Iterator[Crowd]:
    made = Crowd(lab, 3)
    yield made
    end(made)


def end(crowd: Crowd) -> None:
    for host in crowd.hosts:
        end_keeper(host)
    shutil.rmtree(crowd.place)


def test_three_hosts_are_one_segment_and_as_before_after_down(three: Crowd) -> None:
    before = [host.snapshot(*three.containers) for host in three.hosts]
    three.up("--subnet", "10.142.0.0/16", "--subnet", "fd42::/64")
    told = three.attach()
    assert len({each[4] for each in told}) == len({each[6] for each in told}) == 3
    for container in three.containers:
        for other in told:
            assert reaches(container, other[4])
            assert reaches(container, other[6])
    assert all(host.netkit("check").stdout == "all holds\n" for host in three.hosts)
    for host, container in zip(three.hosts, three.containers, strict=True):
        host.netkit("detach", "--pid", str(container.pid), check=True)
        host.netkit("overlay", "down", "--vni", "42", check=True)
    assert wait_until(lambda: not any(keeper(host) for host in three.hosts))
    for host, seen in zip(three.hosts, before, strict=True):
        assert diff(seen, host.snapshot(*three.containers), MORE) == ""


def test_one_host_alone_works_at_once_and_says_how_another_joins(crowd: Crowd) -> None:
    told = crowd.hosts[0].netkit(*UP, crowd.store, check=True).stdout
    assert f"netkit overlay up --vni 42 --store {crowd.store}" in told
    attached(crowd.hosts[0], crowd.containers[0])
    assert pings(crowd.containers[0], {"gateway": "10.142.0.1"}) == {"gateway"}


def test_the_store_has_the_last_word_on_subnets(crowd: Crowd) -> None:
    first, second = crowd.hosts
    first.netkit(*UP, crowd.store, "--subnet", "10.50.0.0/16", check=True)
    before = second.snapshot()
    done = second.netkit(*UP, crowd.store, "--subnet", "10.51.0.0/16")
    assert done.returncode == 4
    assert "10.50.0.0/16" in done.stderr
    assert "10.51.0.0/16" in done.stderr
    assert diff(before, second.snapshot(), MORE) == ""
    second.netkit(*UP, crowd.store, check=True)
    assert "10.50.0.0/16" in second.netkit("inspect", "overlay42").stdout


def test_another_vni_of_that_name_is_refused(crowd: Crowd) -> None:
    first, second = crowd.hosts
    first.netkit("overlay", "up", "--vni", "42", "--name", "blue", "--store", crowd.store, check=True)
    done = second.netkit("overlay", "up", "--vni", "43", "--name", "blue", "--store", crowd.store)
    assert (done.returncode, "42" in done.stderr, "43" in done.stderr) == (4, True, True)


def test_an_address_is_had_by_one_host(crowd: Crowd) -> None:
    crowd.up()
    attached(crowd.hosts[0], crowd.containers[0])
    words = ("attach", "--pid", str(crowd.containers[1].pid), "--mode", "overlay", "--ip")
    done = crowd.hosts[1].netkit(*words, "10.142.0.3")
    assert (done.returncode, "192.0.2.1" in done.stderr) == (4, True)
    assert crowd.hosts[1].netkit("ps", "--json").stdout.strip() == "[]"
    crowd.hosts[0].netkit("detach", "--pid", str(crowd.containers[0].pid), check=True)
    crowd.hosts[1].netkit(*words, "10.142.0.3", check=True)


def test_an_address_that_was_given_back_rests_beside_other_hosts_too(crowd: Crowd) -> None:
    crowd.up()
    had = []
    for _ in range(3):
        had.append(attached(crowd.hosts[0], crowd.containers[0])[4])
        crowd.hosts[0].netkit("detach", "--pid", str(crowd.containers[0].pid), check=True)
    assert len(set(had)) == 3


def test_an_order_that_cannot_be_written_takes_nothing_from_who_is_attached(crowd: Crowd) -> None:
    crowd.up()
    host, pid = crowd.hosts[0], str(crowd.containers[0].pid)
    code = "from netkit.engine import pools; from netkit.errors import StateError; from netkit.cli.main import main\n"
    code += "def fail(*_): raise StateError('the disk is full', 'free some')\npools.pass_over = fail; main()"
    done = host.python(code, "--root", str(host.root), "attach", "--pid", pid, "--mode", "overlay")
    assert "warning: the disk is full" in done.stderr
    assert [each["state"] for each in json.loads(host.netkit("ps", "--json").stdout)] == ["attached"]
    assert host.netkit("check").returncode == 0


def test_mode_overlay_is_the_only_one_and_several_are_named(crowd: Crowd) -> None:
    host, pid = crowd.hosts[0], str(crowd.containers[0].pid)
    assert "netkit overlay up" in host.netkit("attach", "--pid", pid, "--mode", "overlay").stderr
    host.netkit(*UP, crowd.store, check=True)
    host.netkit("attach", "--pid", pid, "--mode", "overlay", check=True)
    host.netkit("detach", "--pid", pid, check=True)
    host.netkit("overlay", "up", "--vni", "43", "--dev", "eth0", check=True)
    done = host.netkit("attach", "--pid", pid, "--mode", "overlay")
    assert (done.returncode, "overlay42, overlay43" in done.stderr) == (2, True)


def test_racing_hosts_never_get_one_address(crowd: Crowd) -> None:
    crowd.up()
    places = [[crowd.lab.container(f"r{side}{number}") for number in range(6)] for side in (0, 1)]
    script = (
        'for pid in "$@"; do "$NK" -m netkit --root "$ROOT" attach --pid $pid --mode overlay --json || exit 1; done'
    )
    running = [
        host.popen("env", f"NK={Path(sys.executable)}", f"ROOT={host.root}", "sh", "-c", script, "sh",
                   *(str(one.pid) for one in of))
        for host, of in zip(crowd.hosts, places, strict=True)
    ]  # fmt: skip
    for process in running:
        assert process.wait(90) == 0, process.communicate()
    found = [ip(one, "-4", "addr", "show", "dev", "eth0")[0]["addr_info"][0]["local"] for of in places for one in of]
    assert len(set(found)) == 12


def test_a_store_that_is_away_stops_new_attachments_and_nothing_else(crowd: Crowd) -> None:
    crowd.up()
    told = crowd.attach()
    assert reaches(crowd.containers[0], told[1][4])
    crowd.path.rename(crowd.path.with_name("away"))
    try:
        extra = crowd.lab.container("extra")
        before = crowd.hosts[0].snapshot(extra)
        done = crowd.hosts[0].netkit("attach", "--pid", str(extra.pid), "--mode", "overlay")
        assert (done.returncode, str(crowd.path) in done.stderr) == (1, True)
        assert diff(before, crowd.hosts[0].snapshot(extra), MORE) == ""
        kill(crowd.hosts[0])
        crowd.hosts[0].netkit("overlay", "peers")
        assert wait_until(lambda: bool(keeper(crowd.hosts[0])))
        crowd.hosts[0].run("ip", "link", "del", "nkv42")
        assert reaches(crowd.containers[0], told[1][4]), "mended from what is recorded"
        crowd.hosts[1].netkit("detach", "--pid", str(crowd.containers[1].pid), check=True)
        assert crowd.file().exists() is False
    finally:
        if crowd.path.exists():
            crowd.path.rmdir()
        crowd.path.with_name("away").rename(crowd.path)
    assert wait_until(lambda: told[1][4] not in neighbours(crowd.hosts[0]), 40), "given back by the keeper"


def test_a_claim_that_nobody_holds_is_given_back(crowd: Crowd) -> None:
    crowd.up()
    code = """
import sys
from netkit.engine.session import Session
from netkit.engine import membership, networks
from netkit.state.root import Root
from netkit.model import Lease
with Session(Root(sys.argv[1])) as session:
    membership.of(session, networks.find(session, "overlay42")).take([Lease("10.142.0.77/16", "")])
"""
    crowd.hosts[0].python(code, str(crowd.hosts[0].root))
    assert crowd.file("addresses/10.142.0.77.g1").exists()
    assert wait_until(lambda: crowd.file("addresses/10.142.0.77.g2").exists(), 30)


@pytest.mark.parametrize("act", ["link", "fdb", "neigh", "bridge"])
def test_what_others_delete_is_put_back(crowd: Crowd, act: str) -> None:
    crowd.up()
    told = crowd.attach()
    assert reaches(crowd.containers[0], told[1][4])
    host = crowd.hosts[0]
    mac = next(iter(forwards(host)))
    words = {
        "link": ("ip", "link", "del", "nkv42"),
        "fdb": ("bridge", "fdb", "del", mac, "dev", "nkv42", "dst", "192.0.2.2", "self"),
        "neigh": ("ip", "neigh", "flush", "dev", "nk-overlay42", "nud", "permanent"),
        "bridge": ("ip", "link", "del", "nk-overlay42"),
    }[act]
    before = (forwards(host), neighbours(host))
    host.run(*words)
    assert wait_until(lambda: (forwards(host), neighbours(host)) == before)
    assert reaches(crowd.containers[0], told[1][4])
    assert host.netkit("check").stdout == "all holds\n"


def test_the_difference_is_told_with_its_reason_and_goes_when_the_keeper_has_looked(crowd: Crowd) -> None:
    crowd.up()
    told = crowd.attach()
    assert reaches(crowd.containers[0], told[1][4])
    host = crowd.hosts[0]
    assert host.netkit("overlay", "peers", "--diff").returncode == 0
    os.kill(keeper(host), signal.SIGSTOP)
    moved, deleted = sorted(forwards(host))
    host.run("bridge", "fdb", "replace", moved, "dev", "nkv42", "dst", "192.0.2.77", "self", "permanent")
    host.run("bridge", "fdb", "del", deleted, "dev", "nkv42", "dst", "192.0.2.2", "self")
    host.run("bridge", "fdb", "append", "02:00:00:00:00:99", "dev", "nkv42", "dst", "192.0.2.78", "self", "permanent")
    done = host.netkit("overlay", "peers", "--diff", "--json")
    found = {(one["peer"], one["state"], one["reason"].partition(" since ")[0]) for one in json.loads(done.stdout)}
    assert done.returncode == 1
    assert found == {
        ("192.0.2.2", "elsewhere", "changed by others"),
        ("192.0.2.2", "missing", "deleted by others"),
        ("192.0.2.78", "unwanted", "no host of this network has it: others have added it"),
    }
    os.kill(keeper(host), signal.SIGCONT)
    assert wait_until(lambda: host.netkit("overlay", "peers", "--diff").returncode == 0)
    (peer,) = json.loads(host.netkit("overlay", "peers", "--json").stdout)
    assert (peer["node"], peer["peer"], peer["state"], peer["kernel"], peer["endpoints"]) == (
        crowd.node(1), "192.0.2.2", "alive", "ok", 2,
    )  # fmt: skip
    assert "last repair" in host.netkit("inspect", "overlay42").stdout


def test_a_stream_survives_the_death_of_either_keeper_and_of_the_tunnel(crowd: Crowd) -> None:
    crowd.up()
    told = crowd.attach()
    one, two = crowd.containers
    assert reaches(one, told[1][4])
    receiver = two.popen("socat", "-u", "TCP4-LISTEN:5000", "-")
    assert wait_until(lambda: ":5000 " in two.run("ss", "-Hltn").stdout)
    lines = "import sys, time\nfor n in range(120):\n print(n, flush=True)\n time.sleep(0.1)"
    sender = one.popen("sh", "-c", f"{sys.executable} -c '{lines}' | socat -u - TCP4:{told[1][4]}:5000")
    for host in crowd.hosts:
        kill(host)
    assert pings(one, {"two": told[1][4]}) == {"two"}
    for host in crowd.hosts:
        host.netkit("overlay", "peers", check=True)
        assert wait_until(lambda host=host: keeper(host) > 0)  # type: ignore[misc]
    crowd.hosts[0].run("ip", "link", "del", "nkv42")
    assert sender.wait(50) == 0
    assert receiver.communicate(timeout=30)[0].split() == [str(number) for number in range(120)]


SPEAK = """
import json, sys
from netkit import stores
from netkit.stores.model import Endpoint, Host
url, node, public, count = sys.argv[1:5]
ends = tuple(Endpoint(f"10.142.{100 + n // 250}.{n % 250 + 1}", f"02:aa:00:00:{n >> 8:02x}:{n & 255:02x}")
             for n in range(int(count)))
store = stores.open(url, "overlay42", node)
store.renew(Host(node, public, 42, "", ends, sys.argv[5:] == ["left"]))
"""


def speak(crowd: Crowd, node: str, public: str, count: int = 0, *left: str) -> None:
    """A host that is not there says something of itself."""
    crowd.hosts[0].python(SPEAK, crowd.store, node, public, str(count), *left)


def test_a_thousand_interfaces_of_one_host_are_led_to_and_forgotten(crowd: Crowd) -> None:
    crowd.up()
    host = crowd.hosts[0]
    speak(crowd, "thousand", "192.0.2.9", 1000)
    assert wait_until(lambda: list(forwards(host).values()).count("192.0.2.9") == 1000)
    assert wait_until(lambda: len(neighbours(host)) == 1001)
    assert host.netkit("overlay", "peers", "--diff").returncode == 0
    speak(crowd, "thousand", "192.0.2.9", 0, "left")
    assert wait_until(lambda: set(forwards(host).values()) == {"192.0.2.2"})


def test_who_says_to_be_where_another_is_or_is_of_another_family_is_shown_and_not_led_to(crowd: Crowd) -> None:
    crowd.up()
    host = crowd.hosts[0]
    assert wait_until(lambda: "192.0.2.2" in forwards(host).values())
    speak(crowd, "twin", "192.0.2.2")
    speak(crowd, "me", "192.0.2.1")
    speak(crowd, "six", "fd00:2::9")
    assert wait_until(lambda: host.netkit("overlay", "peers", "--diff").stdout.count("refused") == 3)
    told = {
        one["node"]: one["reason"] for one in json.loads(host.netkit("overlay", "peers", "--diff", "--json").stdout)
    }
    assert crowd.node(1) in told["twin"]
    assert "this host itself" in told["me"]
    assert "another family" in told["six"]
    assert set(forwards(host).values()) == {"192.0.2.2"}


def test_what_another_host_has_claimed_is_not_believed(crowd: Crowd) -> None:
    crowd.up()
    attached(crowd.hosts[1], crowd.containers[1])
    host = crowd.hosts[0]
    assert wait_until(lambda: len(forwards(host)) == 2)
    before = forwards(host)
    crowd.hosts[1].python(SPEAK.replace("10.142.{100 + n // 250}.{n % 250 + 1}", "10.142.0.3"), crowd.store, "thief",
                          "192.0.2.9", "1")  # fmt: skip
    assert wait_until(lambda: "thief" in host.netkit("overlay", "peers", "--diff", "--json").stdout)
    assert forwards(host) == before


def test_a_host_that_was_silent_for_too_long_attaches_nothing_until_it_is_heard_again(crowd: Crowd) -> None:
    crowd.up()
    host = crowd.hosts[0]
    kill(host)
    place = host.root / "run/beats/overlay42"
    code = """
import sys
from netkit.engine.beats import Beat
from netkit.state.root import Root
root = Root(sys.argv[1])
root.beats.save("overlay42", Beat(-1e6, root.boot_id()))
"""
    host.python(code, str(host.root))
    assert place.exists()
    words = ("attach", "--pid", str(crowd.containers[0].pid), "--mode", "overlay")
    done = host.netkit(*words)
    assert (done.returncode, "could not say that it lives" in done.stderr) == (1, True)
    host.netkit("overlay", "peers", check=True)
    assert wait_until(lambda: host.netkit(*words).returncode == 0)


def test_a_store_that_is_full_or_read_only_or_emptied_refuses_and_withdraws_nothing(crowd: Crowd) -> None:
    crowd.up()
    told = crowd.attach()
    host = crowd.hosts[0]
    assert reaches(crowd.containers[0], told[1][4])
    extra = crowd.lab.container("extra")
    words = ("attach", "--pid", str(extra.pid), "--mode", "overlay")
    host.run("mount", "--bind", str(crowd.path), str(crowd.path))
    host.run("mount", "-o", "remount,ro,bind", str(crowd.path))
    before = host.snapshot(extra)
    done = host.netkit(*words)
    assert (done.returncode, "Read-only" in done.stderr) == (1, True), done.stderr
    assert diff(before, host.snapshot(extra), MORE) == ""
    host.run("umount", str(crowd.path))
    host.netkit(*words, check=True)
    host.netkit("detach", "--pid", str(extra.pid), check=True)
    for place in ("addresses", "nodes", "subnets", "."):
        for file in crowd.file(place).iterdir():
            file.unlink() if file.is_file() else None
    assert host.netkit(*words).returncode == 1
    assert wait_until(lambda: "the store is away" in host.netkit("overlay", "peers").stdout)
    host.run("ip", "link", "del", "nkv42")
    assert reaches(crowd.containers[0], told[1][4])


def test_a_full_store_refuses_and_changes_nothing(lab: Lab) -> None:
    host, container = lab.host("one"), lab.container("c")
    lab.link(host, lab.host("two"), ("192.0.2.1/24", "192.0.2.2/24"))
    place = lab.directory / "small"
    place.mkdir()
    host.run("mount", "-t", "tmpfs", "-o", "size=64k,mode=0700", "tmpfs", str(place))
    words = ("attach", "--pid", str(container.pid), "--mode", "overlay")
    try:
        host.netkit(*UP, f"dir://{place}", "--dev", "eth0", check=True)
        host.run("sh", "-c", f"cat /dev/zero >{place}/filler", check=False)
        before = host.snapshot(container)
        done = host.netkit(*words)
        assert (done.returncode, "No space" in done.stderr) == (1, True), done.stderr
        assert diff(before, host.snapshot(container), MORE) == ""
        host.run("rm", f"{place}/filler")
        host.netkit(*words, check=True)
    finally:
        end_keeper(host)


#: What belongs to the network itself: what leads to its hosts, and who is let in.
OWN = (*MORE, "*fdb*", "*neigh*", "*tunnel4*", "state */networks-up/*")


@pytest.mark.limit(300)
def test_ten_thousand_records_that_lie_change_nothing_outside_the_networks_own_entries(crowd: Crowd) -> None:
    crowd.up()
    told = crowd.attach()
    host = crowd.hosts[0]
    assert reaches(crowd.containers[0], told[1][4])
    before = host.snapshot(*crowd.containers)
    own = ip(host, "link", "show", "dev", "nk-overlay42")[0]["address"]
    host.run(sys.executable, "-m", "tests.netns.hostile", str(crowd.file("nodes")), "10000")
    assert wait_until(lambda: len(forwards(host)) > 20, 90), "what could be true is believed"
    assert "evil" in host.netkit("overlay", "peers", "--diff").stdout
    after = forwards(host)
    assert reaches(crowd.containers[0], told[1][4])
    assert diff(before, host.snapshot(*crowd.containers), OWN) == ""
    assert own not in after
    assert all(mac.startswith("02") and mac != "02:00:00:00:00:00" for mac in after)
    assert all(dst.startswith("192.0.2.") and dst != "192.0.2.1" for dst in after.values())
    assert all(address.startswith("10.142.") for address in neighbours(host))
    assert not neighbours(host) & {"10.142.0.0", "10.142.255.255", "10.142.0.1", told[0][4]}
    for file in crowd.file("nodes").glob("evil*"):
        file.unlink()


LEAVE = """
import sys
from netkit import stores
from netkit.stores.model import Host
store = stores.open(sys.argv[1], "overlay42", "gone")
store.renew(Host("gone", "192.0.2.9", 42))
store.acquire("addresses/10.142.0.9")
store.renew(Host("gone", "192.0.2.9", 42, left=True))
"""


def test_what_a_host_that_left_has_forgotten_is_given_back_by_another(crowd: Crowd) -> None:
    crowd.up()
    crowd.hosts[1].python(LEAVE, crowd.store)
    words = ("attach", "--pid", str(crowd.containers[0].pid), "--mode", "overlay", "--ip", "10.142.0.9")
    assert wait_until(lambda: crowd.file("addresses/10.142.0.9.g3").exists())
    crowd.hosts[0].netkit(*words, check=True)


def test_a_record_that_is_torn_while_the_keeper_begins_anew_loses_nobody(crowd: Crowd) -> None:
    crowd.up()
    first, second = crowd.hosts
    assert wait_until(lambda: "192.0.2.2" in forwards(first).values())
    (mac,) = forwards(first)
    assert wait_until(lambda: mac in (first.root / "lib/stores/overlay42").read_text()), "written down now and then"
    kill(second)
    kill(first)
    crowd.file(f"nodes/{crowd.node(1)}").write_bytes(b"{")
    first.netkit("overlay", "peers", check=True)
    assert wait_until(lambda: "last round" in first.netkit("overlay", "peers").stdout)
    assert wait_until(lambda: "passed over" in first.netkit("overlay", "peers", "--diff").stdout)
    assert "192.0.2.2" in forwards(first).values()


def netkit(host: HostNs, *words: str) -> subprocess.Popen[str]:
    return host.popen(sys.executable, "-m", "netkit", "--root", str(host.root), *words)


def test_watch_in_the_foreground_takes_the_place_of_the_keeper_and_ends_by_a_signal(crowd: Crowd) -> None:
    crowd.up()
    host = crowd.hosts[0]
    assert wait_until(lambda: "192.0.2.2" in forwards(host).values())
    watching = netkit(host, "overlay", "watch")
    assert wait_until(lambda: len(os.listdir(f"/proc/{watching.pid}/task")) > 1), "it waits for the lock in a thread"
    kill(host)
    assert wait_until(lambda: f"by process {watching.pid}" in host.netkit("overlay", "peers").stdout)
    host.run("ip", "link", "del", "nkv42")
    assert wait_until(lambda: "192.0.2.2" in forwards(host).values())
    watching.terminate()
    assert watching.wait(30) == 0


def test_a_command_killed_at_any_instant_leaves_no_claim_for_ever(crowd: Crowd) -> None:
    crowd.up()
    host = crowd.hosts[0]
    for number in range(12):
        one = crowd.lab.container(f"k{number}")
        running = netkit(host, "attach", "--pid", str(one.pid), "--mode", "overlay")
        time.sleep(0.02 * number + 0.1)
        running.kill()
        running.wait()
    host.netkit("gc", check=True)

    def held() -> set[str]:
        rows = json.loads(host.netkit("ps", "--json").stdout)
        return {address.partition("/")[0] for row in rows for address in row["addresses"]} | {"10.142.0.1"}

    def claimed() -> set[str]:
        last: dict[str, tuple[int, str]] = {}
        for file in crowd.file("addresses").iterdir():
            address, _, number = file.name.rpartition(".g")
            claim = json.loads(file.read_text())["value"]
            last[address] = max(last.get(address, (0, "")), (int(number), claim.get("node", "")))
        return {address for address, (_, node) in last.items() if node == crowd.node(0)}

    assert wait_until(lambda: claimed() == held(), 45)
