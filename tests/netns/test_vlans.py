"""VLAN filtering where the kernel has none: refused by name before anything has changed."""

from __future__ import annotations

import pytest

from tests.cni.client import Plugins
from tests.features import has
from tests.hosts import HostNs, Lab
from tests.oracle import diff, snapshot

TYPE_CHECKING = False
if TYPE_CHECKING:
    from pathlib import Path

    from tests.conftest import Unchanged


@pytest.fixture(autouse=True)
def lacking() -> None:
    if has("vlan-filtering"):
        pytest.skip("this machine's bridges filter VLANs: there is nothing to refuse")


@pytest.mark.parametrize("option", ["vlan=10", "trunk=10,20-30"])
def test_a_network_with_vlans_is_refused(host: HostNs, option: str) -> None:
    before = snapshot(host)
    done = host.netkit("network", "create", "n", "--mode", "bridge", "-o", option)
    assert (done.returncode, "do no VLAN filtering" in done.stderr) == (5, True), done.stderr
    assert diff(before, snapshot(host), ("state *",)) == ""


@pytest.mark.parametrize("option", ["vlan=0", "vlan=4095", "vlan=x", "trunk=30-20"])
def test_what_is_no_vlan_is_bad_usage(host: HostNs, option: str) -> None:
    assert host.netkit("network", "create", "n", "--mode", "bridge", "-o", option).returncode == 2


@pytest.mark.parametrize(
    ("keys", "code"),
    [
        ({"vlan": 7}, 103),
        ({"vlanTrunk": [{"id": 7}, {"minID": 10, "maxID": 20}]}, 103),
        ({"vlan": 5000}, 7),
        ({"vlanTrunk": [{"minID": 10}]}, 7),
        ({"vlanTrunk": [{"minID": 20, "maxID": 10}]}, 7),
        ({"vlanTrunk": [{}]}, 7),
    ],
    ids=str,
)
def test_a_configuration_with_vlans_is_refused(
    lab: Lab, host: HostNs, tmp_path: Path, unchanged: Unchanged, keys: dict[str, object], code: int
) -> None:
    cni, container = Plugins(host, tmp_path / "cni"), lab.container()
    conf = {"name": "v", "type": "bridge", "ipam": {"type": "host-local", "subnet": "10.22.0.0/16"}, **keys}
    with unchanged(host, [container], allow=("state *",)):
        assert cni.error("ADD", conf, container)["code"] == code


def test_where_the_kernel_knows_no_vlans_it_is_not_asked_in_vain(host: HostNs) -> None:
    for line in (
        "link add name br0 type bridge",
        "link add name one type veth peer name two",
        "link set dev one master br0",
    ):
        host.run("ip", *line.split())
    code = (
        "from netkit.kernel.rtnl import Rtnl; from netkit.kernel.vlans import seen\n"
        "rtnl = Rtnl(); print({seen(rtnl, rtnl.index(name)) for name in ('br0', 'one', 'two')})"
    )
    assert host.python(code).stdout == "{Vlans()}\n"
