"""The type netkit in the host's own LAN: by a configuration of its own, or by a network's name."""

from __future__ import annotations

import pytest

from tests.cni.client import Plugins, publishing
from tests.netns.lan import HOST, PEER, ROUTER, Lan, asks, serve

TYPE_CHECKING = False
if TYPE_CHECKING:
    from pathlib import Path
    from typing import Any

    from tests.conftest import Unchanged
    from tests.hosts import Lab

pytestmark = pytest.mark.requires("veth", "bridge", "nftables")

RANGES = [
    [{"subnet": "192.0.2.0/24", "rangeStart": "192.0.2.100", "rangeEnd": "192.0.2.120", "gateway": ROUTER[4]}],
    [{"subnet": "fd00:2::/64", "rangeStart": "fd00:2::100", "rangeEnd": "fd00:2::120", "gateway": ROUTER[6]}],
]
CONF: dict[str, Any] = {
    "name": "lan",
    "type": "netkit",
    "mode": "underlay",
    "parent": "eth0",
    "ipam": {"ranges": RANGES},
    "options": {"yes": True},
}


def test_a_container_of_a_configuration_is_in_the_lan(lab: Lab, tmp_path: Path, unchanged: Unchanged) -> None:
    lan = Lan(lab)
    cni = Plugins(lan.host, tmp_path / "cni")
    web = lab.container("web")
    with unchanged(lan.host, allow=("state *", "* tso_max_size: *", '*"ff00::/8"*')):
        result = cni.add(CONF, web)
        assert [(ip["address"], ip["gateway"]) for ip in result["ips"]] == [
            ("192.0.2.100/24", ROUTER[4]),
            ("fd00:2::100/64", ROUTER[6]),
        ]
        serve(web)
        for version, address in ((4, "192.0.2.100"), (6, "fd00:2::100")):
            assert asks(lan.peer, address) == PEER[version]
            assert asks(lan.host, address) == HOST[version]
        cni.fine("CHECK", {**CONF, "prevResult": result}, web)
        cni.fine("DEL", CONF, web)
        lan.engine.call("rm", name="lan")
        lan.host.settled()


def test_a_network_that_a_person_made_is_joined_by_its_name(lab: Lab, tmp_path: Path) -> None:
    lan = Lan(lab)
    cni = Plugins(lan.host, tmp_path / "cni")
    lan.create()
    conf = {"name": "any", "type": "netkit", "network": "lan"}
    (first, _) = cni.add(conf, lab.container("web"))["ips"]
    assert first["address"] == "192.0.2.100/24"
    error = cni.error("ADD", {**conf, "parent": "eth0"}, lab.container("other"))
    assert "parent: network lan is defined by netkit" in error["msg"]


@pytest.mark.parametrize(
    ("change", "says"),
    [
        ({"options": {}}, "eth0 is the way to this host"),
        ({"ipam": {"ranges": [[{"subnet": "192.0.2.0/24"}]]}}, "no part of it is named"),
        ({"ipam": {}}, "none are named"),
        ({"ipMasq": True, "options": {"yes": True, "masquerade": True}}, "no such option"),
    ],
)
def test_what_is_not_said_is_refused(lab: Lab, tmp_path: Path, change: dict[str, Any], says: str) -> None:
    lan = Lan(lab)
    error = Plugins(lan.host, tmp_path / "cni").error("ADD", {**CONF, **change}, lab.container("web"))
    assert says in error["msg"]


def test_no_port_is_mapped(lab: Lab, tmp_path: Path) -> None:
    lan = Lan(lab)
    conf = publishing(CONF, {"hostPort": 80, "containerPort": 80, "protocol": "tcp"})
    error = Plugins(lan.host, tmp_path / "cni").error("ADD", conf, lab.container("web"))
    assert "an address of its own" in error["msg"]
    assert "nk-lan" not in lan.host.run("ip", "link").stdout
