"""ptp by CNI: as a drop-in for the reference's plugin, in a chain, and as a mode of netkit's own type."""

from __future__ import annotations

import pytest

from tests.cni.client import after, publishing
from tests.cni.test_chains import PORT, PORTMAP, STORE, reference
from tests.cni.test_stacked import lan, shown
from tests.cni.test_verbs import TRACES, links
from tests.contract.drivers import pings
from tests.netns.test_engine_reach import asks, serve

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

    from tests.cni.client import Plugins
    from tests.conftest import Unchanged
    from tests.hosts import HostNs, Lab

__all__ = ["lan"]

DUAL = [[{"subnet": "10.91.0.0/16"}], [{"subnet": "fd00:91::/64"}]]
ROUTES = [{"dst": "0.0.0.0/0"}, {"dst": "::/0"}]
PTP: dict[str, Any] = {
    "cniVersion": "1.0.0",
    "name": "cables",
    "type": "ptp",
    "ipMasq": True,
    "mtu": 1400,
    "dns": {"nameservers": ["192.0.2.53"]},
    "ipam": {"type": "host-local", "dataDir": STORE, "ranges": DUAL, "routes": ROUTES},
}


@pytest.mark.parametrize("whose", ["ours", "the reference's"])
def test_a_routed_container_comes_and_goes(cni: Plugins, lab: Lab, host: HostNs, lan: HostNs, whose: str) -> None:
    if whose != "ours":
        reference(cni, "ptp", "host-local")
    web, sibling = lab.container("web"), lab.container("sibling")
    found, other = cni.add(PTP, web), cni.add(PTP, sibling)
    host_end, inside = found["interfaces"]
    assert found == {
        "cniVersion": "1.0.0",
        "interfaces": [
            {"name": host_end["name"], "mac": host_end["mac"]},
            {"name": "eth0", "mac": inside["mac"], "sandbox": web.path},
        ],
        "ips": [
            {"interface": 1, "address": "10.91.0.2/16", "gateway": "10.91.0.1"},
            {"interface": 1, "address": "fd00:91::2/64", "gateway": "fd00:91::1"},
        ],
        "routes": ROUTES,
        "dns": {"nameservers": ["192.0.2.53"]},
    }
    assert (shown(web)["mtu"], shown(web)["address"]) == (1400, inside["mac"])
    known = {"gateway": "10.91.0.1", "sibling": "10.91.0.3", "lan": "192.0.2.2", "host": "192.0.2.1"}
    assert pings(web, known) == set(known)
    assert pings(web, {"gateway": "fd00:91::1", "sibling": "fd00:91::3"}) == {"gateway", "sibling"}
    cni.fine("CHECK", after(PTP, found), web)
    for container, result in ((web, found), (sibling, other)):
        cni.fine("DEL", after(PTP, result), container)
        cni.fine("DEL", after(PTP, result), container)
        assert links(container) == {"lo"}
    assert host_end["name"] not in links(host)


def test_without_routes_of_ipam_there_is_no_way_out_and_without_masquerade_the_source_is_true(
    cni: Plugins, lab: Lab, host: HostNs, lan: HostNs
) -> None:
    lan.run("ip", "route", "add", "10.91.0.0/16", "via", "192.0.2.1")
    conf = {**PTP, "ipMasq": False, "ipam": {"type": "host-local", "ranges": DUAL[:1]}}
    container = lab.container()
    cni.add(conf, container)
    assert pings(container, {"gateway": "10.91.0.1"}) == {"gateway"}
    assert "default" not in container.run("ip", "route").stdout
    assert pings(lan, {"container": "10.91.0.2"}, 0.3) == set(), "nobody told it the way back"
    container.run("ip", "route", "add", "default", "via", "10.91.0.1")
    assert pings(lan, {"container": "10.91.0.2"}) == {"container"}, "open, as the reference's is"


def test_several_addresses_of_one_family_are_behind_one_gateway(
    cni: Plugins, lab: Lab, host: HostNs, lan: HostNs
) -> None:
    parts = [{"subnet": "10.91.0.0/16", "rangeStart": f"10.91.{n}.1", "rangeEnd": f"10.91.{n}.9"} for n in (7, 8)]
    conf = {**PTP, "ipam": {"type": "host-local", "ranges": [[part] for part in parts], "routes": ROUTES[:1]}}
    container = lab.container()
    found = cni.add(conf, container)
    assert [ip["address"] for ip in found["ips"]] == ["10.91.7.1/16", "10.91.8.1/16"]
    assert pings(host, {"one": "10.91.7.1", "other": "10.91.8.1"}) == {"one", "other"}
    assert pings(container, {"lan": "192.0.2.2"}, 5, "-I10.91.8.1") == {"lan"}
    cni.fine("DEL", conf, container)


def test_a_link_without_addresses_is_refused(cni: Plugins, lab: Lab, host: HostNs, unchanged: Unchanged) -> None:
    with unchanged(host, (container := lab.container(),)):
        assert cni.error("ADD", {"name": "cables", "type": "ptp"}, container)["code"] == 7


def test_portmap_publishes_what_ptp_has_made(cni: Plugins, lab: Lab, host: HostNs, lan: HostNs) -> None:
    web, sibling = lab.container("web"), lab.container("sibling")
    found = cni.add(PTP, web)
    cni.add(PTP, sibling)
    serve(web)
    chained = publishing(after({**PORTMAP, "name": "cables"}, found), PORT)
    cni.add(chained, web)
    assert asks(lan, "192.0.2.1", 8080) == "192.0.2.2"
    assert asks(host, "127.0.0.1", 8080) == "10.91.0.1"
    assert asks(sibling, "192.0.2.1", 8080)
    assert asks(web, "192.0.2.1", 8080) == "10.91.0.1"
    cni.fine("DEL", chained, web)
    assert asks(lan, "192.0.2.1", 8080) == ""


def test_netkits_own_type_has_the_mode_too(
    cni: Plugins, lab: Lab, host: HostNs, lan: HostNs, unchanged: Unchanged
) -> None:
    conf = {"name": "own", "type": "netkit", "mode": "ptp", "ipam": {"ranges": DUAL}}
    cni.fine("DEL", publishing(conf, PORT), (web := lab.container("web")))
    cni.add(conf, web)
    cni.fine("DEL", conf, web)
    with unchanged(host, (web,), TRACES):
        found = cni.add(publishing(conf, PORT), web)
        assert [each["name"] for each in found["interfaces"]][1] == "eth0"
        assert found["routes"] == [{"dst": "0.0.0.0/0", "gw": "10.91.0.1"}, {"dst": "::/0", "gw": "fd00:91::1"}]
        serve(web)
        assert asks(lan, "192.0.2.1", 8080) == "192.0.2.2"
        cni.fine("CHECK", after(conf, found), web)
        cni.fine("DEL", conf, web)
        for process in web.started:
            process.kill()
            process.wait()
