"""Mode `cni:TYPE` by CNI: another's plugin lays the cable, and all that the runtime asks for besides is netkit's."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.cni.client import after
from tests.cni.test_bandwidth import LIMITS, MBIT
from tests.features import requires
from tests.netns.calls import ip
from tests.netns.flow import rate

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

    from tests.cni.client import Plugins
    from tests.conftest import Unchanged
    from tests.hosts import HostNs, Lab

PLUGINS = {"bin-dir": str(Path(__file__).parents[1] / "plugins")}
THEIRS: dict[str, Any] = {
    "name": "theirs",
    "type": "netkit",
    "mode": "cni:cable",
    "options": PLUGINS,
    "ipam": {"subnet": "10.20.0.0/24"},
}
PORT = {"hostPort": 8080, "containerPort": 80, "protocol": "tcp"}
LEFT = ("state *",)


@requires("tbf", "ifb")
def test_a_plugins_cable_has_ports_and_limits(cni: Plugins, lab: Lab, host: HostNs, unchanged: Unchanged) -> None:
    host.run("sysctl", "-qw", "net.ipv4.ip_forward=1")
    container = lab.container()
    container.run("ip", "link", "set", "lo", "up")
    container.popen("socat", "TCP-LISTEN:80,fork,reuseaddr", "SYSTEM:echo hello")
    conf = {**THEIRS, "runtimeConfig": {"bandwidth": LIMITS, "portMappings": [PORT]}}
    cni.add(THEIRS, container)  # makes the network, which stays
    cni.fine("DEL", THEIRS, container)
    with unchanged(host, [container], allow=LEFT):
        found = cni.add(conf, container)
        assert [each["name"] for each in found["interfaces"]] == ["cable-eth0", "eth0"]
        assert found["ips"] == [{"interface": 1, "address": "10.20.0.3/24", "gateway": "10.20.0.1"}]
        assert host.run("socat", "-t2", "-", "TCP:127.0.0.1:8080,retry=20,interval=0.1").stdout == "hello\n"
        assert rate(host, container, "10.20.0.3") < 16.8 * MBIT
        assert rate(container, host, "10.20.0.1") < 8.4 * MBIT
        cni.fine("CHECK", after(conf, found), container)
        for _ in range(2):
            cni.fine("DEL", after(conf, found), container)


def test_a_dead_namespace_keeps_nothing(cni: Plugins, lab: Lab, host: HostNs) -> None:
    container = lab.container()
    conf = {**THEIRS, "runtimeConfig": {"bandwidth": LIMITS}}
    found, path = cni.add(conf, container), container.path
    container.die()
    cni.fine("DEL", after(conf, found), CONTAINERID="container", IFNAME="eth0", NETNS=path)
    assert [link["ifname"] for link in ip(host, "link")] == ["lo"]


@pytest.mark.parametrize(
    ("changes", "says"),
    [
        ({"options": {**PLUGINS, "how": "refuse"}}, "not today: ask tomorrow"),
        ({"options": {**PLUGINS, "how": "junk"}}, "what is no JSON"),
        ({"options": {**PLUGINS, "how": "die"}}, "status -11"),
        ({"mode": "cni:nowhere"}, "there is no CNI plugin nowhere"),
        ({"mode": "cni:../x"}, "mode: '../x' is no valid plugin type"),
    ],
    ids=str,
)
def test_a_plugin_that_is_no_use_leaves_nothing(
    cni: Plugins, lab: Lab, host: HostNs, unchanged: Unchanged, changes: dict[str, Any], says: str
) -> None:
    container = lab.container()
    container.run("ip", "link", "set", "lo", "up")
    with unchanged(host, [container], allow=LEFT):
        told = cni.error("ADD", {**THEIRS, **changes}, container)
    assert says in told["msg"], told
    assert not told["msg"].startswith("mode: mode:"), told
