"""VLANs on a bridge as packets meet them: who hears whom, what a trunk brings, and that all of it goes again."""

from __future__ import annotations

import json

import pytest

from tests.cni.client import Plugins, after
from tests.contract.drivers import pings
from tests.features import need, requires
from tests.hosts import Container, HostNs, Lab
from tests.oracle import diff, snapshot

TYPE_CHECKING = False
if TYPE_CHECKING:
    from pathlib import Path
    from typing import Any

pytestmark = requires("vlan-filtering", "nft-bridge")

NET = ("--mode", "bridge", "--subnet", "10.7.0.0/24", "-o", "bridge=br7")
#: What is beside the network: empty folders, the next address, the note of what the host has.
ORDER = ("state *",)


@pytest.fixture
def switch(host: HostNs) -> HostNs:
    """The host, with a bridge that an administrator has made and put up."""
    host.run("ip", "link", "add", "br7", "address", "02:00:00:00:07:01", "up", "type", "bridge")
    return host


def told(host: HostNs, *words: str) -> Any:
    return json.loads(host.netkit("--json", *words, check=True).stdout)


def attach(host: HostNs, container: Container) -> dict[str, Any]:
    made: dict[str, Any] = told(host, "attach", "--pid", str(container.pid), "--network", "n")
    return made


def vlans(host: HostNs) -> dict[str, list[tuple[int, tuple[str, ...]]]]:
    """Each port's VLANs as iproute2 sees them, ranges spread out."""
    return {
        row["ifname"]: [
            (number, tuple(each.get("flags", ())))
            for each in row["vlans"]
            for number in range(each["vlan"], each.get("vlanEnd", each["vlan"]) + 1)
        ]
        for row in json.loads(host.run("bridge", "-j", "vlan", "show").stdout or "[]")
    }


def plug(lab: Lab, host: HostNs, port: str, access: int, address: str) -> HostNs:
    """A machine at a port of the bridge that netkit knows nothing of, in one VLAN alone."""
    other = lab.host(port)
    ns = f"/proc/{other.pid}/ns/net"
    host.run("ip", "link", "add", port, "up", "master", "br7", "type", "veth", "peer", "eth0", "netns", ns)
    for line in (f"del vid 1 dev {port}", f"add vid {access} dev {port} pvid untagged"):
        host.run("bridge", "vlan", *line.split())
    other.run("ip", "addr", "add", address, "dev", "eth0")
    other.run("ip", "link", "set", "eth0", "up")
    return other


ACCESS = ("PVID", "Egress Untagged")


def test_containers_of_a_vlan_reach_the_host_each_other_and_nobody_of_another(lab: Lab, switch: HostNs) -> None:
    told(switch, "network", "create", "n", *NET, "-o", "vlan=10")
    web = lab.container("web")
    made = [attach(switch, each) for each in (web, lab.container("sibling"))]
    plug(lab, switch, "same", 10, "10.7.0.10/24")
    plug(lab, switch, "other", 20, "10.7.0.20/24")
    sibling = made[1]["addresses"][0].partition("/")[0]
    targets = {"host": "10.7.0.1", "sibling": sibling, "same": "10.7.0.10"}
    assert pings(web, targets) == set(targets)
    assert pings(web, {"other": "10.7.0.20"}, 0.4) == set()
    seen = vlans(switch)
    assert [seen[each["host_ifname"]] for each in made] == [[(10, ACCESS)]] * 2
    assert (10, ACCESS) in seen["br7"]
    assert told(switch, "check")["ok"]


def test_ports_of_a_vlan_may_stay_in_the_bridges_own_too(lab: Lab, switch: HostNs) -> None:
    told(switch, "network", "create", "n", *NET, "-o", "vlan=10", "-o", "default_vlan=on")
    port = attach(switch, lab.container())["host_ifname"]
    assert vlans(switch)[port] == [(1, ("Egress Untagged",)), (10, ACCESS)]
    assert told(switch, "check")["ok"]


@pytest.mark.parametrize("access", [0, 10])
def test_a_trunk_brings_its_vlans_with_their_tags_and_no_others(lab: Lab, switch: HostNs, access: int) -> None:
    need("vlan")
    own = ("-o", f"vlan={access}") if access else ()
    told(switch, "network", "create", "n", *NET, *own, "-o", "trunk=20,30-31", "-o", "guard=off")
    web = lab.container()
    port = attach(switch, web)["host_ifname"]
    untagged = [(access or 1, ACCESS)]
    assert vlans(switch)[port] == [*untagged, (20, ()), (30, ()), (31, ())]
    targets = {}
    for number in (20, 31, 40):
        plug(lab, switch, f"p{number}", number, f"10.{number}.0.1/24")
        line = f"link add eth0.{number} link eth0 type vlan id {number}"
        for words in (line, f"addr add 10.{number}.0.2/24 dev eth0.{number}", f"link set eth0.{number} up"):
            web.run("ip", *words.split())
        targets[str(number)] = f"10.{number}.0.1"
    assert pings(web, {"20": targets["20"], "31": targets["31"], "host": "10.7.0.1"}) == {"20", "31", "host"}
    assert pings(web, {"40": targets["40"]}, 0.4) == set()
    assert told(switch, "check")["ok"]


@pytest.mark.parametrize(
    ("access", "trunk", "tagged"), [(10, "9-11", (9, 11)), (0, "1-3", (2, 3)), (10, "1-2", (1, 2))]
)
def test_a_trunk_may_have_the_vlan_of_untagged_frames_which_keep_it(
    lab: Lab, switch: HostNs, access: int, trunk: str, tagged: tuple[int, int]
) -> None:
    own = ("-o", f"vlan={access}") if access else ()
    told(switch, "network", "create", "n", *NET, *own, "-o", f"trunk={trunk}", "-o", "guard=off")
    web = lab.container()
    port = attach(switch, web)["host_ifname"]
    assert vlans(switch)[port] == sorted([(access or 1, ACCESS), *((number, ()) for number in tagged)])
    assert pings(web, {"host": "10.7.0.1"}) == {"host"}
    assert told(switch, "check")["ok"]


@pytest.mark.parametrize("looked", ["0", "1"])
@pytest.mark.parametrize("options", [("vlan=10",), ("vlan=10", "trunk=20,30-31"), ("trunk=20",)], ids=str)
def test_a_bridge_that_was_there_gets_back_what_it_had(
    lab: Lab, switch: HostNs, options: tuple[str, ...], looked: str
) -> None:
    switch.run("ip", "link", "set", "br7", "type", "bridge", "vlan_filtering", looked)
    container = lab.container()
    container.run("ip", "link", "set", "lo", "up")
    words = [word for option in (*options, "guard=off") for word in ("-o", option)]
    told(switch, "network", "create", "n", *NET, *words)  # what is made once, and stays: base rules
    attach(switch, container)
    told(switch, "detach", "--pid", str(container.pid))
    told(switch, "network", "rm", "n")
    before, had = snapshot(switch, (container,)), vlans(switch)
    told(switch, "network", "create", "n", *NET, *words)
    made = attach(switch, container)
    assert vlans(switch) != had
    told(switch, "detach", made["id"])
    told(switch, "network", "rm", "n")
    assert vlans(switch) == had
    assert diff(before, snapshot(switch, (container,)), ORDER) == ""


@pytest.mark.parametrize(
    ("loss", "missing"),
    [
        ("bridge vlan del vid 10 dev {port}", "its frames are of VLAN 10"),
        ("bridge vlan add vid 1 dev {port}", "and of no other"),
        ("bridge vlan del vid 20 dev {port}", "a VLAN of its trunk"),
        ("bridge vlan del vid 10 dev br7 self", "the host is in VLAN 10"),
        ("ip link set br7 type bridge vlan_filtering 0", "the bridge looks at VLANs"),
    ],
)
def test_what_is_lost_is_told_and_mended(lab: Lab, switch: HostNs, loss: str, missing: str) -> None:
    told(switch, "network", "create", "n", *NET, "-o", "vlan=10", "-o", "trunk=20", "-o", "guard=off")
    web = lab.container()
    port = attach(switch, web)["host_ifname"]
    assert pings(web, {"host": "10.7.0.1"}) == {"host"}
    switch.run(*loss.format(port=port).split())
    done = switch.netkit("check")
    assert (done.returncode, missing in done.stdout) == (1, True), done.stdout
    told(switch, "reload")
    assert told(switch, "check")["ok"]
    assert pings(web, {"host": "10.7.0.1"}) == {"host"}


def test_a_guarded_port_has_no_trunk(switch: HostNs) -> None:
    """The guard passes no tag: nobody would be reached, in silence."""
    before = snapshot(switch)
    done = switch.netkit("network", "create", "n", *NET, "-o", "trunk=20")
    assert (done.returncode, "-o guard=off" in done.stderr) == (2, True), done.stderr
    assert diff(before, snapshot(switch), ORDER) == ""


def test_networks_of_one_bridge_are_of_one_vlan(switch: HostNs) -> None:
    told(switch, "network", "create", "n", *NET, "-o", "vlan=10")
    words = ("--mode", "bridge", "--subnet", "10.8.0.0/24", "-o", "bridge=br7", "-o", "vlan=20")
    done = switch.netkit("network", "create", "m", *words)
    assert (done.returncode, "of VLAN" in done.stderr) == (4, True), done.stderr


def test_a_printed_script_does_the_same(lab: Lab, switch: HostNs) -> None:
    told(switch, "network", "create", "n", *NET, "-o", "vlan=10", "-o", "trunk=20,30-31", "-o", "guard=off")
    web = lab.container()
    script = switch.netkit("attach", "--pid", str(web.pid), "--network", "n", "--dry-run", check=True).stdout
    made = attach(switch, web)
    wanted = vlans(switch)
    told(switch, "detach", made["id"])
    assert vlans(switch) != wanted
    switch.run("sh", input=script)
    assert vlans(switch) == wanted


@pytest.mark.parametrize(
    ("keys", "wanted"),
    [
        ({"vlan": 10}, [(10, ACCESS)]),
        ({"vlan": 10, "preserveDefaultVlan": True}, [(1, ("Egress Untagged",)), (10, ACCESS)]),
        ({"vlanTrunk": [{"id": 20}, {"minID": 30, "maxID": 31}]}, [(1, ACCESS), (20, ()), (30, ()), (31, ())]),
    ],
    ids=str,
)
def test_a_cni_runtime_says_it_in_its_own_keys(
    lab: Lab, switch: HostNs, tmp_path: Path, keys: dict[str, Any], wanted: list[tuple[int, tuple[str, ...]]]
) -> None:
    cni, container = Plugins(switch, tmp_path / "cni"), lab.container()
    ipam = {"type": "host-local", "ranges": [[{"subnet": "10.7.0.0/24"}]]}
    conf = {
        "cniVersion": "1.0.0",
        "name": "n",
        "type": "bridge",
        "bridge": "br7",
        "isGateway": True,
        "ipam": ipam,
        **keys,
    }
    found = cni.add(conf, container)
    port = found["interfaces"][1]["name"]
    assert vlans(switch)[port] == wanted
    assert pings(container, {"host": "10.7.0.1"}) == {"host"}
    cni.fine("CHECK", after(conf, found), container)
    cni.fine("DEL", after(conf, found), container)
    assert port not in vlans(switch)
