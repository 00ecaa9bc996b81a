"""What is flushed, deleted or pulled out is reported by check and comes back by reload, and nothing else does."""

from __future__ import annotations

import pytest

from netkit.model import PortMap
from tests.contract.test_engine_faults import ALLOWED
from tests.hosts import Lab
from tests.netns.calls import kernel
from tests.netns.test_engine_firewalls import BACKENDS, FIREWALLS, FOREIGN_NFT, WORKING, Scene
from tests.netns.test_engine_ports import ask
from tests.oracle import diff

FLUSHES = {
    "nft": ("nft flush ruleset",),
    "iptables": tuple(f"{t} -t {table} {word}" for t in ("iptables-nft", "ip6tables-nft") for word in ("-F", "-X")
                      for table in ("raw", "nat", "filter")),
    "legacy": tuple(f"{t} -t {table} {word}" for t in ("iptables-legacy", "ip6tables-legacy") for word in ("-F", "-X")
                    for table in ("raw", "nat", "filter")),
}  # fmt: skip


@pytest.mark.parametrize(
    ("backend", "firewall", "flush"),
    [
        ("nftables", "none", "nft"),
        ("nftables", "docker", "nft"),
        ("nftables", "docker", "iptables"),
        ("nftables", "nft-policy", "nft"),
        ("iptables", "none", "nft"),
        ("iptables", "docker", "iptables"),
        ("iptables-legacy", "legacy-policy", "legacy"),
    ],
)
def test_what_is_flushed_is_reported_and_comes_back(lab: Lab, backend: str, firewall: str, flush: str) -> None:
    scene = Scene(lab, backend, firewall)
    scene.up()
    scene.serve()
    other = lab.container("other")
    gone = scene.remote.attach(other, network="dual", ports=(PortMap("tcp", "0.0.0.0", 9999, 80),))
    scene.remote.leave(other)
    held = kernel(scene.host)
    for command in FLUSHES[flush]:
        scene.host.run(*command.split())
    found = scene.remote.call("check")
    assert found, "a flush is noticed"
    assert gone.id not in {difference.owner for difference in found}
    for command in FIREWALLS[firewall][1]:  # its owner puts its own back, as far as it is gone
        scene.host.run(*command.split(), input=FOREIGN_NFT, check=False)
    scene.remote.call("reload")
    assert scene.remote.call("check") == ()
    assert scene.works() == WORKING
    assert ask(scene.lan, ("tcp", "192.0.2.1", 9999)) == [""]
    assert scene.remote.call("reload") == {}
    if firewall == "none":
        assert diff(held, kernel(scene.host), ALLOWED) == "", "nothing more and nothing less than before"
    scene.down()


@pytest.mark.parametrize("backend", BACKENDS)
def test_detach_and_rm_after_a_flush_are_clean(lab: Lab, backend: str) -> None:
    scene = Scene(lab, backend, "none")
    scene.up()
    for command in ("nft flush ruleset", *(FLUSHES["legacy"] if backend == "iptables-legacy" else ())):
        scene.host.run(*command.split())
    scene.down()
    assert diff(scene.before, kernel(scene.host), (*ALLOWED, "host nft ip *", "host nft ip6 *")) == ""


def test_a_reload_repairs_links_addresses_and_routes_too(lab: Lab) -> None:
    scene = Scene(lab, "nftables", "none")
    scene.up()
    scene.serve()
    held = kernel(scene.host, scene.web)
    scene.web.run("ip", "addr", "flush", "dev", "eth0", "scope", "global")
    scene.host.run("ip", "addr", "del", "10.7.0.1/24", "dev", "nk-dual")
    scene.host.run("sysctl", "-qw", "net/ipv4/ip_forward=0")
    assert len(scene.remote.call("check")) >= 4
    scene.remote.call("reload")
    assert scene.remote.call("check") == ()
    assert scene.works() == WORKING
    assert diff(held, kernel(scene.host, scene.web), (*ALLOWED, "host links *")) == ""


def test_a_cable_that_was_pulled_out_is_laid_again(lab: Lab) -> None:
    scene = Scene(lab, "nftables", "none")
    scene.up()
    scene.serve()
    scene.web.run("ip", "link", "del", "eth0")
    assert scene.remote.call("check")
    scene.remote.call("reload")
    assert scene.remote.call("check") == ()
    assert scene.works() == WORKING


def test_a_bridge_that_was_deleted_is_made_again(lab: Lab) -> None:
    scene = Scene(lab, "nftables", "none")
    scene.up()
    scene.serve()
    scene.host.run("ip", "link", "del", "nk-dual")
    assert scene.remote.call("check")
    scene.remote.call("reload")
    assert scene.remote.call("check") == ()
    assert scene.works() == WORKING
    scene.down()
    assert scene.unchanged() == ""
