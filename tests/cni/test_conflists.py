"""Conflists as the CNI documentation and podman write them, unedited, with netkit under the reference's names.

Each is run by `netkit cni run` and by cnitool: containers have the addresses that the list says, packets pass, and
nothing is left. `tuning` is the reference's own: netkit does not stand in for it.
"""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from tests.cni.test_chains import REFERENCE
from tests.cni.test_clients import LASTING, URLS, cnitool
from tests.cni.test_verbs import addresses, fetch, links, serve

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import Protocol

    from tests.conftest import Unchanged
    from tests.hosts import Container, HostNs, Lab

    class Call(Protocol):
        """A verb on a container, with these capabilities; what the runtime prints."""

        def __call__(self, verb: str, container: Container, **capabilities: object) -> str: ...

    Runtime = Callable[[HostNs, Path, Path], Call]

LISTS = Path(__file__).parent / "conflists"
PORTS = {"portMappings": [{"hostPort": 8080, "containerPort": 80, "protocol": "tcp"}]}
#: The first container's address, whether the host has one on the bridge, and whether it publishes ports there.
CASES = {
    "portmap": ("10.88.0.2/16", True, True),
    "podman": ("10.88.0.2/16", True, True),
    "firewall": ("10.88.0.2/16", True, False),
    "specification": ("10.1.0.2/16", False, False),
}


def install(host: HostNs, conflist: Path, tmp_path: Path) -> None:
    """netkit under the reference's names, and the reference's tuning where the list wants it."""
    names = "bridge,host-local,portmap,firewall,loopback"
    host.netkit("cni", "install", "--bin-dir", str(tmp_path / "bin"), "--as", names, check=True)
    if "tuning" in conflist.read_text():
        reference = next((place / "tuning" for place in REFERENCE if (place / "tuning").exists()), None)
        if reference is None:
            pytest.skip("the reference's tuning is not installed")
        (tmp_path / "bin" / "tuning").symlink_to(reference)


def ours(host: HostNs, conflist: Path, tmp_path: Path) -> Call:
    """`netkit cni run` for this list."""
    places = ("--bin-dir", str(tmp_path / "bin"), "--netns")

    def call(verb: str, container: Container, **capabilities: object) -> str:
        words = (str(conflist), *places, container.path, "--capability-args", json.dumps(capabilities))
        return host.netkit("cni", "run", verb, *words, check=True).stdout

    return call


def theirs(host: HostNs, conflist: Path, tmp_path: Path) -> Call:
    """cnitool for this list."""
    tool, network = cnitool(), json.loads(conflist.read_text())["name"]
    (tmp_path / "net.d").mkdir()
    (tmp_path / "net.d" / conflist.name).symlink_to(conflist)
    env = (f"CNI_PATH={tmp_path / 'bin'}", f"NETCONFPATH={tmp_path / 'net.d'}")

    def call(verb: str, container: Container, **capabilities: object) -> str:
        words = (*env, f"CAP_ARGS={json.dumps(capabilities)}", tool, verb, network, container.path)
        return host.run("env", *words).stdout

    return call


@pytest.mark.parametrize("runtime", [ours, theirs], ids=["netkit cni run", "cnitool"])
@pytest.mark.parametrize("name", CASES)
def test_a_list_from_the_documentation_runs_unedited(
    host: HostNs, lab: Lab, unchanged: Unchanged, tmp_path: Path, name: str, runtime: Runtime
) -> None:
    (address, routed, published), conflist = CASES[name], LISTS / f"{name}.conflist"
    first, second, peer = lab.container("first"), lab.container("second"), lab.host("peer")
    lab.link(host, peer, ("192.0.2.1/24", "192.0.2.2/24"))
    host.run("mount", "-t", "tmpfs", "tmpfs", "/var/lib")
    install(host, conflist, tmp_path)
    call = runtime(host, conflist, tmp_path)
    with unchanged(host, allow=LASTING):
        ports = PORTS if published else {}
        added = json.loads(call("add", first, **ports))
        call("add", second)
        assert addresses(first) == [added["ips"][0]["address"]] == [address]
        serve(first)
        inside = f"http://{address.partition('/')[0]}/"
        assert [fetch(place, inside) for place in (second, host)] == ["200", "200" if routed else "000"]
        if published:
            assert [fetch(place, url) for place, url in zip((host, peer), URLS, strict=True)] == ["200", "200"]
        for container in (first, second):
            if "0.3.1" not in conflist.read_text():  # which has no CHECK
                call("check", container, **(ports if container is first else {}))
            call("del", container)
            assert links(container) == {"lo"}
        for network in json.loads(host.netkit("network", "ls", "--json", check=True).stdout):
            host.netkit("network", "rm", network["name"], check=True)
