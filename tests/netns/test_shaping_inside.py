"""Bandwidth where a link has no end on the host, and where another's plugin has laid the cable; as packets see it."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from tests.features import need, requires
from tests.hosts import Container, HostNs, Lab, wait_until
from tests.netns.calls import ip
from tests.netns.flow import rate
from tests.oracle import diff, snapshot

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

pytestmark = requires("tbf", "ifb", "macvlan")
MBIT = 10**6
LAN = ("--subnet", "192.0.2.0/24", "--gateway", "192.0.2.2", "--ip-range", "192.0.2.64/26")
LAN6 = ("--subnet", "fd00:2::/64", "--gateway", "fd00:2::2", "--ip-range", "fd00:2::100/120")
PLUGINS = str(Path(__file__).parents[1] / "plugins")
LIMITS = ("--rate-in", "16mbit", "--rate-out", "8mbit")
#: The next address, and the note that the host needs nothing.
ORDER = ("state */ipam/*/order*: *", "state */networks-up/@host: *")


@pytest.fixture
def lan(host: HostNs, lab: Lab) -> HostNs:
    """The other machine on the host's LAN, with netkit's network of it."""
    other = lab.host("lan")
    lab.link(host, other, ("192.0.2.1/24", "192.0.2.2/24"), ("fd00:2::1/64", "fd00:2::2/64"))
    host.netkit("network", "create", "lan", "--mode", "macvlan", "--parent", "eth0", *LAN, *LAN6, check=True)
    return other


def attach(host: HostNs, container: Container, network: str = "lan", *words: str) -> Any:
    found = host.netkit("attach", "--pid", str(container.pid), "--network", network, "--json", *words, check=True)
    return json.loads(found.stdout)


def queues(place: Container | HostNs) -> list[str]:
    return [link["ifname"] for link in ip(place, "link", "show", "type", "ifb")]


@pytest.mark.parametrize("addresses", [("192.0.2.2", "192.0.2.64"), ("fd00:2::2", "fd00:2::100")], ids=["IPv4", "IPv6"])
def test_each_direction_of_a_macvlan_link_has_its_limit(
    lab: Lab, host: HostNs, lan: HostNs, addresses: tuple[str, str]
) -> None:
    container = lab.container()
    told = attach(host, container, "lan", *LIMITS)
    assert (told["rate_in"], told["rate_out"]) == (16 * MBIT, 8 * MBIT)
    assert 9.6 * MBIT < rate(lan, container, addresses[1]) < 16.8 * MBIT
    assert 4.8 * MBIT < rate(container, lan, addresses[0]) < 8.4 * MBIT
    assert (queues(host), queues(container)) == ([], [f"nq{told['id']}"])


@pytest.mark.parametrize("mode", ["l2", "l3"])
@pytest.mark.parametrize("number", [0, 1], ids=["IPv4", "IPv6"])
def test_each_direction_of_an_ipvlan_link_has_its_limit(
    lab: Lab, host: HostNs, lan: HostNs, number: int, mode: str
) -> None:
    need("ipvlan")
    host.netkit("network", "rm", "lan", check=True)
    words = ("--mode", "ipvlan", "--parent", "eth0", *LAN, *LAN6, "-o", f"mode={mode}")
    host.netkit("network", "create", "lan", *words, check=True)
    container = lab.container()
    told = attach(host, container, "lan", *LIMITS)
    own = told["addresses"][number].partition("/")[0]
    if mode == "l3":  # nobody answers ARP there: the LAN has a route by the host
        lan.run("ip", "route", "add", own, "via", ("192.0.2.1", "fd00:2::1")[number])
    assert 9.6 * MBIT < rate(lan, container, own) < 16.8 * MBIT
    assert 4.8 * MBIT < rate(container, lan, ("192.0.2.2", "fd00:2::2")[number]) < 8.4 * MBIT
    assert (queues(host), queues(container)) == ([], [f"nq{told['id']}"])
    assert host.netkit("check").returncode == 0
    host.netkit("detach", told["id"], check=True)
    assert [link["ifname"] for link in ip(container, "link")] == ["lo"]


def test_what_an_ipvlan_link_of_mode_l3s_sends_has_its_limit(lab: Lab, host: HostNs, lan: HostNs) -> None:
    need("ipvlan")
    host.netkit("network", "rm", "lan", check=True)
    words = ("--mode", "ipvlan", "--parent", "eth0", *LAN, "-o", "mode=l3s")
    host.netkit("network", "create", "lan", *words, check=True)
    container = lab.container()
    own = attach(host, container, "lan", "--rate-out", "8mbit")["addresses"][0].partition("/")[0]
    lan.run("ip", "route", "add", own, "via", "192.0.2.1")
    assert rate(container, lan, "192.0.2.2") < 8.4 * MBIT


def test_one_direction_alone_leaves_the_other_as_fast_as_it_was(lab: Lab, host: HostNs, lan: HostNs) -> None:
    container = lab.container()
    attach(host, container, "lan", "--rate-out", "8mbit")
    assert rate(container, lan, "192.0.2.2") < 8.4 * MBIT
    assert rate(lan, container, "192.0.2.64", skip=0) > 80 * MBIT
    assert queues(container) == []


@pytest.mark.parametrize("how", ["detach", "dead"])
def test_nothing_is_left(lab: Lab, host: HostNs, lan: HostNs, how: str) -> None:
    container = lab.container()
    attach(host, container)
    host.netkit("detach", "--pid", str(container.pid), check=True)
    inside = () if how == "dead" else (container,)
    before = snapshot(host, inside)
    ident = attach(host, container, "lan", *LIMITS)["id"]
    assert host.netkit("check").returncode == 0
    if how == "detach":
        host.netkit("detach", ident, check=True)
    else:
        container.die()
        assert wait_until(lambda: f"attachment {ident}" in host.netkit("gc", check=True).stdout)
    assert diff(before, snapshot(host, inside), ORDER) == ""


@pytest.mark.parametrize(
    ("loss", "told"),
    [
        ("tc qdisc del dev eth0 root", "it sends at most 8mbit"),
        ("tc qdisc del dev {queue} root", "it receives at most 16mbit"),
        ("tc filter del dev eth0 ingress", "all of it goes through that queue"),
        ("ip link del {queue}", "where that which it receives waits"),
    ],
)
def test_a_limit_that_the_container_lifts_is_told_and_put_back(
    lab: Lab, host: HostNs, lan: HostNs, loss: str, told: str
) -> None:
    container = lab.container()
    queue = f"nq{attach(host, container, 'lan', *LIMITS)['id']}"
    container.run(*loss.format(queue=queue).split())
    checked = host.netkit("check")
    assert (checked.returncode, told in checked.stdout) == (1, True), checked.stdout
    host.netkit("reload", check=True)
    assert host.netkit("check").returncode == 0
    assert rate(container, lan, "192.0.2.2") < 8.4 * MBIT
    assert rate(lan, container, "192.0.2.64") < 16.8 * MBIT


def test_a_plugins_cable_is_limited_on_its_end_on_the_host(lab: Lab, host: HostNs) -> None:
    container = lab.container()
    words = ("--mode", "cni:cable", "--subnet", "10.20.0.0/24", "-o", f"bin-dir={PLUGINS}")
    host.netkit("network", "create", "theirs", *words, check=True)
    attach(host, container, "theirs")
    host.netkit("detach", "--pid", str(container.pid), check=True)
    before = snapshot(host, (container,))
    told = attach(host, container, "theirs", *LIMITS)
    assert (told["host_ifname"], told["mtu"]) == ("cable-eth0", 1500)
    assert (queues(host), queues(container)) == ([f"nq{told['id']}"], [])
    assert rate(host, container, "10.20.0.3") < 16.8 * MBIT
    assert rate(container, host, "10.20.0.1") < 8.4 * MBIT
    assert host.netkit("check").returncode == 0
    host.netkit("detach", told["id"], check=True)
    assert diff(before, snapshot(host, (container,)), ORDER) == ""


@requires("reference-macvlan")
def test_a_plugins_link_without_such_an_end_is_limited_inside(lab: Lab, host: HostNs, lan: HostNs) -> None:
    container = lab.container()
    subnet = ("--subnet", "192.0.2.0/24", "--gateway", "192.0.2.2", "--ip-range", "192.0.2.32/28")
    host.netkit("network", "create", "theirs", "--mode", "cni:macvlan", *subnet, "-o", "master=eth0", check=True)
    told = attach(host, container, "theirs", *LIMITS)
    assert (told["host_ifname"], queues(host), queues(container)) == (None, [], [f"nq{told['id']}"])
    assert rate(lan, container, told["addresses"][0].partition("/")[0]) < 16.8 * MBIT
    assert rate(container, lan, "192.0.2.2") < 8.4 * MBIT
    host.netkit("detach", told["id"], check=True)
    assert [link["ifname"] for link in ip(container, "link")] == ["lo"]


def test_a_limit_that_the_kernel_refuses_takes_a_plugins_cable_back(lab: Lab, host: HostNs) -> None:
    """The plugin has run by then: its DEL is sent, and its address is free again."""
    container = lab.container()
    words = ("--mode", "cni:cable", "--subnet", "10.20.0.0/24", "-o", f"bin-dir={PLUGINS}")
    host.netkit("network", "create", "theirs", *words, check=True)
    container.run("ip", "link", "set", "lo", "up")
    before = snapshot(host, (container,))
    done = host.netkit("attach", "--pid", str(container.pid), "--network", "theirs", "--rate-in", "900tbit")
    assert (done.returncode, "more than the kernel's queue holds" in done.stderr) == (2, True), done.stderr
    assert diff(before, snapshot(host, (container,)), ("state *",)) == ""
    assert "10.20.0.2" not in host.netkit("ipam", "ls", "theirs", "--json").stdout
