"""One etcd, a netkit host and a real flanneld: each takes the other's leases for those of its own kind.

flanneld is looked for in NETKIT_FLANNELD, on the PATH, and beside Python; CONTRIBUTING.md says how to build it.
"""

from __future__ import annotations

import json
import os
import shutil
import sys

import pytest

from tests.hosts import HostNs, Lab, wait_until

TYPE_CHECKING = False
if TYPE_CHECKING:
    from subprocess import Popen
    from typing import Any

pytestmark = [pytest.mark.root, pytest.mark.requires("etcd", "etcd3gw", "vxlan"), pytest.mark.limit(120)]

#: Does what the arguments say in the network, and tells what there is then.
ACT = """
import json, sys
from netkit import stores
from netkit.stores.choice import lease_subnet
from netkit.stores.model import Host, Settings
from netkit.value import to_json
node, public, *acts = sys.argv[1:]
settings, host = Settings("10.5.0.0/16", 24, 1, backend="vxlan"), Host(node, public, 1, "02:00:00:00:00:0a")
if "both" in acts:
    settings = settings.replace(cidr6="fd00::/48", length6=64)
    host = host.replace(public6="2001:db8::1", vtep6="02:00:00:00:06:0a")
store = stores.open("etcd://192.0.2.1:2379/coreos.com/network", "", node, settings)
if public:
    store.renew(host)
for act in acts:
    claim = lease_subnet(store)
    if act == "release":
        store.release(claim)
print(json.dumps(to_json(store.snapshot())))
"""


class Mixed:
    """Host `one` with etcd and netkit, host `two` with flanneld; a cable between them."""

    def __init__(self, lab: Lab, flanneld: str) -> None:
        self.flanneld = flanneld
        self.one, self.two = lab.host("one"), lab.host("two")
        lab.link(self.one, self.two, ("192.0.2.1/24", "192.0.2.2/24"))
        self.two.run("ip", "route", "add", "default", "via", "192.0.2.1")
        where, data = "http://192.0.2.1:2379", str(lab.directory / "etcd")
        self.one.popen(
            *("etcd", "--data-dir", data, "--log-level", "error", "--listen-peer-urls", "http://127.0.0.1:2380"),
            *("--listen-client-urls", where, "--advertise-client-urls", where),
        )
        assert wait_until(lambda: self.ctl("get", "x", check=False).returncode == 0)

    def ctl(self, *words: str, check: bool = True) -> Any:
        argv = ("env", "ETCDCTL_API=3", "etcdctl", "--endpoints", "http://192.0.2.1:2379", *words)
        return self.one.run(*argv, check=check)

    def start(self, *more: str) -> Popen[str]:
        """flanneld, ready; `more` are further words of its command line."""
        self.two.run("rm", "-f", "/run/flannel/subnet.env")
        store = ("-etcd-endpoints", "http://192.0.2.1:2379", "-etcd-prefix", "/coreos.com/network")
        words = (*store, "-iface", "192.0.2.2", *more)
        with open(os.devnull, "w") as nowhere:
            daemon = self.two.popen(self.flanneld, *words, stdout=nowhere, stderr=nowhere)
        assert wait_until(lambda: self.two.run("test", "-s", "/run/flannel/subnet.env", check=False).returncode == 0)
        return daemon

    def netkit(self, node: str, public: str = "", *acts: str, where: HostNs | None = None) -> dict[str, Any]:
        found: dict[str, Any] = json.loads((where or self.one).python(ACT, node, public, *acts).stdout)
        return found

    def agent(self, *more: str) -> tuple[Popen[str], str]:
        """netkit's agent on host one, as told by the configuration in etcd, and its gateway's address."""
        words = ("agent", "run", "--store", "etcd://192.0.2.1:2379/coreos.com/network", "--iface", "192.0.2.1")
        with open(os.devnull, "w") as nowhere:
            argv = (sys.executable, "-m", "netkit", "--root", str(self.one.root), *words, *more, "--teardown")
            daemon = self.one.popen(*argv, stdout=nowhere, stderr=nowhere)
        return daemon, self._gateway(self.one)

    def container(self) -> str:
        """An address of flannel's host in its subnet, where a container would be."""
        address = self._gateway(self.two)
        for line in ("add c0 up type veth peer name c1", "set c1 up"):
            self.two.run("ip", "link", *line.split())
        self.two.run("ip", "addr", "add", f"{address}/24", "dev", "c0")
        return address

    @staticmethod
    def _gateway(host: HostNs) -> str:
        """The first address of the subnet that a host has leased, from the file that tells CNI plugins of it."""
        argv = ("sed", "-n", "s/FLANNEL_SUBNET=\\(.*\\)\\/24/\\1/p", "/run/flannel/subnet.env")
        assert wait_until(lambda: host.run(*argv, check=False).stdout != "")
        return host.run(*argv).stdout.strip()

    def routes(self) -> list[str]:
        """The subnets that flannel leads through its tunnel."""
        told = json.loads(self.two.run("ip", "-j", "route", "show", "dev", "flannel.1").stdout)
        return [route["dst"] for route in told]

    def forwards(self) -> dict[str, str]:
        told = json.loads(self.two.run("bridge", "-j", "fdb", "show", "dev", "flannel.1").stdout)
        return {entry["mac"]: entry["dst"] for entry in told if "dst" in entry}


@pytest.fixture
def mixed(lab: Lab) -> Mixed:
    beside = f"{os.environ['PATH']}:{os.path.dirname(sys.executable)}"
    flanneld = os.environ.get("NETKIT_FLANNELD") or shutil.which("flanneld", path=beside)
    if not flanneld or not os.access(flanneld, os.X_OK):
        pytest.skip("there is no flanneld on the PATH or in NETKIT_FLANNELD: tools/setup flanneld")
    return Mixed(lab, flanneld)


def leases(snapshot: dict[str, Any]) -> dict[str, str]:
    """Which subnet each node has."""
    claims = [claim for claim in snapshot.get("claims", []) if claim.get("node")]
    return {claim["node"]: claim["resource"].removeprefix("subnets/").replace("-", "/") for claim in claims}


def test_netkit_and_flannel_make_one_network(mixed: Mixed) -> None:
    mine = leases(mixed.netkit("a", "192.0.2.1", "lease"))["a"]
    daemon = mixed.start()
    assert wait_until(lambda: mixed.routes() == [mine])
    assert mixed.forwards() == {"02:00:00:00:00:0a": "192.0.2.1"}

    seen = mixed.netkit("a")
    (link,) = json.loads(mixed.two.run("ip", "-j", "link", "show", "dev", "flannel.1").stdout)
    (host,) = [one["host"] for one in seen["hosts"] if one["host"]["node"] == "192.0.2.2"]
    assert (host["public"], host["vtep"], host["vni"]) == ("192.0.2.2", link["address"], 1)
    environment = dict(line.split("=") for line in mixed.two.run("cat", "/run/flannel/subnet.env").stdout.split())
    assert leases(seen)["192.0.2.2"] == environment["FLANNEL_SUBNET"].replace(".1/", ".0/")
    assert "warnings" not in seen

    assert leases(mixed.netkit("a", "192.0.2.9", "lease"))["a"] == mine
    assert wait_until(lambda: mixed.forwards() == {"02:00:00:00:00:0a": "192.0.2.9"})
    mixed.netkit("a", "", "release")
    assert wait_until(lambda: mixed.routes() == [])
    daemon.kill()


def test_a_host_that_changes_from_flannel_to_netkit_and_back_keeps_its_subnet(mixed: Mixed) -> None:
    mixed.netkit("a", "192.0.2.1", "lease")
    daemon = mixed.start()
    theirs = leases(mixed.netkit("a"))["192.0.2.2"]
    daemon.kill()
    assert leases(mixed.netkit("b", "192.0.2.2", "lease", where=mixed.two))["b"] == theirs
    again = mixed.start()
    seen = leases(mixed.netkit("a"))
    assert seen["192.0.2.2"] == theirs
    assert "b" not in seen
    again.kill()


def test_a_reservation_made_for_flannel_is_had_by_netkit_and_stays_one(mixed: Mixed) -> None:
    mixed.netkit("a")
    mixed.ctl("put", "/coreos.com/network/subnets/10.5.77.0-24", '{"PublicIP":"192.0.2.1"}')
    seen = mixed.netkit("a", "192.0.2.1", "lease")
    assert leases(seen) == {"a": "10.5.77.0/24"}
    assert seen["claims"][0]["reserved"]
    (found,) = json.loads(mixed.ctl("get", "/coreos.com/network/subnets/10.5.77.0-24", "-w", "json").stdout)["kvs"]
    assert "lease" not in found
    assert found["version"] > 1
    daemon = mixed.start()
    assert wait_until(lambda: mixed.routes() == ["10.5.77.0/24"])
    daemon.kill()


def test_a_lease_of_both_families_is_understood_by_both(mixed: Mixed) -> None:
    for host, last in ((mixed.one, "1"), (mixed.two, "2")):
        (cable,) = [
            link["ifname"] for link in json.loads(host.run("ip", "-j", "link").stdout) if link["ifname"] != "lo"
        ]
        host.run("ip", "addr", "add", f"2001:db8::{last}/64", "dev", cable, "nodad")
        host.run("ip", "-6", "route", "add", "default", "via", f"2001:db8::{3 - int(last)}")
    mine = leases(mixed.netkit("a", "192.0.2.1", "both"))["a"].split("&")
    daemon = mixed.start("-public-ipv6", "2001:db8::2")
    assert wait_until(lambda: mixed.routes() == [mine[0]])

    def routes6() -> list[str]:
        told = json.loads(mixed.two.run("ip", "-6", "-j", "route", "show", "dev", "flannel-v6.1").stdout)
        return [route["dst"] for route in told if route["dst"].startswith("fd00:")]

    assert wait_until(lambda: mine[1] in routes6())
    told = json.loads(mixed.two.run("bridge", "-j", "fdb", "show", "dev", "flannel-v6.1").stdout)
    assert {entry["mac"]: entry["dst"] for entry in told if "dst" in entry} == {"02:00:00:00:06:0a": "2001:db8::1"}

    seen = mixed.netkit("a", "", "both")
    (theirs,) = [one["host"] for one in seen["hosts"] if one["host"]["node"] == "192.0.2.2"]
    (link,) = json.loads(mixed.two.run("ip", "-j", "link", "show", "dev", "flannel-v6.1").stdout)
    assert (theirs["public6"], theirs["vtep6"]) == ("2001:db8::2", link["address"])
    assert [part.partition("/")[2] for part in leases(seen)["192.0.2.2"].split("&")] == ["24", "64"]
    daemon.kill()


@pytest.mark.parametrize(
    ("backend", "words"),
    [
        ("vxlan", ()),
        ("host-gw", ()),
        ("udp", ()),
        pytest.param("udp", ("--fast-path",), marks=pytest.mark.requires("tcx"), id="udp-fast-path"),
    ],
)
def test_addresses_of_netkits_agent_and_of_flannel_reach_each_other(
    mixed: Mixed, backend: str, words: tuple[str, ...]
) -> None:
    config = {"Network": "10.5.0.0/16", "Backend": {"Type": backend}}
    mixed.ctl("put", "/coreos.com/network/config", json.dumps(config))
    flanneld = mixed.start()
    (agent, here), there = mixed.agent(*words), mixed.container()
    for host, source, target in ((mixed.one, here, there), (mixed.two, there, here)):
        ping = ("ping", "-c1", "-W1", "-I", source, target)
        assert wait_until(lambda host=host, ping=ping: host.run(*ping, check=False).returncode == 0)  # type: ignore[misc]
    agent.terminate()
    assert agent.wait(30) == 0
    keys = mixed.ctl("get", "--prefix", "/coreos.com/network/subnets/", "--keys-only").stdout.split()
    assert keys == [f"/coreos.com/network/subnets/{there.removesuffix('.1')}.0-24"]
    flanneld.kill()
