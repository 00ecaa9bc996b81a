"""The stand-in for the reference's static: addresses out of the configuration, CNI_ARGS and the runtime."""

from __future__ import annotations

import pytest

from tests.cni.client import after
from tests.cni.test_chains import reference
from tests.cni.test_verbs import addresses

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

    from tests.cni.client import Plugins
    from tests.conftest import Unchanged
    from tests.hosts import HostNs, Lab

FOUR = {"address": "10.22.0.7/16", "gateway": "10.22.0.1"}
SIX = {"address": "fd22::7/64"}
IPAM = {
    "type": "static",
    "addresses": [FOUR, SIX],
    "routes": [{"dst": "0.0.0.0/0"}, {"dst": "192.168.0.0/16", "gw": "10.22.5.1"}],
    "dns": {"nameservers": ["10.22.0.2"], "search": ["example.org"]},
}
CONF: dict[str, Any] = {"cniVersion": "1.0.0", "name": "web", "type": "any", "ipam": IPAM}


@pytest.mark.parametrize("whose", ["ours", "theirs"])
@pytest.mark.parametrize(
    ("more", "args", "ips"),
    [
        ({}, None, [FOUR, SIX]),
        ({}, "IP=10.23.0.9/24;GATEWAY=10.23.0.1", [FOUR, SIX, {"address": "10.23.0.9/24", "gateway": "10.23.0.1"}]),
        ({"args": {"cni": {"ips": ["10.24.0.9/24"]}}}, None, [{"address": "10.24.0.9/24"}]),
        (
            {"args": {"cni": {"ips": ["10.24.0.9/24"]}}, "runtimeConfig": {"ips": ["10.25.0.9/24", "fd25::9/64"]}},
            None,
            [{"address": "10.25.0.9/24"}, {"address": "fd25::9/64"}],
        ),
    ],
)
def test_it_answers_as_the_reference_does(
    cni: Plugins, lab: Lab, whose: str, more: dict[str, Any], args: str | None, ips: list[dict[str, str]]
) -> None:
    if whose == "theirs":
        reference(cni, "static")
    container, conf = lab.container(), {**CONF, **more}
    found = cni.call("ADD", conf, container, plugin="static", ARGS=args)
    assert found.status == 0, found
    assert found.document == {"cniVersion": "1.0.0", "ips": ips, "routes": IPAM["routes"], "dns": IPAM["dns"]}
    assert cni.call("CHECK", after(conf, found.document), container, plugin="static", ARGS=args).status == 0
    assert cni.call("DEL", conf, container, plugin="static", ARGS=args).status == 0


def test_check_misses_an_address(cni: Plugins, lab: Lab) -> None:
    told = {"cniVersion": "1.0.0", "ips": [FOUR]}
    error = cni.error("CHECK", after(CONF, told), lab.container(), plugin="static")
    assert "fd22::7/64" in error["msg"]


def test_a_link_gets_its_addresses(cni: Plugins, lab: Lab, host: HostNs) -> None:
    container = lab.container()
    conf = {"cniVersion": "1.0.0", "name": "web", "type": "netkit", "ipam": IPAM}
    cni.add(conf, container)
    assert addresses(container) == ["10.22.0.7/16", "fd22::7/64"]
    cni.fine("DEL", conf, container)


@pytest.mark.parametrize(
    ("ipam", "args", "said"),
    [
        ({"addresses": []}, "", "ipam.addresses: there are none"),
        ({"addresses": [{"address": "10.22.0.7"}]}, "", "ipam.addresses[0].address"),
        ({"addresses": [{"address": "10.22.0.7/33"}]}, "", "ipam.addresses[0].address"),
        ({"addresses": [{"address": "10.22.0.7/16", "gateway": "x"}]}, "", "ipam.addresses[0].gateway"),
        ({"addresses": [FOUR], "routes": [{"dst": "all"}]}, "", "ipam.routes[0].dst"),
        ({"addresses": [FOUR]}, "IP=10.1.1.1", "CNI_ARGS.IP"),
        ({"addresses": [FOUR]}, "GATEWAY=x", "CNI_ARGS.GATEWAY"),
    ],
)
def test_what_it_cannot_use_is_told_by_its_path(
    cni: Plugins, lab: Lab, host: HostNs, unchanged: Unchanged, ipam: dict[str, Any], args: str, said: str
) -> None:
    with unchanged(host):
        error = cni.error("ADD", {**CONF, "ipam": ipam}, lab.container(), plugin="static", ARGS=args)
    assert error["code"] == 7
    assert said in error["msg"]
