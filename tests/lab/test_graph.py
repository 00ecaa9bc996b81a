"""Pictures of what is in the kernel: of a lab, and of a host."""

from __future__ import annotations

import json
import xml.etree.ElementTree as ElementTree
from pathlib import Path

import pytest

from tests.hosts import REPOSITORY
from tests.lab.world import written

TYPE_CHECKING = False
if TYPE_CHECKING:
    from tests.hosts import HostNs, Lab

pytestmark = pytest.mark.root


def test_a_lab_is_drawn_in_three_languages(host: HostNs, tmp_path: Path) -> None:
    host.netkit("lab", "up", written(tmp_path), check=True)
    told = json.loads(host.netkit("lab", "graph", "small", "--json", check=True).stdout)
    inside = {box["id"]: box["inside"] for box in told["boxes"]}
    assert inside == {"world": None, "world/eth0": "world", "host": None, "host/eth0": "host",
                      "host/nk-front": "host", "host//": "host", "web": "host"}  # fmt: skip
    cables = [[cable["kind"], *cable["ends"]] for cable in told["cables"]]
    assert sorted(cables) == [
        ["cable", "host/eth0", "world/eth0"],
        ["cable", "host/nk-front", "web"],
        ["route", "host//", "host/nk-front"],
        ["route", "host/eth0", "host//"],
    ]
    assert host.netkit("lab", "graph", "small", "--dot").stdout.startswith("graph netkit {")
    picture = ElementTree.fromstring(host.netkit("lab", "graph", "small", "--svg").stdout)  # noqa: S314 (our own)
    assert {"web", "8080 -> 80/tcp", "network front"} <= {text.text for text in picture.iter() if text.text}
    host.netkit("lab", "down", "small", check=True)


def test_a_picture_shows_the_kernel_and_not_the_file(host: HostNs, tmp_path: Path) -> None:
    host.netkit("lab", "up", written(tmp_path), check=True)
    host.netkit("lab", "exec", "small", "world", "--", "ip", "addr", "add", "203.0.113.7/32", "dev", "eth0", check=True)
    assert "203.0.113.7/32" in host.netkit("lab", "graph", "small").stdout
    host.netkit("lab", "down", "small", check=True)


def test_a_tunnel_is_drawn_with_the_link_that_it_goes_through(host: HostNs) -> None:
    host.netkit("lab", "up", str(REPOSITORY / "topologies/vxlan-by-hand.yaml"), check=True)
    told = json.loads(host.netkit("lab", "graph", "vxlan-by-hand", "--json", check=True).stdout)
    picture = host.netkit("lab", "graph", "vxlan-by-hand", "--svg", check=True).stdout
    host.netkit("lab", "down", "vxlan-by-hand", check=True)
    assert picture == (REPOSITORY / "docs/guides/vxlan-by-hand.svg").read_text(), "the guide shows an older picture"
    (box,) = (box for box in told["boxes"] if box["id"] == "left/vx42")
    assert (box["kind"], box["lines"]) == ("tunnel", ["VNI 42", "to 198.51.100.2"])
    cables = [[cable["kind"], *cable["ends"]] for cable in told["cables"] if "left/vx42" in cable["ends"]]
    assert sorted(cables) == [["cable", "left/vx42", "left/br0"], ["tunnel", "left/eth0", "left/vx42"]]


def test_a_host_is_drawn_with_what_is_attached(lab: Lab) -> None:
    host, web = lab.host(), lab.container("web")
    host.netkit("attach", "--netns", web.path, "--name", "web", "-p", "8080:80", check=True)
    text = host.netkit("graph", check=True).stdout
    assert "netkit0<br/>network bridge" in text
    assert "web<br/>eth0 10.90.0.2/16<br/>8080 &rarr; 80/tcp" in text


def test_a_process_on_two_networks_is_one_box(lab: Lab) -> None:
    host, web = lab.host(), lab.container("web")
    host.netkit("network", "create", "second", check=True)
    for network, ifname in (("bridge", "eth0"), ("second", "eth1")):
        words = ("--network", network) if network != "bridge" else ("--mode", "bridge")
        host.netkit("attach", "--netns", web.path, *words, "--ifname", ifname, "--name", ifname, check=True)
    told = json.loads(host.netkit("graph", "--json", check=True).stdout)
    (box,) = [box for box in told["boxes"] if box["kind"] == "container"]
    assert {cable["ends"][0] for cable in told["cables"] if box["id"] in cable["ends"]} >= {
        f"{told['boxes'][0]['id']}/netkit0",
        f"{told['boxes'][0]['id']}/nk-second",
    }
