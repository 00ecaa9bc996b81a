"""Ranges and range sets, by both kinds of executable: what host-local gives, we give."""

from __future__ import annotations

import json

import pytest

from tests.cni.client import after
from tests.cni.test_chains import STORE, reference
from tests.cni.test_verbs import addresses
from tests.netns.test_engine_reach import asks, serve

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

    from tests.cni.client import Plugins
    from tests.conftest import Unchanged
    from tests.hosts import HostNs, Lab

SUBNET, OTHER = "10.22.0.0/16", "10.23.0.0/16"


def part(subnet: str, first: str, last: str) -> dict[str, str]:
    return {"subnet": subnet, "rangeStart": first, "rangeEnd": last}


LOW, HIGH = part(SUBNET, "10.22.0.10", "10.22.0.11"), part(SUBNET, "10.22.5.10", "10.22.5.11")
FAR = part(OTHER, "10.23.0.10", "10.23.0.11")
#: Range sets, and the addresses that four containers get, one after another; [] for none.
SETS: list[tuple[list[Any], list[list[str]]]] = [
    ([[LOW, HIGH]], [["10.22.0.10/16"], ["10.22.0.11/16"], ["10.22.5.10/16"], ["10.22.5.11/16"]]),
    ([[LOW], [HIGH]], [["10.22.0.10/16", "10.22.5.10/16"], ["10.22.0.11/16", "10.22.5.11/16"], [], []]),
    ([[LOW], [FAR]], [["10.22.0.10/16", "10.23.0.10/16"], ["10.22.0.11/16", "10.23.0.11/16"], [], []]),
    ([[LOW, FAR]], [["10.22.0.10/16"], ["10.22.0.11/16"], ["10.23.0.10/16"], ["10.23.0.11/16"]]),
]


def conf(sets: list[Any], **keys: Any) -> dict[str, Any]:
    ipam = {"type": "host-local", "dataDir": STORE, "ranges": sets}
    return {"cniVersion": "1.0.0", "name": "ranges", "type": "bridge", "bridge": "br7", "ipam": ipam, **keys}


@pytest.mark.parametrize("whose", ["ours", "the reference's"])
@pytest.mark.parametrize(("sets", "given"), SETS, ids=["two ranges", "two sets", "two subnets", "a spare subnet"])
def test_addresses_out_of_ranges(cni: Plugins, lab: Lab, whose: str, sets: list[Any], given: list[list[str]]) -> None:
    if whose != "ours":
        reference(cni, "host-local")
    for number, wanted in enumerate(given):
        answer = cni.call("ADD", conf(sets), lab.container(f"c{number}"), plugin="host-local")
        assert [ip["address"] for ip in (answer.document.get("ips") or [])] == wanted
        assert (answer.status == 0) == bool(wanted)
    for number in range(len(given)):
        cni.fine("DEL", conf(sets), lab.members[f"c{number}"], plugin="host-local")
    again = cni.add(conf(sets), lab.container("again"), plugin="host-local")
    assert len(again["ips"]) == len(given[0])


@pytest.mark.parametrize(
    ("whose", "sets"),
    [
        ("ours", [[LOW, HIGH]]),
        ("ours", [[LOW], [HIGH]]),
        ("ours", [[LOW], [FAR]]),  # the reference's bridge refuses a second gateway
        ("the reference's", [[LOW, HIGH]]),
        ("the reference's", [[LOW], [HIGH]]),
    ],
)
def test_a_bridge_with_ranges(
    cni: Plugins, lab: Lab, host: HostNs, unchanged: Unchanged, whose: str, sets: list[Any]
) -> None:
    if whose != "ours":
        reference(cni, "bridge", "host-local")
    keys = conf(sets, isGateway=True, isDefaultGateway=True)
    first, second = lab.container("first"), lab.container("second")
    with unchanged(host, allow=("state *", "*sysctls*", "*br7*")):
        found = cni.add(keys, first)
        assert [ip["address"] for ip in found["ips"]] == addresses(first)
        (default,) = json.loads(first.run("ip", "-j", "route", "show", "default").stdout)
        assert default["gateway"] == found["ips"][0]["gateway"] == "10.22.0.1"
        cni.add(keys, second)
        serve(first)
        assert [asks(second, ip["address"].partition("/")[0], 80) for ip in found["ips"]] == addresses_of(second, found)
        cni.fine("CHECK", after(keys, found), first)
        for place in (first, second):
            cni.fine("DEL", keys, place)
        if whose == "ours":
            host.netkit("network", "rm", "ranges", check=True)


def addresses_of(place: Any, found: dict[str, Any]) -> list[str]:
    """Which address a container speaks from to each of these: that of the same subnet, the first one there."""
    own = [address.partition("/")[0] for address in addresses(place)]
    return [next(a for a in own if a[:5] == ip["address"][:5]) for ip in found["ips"]]


def test_ranges_may_grow_while_containers_are_there(cni: Plugins, lab: Lab) -> None:
    cni.add(conf([[LOW]]), lab.container("first"))
    assert cni.add(conf([[{**LOW, "rangeEnd": "10.22.0.50"}]]), lab.container("second"))["ips"]


def test_two_pools_of_one_subnet_stay_what_they_are_while_in_use(cni: Plugins, lab: Lab) -> None:
    cni.add(conf([[LOW], [HIGH]]), lab.container("first"))
    assert cni.error("ADD", conf([[HIGH], [LOW]]), lab.container("second"))["code"] == 101
