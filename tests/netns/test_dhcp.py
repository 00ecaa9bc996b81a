"""Addresses from the LAN's own DHCP server: dnsmasq, udhcpd, and one that does what neither would."""

from __future__ import annotations

import json
import signal
import sys
import time

import pytest

from tests.features import need, requires
from tests.netns.calls import ip
from tests.oracle import diff, snapshot

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path
    from typing import Any

    from tests.hosts import Completed, Container, HostNs, Lab

pytestmark = requires("scapy", "macvlan")

#: A helper that is less patient with servers than people should be.
HASTY = """
import sys
from netkit.agent.dhcp import client, helper
client.PATIENCE = (0.3, 0.3)
helper.main()
"""
DNSMASQ = "-C /dev/null -k -p 0 --no-ping -i eth0 --dhcp-range=192.168.7.100,192.168.7.120,120s --dhcp-option=6,9.9.9.9"
UDHCPD = (
    "start 192.168.7.100\nend 192.168.7.120\ninterface eth0\noption subnet 255.255.255.0\noption router 192.168.7.254\n"
)
LEFT = ("state *", "host links * tso_max_size: *", "host processes: *netkit.agent.dhcp.helper*")


class Lan:
    """A host on a LAN, and a machine there that may be its DHCP server."""

    def __init__(self, lab: Lab, files: Path, host: HostNs | None = None) -> None:
        self.lab, self.files = lab, files
        self.host, self.server = host or lab.host(), lab.host("server")
        lab.link(self.host, self.server, ("192.168.7.1/24", "192.168.7.254/24"))
        self.leases = files / "leases"

    def dnsmasq(self, *more: str) -> None:
        need("dnsmasq")
        words = (*DNSMASQ.split(), f"--dhcp-leasefile={self.leases}", f"--pid-file={self.files}/pid", *more)
        self.server.popen("dnsmasq", *words)
        self.wait(lambda: bool(self.server.run("ss", "-lunH", "sport", "=", "67").stdout))

    def udhcpd(self, seconds: int) -> Any:
        need("udhcpd")
        conf = self.files / "udhcpd.conf"
        conf.write_text(
            f"{UDHCPD}option lease {seconds}\nmin_lease 5\nlease_file {self.leases}\npidfile {self.files}/pid\n"
        )
        self.leases.touch()
        server = self.server.popen("busybox", "udhcpd", "-f", conf)
        self.wait(lambda: bool(self.server.run("ss", "-lunH", "sport", "=", "67").stdout))
        return server

    def odd(self, how: str, address: str = "192.168.7.100") -> None:
        words = (sys.executable, "-m", "tests.netns.dhcpd", "eth0", address, how)
        output = self.server.popen(*words).stdout
        assert output is not None
        assert output.readline() == "ready\n"

    def network(self, mode: str = "macvlan", *more: str) -> None:
        words = () if mode == "bridge" else ("--parent", "eth0")
        self.host.netkit("network", "create", "lan", "--mode", mode, "--ipam", "dhcp", *words, *more, check=True)

    def attach(self, container: Container, *words: str) -> Completed[str]:
        return self.host.netkit("attach", "--pid", str(container.pid), "--network", "lan", "--json", *words)

    def lease(self, ident: str) -> dict[str, Any]:
        file = self.host.root / "run/dhcp" / ident
        found: dict[str, Any] = json.loads(file.read_text())["value"]
        return found

    def helper(self) -> list[int]:
        """The PIDs of this root's helper."""
        found = self.host.run("pgrep", "-f", f"dhcp.*{self.host.root}", check=False).stdout.split()
        return [int(pid) for pid in found]

    def stop_helper(self, number: signal.Signals = signal.SIGTERM) -> None:
        for pid in self.helper():
            self.host.run("kill", f"-{number}", str(pid), check=False)
        self.wait(lambda: not self.helper())

    def hasty(self) -> None:
        """Start the helper that gives up soon, before netkit starts its own."""
        self.host.run("mkdir", "-p", self.host.root)
        self.host.netkit("ps", check=True)
        self.host.popen(sys.executable, "-c", HASTY, str(self.host.root))
        self.wait(lambda: (self.host.root / "run/dhcp/.socket").exists())

    def wait(self, done: Callable[[], bool], seconds: float = 20) -> None:
        end = time.monotonic() + seconds
        while not done():
            assert time.monotonic() < end, "it did not come to pass"
            time.sleep(0.05)


@pytest.fixture
def lan(lab: Lab, tmp_path: Path) -> Iterator[Lan]:
    found = Lan(lab, tmp_path)
    try:
        yield found
    finally:
        found.stop_helper()


def address(container: Container, ifname: str = "eth0") -> str:
    (found,) = [each for each in ip(container, "addr", "show", ifname)[0]["addr_info"] if each["family"] == "inet"]
    return f"{found['local']}/{found['prefixlen']}"


def up(container: Container, ifname: str = "eth0") -> bool:
    return "UP" in ip(container, "link", "show", ifname)[0]["flags"]


def test_dnsmasq_gives_an_address_and_gets_it_back(lan: Lan) -> None:
    container = lan.lab.container()
    lan.dnsmasq("--dhcp-option=121,10.0.0.0/8,192.168.7.250,0.0.0.0/0,192.168.7.254")
    lan.network()
    container.run("ip", "link", "set", "lo", "up")
    before = snapshot(lan.host, [container])
    made = json.loads(lan.attach(container, "--name", "web").stdout)
    assert made["addresses"] == [address(container)]
    assert made["addresses"][0].startswith("192.168.7.1")
    assert made["gateway"] == "192.168.7.254"
    assert {(route["dst"], route.get("gateway")) for route in ip(container, "route")} >= {
        ("default", "192.168.7.254"),
        ("10.0.0.0/8", "192.168.7.250"),
    }
    container.run("ping", "-c1", "-W2", "192.168.7.254")
    _, mac, told, name, _ = lan.leases.read_text().split()
    assert (mac, f"{told}/24", name) == (made["mac"], made["addresses"][0], "web")
    assert lan.lease(made["id"])["nameservers"] == ["9.9.9.9"]
    shown = json.loads(lan.host.netkit("inspect", "web", "--json", check=True).stdout)["lease"]
    assert (shown["server"], shown["lost"]) == ("192.168.7.254", None)
    assert 50 <= shown["renews_in"] <= 60 < shown["ends_in"] <= 120
    lan.host.netkit("detach", "web", check=True)
    lan.wait(lambda: lan.leases.read_text() == "")
    assert diff(before, snapshot(lan.host, [container]), LEFT) == ""


def test_two_containers_and_two_interfaces_have_leases_of_their_own(lan: Lan) -> None:
    one, two = lan.lab.container("one"), lan.lab.container("two")
    lan.dnsmasq()
    lan.network()
    for container, ifname in ((one, "eth0"), (one, "eth1"), (two, "eth0")):
        assert lan.attach(container, "--ifname", ifname).returncode == 0
    assert len({address(one), address(one, "eth1"), address(two)}) == 3
    assert len(lan.helper()) == 1
    for container in (one, two):
        lan.host.netkit("detach", "--pid", str(container.pid), "--all", check=True)


def test_udhcpd_gives_an_address_over_a_bridge(lan: Lan) -> None:
    container = lan.lab.container()
    lan.udhcpd(600)
    for line in ("ip link add br0 type bridge", "ip link set eth0 master br0", "ip link set br0 up"):
        lan.host.run(*line.split())
    lan.network("bridge", "-o", "bridge=br0")
    made = json.loads(lan.attach(container).stdout)
    assert made["addresses"] == [address(container)]
    container.run("ping", "-c1", "-W2", "192.168.7.254")
    lan.host.netkit("detach", "--pid", str(container.pid), check=True)


def test_neighbours_learn_of_a_new_owner_by_a_guarded_port(lan: Lan) -> None:
    """The address was another's: whoever still has that one in its table is told, once the guard lets it through."""
    container = lan.lab.container()
    lan.udhcpd(600)
    for line in ("ip link add name br0 type bridge", "ip link set eth0 master br0", "ip link set br0 up"):
        lan.host.run(*line.split())
    lan.network("bridge", "-o", "bridge=br0")
    for last in range(100, 121):  # whichever the server chooses
        old = f"192.168.7.{last} lladdr 02:00:00:00:00:99 nud reachable dev eth0"
        lan.server.run("ip", "neigh", "replace", *old.split())
    made = json.loads(lan.attach(container).stdout)
    (given,) = made["addresses"]
    lan.wait(lambda: ip(lan.server, "neigh", "show", given.partition("/")[0])[0]["lladdr"] == made["mac"])
    assert [entry["dst"] for entry in ip(lan.server, "neigh") if entry["lladdr"] == made["mac"]] == [given[:-3]]


def test_a_plan_says_what_only_the_server_knows(lan: Lan) -> None:
    lan.network()
    shown = lan.attach(lan.lab.container(), "--dry-run").stdout
    assert "# with the lease: its address, its routes" in json.loads(shown)["script"]


@pytest.mark.limit(120)
def test_a_lease_is_renewed_outlives_the_helper_and_takes_the_link_down_when_it_is_lost(lan: Lan) -> None:
    container = lan.lab.container()
    server = lan.udhcpd(10)
    lan.network()
    ident = json.loads(lan.attach(container).stdout)["id"]
    first = lan.lease(ident)["granted"]
    lan.wait(lambda: lan.lease(ident)["granted"] > first)
    lan.stop_helper(signal.SIGKILL)
    other = lan.lab.container("other")
    assert lan.attach(other).returncode == 0  # starts another helper
    second = lan.lease(ident)["granted"]
    lan.wait(lambda: lan.lease(ident)["granted"] > second)
    assert up(container)
    server.kill()
    lan.wait(lambda: lan.lease(ident).get("state") == "lost", 30)
    assert not up(container)
    for each in (container, other):
        lan.host.netkit("detach", "--pid", str(each.pid), check=True)


def speaks_early(lan: Lan, *more: str) -> bool:
    """Whether a container that has yet to get a lease reaches the LAN under an address that it took."""
    container = lan.lab.container()
    lan.host.run("ip", "addr", "del", "192.168.7.1/24", "dev", "eth0")
    lan.host.run("ip", "link", "add", "br0", "type", "bridge")
    lan.host.run("ip", "link", "set", "br0", "up")
    lan.host.run("ip", "link", "set", "eth0", "master", "br0")
    lan.network("bridge", "-o", "bridge=br0", *more)
    words = ("--root", str(lan.host.root), "attach", "--pid", str(container.pid), "--network", "lan")
    asking = lan.host.popen(sys.executable, "-m", "netkit", *words)
    lan.wait(lambda: "UP" in container.run("ip", "link", "show", "eth0", check=False).stdout)
    container.run("ip", "addr", "add", "192.168.7.77/24", "dev", "eth0")
    heard = container.run("ping", "-c2", "-i0.2", "-W1", "192.168.7.254", check=False).returncode == 0
    assert asking.poll() is None, "the server is still being asked"
    asking.terminate()
    asking.communicate()
    return heard


@requires("nftables")
def test_who_has_no_lease_yet_can_ask_for_one_and_nothing_else(lan: Lan) -> None:
    assert not speaks_early(lan)


@requires("nftables")
def test_without_a_guard_it_can_speak_at_once(lan: Lan) -> None:
    assert speaks_early(lan, "-o", "guard=off")


@pytest.mark.parametrize(
    ("how", "said"),
    [
        ("", "no DHCP server offers an address"),
        ("nonsense", "answers on eth0, but with nonsense: it names no subnet mask"),
        ("noise", "answers on eth0, but with nonsense: it has no options"),
        ("mute", "offered an address and then fell silent"),
        ("nak", "refused the address that it had offered"),
    ],
)
def test_a_server_that_is_no_use_leaves_nothing(lan: Lan, how: str, said: str) -> None:
    container = lan.lab.container()
    lan.hasty()
    if how:
        lan.odd(how)
    lan.network()
    container.run("ip", "link", "set", "lo", "up")
    before = snapshot(lan.host, [container])
    failed = lan.attach(container)
    assert (failed.returncode, said in failed.stderr) == (1, True), failed.stderr
    assert diff(before, snapshot(lan.host, [container]), LEFT) == ""
    assert json.loads(lan.host.netkit("ps", "--json").stdout) == []


def test_an_address_that_somebody_has_is_declined(lan: Lan) -> None:
    one, two = lan.lab.container("one"), lan.lab.container("two")
    lan.hasty()
    lan.odd("same")
    lan.network()
    made = json.loads(lan.attach(one).stdout)
    refused = lan.attach(two)
    assert refused.returncode == 1
    assert f"offers 192.168.7.100, which attachment {made['id']} has" in refused.stderr
    assert [link["ifname"] for link in ip(two, "link")] == ["lo"]
    lan.host.netkit("detach", "--pid", str(one.pid), check=True)
    lan.server.run("ip", "addr", "add", "192.168.7.100/24", "dev", "eth0")
    mac = ip(lan.server, "link", "show", "eth0")[0]["address"]
    assert f"192.168.7.100, which {mac} has" in lan.attach(two).stderr


def test_a_commands_lease_is_given_back_when_it_ends(lan: Lan) -> None:
    lan.dnsmasq()
    lan.network()
    ran = lan.host.netkit("run", "--network", "lan", "--", "ip", "-json", "addr", "show", "eth0", check=True)
    assert "192.168.7.1" in ran.stdout
    lan.wait(lambda: lan.leases.read_text() == "")
    assert json.loads(lan.host.netkit("ps", "--json").stdout) == []


@pytest.mark.parametrize("mode", ["macvlan", "bridge", "underlay"])
def test_a_dead_containers_lease_is_given_back_by_gc(lan: Lan, mode: str) -> None:
    """Its namespace is gone, so the server is told by the host's own link on the LAN."""
    container = lan.lab.container()
    lan.dnsmasq()
    if mode == "bridge":
        for line in ("ip link add name br0 type bridge", "ip link set eth0 master br0", "ip link set br0 up"):
            lan.host.run(*line.split())
    lan.network(mode, *{"bridge": ("-o", "bridge=br0"), "underlay": ("--yes",)}.get(mode, ()))
    ident = json.loads(lan.attach(container).stdout)["id"]
    assert lan.leases.read_text() != ""
    container.die()
    assert ident in lan.host.netkit("gc", check=True).stdout
    assert not (lan.host.root / "run/dhcp" / ident).exists()
    lan.wait(lambda: lan.leases.read_text() == "")


def test_kill_9_after_the_lease_is_taken_back_by_gc(lan: Lan) -> None:
    container = lan.lab.container()
    lan.dnsmasq()
    lan.network()
    container.run("ip", "link", "set", "lo", "up")
    before = snapshot(lan.host, [container])
    code = """
import os, signal, sys
from netkit.engine.service import Engine
from netkit.kernel.netns import resolve_pid
from netkit.model import AttachRequest
bound = []
def before_op(op):
    if bound:
        os.kill(os.getpid(), signal.SIGKILL)
    bound.extend([op] if type(op).__name__ == "DhcpBind" else [])
Engine(sys.argv[1], before_op=before_op).attach(AttachRequest("web", resolve_pid(int(sys.argv[2]))), network="lan")
"""
    lan.host.python(code, str(lan.host.root), str(container.pid), check=False)
    assert lan.leases.read_text() != ""
    lan.host.netkit("gc", check=True)
    lan.wait(lambda: lan.leases.read_text() == "")
    assert diff(before, snapshot(lan.host, [container]), LEFT) == ""


def test_an_address_cannot_be_chosen(lan: Lan) -> None:
    lan.network()
    refused = lan.attach(lan.lab.container(), "--ip", "192.168.7.9")
    assert (refused.returncode, "its DHCP server's" in refused.stderr) == (2, True), refused.stderr
