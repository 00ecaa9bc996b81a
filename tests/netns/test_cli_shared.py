"""Modes without a namespace of their own, and ports that are published because they are exposed."""

from __future__ import annotations

import json
import os

import pytest

TYPE_CHECKING = False
if TYPE_CHECKING:
    from tests.conftest import Unchanged
    from tests.hosts import HostNs, Lab

LEFT = ("state *",)


def test_host_mode_runs_in_the_hosts_network(host: HostNs, unchanged: Unchanged) -> None:
    with unchanged(host, allow=LEFT):
        ran = host.netkit("run", "--mode", "host", "--", "readlink", "/proc/self/ns/net", check=True)
    assert ran.stdout == host.run("readlink", "/proc/self/ns/net").stdout


@pytest.mark.parametrize("how", ["pid", "name", "id"])
def test_container_mode_runs_in_the_network_of_another(host: HostNs, lab: Lab, unchanged: Unchanged, how: str) -> None:
    container = lab.container()
    attached = host.netkit("attach", "--pid", str(container.pid), "--name", "web", "--json", check=True)
    whose = {"pid": str(container.pid), "name": "web", "id": json.loads(attached.stdout)["id"]}[how]
    with unchanged(host, [container]):
        ran = host.netkit("run", "--mode", f"container:{whose}", "--", "ip", "-json", "addr", check=True)
    assert [link["ifname"] for link in json.loads(ran.stdout)] == ["lo", "eth0"]
    assert ran.stdout == container.run("ip", "-json", "addr").stdout


def test_a_shared_networks_command_leaves_with_its_own_code(host: HostNs) -> None:
    assert host.netkit("run", "--mode", "host", "--", "sh", "-c", "exit 7").returncode == 7
    assert host.netkit("run", "--mode", "host", "--", "/nowhere").returncode == 127


@pytest.mark.parametrize(
    ("words", "code", "said"),
    [
        (("run", "--mode", "host", "-p", "8080:80", "--", "true"), 2, "--publish and --mode host exclude each other"),
        (("run", "--mode", "host", "-P", "--", "true"), 2, "--publish-all and --mode host exclude each other"),
        (("run", "--mode", "container:1", "--ip", "10.0.0.9", "--", "true"), 2, "--ip and --mode container:1"),
        (("run", "--mode", "container:1", "--ifname", "eth7", "--", "true"), 2, "no attachment to name"),
        (("run", "--mode", "container", "--", "true"), 2, "whose network?"),
        (("run", "--mode", "container:nobody", "--", "true"), 3, "there is no running container nobody"),
        (("run", "--mode", "container:99999999", "--", "true"), 3, "99999999"),
        (("run", "--mode", "bridge:x", "--", "true"), 2, "known modes: bridge, cni:TYPE, container:PID|ID, host"),
        (("network", "create", "h", "--mode", "host"), 2, "mode host attaches nothing"),
    ],
)
def test_what_a_shared_network_cannot_have_is_refused(
    host: HostNs, unchanged: Unchanged, words: tuple[str, ...], code: int, said: str
) -> None:
    with unchanged(host, allow=LEFT):
        refused = host.netkit(*words)
    assert (refused.returncode, said in refused.stderr) == (code, True), refused.stderr


@pytest.mark.parametrize("mode", ["host", "container:1"])
def test_attach_says_why_a_running_process_cannot_be_moved(
    host: HostNs, lab: Lab, unchanged: Unchanged, mode: str
) -> None:
    container = lab.container()
    with unchanged(host, [container], allow=LEFT):
        refused = host.netkit("attach", "--pid", str(container.pid), "--mode", mode)
    assert refused.returncode == 2
    assert "cannot be moved there" in refused.stderr
    assert f"netkit run --mode {mode} -- CMD" in refused.stderr


def test_exposed_ports_get_free_ports_of_the_host(host: HostNs, lab: Lab) -> None:
    container = lab.container()
    words = ("-P", "--expose", "80", "--expose", "5353/udp", "-p", "8443:443", "--expose", "443", "--json")
    attached = json.loads(host.netkit("attach", "--pid", str(container.pid), *words, check=True).stdout)
    ports = [(p["protocol"], p["container_port"], p["host_port"]) for p in attached["ports"]]
    assert [port[:2] for port in ports] == [("tcp", 443), ("tcp", 80), ("udp", 5353)]
    assert ports[0][2] == 8443
    low, high = map(int, host.run("sysctl", "-n", "net.ipv4.ip_local_port_range").stdout.split())
    assert all(low <= number <= high for _, _, number in ports[1:])


def test_exposed_ports_are_reached(host: HostNs, lab: Lab) -> None:
    container = lab.container()
    container.popen("socat", "TCP-LISTEN:80,fork,reuseaddr", "SYSTEM:echo hello")
    attached = host.netkit("attach", "--pid", str(container.pid), "-P", "--expose", "80", "--json", check=True)
    (port,) = json.loads(attached.stdout)["ports"]
    assert host.run("socat", "-t2", "-", f"TCP:127.0.0.1:{port['host_port']},retry=20,interval=0.1").stdout == "hello\n"


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (("-P",), "nothing is exposed"),
        (("--expose", "80"), "--expose alone publishes nothing"),
        (("-P", "--expose", "8080:80"), "names a host's port"),
        (("-P", "--expose", "0"), "--expose"),
        (("-P", "--expose", "80/icmp"), "--expose"),
    ],
)
def test_what_cannot_be_exposed_is_refused(host: HostNs, words: tuple[str, ...], said: str) -> None:
    refused = host.netkit("attach", "--pid", str(os.getpid()), *words)
    assert (refused.returncode, said in refused.stderr) == (2, True), refused.stderr
