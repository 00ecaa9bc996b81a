"""Containers as machines of the host's LAN: who hears whom by mode, what is refused, and what happens when they go."""

from __future__ import annotations

import json
import os

import pytest

from netkit.kernel.rtnl import Rtnl
from tests.contract.drivers import pings
from tests.features import has
from tests.hosts import Container, HostNs, Lab, wait_until
from tests.netns.calls import ip

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

    from tests.conftest import Unchanged

pytestmark = pytest.mark.requires("macvlan")

LAN = ("--subnet", "192.0.2.0/24", "--gateway", "192.0.2.2", "--ip-range", "192.0.2.64/26")
LAN6 = ("--subnet", "fd00:2::/64", "--gateway", "fd00:2::2", "--ip-range", "fd00:2::100/120")
#: What a refused command leaves: empty folders, locks, the next address, the note that the host needs nothing, and what
#: the kernel keeps of a `lo` that was up.
EMPTY = (
    "state *: 0700 0:0 directory",
    "state */run/locks/*",
    "state */run/host/ports: *",
    "state */order*: *",
    "state */networks-up/@host: *",
    "* qdiscs: *noqueue*",
)


class Scene:
    """A host on a LAN that has one more machine, and two containers."""

    def __init__(self, lab: Lab) -> None:
        self.host: HostNs = lab.host()
        self.lan: HostNs = lab.host("lan")
        lab.link(self.host, self.lan, ("192.0.2.1/24", "192.0.2.2/24"), ("fd00:2::1/64", "fd00:2::2/64"))
        self.host.run("ip", "route", "add", "default", "via", "192.0.2.2")
        self.web, self.sibling = lab.container("web"), lab.container("sibling")

    def create(self, name: str, *words: str) -> Any:
        return self.told("network", "create", name, "--mode", "macvlan", *words)

    def attach(self, container: Container, *words: str) -> Any:
        return self.told("attach", "--pid", str(container.pid), *words)

    def told(self, *words: str) -> Any:
        return json.loads(self.host.netkit("--json", *words, check=True).stdout)


@pytest.fixture
def scene(lab: Lab) -> Scene:
    return Scene(lab)


def link(place: Container | HostNs, name: str = "eth0") -> dict[str, Any]:
    found: dict[str, Any] = ip(place, "-d", "link", "show", "dev", name)[0]
    return found


def refused(host: HostNs, code: int, says: str, *words: str) -> None:
    done = host.netkit(*words)
    assert (done.returncode, says in done.stderr) == (code, True), done.stderr


# -- modes -----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("mode", "straight", "reflected"),
    [("bridge", True, True), ("vepa", False, True), ("private", False, False)],
)
def test_containers_hear_each_other_straight_or_by_the_switch_or_never(
    lab: Lab, mode: str, straight: bool, reflected: bool
) -> None:
    host, lan = lab.host(), lab.host("lan")
    switch = lab.switch({host: ("192.0.2.1/24",), lan: ("192.0.2.2/24",)})
    containers = lab.container("web"), lab.container("sibling")
    host.netkit(
        "network", "create", "lan", "--mode", "macvlan", "--parent", "eth0", *LAN, "-o", f"mode={mode}", check=True
    )
    made = [
        json.loads(host.netkit("--json", "attach", "--pid", str(c.pid), "--network", "lan", check=True).stdout)
        for c in containers
    ]
    targets = {"lan": "192.0.2.2", "sibling": made[1]["addresses"][0].partition("/")[0]}
    for hairpin, expected in (("off", straight), ("on", reflected)):
        switch.run("bridge", "link", "set", "dev", "port0", "hairpin", hairpin)
        wanted = {"lan", "sibling"} if expected else {"lan"}
        assert pings(containers[0], targets, 1 if expected else 0.4) == wanted, (mode, hairpin)


def test_a_passthru_link_has_its_parent_to_itself_and_its_mac(scene: Scene, unchanged: Unchanged) -> None:
    scene.create("whole", "-o", "mode=passthru", *LAN)
    nic = link(scene.host)["address"]
    made = scene.attach(scene.web, "--network", "whole")
    assert made["mac"] == nic == link(scene.web)["address"]
    assert pings(scene.web, {"lan": "192.0.2.2"}) == {"lan"}
    scene.create("second", "--subnet", "10.7.0.0/24")
    pid = str(scene.sibling.pid)
    with unchanged(scene.host, (scene.web, scene.sibling), EMPTY):
        refused(scene.host, 4, "has its parent to itself", "attach", "--pid", pid, "--network", "whole")
        refused(scene.host, 4, "has its parent to itself", "attach", "--pid", pid, "--network", "second")
        words = ("attach", "--pid", pid, "--network", "whole", "--mac", "02:00:00:00:00:77")
        refused(scene.host, 2, "has its parent's MAC", *words)
    assert scene.told("check")["ok"]


def test_a_link_is_what_was_asked_for(scene: Scene) -> None:
    scene.create("lan", *LAN, "--mtu", "1400", "-o", "mode=vepa", "-o", "bcqueuelen=2000")
    made = scene.attach(scene.web, "--network", "lan", "--mac", "02:00:00:00:00:77", "--mtu", "1300", "--ifname", "wan")
    seen = link(scene.web, "wan")
    assert (made["host_ifname"], made["mac"], seen["address"]) == (None, "02:00:00:00:00:77", "02:00:00:00:00:77")
    assert (seen["mtu"], seen["linkinfo"]["info_kind"]) == (1300, "macvlan")
    data = seen["linkinfo"]["info_data"]
    assert (data["mode"], data["bcqueuelen"]) == ("vepa", 2000)
    sysctls = scene.web.run("sysctl", "-n", "net.ipv4.conf.wan.arp_notify", "net.ipv6.conf.wan.disable_ipv6").stdout
    assert sysctls.split() == ["1", "1"]
    assert "inet6" not in scene.web.run("ip", "addr", "show", "dev", "wan").stdout


def test_a_link_without_addresses_is_a_link_and_no_more(scene: Scene) -> None:
    assert scene.create("wire", "-o", "addresses=off")["subnets"] == []
    assert scene.attach(scene.web, "--network", "wire")["addresses"] == []
    scene.web.run("ip", "addr", "add", "192.0.2.70/24", "dev", "eth0")
    assert pings(scene.web, {"lan": "192.0.2.2"}) == {"lan"}


def test_a_parent_may_be_inside_the_container(scene: Scene) -> None:
    scene.web.run("ip", "link", "add", "near", "up", "type", "veth", "peer", "far")
    scene.create("inner", "--parent", "near", "-o", "inside=on", "--subnet", "10.7.0.0/24")
    made = scene.attach(scene.web, "--network", "inner")
    assert made["addresses"] == ["10.7.0.2/24"]
    assert link(scene.web)["link"] == "near"
    words = ("attach", "--pid", str(scene.sibling.pid), "--network", "inner")
    refused(scene.host, 3, "the container has no link near", *words)
    scene.told("detach", made["id"])
    assert {row["ifname"] for row in ip(scene.web, "link")} == {"lo", "near", "far"}


# -- the host among them ---------------------------------------------------------------------------------------------


def test_the_host_reaches_its_containers_by_a_foot_of_its_own_alone(scene: Scene, unchanged: Unchanged) -> None:
    scene.create("lan", *LAN, *LAN6)
    with unchanged(scene.host, (scene.web,), EMPTY):
        alone = [a.partition("/")[0] for a in scene.attach(scene.web, "--network", "lan")["addresses"]]
        assert pings(scene.host, dict(zip("46", alone, strict=True)), 0.4) == set()
        assert pings(scene.lan, dict(zip("46", alone, strict=True))) == {"4", "6"}
        scene.told("detach", "--pid", str(scene.web.pid))
    scene.told("network", "rm", "lan")
    with unchanged(scene.host, (scene.web,), (*EMPTY, "state *")):
        scene.create("lan", *LAN, *LAN6, "-o", "host=on")
        beside = [a.partition("/")[0] for a in scene.attach(scene.web, "--network", "lan")["addresses"]]
        assert pings(scene.host, dict(zip("46", beside, strict=True))) == {"4", "6"}
        assert pings(scene.web, {"4": "192.0.2.1", "6": "fd00:2::1"}) == {"4", "6"}
        assert pings(scene.lan, {"4": "192.0.2.1", "6": "fd00:2::1"}) == {"4", "6"}
        nic = link(scene.host)["address"]
        known = [row["lladdr"] for row in ip(scene.lan, "-4", "neigh") if row["dst"] == "192.0.2.1"]
        assert known == [nic], "the LAN goes on asking the parent"
        scene.told("detach", "--pid", str(scene.web.pid))
        scene.told("network", "rm", "lan")


def test_the_host_may_have_an_address_for_its_containers_alone(scene: Scene) -> None:
    scene.create("side", "--subnet", "10.7.0.0/24", "-o", "host=10.7.0.9")
    scene.attach(scene.web, "--network", "side")
    assert pings(scene.web, {"host": "10.7.0.9"}) == {"host"}
    assert [one["address"] for one in scene.told("ipam", "ls") if one["state"] == "reserved"] == ["10.7.0.9"]
    refused(scene.host, 2, "is in no subnet", *_create("x", "--subnet", "10.8.0.0/24", "-o", "host=10.9.0.1"))
    refused(scene.host, 2, "only in mode bridge", *_create("x", "-o", "host=on", "-o", "mode=private"))


def test_without_a_subnet_the_host_is_the_gateway(scene: Scene) -> None:
    made = scene.attach(scene.web, "--mode", "macvlan")
    assert (made["network"], made["addresses"], made["gateway"]) == ("macvlan", ["10.90.0.2/16"], "10.90.0.1")
    scene.create("near", "-o", "host=on")
    assert scene.attach(scene.sibling, "--network", "near")["gateway"] == "10.91.0.1"
    assert pings(scene.sibling, {"gateway": "10.91.0.1"}) == {"gateway"}


# -- networks --------------------------------------------------------------------------------------------------------


def test_several_networks_stand_on_one_parent_and_clash_with_netkits_own_alone(scene: Scene) -> None:
    assert scene.create("lan", *LAN)["parent"] == "eth0", "the LAN's own subnet, and the link of the way out"
    scene.create("second", "--parent", "eth0", "--subnet", "10.7.0.0/24")
    one, two = scene.attach(scene.web, "--network", "lan"), scene.attach(scene.sibling, "--network", "second")
    assert (one["addresses"], two["addresses"]) == (["192.0.2.64/24"], ["10.7.0.2/24"])
    refused(scene.host, 4, "overlaps 10.7.0.0/24 of network second", *_create("x", "--subnet", "10.7.0.128/25"))
    words = ("network", "create", "x", "--subnet", "10.7.0.0/24")
    refused(scene.host, 4, "overlaps 10.7.0.0/24 of network second", *words)


def test_each_parent_that_is_named_has_a_network_of_its_own(scene: Scene, lab: Lab) -> None:
    lab.link(scene.host, scene.lan, ("198.51.100.1/24", "198.51.100.2/24"))
    assert scene.attach(scene.web, "--mode", "macvlan", "--parent", "eth1")["network"] == "macvlan-eth1"
    assert scene.attach(scene.sibling, "--mode", "macvlan")["network"] == "macvlan"
    assert {net["name"]: net["parent"] for net in scene.told("network", "ls")} == {
        "macvlan": "eth0",
        "macvlan-eth1": "eth1",
    }


def test_nobody_gets_an_address_that_the_host_knows_to_be_in_use(scene: Scene) -> None:
    scene.host.run("ip", "route", "add", "10.20.0.0/16", "via", "192.0.2.4")
    scene.create("lan", "--subnet", "192.0.2.0/24", "--gateway", "192.0.2.2")
    made = [scene.attach(one, "--network", "lan")["addresses"] for one in (scene.web, scene.sibling)]
    assert made == [["192.0.2.3/24"], ["192.0.2.5/24"]]
    words = ("attach", "--pid", str(scene.web.pid), "--ifname", "eth1", "--network", "lan", "--ip", "192.0.2.1")
    refused(scene.host, 4, "reserved", *words)


# -- what is refused -------------------------------------------------------------------------------------------------


def _create(name: str, *words: str) -> tuple[str, ...]:
    return ("network", "create", name, "--mode", "macvlan", *words)


@pytest.mark.parametrize(
    ("words", "code", "says"),
    [
        (("--parent", "nowhere"), 3, "this host has no link nowhere"),
        (("--parent", "lo"), 2, "--parent: 'lo' is reserved"),
        (("--parent", "down0"), 5, "down0 is down"),
        (("--parent", "port0"), 4, "port0 is a port of br0"),
        (("--parent", "eth0", "--mtu", "1501"), 2, "1501 is more than eth0 carries"),
        (("-o", "mode=hub"), 2, "there are bridge, private, vepa, passthru"),
        (("-o", "bcqueuelen=many"), 2, "'many' is no number"),
        (("-o", "host=here"), 2, "host"),
        (("--no-icc",), 2, "-o mode="),
        (("--subnet", "192.0.2.0/24", "--subnet", "192.0.2.0/25"), 2, "overlaps"),
    ],
)
def test_what_cannot_be_made_leaves_nothing(
    scene: Scene, words: tuple[str, ...], code: int, says: str, unchanged: Unchanged
) -> None:
    host = scene.host
    for line in ("link add br0 type bridge", "link add down0 type veth peer port0", "link set port0 master br0"):
        host.run("ip", *line.split())
    with unchanged(host, allow=EMPTY):
        refused(host, code, says, *_create("x", *words))


def test_without_a_way_out_a_parent_must_be_named(host: HostNs, unchanged: Unchanged) -> None:
    with unchanged(host, allow=EMPTY):
        refused(host, 2, "--parent: this host has no default route", *_create("x"))


@pytest.mark.parametrize(
    ("words", "code", "says"),
    [
        (("-p", "8080:80"), 2, "connect to its own address"),
        (("--mtu", "1501"), 2, "is more than network lan carries"),
        (("--mac", "02:00:00:00:00:77"), 4, "has the MAC address of eth0"),
        (("--ifname", "taken"), 4, "already has an interface taken"),
        (("--ip", "10.1.1.1"), 2, "is not an address of network lan"),
    ],
)
def test_what_cannot_be_attached_leaves_nothing(
    scene: Scene, words: tuple[str, ...], code: int, says: str, unchanged: Unchanged
) -> None:
    scene.create("lan", *LAN)
    scene.attach(scene.web, "--network", "lan", "--mac", "02:00:00:00:00:77")
    scene.sibling.run("ip", "link", "add", "taken", "type", "bridge")
    with unchanged(scene.host, (scene.web, scene.sibling), EMPTY):
        refused(scene.host, code, says, "attach", "--pid", str(scene.sibling.pid), "--network", "lan", *words)


def test_a_parent_that_a_bridge_takes_later_is_refused_and_so_is_one_that_is_gone(
    scene: Scene, unchanged: Unchanged
) -> None:
    scene.create("lan", *LAN)
    words = ("attach", "--pid", str(scene.web.pid), "--network", "lan")
    scene.host.run("ip", "link", "add", "br0", "type", "bridge")
    scene.host.run("ip", "link", "set", "eth0", "master", "br0")
    with unchanged(scene.host, (scene.web,), EMPTY):
        refused(scene.host, 4, "eth0 is a port of br0", *words)
    scene.host.run("ip", "link", "del", "eth0")
    refused(scene.host, 3, "this host has no link eth0", *words)
    assert scene.told("network", "rm", "lan") == {"removed": ["lan"]}


def test_what_this_kernel_lacks_is_named_and_nothing_is_changed(scene: Scene, unchanged: Unchanged) -> None:
    with unchanged(scene.host, (scene.web,), EMPTY):
        if not has("ipvlan"):
            refused(scene.host, 5, "this kernel has no ipvlan links", "network", "create", "x", "--mode", "ipvlan")
            words = ("attach", "--pid", str(scene.web.pid), "--mode", "ipvlan")
            refused(scene.host, 5, "this kernel has no ipvlan links", *words)
        for kind in ("macvlan", "ipvlan"):
            assert makes(scene.host, kind) == has(kind)
        assert not makes(scene.host, "token-ring")


def makes(host: HostNs, kind: str) -> bool:
    """What the probe says, in a host of its own."""
    code = f"import sys; from {Rtnl.__module__} import Rtnl; print(Rtnl().makes(sys.argv[1]))"
    return host.python(code, kind).stdout.strip() == "True"


# -- coming and going ------------------------------------------------------------------------------------------------


def test_the_lan_learns_at_once_that_an_address_has_moved(scene: Scene) -> None:
    scene.lan.run("sysctl", "-qw", "net.ipv4.neigh.eth0.locktime=0")
    scene.create("lan", *LAN, *LAN6)
    places = ("--ip", "192.0.2.70", "--ip", "fd00:2::170")
    scene.attach(scene.web, "--network", "lan", *places)
    assert pings(scene.lan, {"4": "192.0.2.70", "6": "fd00:2::170"}) == {"4", "6"}
    scene.told("detach", "--pid", str(scene.web.pid))
    made = scene.attach(scene.sibling, "--network", "lan", *places)

    def known() -> set[str]:
        return {row.get("lladdr", "") for row in ip(scene.lan, "neigh") if row["dst"] in ("192.0.2.70", "fd00:2::170")}

    assert wait_until(lambda: known() == {made["mac"]}), known()


def test_a_container_that_ends_leaves_nothing_on_the_host(lab: Lab, scene: Scene, unchanged: Unchanged) -> None:
    scene.create("lan", *LAN, "-o", "host=on")
    with unchanged(scene.host, allow=EMPTY):
        short = lab.container("short")
        scene.attach(short, "--network", "lan")
        short.die()
        assert wait_until(lambda: not os.path.exists(short.path))
        assert len(scene.told("gc")["released"]) == 1
        assert scene.told("ps") == []


def test_a_namespace_that_a_mount_keeps_is_not_taken_for_dead(lab: Lab, scene: Scene) -> None:
    """No cable of the host's tells that it lives, and its address is still in use."""
    scene.create("lan", *LAN)
    kept = lab.container("kept")
    made = scene.attach(kept, "--network", "lan")
    scene.host.run("touch", "/run/kept one")
    scene.host.run("mount", "--bind", kept.path, "/run/kept one")
    kept.die()
    assert scene.told("gc")["released"] == []
    address = made["addresses"][0].partition("/")[0]
    assert pings(scene.lan, {"kept": address}) == {"kept"}
    scene.told("detach", made["id"])
    assert pings(scene.lan, {"kept": address}, 0.4) == set()
    assert "eth0" not in scene.host.run("nsenter", "--net=/run/kept one", "ip", "link").stdout
    scene.host.run("umount", "/run/kept one")


def test_what_is_lost_is_told_and_mended(scene: Scene) -> None:
    scene.create("lan", *LAN, *LAN6, "-o", "host=on")
    made = scene.attach(scene.web, "--network", "lan")
    scene.host.run("ip", "link", "del", "nk-lan")
    scene.web.run("ip", "link", "del", "eth0")
    assert scene.host.netkit("check").returncode == 1
    scene.told("reload")
    assert scene.told("check")["ok"]
    targets = {str(number): address.partition("/")[0] for number, address in enumerate(made["addresses"])}
    assert pings(scene.host, targets) == set(targets)
