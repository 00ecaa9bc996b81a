"""Every shipped lab: it comes up, all that it promises is seen, it goes, and nothing is left. Its file teaches."""

from __future__ import annotations

import json

import pytest
import yaml

from netkit.lab.shapes import schema
from tests.features import need
from tests.hosts import REPOSITORY
from tests.lab.world import TOPOLOGIES, checked, left

TYPE_CHECKING = False
if TYPE_CHECKING:
    from pathlib import Path

    from tests.conftest import Unchanged
    from tests.hosts import HostNs

SHIPPED = {
    "null-by-hand",
    "bridge-nat",
    "two-networks-isolated",
    "internal",
    "dual-stack",
    "port-ranges",
    "hairpin-and-localhost",
    "cni-chain",
    "macvlan",
    "shaped",
    "ptp",
    "container-shared",
    "underlay-dhcp",
    "vxlan-two-hosts",
    "vxlan-three-hosts-store",
    "vxlan-evpn",
    "flannel-three-hosts-vxlan",
    "flannel-three-hosts-host-gw",
    "flannel-three-hosts-udp",
    "flannel-etcd",
    "flannel-mixed",
}
#: What a lab takes besides netkit.
NEEDS = {
    "underlay-dhcp": "dnsmasq",
    "vxlan-evpn": "frr",
    "flannel-etcd": "etcd etcd3gw",
    "flannel-mixed": "etcd etcd3gw flanneld",
}


def test_the_labs_that_are_promised_are_there() -> None:
    assert {path.stem for path in TOPOLOGIES} >= SHIPPED


@pytest.mark.parametrize("file", TOPOLOGIES, ids=lambda path: path.stem)
def test_a_shipped_lab_shows_what_it_promises_and_leaves_nothing(
    host: HostNs, file: Path, unchanged: Unchanged
) -> None:
    need(*NEEDS.get(file.stem, "").split())
    with unchanged(host, allow=["state *"]):
        host.netkit("lab", "up", str(file), check=True)
        failed = checked(host, str(file))
        host.netkit("lab", "down", str(file), check=True)
    assert failed == {}
    assert left(host) == []


@pytest.mark.parametrize("file", TOPOLOGIES, ids=lambda path: path.stem)
def test_a_shipped_lab_begins_with_a_lesson(file: Path) -> None:
    head = file.read_text().partition("\nhosts:")[0]
    assert head.startswith("# yaml-language-server: $schema=schema.json\n")
    assert "What this shows:" in head
    assert "[ " in head or "====" in head, "a picture"
    assert "What to try:" in head


def test_the_guide_names_every_shipped_lab() -> None:
    guide = REPOSITORY.joinpath("docs/guides/labs.md").read_text()
    assert [path.stem for path in TOPOLOGIES if f"\n| {path.stem} | " not in guide] == []


def test_the_schema_for_editors_is_what_the_reader_reads() -> None:
    shipped = json.loads(REPOSITORY.joinpath("topologies/schema.json").read_text())
    assert shipped == json.loads(json.dumps(schema())), "write topologies/schema.json anew: netkit.lab.shapes.schema()"


@pytest.mark.parametrize("file", TOPOLOGIES, ids=lambda path: path.stem)
def test_a_shipped_lab_fits_the_schema(file: Path) -> None:
    validator = pytest.importorskip("jsonschema").Draft202012Validator(schema())
    assert [error.message for error in validator.iter_errors(yaml.safe_load(file.read_text()))] == []
