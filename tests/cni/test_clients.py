"""Real runtimes, in a private host of their own: the container has the address that netkit reports, is reached on its
published port, and leaves nothing.

`make test-clients` installs what they need; without it they are skipped by name.
"""

from __future__ import annotations

import json
import os
import shutil
import sys
from pathlib import Path

import pytest

from tests.features import requires

TYPE_CHECKING = False
if TYPE_CHECKING:
    from tests.hosts import HostNs, Lab

SCRIPTS = Path(__file__).parent / "clients"


@pytest.mark.limit(120)
@pytest.mark.parametrize(
    "client",
    [
        pytest.param("podman", marks=requires("podman", "busybox", "runc", "curl"), id="podman"),
        pytest.param("ctr", marks=requires("ctr", "containerd", "busybox", "runc", "curl"), id="ctr run --cni"),
    ],
)
def test_a_runtime_gets_a_network_and_gives_it_back(host: HostNs, client: str) -> None:
    words = ("unshare", "--mount", "--pid", "--fork", "--kill-child", "--mount-proc", "--propagation", "private")
    parts = [(SCRIPTS / f"{name}.sh").read_text() for name in ("begin", client, "end")]
    script = "\n".join([f"ROOT={host.root} PYTHON={sys.executable}", *parts])
    done = host.run(*words, "timeout", "50", "sh", "-c", script, check=False)
    lines = done.stdout.splitlines()
    assert len(lines) == 6, (done.stdout, done.stderr[-2000:])
    address, attached, page, left, ports, cables = lines
    (attachment,) = json.loads(attached)
    assert [f"{address}/16"] == attachment["addresses"]
    assert page == "hello"
    assert (json.loads(left), ports, cables) == ([], "0", "0")


def test_cnitool_adds_checks_and_deletes(host: HostNs, lab: Lab, tmp_path: Path) -> None:
    tool = shutil.which("cnitool", path=f"{os.environ.get('NETKIT_CNI_REFERENCE', '')}:{os.environ['PATH']}")
    if tool is None:
        pytest.skip("cnitool is not installed")
    container = lab.container()
    host.netkit("cni", "install", "--bin-dir", str(tmp_path / "bin"), "--conf-dir", str(tmp_path / "net.d"), check=True)
    ports = json.dumps({"portMappings": [{"hostPort": 8080, "containerPort": 80, "protocol": "tcp"}]})
    env = [f"CNI_PATH={tmp_path / 'bin'}", f"NETCONFPATH={tmp_path / 'net.d'}", f"CAP_ARGS={ports}"]
    host.run("sh", "-c", "mkdir -p /var/lib/cni 2>/dev/null; mount -t tmpfs tmpfs /var/lib/cni")
    added = host.run("env", *env, tool, "add", "netkit", container.path)
    assert json.loads(added.stdout)["ips"][0]["address"] == "10.90.0.2/16"
    host.run("env", *env, tool, "check", "netkit", container.path)
    host.run("env", *env, tool, "del", "netkit", container.path)
    assert json.loads(host.netkit("ps", "--json", check=True).stdout) == []
