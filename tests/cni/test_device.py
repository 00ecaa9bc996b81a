"""host-device: a link of the host moves into the container, and comes back as it was."""

from __future__ import annotations

import json

import pytest

from netkit.errors import ConflictError, NotFoundError
from netkit.kernel import devices
from tests.cni.client import after
from tests.cni.test_chains import reference
from tests.cni.test_verbs import TRACES, addresses, links

TYPE_CHECKING = False
if TYPE_CHECKING:
    from pathlib import Path
    from typing import Any

    from tests.cni.client import Plugins
    from tests.conftest import Unchanged
    from tests.hosts import HostNs, Lab

pytestmark = pytest.mark.root

MAC = "02:00:00:00:00:d0"
IPAM = {"type": "host-local", "subnet": "10.55.0.0/24", "routes": [{"dst": "0.0.0.0/0"}]}
DEVICE: dict[str, Any] = {"cniVersion": "1.0.0", "name": "nic", "type": "host-device", "device": "dev0"}
#: Numbers that the kernel gives anew, what a network leaves, and timers that begin anew.
ALLOWED = (*TRACES, "state *", "* ifindex: *", "* link_index: *", "* link_netns*: *")


@pytest.fixture
def nic(host: HostNs) -> HostNs:
    """A host whose link dev0 has addresses, routes, an alias and a life of its own."""
    lines = (
        f"link add dev0 address {MAC} mtu 1400 type veth peer dev1",
        "link set dev0 alias uplink-b addrgenmode none",
        "link set dev1 addrgenmode none up",
        "link set dev0 up",
        "addr add 10.50.0.1/24 dev dev0 label dev0:1",
        "addr add fd50::1/64 dev dev0 nodad",
        "route add 10.60.0.0/16 via 10.50.0.9 metric 7 proto static",
    )
    host.run("ip", "-batch", "-", input="\n".join(lines) + "\n")
    host.run("sysctl", "-qw", "net.ipv4.conf.dev0.rp_filter=2", "net.ipv6.conf.dev0.hop_limit=33")
    return host


@pytest.mark.parametrize("named", [{"device": "dev0"}, {"device": None, "hwaddr": MAC}], ids=str)
@pytest.mark.parametrize("ifname", ["eth0", "dev0"])
def test_a_link_moves_and_comes_back_as_it_was(
    cni: Plugins, lab: Lab, nic: HostNs, unchanged: Unchanged, named: dict[str, Any], ifname: str
) -> None:
    conf = {**DEVICE, **named, "ipam": IPAM}
    container = lab.container()
    with unchanged(nic, (container,), ALLOWED):
        found = cni.add(conf, container, IFNAME=ifname)
        assert found == {
            "cniVersion": "1.0.0",
            "interfaces": [{"name": ifname, "mac": MAC, "sandbox": container.path}],
            "ips": [{"interface": 0, "address": "10.55.0.2/24", "gateway": "10.55.0.1"}],
            "routes": [{"dst": "0.0.0.0/0"}],
        }
        assert addresses(container, ifname) == ["10.55.0.2/24"]
        assert "dev0" not in links(nic)
        assert "default via 10.55.0.1" in container.run("ip", "route").stdout
        cni.fine("CHECK", after(conf, found), container, IFNAME=ifname)
        cni.fine("DEL", after(conf, found), container, IFNAME=ifname)
        cni.fine("DEL", after(conf, found), container, IFNAME=ifname)
    assert links(nic) == {"lo", "dev0", "dev1"}


def test_the_result_is_the_references(cni: Plugins, lab: Lab, nic: HostNs) -> None:
    shapes = []
    for whose in ("ours", "theirs"):
        if whose == "theirs":
            reference(cni, "host-device")
        container = lab.container(whose)
        found = cni.add(DEVICE, container)
        assert found["interfaces"][0].pop("sandbox") == container.path
        assert found.pop("dns", {}) == {}, "older ones tell that there is none"
        shapes.append(found)
        cni.call("DEL", after(DEVICE, found), container)
    assert shapes[0] == shapes[1]


def test_a_renamed_link_comes_back_too(cni: Plugins, lab: Lab, nic: HostNs, unchanged: Unchanged) -> None:
    with unchanged(nic, allow=ALLOWED):
        cni.add(DEVICE, container := lab.container())
        container.run("ip", "link", "set", "eth0", "down")
        container.run("ip", "link", "set", "eth0", "name", "mine")
        cni.fine("DEL", DEVICE, container)
        assert links(container) == {"lo"}


def test_a_name_that_is_taken_at_home_keeps_the_attachment(cni: Plugins, lab: Lab, nic: HostNs) -> None:
    cni.add(DEVICE, container := lab.container())
    nic.run("ip", "link", "add", "dev0", "type", "bridge")
    assert "the host has another link dev0 by now" in cni.error("DEL", DEVICE, container)["msg"]
    assert addresses(nic, "dev0") == []
    nic.run("ip", "link", "del", "dev0")
    cni.fine("DEL", DEVICE, container)
    assert addresses(nic, "dev0") == ["10.50.0.1/24", "fd50::1/64"]


def test_one_that_died_with_its_container_is_no_error(cni: Plugins, lab: Lab, nic: HostNs) -> None:
    cni.add({**DEVICE, "ipam": IPAM}, container := lab.container())
    where: dict[str, Any] = {"CONTAINERID": container.name, "IFNAME": "eth0", "NETNS": container.path}
    container.die()
    cni.fine("DEL", {**DEVICE, "ipam": IPAM}, **where)
    assert links(nic) <= {"lo", "dev1"}
    assert json.loads(nic.netkit("ps", "--json").stdout) == []
    assert json.loads(nic.netkit("ipam", "ls", "--json").stdout) == []


def test_one_that_the_kernel_brought_back_gets_its_name_again(cni: Plugins, lab: Lab, nic: HostNs) -> None:
    """As it does with a physical link: under any name, down, its alias still on it."""
    cni.add(DEVICE, container := lab.container())
    where: dict[str, Any] = {"CONTAINERID": container.name, "IFNAME": "eth0", "NETNS": container.path}
    container.run("ip", "link", "set", "eth0", "netns", str(nic.pid), "name", "dev7")
    container.die()
    cni.fine("DEL", DEVICE, **where)
    assert links(nic) == {"lo", "dev0", "dev1"}
    assert addresses(nic, "dev0") == ["10.50.0.1/24", "fd50::1/64"]
    assert "10.60.0.0/16 via 10.50.0.9 dev dev0" in nic.run("ip", "route").stdout


@pytest.mark.parametrize(
    ("prepare", "keys", "says"),
    [
        ("", {"device": "nowhere"}, "no link nowhere"),
        ("", {"device": None, "hwaddr": "02:00:00:00:00:99"}, "no link of this host has the MAC address"),
        ("", {"device": None, "hwaddr": "zz"}, "is no MAC address"),
        ("", {"device": None, "pciBusID": "0000:99:00.0"}, "no device 0000:99:00.0 on the pci bus"),
        ("", {"device": None, "pciBusID": "../../etc"}, "is no PCI address"),
        ("", {"device": None, "kernelpath": "/etc"}, "is no device"),
        ("", {"device": None}, "none is given"),
        ("", {"hwaddr": MAC}, "device and hwaddr"),
        ("", {"runtimeConfig": {"deviceID": "0000:99:00.0"}}, "no device 0000:99:00.0 on the pci or auxiliary bus"),
        ("route add default via 10.50.0.9", {}, "is this host's way out"),
        ("link add br0 type bridge\nlink set dev0 master br0", {}, "is a port of br0"),
        ("link set dev0 group 28267", {}, "this host's own"),
    ],
    ids=lambda value: str(value)[:40],
)
def test_what_cannot_be_given_away_stays(
    cni: Plugins, lab: Lab, nic: HostNs, unchanged: Unchanged, prepare: str, keys: dict[str, Any], says: str
) -> None:
    nic.run("ip", "-batch", "-", input=f"{prepare}\n")
    container = lab.container()
    with unchanged(nic, (container,), ALLOWED):
        assert says in cni.error("ADD", {**DEVICE, **keys}, container)["msg"]


def test_a_name_that_is_taken_in_the_container_stays_too(
    cni: Plugins, lab: Lab, nic: HostNs, unchanged: Unchanged
) -> None:
    container = lab.container()
    container.run("ip", "link", "add", "eth0", "type", "bridge")
    with unchanged(nic, (container,), ALLOWED):
        assert "already has an interface eth0" in cni.error("ADD", DEVICE, container)["msg"]


def test_a_device_is_found_at_its_place_in_sys(tmp_path: Path) -> None:
    for name in ("one/net/enp3s0", "two/net/a", "two/net/b", "three"):
        (tmp_path / name).mkdir(parents=True)
    assert devices.by_path(str(tmp_path / "one")) == "enp3s0"
    with pytest.raises(ConflictError, match="a, b all have"):
        devices.by_path(str(tmp_path / "two"))
    with pytest.raises(NotFoundError):
        devices.by_path(str(tmp_path / "three"))
