"""Networks whose addresses are said by whoever attaches."""

from __future__ import annotations

import json

import pytest

from tests.netns.calls import ip

TYPE_CHECKING = False
if TYPE_CHECKING:
    from tests.hosts import HostNs, Lab


def create(host: HostNs, *words: str) -> None:
    host.netkit("network", "create", "lan", "--ipam", "static", *words, check=True)


@pytest.mark.parametrize(
    ("network", "given", "address", "gateway"),
    [
        (("--subnet", "10.7.0.0/24"), "10.7.0.9", "10.7.0.9/24", "10.7.0.1"),
        (("--subnet", "10.7.0.0/24", "--gateway", "10.7.0.254"), "10.7.0.9/24", "10.7.0.9/24", "10.7.0.254"),
        ((), "10.8.0.9/28", "10.8.0.9/28", None),
        (("--subnet", "fd07::/64"), "fd07::9", "fd07::9/64", "fd07::1"),
    ],
)
def test_an_attachment_says_its_address(
    host: HostNs, lab: Lab, network: tuple[str, ...], given: str, address: str, gateway: str | None
) -> None:
    create(host, *network)
    container = lab.container()
    words = ("--pid", str(container.pid), "--network", "lan", "--ip", given, "--json")
    made = json.loads(host.netkit("attach", *words, check=True).stdout)
    assert (made["addresses"], made["gateway"]) == ([address], gateway)
    (link,) = ip(container, "addr", "show", "eth0")
    told = [f"{each['local']}/{each['prefixlen']}" for each in link["addr_info"] if each["scope"] == "global"]
    assert told == [address]
    assert json.loads(host.netkit("ipam", "ls", "lan", "--json", check=True).stdout) == []
    host.netkit("detach", "--pid", str(container.pid), check=True)
    host.netkit("network", "rm", "lan", check=True)


@pytest.mark.parametrize(
    ("words", "said"),
    [
        ((), "--ip: network lan gives out no addresses by itself"),
        (("--ip", "10.8.0.9"), "--ip: 10.8.0.9 lies in no subnet of network lan"),
        (("--ip", "10.7.0.1"), "is the gateway of 10.7.0.0/24"),
        (("--ip", "10.7.0.9/40"), "no prefix length"),
    ],
)
def test_an_address_that_cannot_be_is_refused(host: HostNs, lab: Lab, words: tuple[str, ...], said: str) -> None:
    create(host, "--subnet", "10.7.0.0/24")
    refused = host.netkit("attach", "--pid", str(lab.container().pid), "--network", "lan", *words)
    assert (refused.returncode, said in refused.stderr) == (2, True), refused.stderr


def test_an_ipam_that_there_is_not_is_refused(host: HostNs) -> None:
    refused = host.netkit("network", "create", "lan", "--ipam", "magic")
    assert (refused.returncode, "known: static" in refused.stderr) == (2, True), refused.stderr
