"""An underlay as a person makes it: what is asked, what is shown, and a script that does the same."""

from __future__ import annotations

import json
import sys

import pytest

from tests.hosts import Completed, Lab
from tests.netns.lan import HOST, PEER, ROUTER, Lan

pytestmark = [pytest.mark.root, pytest.mark.requires("veth", "bridge", "nftables")]

CREATE = (
    *("network", "create", "lan", "--mode", "underlay", "--parent", "eth0", "--subnet", "192.0.2.0/24"),
    *("--gateway", ROUTER[4], "--ip-range", "192.0.2.100-192.0.2.120"),
)


def test_the_way_to_the_host_is_not_touched_without_a_word(lab: Lab) -> None:
    lan = Lan(lab)
    refused = lan.host.netkit(*CREATE)
    assert refused.returncode == 2
    assert "eth0 is the way to this host" in refused.stderr
    assert "--yes" in refused.stderr
    made = lan.host.netkit(*CREATE, "--yes", check=True)
    assert made.stdout == "lan  nk-lan  192.0.2.0/24 gateway 192.0.2.2\n"
    web = lab.container("web")
    told = lan.host.netkit("attach", "--pid", str(web.pid), "--network", "lan", "--name", "web", check=True).stdout
    assert "192.0.2.100/24 on eth0, gateway 192.0.2.2" in told
    assert lan.peer.run("ping", "-c1", "-W3", "192.0.2.100").returncode == 0
    published = lan.host.netkit("attach", "--pid", str(web.pid), "--network", "lan", "-p", "80:80", "--ifname", "eth1")
    assert published.returncode == 2
    assert "an address of its own" in published.stderr
    shown = json.loads(lan.host.netkit("network", "inspect", "lan", "--json", check=True).stdout)
    assert (shown["parent"], shown["device"]) == ("eth0", "nk-lan")
    lan.host.netkit("detach", "web", check=True)
    lan.host.netkit("network", "rm", "lan", check=True)


def test_whoever_came_by_ssh_says_so_first(lab: Lab) -> None:
    """By a link that is not the default route's, whose loss would go unnoticed otherwise."""
    lan = Lan(lab)
    lab.link(lan.host, lab.host("far"), ("198.51.100.1/24", "198.51.100.2/24"))
    words = ("network", "create", "lan", "--mode", "underlay", "--parent", "eth1", "--subnet", "198.51.100.0/24")
    lan_of_it = ("--gateway", "198.51.100.2", "--ip-range", "198.51.100.64/26")

    def by_ssh(server: str, *more: str) -> Completed[str]:
        session = f"SSH_CONNECTION=198.51.100.2 50000 {server} 22"
        netkit = (sys.executable, "-m", "netkit", "--root", str(lan.host.root))
        return lan.host.run("env", session, *netkit, *words, *lan_of_it, *more, check=False)

    refused = by_ssh("198.51.100.1")
    assert refused.returncode == 2
    assert "this session came by SSH to 198.51.100.1" in refused.stderr
    assert by_ssh("192.0.2.1").returncode == 0
    lan.host.netkit("network", "rm", "lan", check=True)
    assert by_ssh("198.51.100.1", "--yes").returncode == 0


def test_the_printed_scripts_move_a_host_there_and_back(lab: Lab) -> None:
    lan = Lan(lab)
    before = lan.host.run("ip", "route").stdout
    lan.host.netkit(*CREATE, "--yes", check=True)
    shown = json.loads(lan.host.netkit("network", "inspect", "lan", "--json", check=True).stdout)
    lan.host.run("sh", input="\n".join(("set -e", *shown["undo"])))
    lan.host.settled()
    assert lan.host.run("ip", "route").stdout == before
    assert lan.peer.run("ping", "-c1", "-W3", HOST[4]).returncode == 0
    lan.host.run("sh", input="\n".join(("set -e", *shown["commands"])))
    lan.host.settled()
    assert lan.host.run("ip", "route").stdout == before.replace("eth0", "nk-lan")
    assert lan.host.run("ping", "-c1", "-W3", PEER[4]).returncode == 0


def test_after_a_reboot_the_network_comes_up_with_its_first_attachment(lab: Lab) -> None:
    lan = Lan(lab)
    lan.host.netkit(*CREATE, "--yes", check=True)
    shown = json.loads(lan.host.netkit("network", "inspect", "lan", "--json", check=True).stdout)
    lan.host.run("sh", input="\n".join(("set -e", *shown["undo"])))  # all that a reboot leaves is on the disk
    lan.engine.boot_id = "the next one"
    assert lan.attach(lab.container("web"))[4] == "192.0.2.100"
    assert lan.host.run("ip", "-br", "link", "show", "master", "nk-lan").stdout.startswith("eth0")
    assert lan.peer.run("ping", "-c1", "-W3", "192.0.2.100").returncode == 0


@pytest.mark.parametrize(
    ("parent", "code", "says"),
    [("nope", 3, "no link nope"), ("down", 5, "down is down"), ("port", 4, "port is a port of other")],
)
def test_a_nic_that_cannot_be_is_told_before_what_hangs_on_it(lab: Lab, parent: str, code: int, says: str) -> None:
    """Also where the LAN's subnet is the host's by another link: that is no fault of the subnet."""
    lan = Lan(lab)
    for line in ("down type veth peer name there", "port type veth peer name beyond", "other type bridge"):
        lan.host.run("ip", "link", "add", "name", *line.split())
    lan.host.run("ip", "link", "set", "dev", "port", "master", "other")
    refused = lan.host.netkit(*(parent if word == "eth0" else word for word in CREATE), "--yes")
    assert (refused.returncode, says in refused.stderr) == (code, True), refused.stderr
    without = lan.host.netkit("attach", "--pid", str(lab.container().pid), "--mode", "underlay", "--parent", parent)
    assert (without.returncode, says in without.stderr) == (code, True), without.stderr
