"""Real runtimes, in a private host of their own: the container has the address that netkit reports, is reached on its
published port by the host and by another machine, and leaves nothing.

`make test` installs them (`tools/setup clients`); where that cannot be, a test is skipped by name.
"""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from contextlib import contextmanager
from pathlib import Path

import pytest

from tests.cni.test_verbs import TRACES, addresses, fetch, links, serve
from tests.features import requires

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator

    from tests.conftest import Unchanged
    from tests.hosts import HostNs, Lab

SCRIPTS = Path(__file__).parent / "clients"
#: A runtime sees its own processes and mounts alone, and all of them end with it.
APART = ("unshare", "--mount", "--pid", "--fork", "--kill-child", "--mount-proc", "--propagation", "private")
#: What netkit keeps when all networks are gone: its empty directories, and what a first connection leaves.
LASTING = (*TRACES, "state *: 0700 0:0 directory")
URLS = ("http://127.0.0.1:8080/", "http://192.0.2.1:8080/")


@contextmanager
def running(host: HostNs, client: str) -> Iterator[tuple[str, dict[str, list[str]], subprocess.Popen[str]]]:
    """A container of this runtime while it runs: its address seen from inside, its attachment, and the runtime."""
    parts = [(SCRIPTS / f"{name}.sh").read_text() for name in ("begin", client, "end")]
    script = "\n".join([f"ROOT={host.root} PYTHON={sys.executable}", *parts])
    with (host.root.parent / f"{client}.log").open("w+") as log:
        runtime = host.popen(*APART, "timeout", "90", "sh", "-c", script, stdin=subprocess.PIPE, stderr=log)
        assert runtime.stdout
        address = runtime.stdout.readline().strip()
        if address.startswith("unable: "):
            pytest.skip(f"{client} starts no container on this machine: {address.removeprefix('unable: ')}")
        attached = runtime.stdout.readline()
        log.seek(0)
        assert attached, log.read()
        (attachment,) = json.loads(attached)
        yield address, attachment, runtime


@pytest.mark.limit(120)
@pytest.mark.parametrize(
    "client",
    [
        pytest.param("podman", marks=requires("podman", "busybox", "runc", "curl"), id="podman"),
        pytest.param("ctr", marks=requires("ctr", "containerd", "busybox", "runc", "curl"), id="ctr run --cni"),
    ],
)
def test_a_runtime_gets_a_network_and_gives_it_back(host: HostNs, lab: Lab, unchanged: Unchanged, client: str) -> None:
    peer = lab.host("peer")
    lab.link(host, peer, ("192.0.2.1/24", "192.0.2.2/24"))
    with unchanged(host, allow=LASTING), running(host, client) as (address, attachment, runtime):
        assert attachment["addresses"] == [address] == ["10.90.0.2/16"]
        assert [fetch(place, url) for place, url in zip((host, peer), URLS, strict=True)] == ["200", "200"]
        left, _ = runtime.communicate("enough\n")
        assert (runtime.returncode, left.split()) == (0, ["[]", "0", "0"])


def cnitool() -> str:
    """Where cnitool is: built by `tools/setup clients`, or installed."""
    places = (os.environ.get("NETKIT_CNI_REFERENCE", ""), str(Path(sys.executable).parent), os.environ["PATH"])
    found = shutil.which("cnitool", path=":".join(places))
    if found is None:
        pytest.skip("cnitool is not there: it takes Go, and a Go module proxy that can be reached")
    return found


def test_cnitool_adds_checks_and_deletes(host: HostNs, lab: Lab, unchanged: Unchanged, tmp_path: Path) -> None:
    tool, container, peer = cnitool(), lab.container(), lab.host("peer")
    lab.link(host, peer, ("192.0.2.1/24", "192.0.2.2/24"))
    host.netkit("cni", "install", "--bin-dir", str(tmp_path / "bin"), "--conf-dir", str(tmp_path / "net.d"), check=True)
    host.run("mount", "-t", "tmpfs", "tmpfs", "/var/lib")
    ports = json.dumps({"portMappings": [{"hostPort": 8080, "containerPort": 80, "protocol": "tcp"}]})
    words = ("env", f"CNI_PATH={tmp_path / 'bin'}", f"NETCONFPATH={tmp_path / 'net.d'}", f"CAP_ARGS={ports}", tool)

    def call(verb: str) -> str:
        return host.run(*words, verb, "netkit", container.path).stdout

    with unchanged(host, allow=LASTING):
        (given,) = json.loads(call("add"))["ips"]
        (attachment,) = json.loads(host.netkit("ps", "--json", check=True).stdout)
        assert addresses(container) == [given["address"]] == attachment["addresses"]
        serve(container)
        assert [fetch(place, url) for place, url in zip((host, peer), URLS, strict=True)] == ["200", "200"]
        call("check")
        call("del")
        assert (links(container), host.run("ls", "/var/lib/cni/results").stdout) == ({"lo"}, "")
        host.netkit("network", "rm", "netkit", check=True)
