"""Agents with the backend wireguard: refused by name where the kernel has none; against a stand-in what they do to it.

The stand-in (tests/wireguards.py) keeps what a kernel is told, and encrypts nothing: packets are for a real one.
"""

from __future__ import annotations

import json
import subprocess
import sys
import time

import pytest

from tests.features import has, requires
from tests.hosts import HostNs, Lab, wait_until
from tests.netns.agents import LONG, Agents, address, healed
from tests.wireguards import LOADED, RUN, public_of

TYPE_CHECKING = False
if TYPE_CHECKING:
    from pathlib import Path
    from typing import Any

    from tests.conftest import Unchanged

pytestmark = [pytest.mark.root, pytest.mark.requires("veth", "bridge", "nftables"), pytest.mark.limit(180)]

PSK = "cHNrcHNrcHNrcHNrcHNrcHNrcHNrcHNrcHNrcHNrcHM="
FOREIGN = "Zm9yZWlnbiBmb3JlaWduIGZvcmVpZ24gZm9yZWlnbiE="
#: Runs netkit with a kernel that has WireGuard, and without the library for its keys.
BARE = """
import sys
sys.modules["cryptography"] = None
from netkit.kernel import wireguard
wireguard.known = lambda: True
from netkit.cli.main import main
main()
"""
#: Ops of a tunnel with two peers; whether they were done and hold, how they read; and the same of their undo.
OPS = f"""
import sys
from netkit.kernel.apply import Kernel
from netkit.kernel.namespaces import Namespaces
from netkit.kernel.observe import KernelHost
from netkit.kernel.wireguard import mark, secret
from netkit.plan.ops import LinkAdd
from netkit.plan.rare.wireguard import EndSet, PeerAdd
from netkit.plan.render import render
key, public, psk = sys.argv[1:]
known = mark(secret(psk))
ops = [
    LinkAdd("flannel-wg", "wireguard", 28267, mtu=1420),
    EndSet("flannel-wg", key, public, 51820),
    PeerAdd("flannel-wg", "{FOREIGN}", "192.0.2.9:51820", ("10.5.9.0/24", "fd05:0:0:9::/64"), 25, psk, known),
    PeerAdd("flannel-wg", "{public_of(PSK)}", "[2001:db8::9]:7000", ("10.5.10.0/24",)),
]
spaces = Namespaces()
kernel, host = Kernel(spaces, None), KernelHost(spaces, None, None, None)
"""
TELL = f"""{OPS}
print(kernel.apply(ops) == [None] * len(ops))
print(all(op.holds(host) for op in ops))
print(*(command for op in ops for command in render(op)), sep="\\n")
"""
TAKE_BACK = f"""{OPS}
back = [each for op in reversed(ops[1:]) for each in op.reverse()]
print(kernel.apply(back, tolerant=True) == [None] * len(back) and all(op.holds(host) for op in back))
"""
LACKING = "this kernel has no WireGuard"


class Stood(Agents):
    """Agents whose kernel is the stand-in; what it was told of each host is in a file."""

    def start(self, host: HostNs, *words: str, network: str = "flannel", config: Path | None = None) -> None:
        argv = ("--root", str(host.root), "agent", "run", "--config", str(config or self.config), "--store",
                f"dir://{self.store}", *words)  # fmt: skip
        log = (self.lab.directory / f"{host.name}-{network}.log").open("a")
        process = host.popen(sys.executable, "-c", RUN, str(self.memory(host)), *argv, stdout=log, stderr=log)
        log.close()
        self.running[host.name, network] = process
        ready = wait_until(lambda: process.poll() is not None or self.is_ready(host, network), LONG)
        assert ready and process.poll() is None, self.log(host, network)

    def memory(self, host: HostNs) -> Path:
        return self.lab.directory / f"{host.name}.wireguard"

    def kernel(self, host: HostNs) -> dict[str, Any]:
        """The one tunnel of a host as its kernel has been told."""
        kept = json.loads(self.memory(host).read_text())
        found: dict[str, Any] = kept.get(f"flannel-wg:{host.index('flannel-wg')}", {"peers": {}, "port": 0})
        return found

    def tell(self, host: HostNs, **changes: Any) -> None:
        """Change a tunnel behind netkit's back."""
        kept = json.loads(self.memory(host).read_text())
        for link in kept.values():
            link.update({**changes, "peers": {**link["peers"], **changes.get("peers", {})}})
        self.memory(host).write_text(json.dumps(kept))

    def private(self, host: HostNs) -> str:
        return (host.root / "lib/wireguard/flannel.key").read_text().strip()

    def public(self, host: HostNs) -> str:
        return public_of(self.private(host))

    def netkit(self, host: HostNs, *words: str) -> subprocess.CompletedProcess[str]:
        """A command beside the agent, with the same kernel."""
        argv = (RUN, str(self.memory(host)), "--root", str(host.root), *words)
        done = host.module("-c", *argv, check=False, loaded=LOADED)
        return subprocess.CompletedProcess(words, done.returncode, done.stdout, done.stderr)

    def knows(self, host: HostNs, other: HostNs) -> bool:
        """Whether a host's tunnel has another as a peer, with all that it is."""
        if not self.memory(host).exists() or not self.is_ready(other):
            return False
        peer = self.kernel(host)["peers"].get(self.public(other), {})
        where = [f"192.0.2.{self.hosts.index(other) + 1}", 51820]
        wanted = (self.status(other)["subnets"], where, PSK, 25)
        return (peer.get("allowed"), peer.get("endpoint"), peer.get("psk"), peer.get("keepalive")) == wanted


@pytest.fixture
def stood(lab: Lab) -> Stood:
    return Stood(lab, {"Type": "wireguard", "PSK": PSK, "PersistentKeepaliveInterval": 25})


# -- the kernel that is there ----------------------------------------------------------------------------------------


@pytest.mark.parametrize("backend", [{"Type": "wireguard"}, {"Type": "WireGuard", "PSK": PSK, "Mode": "auto"}])
def test_a_kernel_without_it_ends_the_agent_by_name_and_nothing_is_changed(
    lab: Lab, unchanged: Unchanged, backend: dict[str, Any]
) -> None:
    if has("wireguard"):
        pytest.skip("this kernel has WireGuard")
    net = Agents(lab, backend, count=1)
    host = net.hosts[0]
    table = ("ip", "-6", "route", "show", "table", "local")  # the kernel adds an address at once, and its route later
    assert wait_until(lambda: "local fd00:2::1 " in host.run(*table).stdout)
    with unchanged(host):
        done = host.netkit("agent", "run", "--config", str(net.config), "--store", f"dir://{net.store}")
    assert (done.returncode, done.stdout) == (5, "")
    assert LACKING in done.stderr
    assert "modprobe wireguard" in done.stderr
    assert list(net.store.iterdir()) == []
    told = host.netkit("--json", "agent", "run", "--config", str(net.config), "--store", f"dir://{net.store}")
    assert json.loads(told.stderr)["error"]["code"] == 5


def test_a_stores_network_that_this_kernel_cannot_have_ends_the_agent_as_well(stood: Stood) -> None:
    if has("wireguard"):
        pytest.skip("this kernel has WireGuard")
    one, two = stood.hosts
    stood.start(one)
    done = two.netkit("agent", "run", "--store", f"dir://{stood.store}")
    assert done.returncode == 5
    assert LACKING in done.stderr
    assert two.run("ip", "-br", "link", "show", "group", "28267").stdout == ""
    assert not (two.root / "lib/wireguard").exists()


def test_asking_makes_no_link_and_agrees_with_ip(lab: Lab) -> None:
    host = lab.host()
    before = host.run("ip", "link").stdout
    found = host.python("from netkit.kernel import wireguard; print(wireguard.known())").stdout
    assert found == f"{has('wireguard')}\n"
    assert host.run("ip", "link").stdout == before
    # the family that every kernel has shows that the question is understood, and its number, which is always that one
    ask = "from netkit.kernel import wireguard; wireguard.NAME = 'nlctrl'; print(wireguard.WireGuard()._family)"
    assert host.python(ask).stdout == "16\n"


def test_without_the_library_the_extra_is_named(lab: Lab) -> None:
    net = Agents(lab, "wireguard", count=1)
    host = net.hosts[0]
    words = ("--root", str(host.root), "agent", "run", "--config", str(net.config), "--store", f"dir://{net.store}")
    done = host.python(BARE, *words, check=False)
    assert (done.returncode, list(net.store.iterdir())) == (5, [])
    assert "pip install 'netkit-containers[wireguard]'" in done.stderr


# -- the stand-in ----------------------------------------------------------------------------------------------------


def test_two_hosts_know_each_other_by_their_keys_and_routes_lead_through_the_tunnel(stood: Stood) -> None:
    stood.start_all()
    one, two = stood.hosts
    assert wait_until(lambda: stood.knows(one, two) and stood.knows(two, one), LONG), stood.log(one)
    assert {stood.kernel(host)["port"] for host in stood.hosts} == {51820}
    assert [stood.kernel(host)["private"] for host in stood.hosts] == [stood.private(host) for host in stood.hosts]
    assert stood.routes(one) == {stood.subnet(two): ("", "flannel-wg")}
    shown = json.loads(one.run("ip", "-j", "addr", "show", "dev", "flannel-wg").stdout)[0]
    assert (shown["mtu"], shown["group"]) == (1420, "28267")
    assert [a["local"] for a in shown["addr_info"] if a["scope"] == "global"] == [stood.subnet(one).partition("/")[0]]
    assert one.run("cat", "/proc/sys/net/ipv4/conf/all/send_redirects").stdout == "0\n"
    assert stood.netkit(one, "check").stdout == "all holds\n"


def test_secrets_are_in_their_files_alone(stood: Stood) -> None:
    stood.start_all()
    one, two = stood.hosts
    assert wait_until(lambda: stood.knows(one, two), LONG)
    files = one.root / "lib/wireguard"
    modes = {path.name: path.stat().st_mode & 0o777 for path in (files, *files.iterdir())}
    assert modes == {"wireguard": 0o700, "flannel.key": 0o600, "flannel.psk": 0o600}
    secrets = [word.encode() for word in (stood.private(one), stood.private(two), PSK)]
    shown = [stood.netkit(one, *words).stdout for words in (("check",), ("agent", "status", "--json"), ("doctor",))]
    texts = [text.encode() for text in (*shown, stood.log(one), stood.log(two))]
    places = [place for place in (*one.root.rglob("*"), *stood.store.rglob("*")) if place.is_file()]
    texts += [place.read_bytes() for place in places if place.parent != files]
    assert len(texts) > 10
    assert not [secret for secret in secrets for text in texts if secret in text]
    assert any(stood.public(one).encode() in text for text in texts)


def test_a_restart_keeps_the_pair_and_a_new_preshared_key_is_told(stood: Stood) -> None:
    stood.start_all()
    one, two = stood.hosts
    assert wait_until(lambda: stood.knows(one, two), LONG)
    before = stood.private(one)
    stood.stop(one)
    other = FOREIGN
    stood.configure({**stood.told, "Backend": {"Type": "wireguard", "PSK": other}})
    stood.start(one)
    assert stood.private(one) == before
    assert wait_until(lambda: stood.kernel(one)["peers"].get(stood.public(two), {}).get("psk") == other, LONG)


def test_what_others_change_is_put_right_and_whom_nobody_knows_is_put_out(stood: Stood) -> None:
    stood.start_all()
    one, two = stood.hosts
    assert wait_until(lambda: stood.knows(one, two), LONG)
    intruder = {"allowed": ["10.5.0.0/16"], "endpoint": ["203.0.113.6", 6], "psk": PSK, "keepalive": 0, "at": 0}
    stood.tell(one, port=6666, peers={FOREIGN: intruder, stood.public(two): intruder | {"allowed": []}})
    assert not stood.knows(one, two)
    differences = stood.netkit(one, "agent", "status").stdout
    assert f"stale in the kernel: wg set flannel-wg peer {FOREIGN} remove" in differences
    assert f"wg set flannel-wg peer {stood.public(two)} preshared-key" in differences
    assert wait_until(lambda: stood.knows(one, two) and FOREIGN not in stood.kernel(one)["peers"], LONG)
    assert wait_until(lambda: stood.kernel(one)["port"] == 51820, LONG)


def test_a_device_that_was_deleted_comes_back_with_its_key_and_its_peers(stood: Stood) -> None:
    stood.start_all()
    one, two = stood.hosts
    assert wait_until(lambda: stood.knows(one, two), LONG)
    one.run("ip", "link", "del", "flannel-wg")
    assert wait_until(lambda: one.index("flannel-wg") > 0 and stood.knows(one, two), LONG)
    assert stood.kernel(one)["private"] == stood.private(one)


def test_a_host_that_moves_is_followed_though_its_session_lives(stood: Stood) -> None:
    stood.start_all()
    one, two = stood.hosts
    assert wait_until(lambda: stood.knows(one, two), LONG)
    kept = stood.kernel(one)["peers"][stood.public(two)]
    stood.tell(one, peers={stood.public(two): kept | {"endpoint": ["203.0.113.9", 9], "at": int(time.time())}})
    rounds = stood.status(one)["rounds"]
    assert wait_until(lambda: stood.status(one)["rounds"] > rounds + 1, LONG)
    assert stood.kernel(one)["peers"][stood.public(two)]["endpoint"] == ["203.0.113.9", 9]
    stood.stop(two)
    stood.start(two, "--public-ip", "192.0.2.77")
    moved = ["192.0.2.77", 51820]
    assert wait_until(lambda: stood.kernel(one)["peers"][stood.public(two)]["endpoint"] == moved, LONG)


def test_one_that_leaves_is_forgotten_and_leaves_no_key(stood: Stood) -> None:
    stood.start_all("--teardown")
    one, two = stood.hosts
    assert wait_until(lambda: stood.knows(one, two), LONG)
    public = stood.public(two)
    stood.stop(two)
    assert wait_until(lambda: public not in stood.kernel(one)["peers"] and stood.routes(one) == {}, LONG)
    for place in ("lib/wireguard/flannel.key", "lib/wireguard/flannel.psk"):
        assert not (two.root / place).exists()
    assert two.run("ip", "-br", "link", "show", "group", "28267").stdout == ""
    assert two.run("cat", "/proc/sys/net/ipv4/conf/all/send_redirects").stdout == "1\n"


def test_a_host_that_says_to_have_anothers_key_is_refused_and_said_why(stood: Stood) -> None:
    stood.start_all()
    one, two = stood.hosts
    assert wait_until(lambda: stood.knows(one, two), LONG)
    stood.stop(two)
    (two.root / "lib/wireguard/flannel.key").write_text(stood.private(one) + "\n")
    stood.start(two)
    refused = "its public key is this host's own: was this host's state copied?"
    assert wait_until(lambda: any(refused in line for line in stood.status(one)["refused"]), LONG)
    assert wait_until(lambda: stood.kernel(one)["peers"] == {}, LONG)


# -- a kernel that has it --------------------------------------------------------------------------------------------


@requires("wireguard", "wg")
def test_wg_shows_what_the_kernel_was_told_and_printed_commands_tell_it_the_same(lab: Lab) -> None:
    one, two = lab.host("one"), lab.host("two")
    key, psk = lab.directory / "key", lab.directory / "psk"
    for file in (key, psk):
        file.touch(0o600)
    key.write_text(one.run("wg", "genkey").stdout)
    psk.write_text(PSK + "\n")
    public = one.run("wg", "pubkey", input=key.read_text()).stdout.strip()
    told = one.python(TELL, str(key), public, str(psk)).stdout.splitlines()
    assert told[:2] == ["True", "True"]
    shown = [line.split("\t") for line in one.run("wg", "show", "flannel-wg", "dump").stdout.splitlines()]
    assert shown[0] == [key.read_text().strip(), public, "51820", "off"]
    assert sorted(shown[1:]) == sorted([
        [FOREIGN, PSK, "192.0.2.9:51820", "10.5.9.0/24,fd05:0:0:9::/64", "0", "0", "0", "25"],
        [public_of(PSK), "(none)", "[2001:db8::9]:7000", "10.5.10.0/24", "0", "0", "0", "off"],
    ])  # fmt: skip
    two.run("sh", "-e", input="\n".join(told[2:]))
    assert two.run("wg", "show", "flannel-wg", "dump").stdout == one.run("wg", "show", "flannel-wg", "dump").stdout
    assert one.python(TAKE_BACK, str(key), public, str(psk)).stdout == "True\n"
    assert one.run("wg", "show", "flannel-wg", "dump").stdout == "(none)\t(none)\t0\toff\n"


@requires("wireguard", "tcpdump")
@pytest.mark.parametrize("mode", ["separate", "auto", "ipv4", "ipv6"])
def test_packets_of_both_families_pass_and_none_is_seen_on_the_wire(lab: Lab, mode: str) -> None:
    net = Agents(lab, {"Type": "wireguard", "Mode": mode, "PSK": PSK}, EnableIPv6=True, IPv6Network="fd05::/48")
    net.start_all()
    one, two = (net.attach(host) for host in net.hosts)
    clear = watch(net.hosts[0], "icmp or (icmp6 and ip6[40] = 128)")
    sealed = watch(net.hosts[0], "udp portrange 51820-51821")
    for version in (4, 6):
        assert healed(one, address(two, version), LONG)
        assert healed(two, address(one, version), LONG)
    assert wait_until(lambda: sealed.poll() == 0)
    assert clear.poll() is None
    assert net.hosts[0].netkit("check").stdout == "all holds\n"


def watch(host: HostNs, what: str) -> subprocess.Popen[str]:
    """tcpdump on the wire, listening; it ends with the first packet of that kind."""
    process = host.popen("tcpdump", "-lnqi", "eth0", "-c", "1", what)
    assert process.stderr
    while "listening on" not in process.stderr.readline():
        assert process.poll() is None
    return process


@requires("wireguard", "wg")
def test_what_others_do_with_wg_is_put_right_and_at_the_end_nothing_is_left(lab: Lab) -> None:
    net = Agents(lab, {"Type": "wireguard", "PersistentKeepaliveInterval": 25})
    host = net.hosts[0]
    before = host.run("cat", "/proc/sys/net/ipv4/conf/all/send_redirects").stdout
    net.start_all("--teardown")
    one, two = (net.attach(each) for each in net.hosts)
    assert healed(one, address(two), LONG)
    kept = host.run("wg", "show", "flannel-wg", "peers").stdout.strip()
    public = host.run("wg", "show", "flannel-wg", "public-key").stdout
    for words in (("listen-port", "6666"), ("peer", kept, "remove"), ("peer", FOREIGN, "allowed-ips", "10.5.0.0/16")):
        host.run("wg", "set", "flannel-wg", *words)
    assert wait_until(lambda: host.run("wg", "show", "flannel-wg", "peers").stdout.strip() == kept, LONG)
    assert wait_until(lambda: host.run("wg", "show", "flannel-wg", "listen-port").stdout == "51820\n", LONG)
    assert healed(one, address(two), LONG)
    host.run("ip", "link", "del", "flannel-wg")
    assert healed(one, address(two), LONG)
    assert host.run("wg", "show", "flannel-wg", "public-key").stdout == public
    for each, container in zip(net.hosts, (one, two), strict=True):
        each.netkit("detach", "--pid", str(container.pid), check=True)
        net.stop(each)
        assert each.run("wg", "show").stdout == ""
    assert host.run("cat", "/proc/sys/net/ipv4/conf/all/send_redirects").stdout == before
