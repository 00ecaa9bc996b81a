"""Bandwidth as packets see it: each direction alone, both families, beyond the container's reach, no trace after."""

from __future__ import annotations

import json

import pytest

from tests.features import requires
from tests.hosts import Container, HostNs, Lab, wait_until
from tests.netns.calls import Remote, ip
from tests.netns.flow import rate
from tests.oracle import diff, snapshot

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

pytestmark = requires("tbf", "ifb")
MBIT = 10**6
V4, V6 = ("10.90.0.1", "10.90.0.2"), ("fd00:90::1", "fd00:90::2")
ORDER = "state */ipam/*/order: *"


def attach(host: HostNs, container: Container, *options: str) -> Any:
    subnets = ("--subnet", "10.90.0.0/16", "--subnet", "fd00:90::/64")
    host.netkit("network", "create", "dual", "--mode", "bridge", *subnets, check=True)
    words = ("attach", "--pid", str(container.pid), "--network", "dual", "--json")
    return json.loads(host.netkit(*words, *options, check=True).stdout)


@pytest.mark.parametrize("addresses", [V4, V6], ids=["IPv4", "IPv6"])
def test_each_direction_has_its_own_limit(lab: Lab, host: HostNs, addresses: tuple[str, str]) -> None:
    container = lab.container()
    attach(host, container, "--rate-in", "20mbit", "--rate-out", "8mbit")
    inside = rate(host, container, addresses[1])
    outside = rate(container, host, addresses[0])
    assert 12 * MBIT < inside < 21 * MBIT
    assert 4.8 * MBIT < outside < 8.4 * MBIT


def test_one_direction_alone_leaves_the_other_as_fast_as_it_was(lab: Lab, host: HostNs) -> None:
    container = lab.container()
    told = attach(host, container, "--rate-in", "8mbit")
    assert (told["rate_in"], told["rate_out"]) == (8 * MBIT, None)
    assert rate(host, container, V4[1]) < 8.4 * MBIT
    assert rate(container, host, V4[0], skip=0) > 80 * MBIT
    assert [link["ifname"] for link in ip(host, "link", "show", "type", "ifb")] == []


def test_the_container_cannot_take_its_limit_off(lab: Lab, host: HostNs) -> None:
    """Whatever it does to its own end, with all capabilities: another queue, down and up, more queues."""
    container = lab.container()
    attach(host, container, "--rate-out", "8mbit")
    container.run("tc", "qdisc", "add", "dev", "eth0", "clsact")
    for state in ("down", "up"):
        container.run("ip", "link", "set", "eth0", state)
    container.run("ip", "addr", "replace", "10.90.0.2/16", "dev", "eth0")
    assert wait_until(lambda: container.run("ping", "-c1", "-W1", V4[0], check=False).returncode == 0)
    assert rate(container, host, V4[0]) < 8.4 * MBIT


def test_frames_come_through_the_queue_as_they_were(lab: Lab, host: HostNs) -> None:
    """The port guard looks at the port, the bridge learns it: the detour must not show."""
    container = lab.container()
    told = attach(host, container, "--rate-out", "8mbit")
    host.run("ping", "-c1", "-W2", V4[1])
    learned = ip(host, "neigh", "show", "10.90.0.2")
    assert learned[0]["lladdr"] == told["mac"]
    container.run("ip", "link", "set", "eth0", "address", "02:00:00:00:00:77")
    assert container.run("ping", "-c1", "-W1", V4[0], check=False).returncode, "the guard is still there"


def limited(remote: Remote, container: Container) -> Any:
    from netkit.model import Rate

    return remote.attach(container, rate_in=Rate(8 * MBIT), rate_out=Rate(8 * MBIT))


@pytest.mark.parametrize("how", ["detach", "dead"])
def test_nothing_is_left(lab: Lab, host: HostNs, how: str) -> None:
    remote, container = Remote(host), lab.container()
    remote.call("implicit")
    limited(remote, container)
    remote.leave(container)
    before = snapshot(host)
    ep = limited(remote, container)
    if how == "detach":
        remote.leave(container)
    else:
        container.die()
        assert wait_until(lambda: ep.host_ifname not in [link["ifname"] for link in ip(host, "link")])
        assert [line.split()[:2] for line in remote.call("gc")] == [["attachment", ep.id]]
    assert diff(before, snapshot(host), (ORDER,)) == ""


LOSSES = {
    "the limit towards it": ("tc qdisc del dev {port} root", "it receives at most 8mbit"),
    "the limit from it": ("tc qdisc del dev {queue} root", "it sends at most 8mbit"),
    "another's limit": ("tc qdisc replace dev {port} root handle 7: tbf rate 1gbit burst 9k limit 9k", None),
    "the redirect": ("tc filter del dev {port} ingress", "all of it goes through that queue"),
    "its place": ("tc qdisc del dev {port} ingress", "a place on the host's end"),
    "the queue": ("ip link del {queue}", "where that which it sends waits"),
}


@pytest.mark.parametrize(("loss", "told"), LOSSES.values(), ids=LOSSES)
def test_what_is_missing_is_told_and_put_right(lab: Lab, host: HostNs, loss: str, told: str | None) -> None:
    remote, container = Remote(host), lab.container()
    ep = limited(remote, container)
    assert remote.call("check") == ()
    whole = snapshot(host)
    host.run(*loss.format(port=ep.host_ifname, queue=f"nq{ep.id}").split())
    missing = [each.missing for each in remote.call("check")]
    assert any((told or "it receives").split(";")[0] in text for text in missing), missing
    if told:
        remote.call("reload")
        assert remote.call("check") == ()
        assert diff(whole, snapshot(host), ("*ifindex*", "* index *", "host filters *")) == ""
    remote.leave(container)


@pytest.mark.parametrize(
    ("options", "says"),
    [
        (("--rate-in", "0"), "--rate-in: '0' lets nothing through"),
        (("--rate-out", "900tbit"), "--rate-out: 900tbit is more than the kernel's queue holds"),
        (("--rate-out", "10mbps"), "--rate-out: '10mbps'"),
        (("--rate-in", "1mbit", "--mode", "null"), "--rate-in: a null network has only a loopback"),
    ],
)
def test_what_cannot_be_held_is_refused_and_nothing_changes(
    lab: Lab, host: HostNs, options: tuple[str, ...], says: str
) -> None:
    container = lab.container()
    before = snapshot(host, (container,))
    done = host.netkit("attach", "--pid", str(container.pid), *options)
    assert (done.returncode, says in done.stderr) == (2, True), done.stderr
    assert diff(before, snapshot(host, (container,)), ("state *",)) == ""
