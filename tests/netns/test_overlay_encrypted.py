"""Encrypted overlays: refused by name where they cannot be; against a stand-in what is done; packets of a real kernel.

The stand-in (tests/wireguards.py) keeps what a kernel is told, and encrypts nothing: packets are for a real one.
"""

from __future__ import annotations

import json
import os
import shutil
import signal
import subprocess
import time
from functools import partial
from ipaddress import IPv6Address
from pathlib import Path

import pytest

from tests.contract.drivers import pings
from tests.features import has, requires
from tests.hosts import Completed, Container, HostNs, Lab, wait_until
from tests.netns.keepers import keeper, kill_keeper
from tests.netns.test_agent_wireguard import BARE, FOREIGN, LACKING, watch
from tests.netns.test_overlay import attached, forge, received
from tests.netns.test_overlay_etcd import InEtcd
from tests.netns.test_overlay_store import MORE, UP, Crowd, end, forwards, neighbours, reaches
from tests.oracle import diff
from tests.wireguards import LOADED, RUN, public_of

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator
    from typing import Any

    from tests.conftest import Unchanged

pytestmark = [pytest.mark.root, pytest.mark.requires("vxlan", "bridge", "nftables", "ipv6"), pytest.mark.limit(180)]

#: Longer than a round of the keeper and a poll of the store.
LONG = 60.0
LEFT = (*MORE, "state */wireguard: *", "state */wireguard/")
#: What iptables leaves for good, whoever asks it first.
TABLES = ("host nft ip *", "host nft ip6 *")
#: Makes an encrypted overlay in the store of the third argument, and dies before its op of the fourth.
DIE = """
import os, signal, sys
from tests import wireguards
wireguards.install(sys.argv[1])
from netkit.engine.overlay import Wish
from netkit.engine.service import Engine
left = int(sys.argv[4])
def before(op):
    global left
    left -= 1
    if left < 0:
        os.kill(os.getpid(), signal.SIGKILL)
Engine(sys.argv[2], before_op=before).create_overlay(Wish(42, store=sys.argv[3], encrypt=True))
"""


class Stood(Crowd):
    """Hosts whose kernel is the stand-in; what it was told of each is in a file."""

    def memory(self, host: HostNs) -> Path:
        return self.lab.directory / f"{host.name}.wireguard"

    def netkit(self, host: HostNs, *words: str, check: bool = False) -> Completed[str]:
        argv = (RUN, str(self.memory(host)), "--root", str(host.root), *words)
        return host.module("-c", *argv, check=check, loaded=LOADED)

    def up(self, *words: str) -> None:
        for host in self.hosts:
            self.netkit(host, *UP, self.store, "--encrypt", *words, check=True)

    def attached(self, host: HostNs, container: Container) -> dict[int, str]:
        """A container on the overlay, by a command that finds the stand-in, and so would a keeper that it starts."""
        return attached(host, container, netkit=partial(self.netkit, host))

    def kernel(self, host: HostNs) -> dict[str, Any]:
        """The link as the host's kernel has been told."""
        kept = json.loads(self.memory(host).read_text()) if self.memory(host).exists() else {}
        found: dict[str, Any] = kept.get(f"nkw42:{host.index('nkw42')}", {"peers": {}, "port": 0})
        return found

    def tell(self, host: HostNs, peers: dict[str, Any]) -> None:
        """Have a link other peers, behind netkit's back."""
        kept = json.loads(self.memory(host).read_text())
        for link in kept.values():
            link["peers"] = peers
        self.memory(host).write_text(json.dumps(kept))

    def private(self, host: HostNs) -> str:
        return (host.root / "lib/wireguard/overlay42.private").read_text().strip()

    def public(self, host: HostNs) -> str:
        return public_of(self.private(host))

    def inside(self, host: HostNs) -> str:
        rows = (row.split() for row in Path(f"/proc/{host.pid}/net/if_inet6").read_text().splitlines())
        return next(str(IPv6Address(bytes.fromhex(row[0]))) for row in rows if (row[3], row[5]) == ("00", "nkw42"))

    def know_each_other(self) -> bool:
        one, two = self.hosts
        return all(
            self.kernel(host)["peers"].get(self.public(other), {}).get("allowed") == [f"{self.inside(other)}/128"]
            for host, other in ((one, two), (two, one))
        )


class StoodInEtcd(Stood, InEtcd):
    """The same, with an etcd on the first host in place of the directory."""


@pytest.fixture
def stood(lab: Lab, request: pytest.FixtureRequest) -> Iterator[Stood]:
    """Two hosts; over IPv6 alone where a test is given "six"."""
    made = Stood(lab, six=getattr(request, "param", "") == "six")
    yield made
    end(made)


@pytest.fixture
def crowd(lab: Lab, request: pytest.FixtureRequest) -> Iterator[Crowd]:
    """The same with the kernel that is there."""
    made = Crowd(lab, six=request.param == "six")
    yield made
    end(made)


# -- refused ---------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("words", "says"),
    [
        ((), "--encrypt goes with --store:"),
        (("--peer", "192.0.2.2"), "not with --peer:"),
        (("--group", "239.1.1.1"), "not with --group:"),
        (("--control", "evpn"), "not with --control evpn:"),
    ],
)
def test_without_a_store_nobody_would_tell_the_keys(
    lab: Lab, unchanged: Unchanged, words: tuple[str, ...], says: str
) -> None:
    host = Crowd(lab, 1).hosts[0]
    with unchanged(host):
        done = host.netkit("overlay", "up", "--vni", "42", "--encrypt", *words)
    assert (done.returncode, says in done.stderr) == (2, True), done.stderr
    assert "hosts tell each other their keys there" in done.stderr
    assert "--store dir:///path" in done.stderr


def test_a_kernel_without_it_is_told_by_name_and_no_store_hears_of_it(lab: Lab, unchanged: Unchanged) -> None:
    if has("wireguard"):
        pytest.skip("this kernel has WireGuard")
    crowd = Crowd(lab, 1)
    host = crowd.hosts[0]
    with unchanged(host, allow=LEFT):
        done = host.netkit("--json", *UP, crowd.store, "--encrypt")
    error = json.loads(done.stderr)["error"]
    assert (done.returncode, error["code"], error["message"]) == (5, 5, LACKING)
    assert "modprobe wireguard" in error["hint"]
    assert "without --encrypt" in error["hint"]
    assert list(crowd.path.iterdir()) == []


def test_a_library_that_is_not_there_is_told_by_name(lab: Lab, unchanged: Unchanged) -> None:
    crowd = Crowd(lab, 1)
    host = crowd.hosts[0]
    words = ("--root", str(host.root), *UP, crowd.store, "--encrypt")
    with unchanged(host, allow=LEFT):
        done = host.python(BARE, *words, check=False)
    assert done.returncode == 5
    assert "library cryptography" in done.stderr
    assert "netkit-containers[wireguard]" in done.stderr
    assert list(crowd.path.iterdir()) == []


@pytest.mark.parametrize(
    ("prepare", "words", "code", "says"),
    [
        ("sysctl -qw net.ipv6.conf.lo.disable_ipv6=1", (), 5, "IPv6 is switched off on lo"),
        ("ip link set dev eth0 mtu 1300", (), 5, "eth0 carries 1300 bytes, and an encrypted overlay needs 1360"),
        ("ip link add nkw42 type veth", (), 4, "VNI 42 is in use by nkw42"),
        ("true", ("--mtu", "1400"), 2, "use 1350 or less"),
    ],
)
def test_what_cannot_be_is_refused_before_a_store_hears_of_it(
    stood: Stood, unchanged: Unchanged, prepare: str, words: tuple[str, ...], code: int, says: str
) -> None:
    host = stood.hosts[0]
    host.run(*prepare.split())
    with unchanged(host, allow=LEFT):
        done = stood.netkit(host, *UP, stood.store, "--encrypt", *words)
    assert (done.returncode, says in done.stderr) == (code, True), done.stderr
    assert list(stood.path.iterdir()) == []
    assert not list(host.root.glob("lib/wireguard/*"))


def test_a_port_that_a_process_has_is_told_and_another_does(stood: Stood) -> None:
    host = stood.hosts[0]
    held = host.popen("socat", "-u", "UDP4-RECV:51942", "-")
    assert wait_until(lambda: ":51942" in host.run("ss", "-Hlun").stdout)
    done = stood.netkit(host, *UP, stood.store, "--encrypt")
    held.kill()
    assert (done.returncode, "UDP port 51942 is taken" in done.stderr) == (4, True), done.stderr
    stood.netkit(host, *UP, stood.store, "--encrypt", "--port", "7777", check=True)
    assert stood.kernel(host)["port"] == 7777


def test_hosts_agree_on_it_or_the_second_is_refused_with_words(stood: Stood) -> None:
    one, two = stood.hosts
    stood.netkit(one, *UP, stood.store, "--encrypt", check=True)
    done = stood.netkit(two, *UP, stood.store)
    assert done.returncode == 4
    assert "overlay42 is a network with other settings: it is encrypted" in done.stderr
    assert "say --encrypt" in done.stderr
    stood.netkit(one, "overlay", "down", "--vni", "42", check=True)
    clear = ("--vni", "43", "--store", stood.store)
    stood.netkit(one, "overlay", "up", *clear, check=True)
    done = stood.netkit(two, "overlay", "up", *clear, "--encrypt")
    assert done.returncode == 4
    assert "overlay43 is a network with other settings: it is not encrypted" in done.stderr
    assert not list(two.root.glob("lib/wireguard/*"))
    assert stood.netkit(two, "overlay", "up", *clear).returncode == 0


# -- what is done, against the stand-in ------------------------------------------------------------------------------


@pytest.mark.parametrize("backend", ["nftables", "iptables"])
@pytest.mark.parametrize("stood", ["four", "six"], indirect=True)
def test_two_hosts_know_each_other_by_their_keys_and_down_leaves_nothing(
    stood: Stood, request: pytest.FixtureRequest, backend: str
) -> None:
    one, two = stood.hosts
    before = [host.snapshot(*stood.containers) for host in stood.hosts]
    stood.up("--firewall", backend)
    assert wait_until(stood.know_each_other, LONG), stood.kernel(one)
    at = "fd00:2::2" if "six" in request.node.name else "192.0.2.2"
    assert stood.kernel(one)["peers"][stood.public(two)]["endpoint"] == [at, 51942]
    assert [stood.kernel(host)["private"] for host in stood.hosts] == [stood.private(host) for host in stood.hosts]
    stood.attached(two, stood.containers[1])
    assert wait_until(lambda: set(forwards(one).values()) == {stood.inside(two)}, LONG)
    links = {link["ifname"]: link for link in json.loads(one.run("ip", "-d", "-j", "link").stdout)}
    assert {name: links[name]["mtu"] for name in ("nkw42", "nkv42", "nk-overlay42")} == {
        "nkw42": 1420,
        "nkv42": 1350,
        "nk-overlay42": 1350,
    }
    vxlan = links["nkv42"]["linkinfo"]["info_data"]
    assert (vxlan["link"], vxlan["local6"], vxlan["port"]) == ("nkw42", stood.inside(one), 4789)
    assert stood.netkit(one, "check").stdout == "all holds\n"
    assert "overlay42" not in stood.netkit(one, "doctor").stdout
    two.netkit("detach", "--pid", str(stood.containers[1].pid), check=True)
    for host in stood.hosts:
        stood.netkit(host, "overlay", "down", "--vni", "42", check=True)
        assert not list(host.root.glob("lib/wireguard/*"))
    assert wait_until(lambda: not any(keeper(host) for host in stood.hosts), LONG)
    for host, seen in zip(stood.hosts, before, strict=True):
        assert diff(seen, host.snapshot(*stood.containers), (*LEFT, *(TABLES if backend == "iptables" else ()))) == ""


def test_the_private_key_is_in_its_file_alone(stood: Stood) -> None:
    stood.up()
    assert wait_until(stood.know_each_other, LONG)
    one, two = stood.hosts
    files = one.root / "lib/wireguard"
    modes = {path.name: path.stat().st_mode & 0o777 for path in (files, *files.iterdir())}
    assert modes == {"wireguard": 0o700, "overlay42.private": 0o600}
    shown = [
        stood.netkit(one, *words).stdout
        for words in (
            ("check",),
            ("doctor",),
            ("inspect", "overlay42"),
            ("overlay", "ls", "--json"),
            ("overlay", "peers", "--json"),
            ("attach", "--pid", str(stood.containers[0].pid), "--network", "overlay42", "--dry-run"),
        )
    ]
    secrets = [stood.private(host).encode() for host in (one, two)]
    places = [place for place in (*one.root.rglob("*"), *stood.path.rglob("*")) if place.is_file()]
    texts = [text.encode() for text in shown] + [place.read_bytes() for place in places if place.parent != files]
    assert len(texts) > 10
    assert not [secret for secret in secrets for text in texts if secret in text]
    assert any(stood.public(one).encode() in text for text in texts)
    told = json.loads(stood.netkit(one, "overlay", "ls", "--json").stdout)[0]
    assert (told["encrypted"], told["public_key"], told["port"]) == (True, stood.public(one), 51942)


def test_what_others_change_is_told_and_put_right(stood: Stood) -> None:
    stood.up()
    assert wait_until(stood.know_each_other, LONG)
    one, two = stood.hosts
    assert wait_until(lambda: differences(stood, one) == [], LONG)
    os.kill(keeper(one), signal.SIGSTOP)
    stranger = {"allowed": ["fd00::/8"], "endpoint": ["203.0.113.6", 6], "psk": "", "keepalive": 0, "at": 0}
    stranger["psk"] = public_of(FOREIGN)
    stood.tell(one, {FOREIGN: stranger})
    gaps = differences(stood, one)
    assert [gap["peer"] for gap in gaps if gap["state"] == "missing"] == ["192.0.2.2"]
    assert [gap["kernel"] for gap in gaps if gap["state"] == "unwanted"] == [f"the key {FOREIGN} on nkw42"]
    os.kill(keeper(one), signal.SIGCONT)
    assert wait_until(lambda: stood.know_each_other() and FOREIGN not in stood.kernel(one)["peers"], LONG)
    stood.attached(two, stood.containers[1])
    one.run("ip", "link", "del", "nkv42")
    one.run("ip", "link", "del", "nkw42")
    assert wait_until(lambda: one.index("nkw42") > 0 and stood.know_each_other(), LONG)
    assert wait_until(lambda: set(forwards(one).values()) == {stood.inside(two)}, LONG)
    assert stood.kernel(one)["private"] == stood.private(one)
    assert wait_until(lambda: stood.netkit(one, "check").stdout == "all holds\n", LONG)


def differences(stood: Stood, host: HostNs) -> list[dict[str, str]]:
    """What `overlay peers` tells; where no keeper lives it starts one."""
    found: list[dict[str, str]] = json.loads(stood.netkit(host, "overlay", "peers", "--diff", "--json").stdout)
    return found


def test_a_link_that_goes_takes_no_frame_into_the_open(stood: Stood) -> None:
    """The kernel would send by the default route, with the frames in clear, were there no route beneath."""
    stood.up()
    one, two = stood.hosts
    stood.attached(one, stood.containers[0])
    address = stood.attached(two, stood.containers[1])[4]
    assert wait_until(lambda: address in neighbours(one), LONG)
    os.kill(keeper(one), signal.SIGSTOP)
    a_way_out(one)
    clear = watch(one, "udp port 4789")
    one.run("ip", "link", "set", "dev", "nkw42", "down")
    assert pings(stood.containers[0], {"it": address}, 1) == set()
    assert clear.poll() is None
    whole = next(line for line in one.run("ip", "-6", "route").stdout.splitlines() if "metric 1048576" in line)
    one.run("ip", "-6", "route", "del", *whole.split()[:3])

    def is_seen() -> bool:
        pings(stood.containers[0], {"it": address}, 1)
        return clear.poll() == 0

    assert wait_until(is_seen), "the same without that route is seen, so the capture sees"
    wanted = {gap["wanted"] for gap in differences(stood, one) if gap["state"] == "missing"}
    assert {"switch it on", "if the link is away frames go nowhere, and not in clear"} <= wanted
    os.kill(keeper(one), signal.SIGCONT)
    assert wait_until(lambda: differences(stood, one) == [], LONG)


@pytest.mark.parametrize("backend", ["nftables", "iptables"])
def test_a_frame_in_clear_is_not_let_in_whatever_address_it_comes_from(stood: Stood, backend: str) -> None:
    stood.up("--firewall", backend)
    assert wait_until(stood.know_each_other, LONG)
    one, two = stood.hosts
    target, source = stood.inside(one), stood.inside(two)
    two.run("ip", "-6", "route", "add", target, "via", "fd00:2::1", "dev", "eth0")

    def arrives() -> bool:
        before = received(one)
        forge(two, source, target)
        return received(one) > before

    assert not arrives()
    kill_keeper(one)
    one.run("nft", "flush", "ruleset")
    assert arrives(), "the forged frame is good: where nothing is guarded it comes in"


def test_doctor_tells_what_ails_the_underlay_and_who_shuts_it_out(stood: Stood) -> None:
    stood.up()
    assert wait_until(stood.know_each_other, LONG)
    one = stood.hosts[0]
    one.run("nft", "add", "table", "inet", "theirs")
    one.run("nft", "add", "chain", "inet", "theirs", "input", "{ type filter hook input priority 0; policy drop; }")
    told = stood.netkit(one, "doctor").stdout
    assert "let it in from the other hosts: udp dport 51942 accept" in told
    assert "let it in from the other hosts: iifname nkw42 udp dport 4789 accept" in told
    one.run("ip", "addr", "del", "192.0.2.1/24", "dev", "eth0")
    told = stood.netkit(one, "doctor").stdout
    assert "eth0 has no longer the address 192.0.2.1" in told
    assert "no route leads to the peer 192.0.2.2" in told


def test_who_takes_the_overlay_down_and_up_has_another_key_and_is_followed(stood: Stood) -> None:
    stood.up()
    assert wait_until(stood.know_each_other, LONG)
    one, two = stood.hosts
    former = stood.public(two)
    stood.netkit(two, "overlay", "down", "--vni", "42", check=True)
    assert wait_until(lambda: stood.kernel(one)["peers"] == {}, LONG)
    stood.netkit(two, *UP, stood.store, "--encrypt", check=True)
    assert stood.public(two) != former
    assert wait_until(stood.know_each_other, LONG)


def test_a_host_that_starts_anew_has_the_key_that_the_others_know(stood: Stood) -> None:
    stood.up()
    assert wait_until(stood.know_each_other, LONG)
    one = stood.hosts[0]
    private = stood.private(one)
    kill_keeper(one)
    for dev in ("nkv42", "nkw42", "nk-overlay42"):
        one.run("ip", "link", "del", dev)
    for dst in (line.split()[0] for line in one.run("ip", "-6", "route", "show", "proto", "142").stdout.splitlines()):
        one.run("ip", "-6", "route", "del", dst, "proto", "142")
    one.run("nft", "flush", "ruleset")
    shutil.rmtree(one.root / "run")
    stood.netkit(one, "overlay", "peers", check=True)  # starts the keeper
    assert wait_until(stood.know_each_other, LONG)
    assert stood.private(one) == private
    assert wait_until(lambda: stood.netkit(one, "check").stdout == "all holds\n", LONG)


@requires("etcd", "etcd3gw")
def test_keys_are_told_by_etcd_as_well(lab: Lab) -> None:
    stood = StoodInEtcd(lab)
    try:
        stood.up()
        assert wait_until(stood.know_each_other, LONG)
        one, two = stood.hosts
        assert stood.ctl("get", "--prefix", "/netkit/overlay42/").count(stood.public(two)) == 1
        assert stood.private(two) not in stood.ctl("get", "--prefix", "")
        stood.netkit(two, "overlay", "down", "--vni", "42", check=True)
        assert wait_until(lambda: stood.kernel(one)["peers"] == {}, LONG)
        assert "it is encrypted" in stood.netkit(two, *UP, stood.store).stderr
    finally:
        end(stood)


@pytest.mark.parametrize("step", [3])
def test_a_death_at_an_op_leaves_nothing_after_gc(stood: Stood, step: int) -> None:
    host = stood.hosts[0]
    stood.netkit(host, *UP, stood.store, "--encrypt", check=True)
    stood.netkit(host, "overlay", "down", "--vni", "42", check=True)
    assert wait_until(lambda: not keeper(host))
    before, at, code = host.snapshot(), 0, -9
    while code:
        words = (str(stood.memory(host)), str(host.root), stood.store, str(at))
        code = host.module("-c", DIE, *words, check=False, loaded=LOADED).returncode
        if code:
            assert stood.private(host)
            stood.netkit(host, "gc", check=True)
            assert not list(host.root.glob("lib/wireguard/*"))
            assert diff(before, host.snapshot(), LEFT) == "", at
        at += step
    assert at > 20
    assert stood.netkit(host, "check").stdout == "all holds\n"


# -- a kernel that has it --------------------------------------------------------------------------------------------


@requires("wireguard", "wg", "tcpdump", "socat")
@pytest.mark.parametrize("crowd", ["four", "six"], indirect=True)
def test_packets_pass_none_is_seen_in_clear_and_what_others_do_is_put_right(crowd: Crowd) -> None:
    one = crowd.hosts[0]
    a_way_out(one)
    before = [host.snapshot(*crowd.containers) for host in crowd.hosts]
    crowd.up("--encrypt", "--subnet", "10.142.0.0/16", "--subnet", "fd42::/64")
    told = crowd.attach()
    clear = watch(one, "(not arp and not udp port 51942 and not icmp6 and ip6[6] != 0) or icmp6[icmp6type] = 128")
    sealed = watch(one, "udp port 51942 and not src host 192.0.2.2")
    for container, other in zip(crowd.containers, told[::-1], strict=True):
        assert reaches(container, other[4], LONG)
        assert reaches(container, other[6], LONG)
    assert pings(crowd.containers[0], {"fits": told[1][4]}, 5, "-Mdo", f"-s{1350 - 28}") == {"fits"}
    assert streamed(crowd, told[1][4]) == "through the tunnel"
    assert wait_until(lambda: sealed.poll() == 0, LONG)
    key = one.run("wg", "show", "nkw42", "peers").stdout.strip()
    for words in (("wg", "set", "nkw42", "peer", key, "remove"), ("ip", "link", "del", "nkw42")):
        one.run(*words)
        assert reaches(crowd.containers[0], told[1][4], LONG)
        assert one.run("wg", "show", "nkw42", "peers").stdout.strip() == key
    assert one.netkit("check").stdout == "all holds\n"
    assert "overlay42" not in one.netkit("doctor").stdout
    kill_keeper(one)
    one.run("ip", "link", "set", "dev", "nkw42", "down")
    assert pings(crowd.containers[0], {"it": told[1][4]}, 3) == set()
    assert clear.poll() is None
    one.netkit("overlay", "peers", check=True)  # starts the keeper
    assert reaches(crowd.containers[0], told[1][4], LONG)
    assert clear.poll() is None
    clear.kill()
    clear.wait()
    for host, container in zip(crowd.hosts, crowd.containers, strict=True):
        host.netkit("detach", "--pid", str(container.pid), check=True)
        host.netkit("overlay", "down", "--vni", "42", check=True)
        assert host.run("wg", "show").stdout == ""
    assert wait_until(lambda: not any(keeper(host) for host in crowd.hosts), LONG)
    for host, seen in zip(crowd.hosts, before, strict=True):
        assert diff(seen, host.snapshot(*crowd.containers), LEFT) == ""


def a_way_out(host: HostNs) -> None:
    """A default route of IPv6 to a router that takes whatever comes."""
    host.run("ip", "-6", "neigh", "replace", "fd00:2::fe", "lladdr", "02:00:00:00:00:fe", "dev", "eth0")
    host.run("ip", "-6", "route", "replace", "default", "via", "fd00:2::fe", "dev", "eth0")


def streamed(crowd: Crowd, address: str) -> str:
    """What a TCP connection from the first container to the second carries."""
    server: subprocess.Popen[str] = crowd.containers[1].popen("socat", "-u", "TCP-LISTEN:7", "-")
    time.sleep(0.5)
    crowd.containers[0].run("socat", "-u", "-", f"TCP:{address}:7", input="through the tunnel")
    return server.communicate(timeout=30)[0]
