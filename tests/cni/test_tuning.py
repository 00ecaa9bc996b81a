"""The tuning plugin: every key of the reference's, each with its way back, and what it says to the runtime."""

from __future__ import annotations

import json

import pytest

from tests.cni.client import after
from tests.cni.test_chains import BRIDGE
from tests.oracle import diff, snapshot

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

    from tests.cni.client import Plugins
    from tests.conftest import Unchanged
    from tests.hosts import Container, HostNs, Lab

MAC = "02:00:00:00:00:77"
TUNING: dict[str, Any] = {"name": "dbnet", "type": "tuning"}
ALL: dict[str, Any] = {
    **TUNING,
    "mac": MAC,
    "mtu": 1400,
    "promisc": True,
    "allmulti": True,
    "txQLen": 2000,
    "dataDir": "/run/tuning",
    "sysctl": {"net.core.somaxconn": "500", "net.ipv4.conf.IFNAME.log_martians": "1"},
}


def seen(container: Container) -> dict[str, Any]:
    (row,) = json.loads(container.run("ip", "-j", "link", "show", "eth0").stdout)
    flags = {"PROMISC", "ALLMULTI"} & set(row["flags"])
    return {"mac": row["address"], "mtu": row["mtu"], "txqlen": row["txqlen"], "flags": flags}


def test_all_of_it_holds_and_comes_back(cni: Plugins, lab: Lab, host: HostNs) -> None:
    container = lab.container()
    first = cni.add(BRIDGE, container)
    before = snapshot(host, (container,))
    found = cni.add(after(ALL, first), container)
    assert seen(container) == {"mac": MAC, "mtu": 1400, "txqlen": 2000, "flags": {"PROMISC", "ALLMULTI"}}
    shown = container.run("sysctl", "-n", "net.core.somaxconn", "net.ipv4.conf.eth0.log_martians").stdout
    assert shown.split() == ["500", "1"]
    *others, mine = found["interfaces"]
    assert (others, mine["mac"], mine["mtu"]) == (first["interfaces"][:2], MAC, 1400)
    assert (found["ips"], found["routes"]) == (first["ips"], first["routes"])
    cni.fine("CHECK", after(ALL, found), container)
    for _ in range(2):
        cni.fine("DEL", after(ALL, found), container)
    assert diff(before, snapshot(host, (container,)), ("state *",)) == ""


@pytest.mark.parametrize(
    "change",
    [
        "ip link set eth0 mtu 1300",
        "ip link set eth0 promisc off",
        "ip link set eth0 address 02:00:00:00:00:78",
        "sysctl -qw net.core.somaxconn=7",
    ],
)
def test_what_someone_has_changed_since_is_a_difference(cni: Plugins, lab: Lab, change: str) -> None:
    container = lab.container()
    found = cni.add(after(ALL, cni.add(BRIDGE, container)), container)
    container.run(*change.split())
    assert cni.error("CHECK", after(ALL, found), container)["code"] == 107


def test_the_runtime_goes_before_arguments_and_those_before_the_configuration(cni: Plugins, lab: Lab) -> None:
    container = lab.container()
    first = cni.add(BRIDGE, container)
    conf = {
        **ALL,
        "args": {"cni": {"mtu": 1300, "mac": "02:00:00:00:00:01"}},
        "runtimeConfig": {"mac": "02:00:00:00:00:02"},
    }
    found = cni.add(after(conf, first), container)
    assert (found["interfaces"][2]["mac"], found["interfaces"][2]["mtu"]) == ("02:00:00:00:00:02", 1300)


def test_without_settings_the_result_passes_through(cni: Plugins, lab: Lab) -> None:
    container = lab.container()
    first = cni.add(BRIDGE, container)
    assert cni.add(after(TUNING, first), container) == first
    cni.fine("DEL", after(TUNING, first), container)


@pytest.mark.parametrize(
    ("sysctl", "code"),
    [
        ({"kernel.shmmax": "1"}, 7),
        ({"net.ipv4.no_such": "1"}, 7),
        ({"net.core.somaxconn": "1", "net/core/somaxconn": "2"}, 7),
        ({"net.core.somaxconn": 1}, 7),
        ({"net.ipv4.ip_forward": "x"}, 100),
    ],
    ids=str,
)
def test_settings_that_cannot_be_made_are_refused(
    cni: Plugins, lab: Lab, host: HostNs, unchanged: Unchanged, sysctl: dict[str, Any], code: int
) -> None:
    container = lab.container()
    first = cni.add(BRIDGE, container)
    with unchanged(host, [container], allow=("state *",)):
        found = cni.error("ADD", after({**TUNING, "mtu": 1400, "sysctl": sysctl}, first), container)
    assert found["code"] == code


def test_an_administrators_list_is_obeyed(cni: Plugins, lab: Lab, host: HostNs) -> None:
    container = lab.container()
    first = cni.add(BRIDGE, container)
    host.run("sh", "-c", "mount -t tmpfs tmpfs /etc/cni 2>/dev/null || mount -t tmpfs tmpfs /etc")
    host.run("mkdir", "-p", "/etc/cni/tuning")
    host.run("sh", "-c", "cat > /etc/cni/tuning/allowlist.conf", input="^net.ipv4.conf.[a-z]*\n^net.core.somaxconn$\n")
    refused = cni.error("ADD", after({**TUNING, "sysctl": {"net.ipv4.ip_forward": "1"}}, first), container)
    assert (refused["code"], "net.ipv4.ip_forward" in refused["msg"]) == (105, True)
    conf = after({**TUNING, "sysctl": {"net.core.somaxconn": "5", "net.ipv4.conf.IFNAME.log_martians": "1"}}, first)
    cni.add(conf, container)
    cni.fine("DEL", conf, container)
