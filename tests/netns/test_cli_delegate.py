"""CNI plugins as drivers: theirs is the cable; the address, the ports, the record and the cleaning up are netkit's."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from tests.features import requires
from tests.netns.calls import ip

TYPE_CHECKING = False
if TYPE_CHECKING:
    from tests.conftest import Unchanged
    from tests.hosts import Completed, Container, HostNs, Lab

PLUGINS = str(Path(__file__).parents[1] / "plugins")
LEFT = ("state *",)


def create(host: HostNs, *options: str) -> None:
    words = [word for option in (f"bin-dir={PLUGINS}", *options) for word in ("-o", option)]
    host.netkit("network", "create", "theirs", "--mode", "cni:cable", "--subnet", "10.20.0.0/24", *words, check=True)


def attach(host: HostNs, container: Container, *words: str) -> Completed[str]:
    return host.netkit("attach", "--pid", str(container.pid), "--network", "theirs", "--json", *words)


def test_a_plugins_cable_gets_netkits_address_and_ports(host: HostNs, lab: Lab, unchanged: Unchanged) -> None:
    container = lab.container()
    create(host)
    host.run("sysctl", "-qw", "net.ipv4.ip_forward=1")
    container.popen("socat", "TCP-LISTEN:80,fork,reuseaddr", "SYSTEM:echo hello")
    container.run("ip", "link", "set", "lo", "up")
    with unchanged(host, [container], allow=LEFT):
        made = json.loads(attach(host, container, "-p", "8080:80").stdout)
        assert (made["mode"], made["addresses"], made["mac"]) == ("cni:cable", ["10.20.0.2/24"], "02:00:00:00:ca:01")
        assert ip(container, "addr", "show", "eth0")[0]["addr_info"][0]["local"] == "10.20.0.2"
        for at in ("127.0.0.1", "10.20.0.1"):
            assert host.run("socat", "-t2", "-", f"TCP:{at}:8080,retry=20,interval=0.1").stdout == "hello\n"
        assert host.netkit("check").returncode == 0
        host.netkit("detach", made["id"], check=True)
        assert host.netkit("detach", made["id"]).returncode == 0


def test_settings_of_its_namespace_go_with_a_plugins_cable(host: HostNs, lab: Lab) -> None:
    container = lab.container()
    create(host)
    key = "net.ipv4.conf.IFNAME.proxy_arp"
    made = attach(host, container, "-p", "8080:80", "--sysctl", f"{key}=1")
    assert made.returncode == 0, made.stderr
    assert container.run("sysctl", "-n", key.replace("IFNAME", "eth0")).stdout == "1\n"
    assert host.netkit("check").returncode == 0


def test_other_networks_come_and_go_beside_a_port_on_a_plugins_cable(host: HostNs, lab: Lab) -> None:
    """The network of a plugin makes nothing on the host by itself; its ports need netkit's table all the same."""
    container = lab.container()
    create(host)
    container.popen("socat", "TCP-LISTEN:80,fork,reuseaddr", "SYSTEM:echo hello")
    assert attach(host, container, "-p", "8080:80").returncode == 0
    for words in (("create", "other", "--mode", "ptp"), ("rm", "other")):
        host.netkit("network", *words, check=True)
        assert host.run("socat", "-t2", "-", "TCP:127.0.0.1:8080,retry=20,interval=0.1").stdout == "hello\n"
        assert host.netkit("check").returncode == 0


def test_a_plugins_network_gets_the_table_again_that_went_with_the_last_other(host: HostNs, lab: Lab) -> None:
    create(host)
    host.netkit("network", "create", "other", check=True)
    host.netkit("network", "rm", "other", check=True)
    assert host.run("nft", "list", "tables").stdout == ""
    assert attach(host, lab.container(), "-p", "8080:80").returncode == 0
    assert host.netkit("check").returncode == 0


def test_check_misses_a_cable_that_is_gone(host: HostNs, lab: Lab) -> None:
    container = lab.container()
    create(host)
    assert attach(host, container).returncode == 0
    host.run("ip", "link", "del", "cable-eth0")
    assert host.netkit("check").returncode == 1
    assert host.netkit("detach", "--pid", str(container.pid)).returncode == 0


@pytest.mark.parametrize(
    ("how", "said"),
    [
        ("die", "status -11"),
        ("refuse", "not today: ask tomorrow"),
        ("junk", "what is no JSON"),
        ("list", "what is no result"),
        ("odd", "answered with no result"),
    ],
)
def test_a_plugin_that_fails_leaves_nothing(
    host: HostNs, lab: Lab, unchanged: Unchanged, tmp_path: Path, how: str, said: str
) -> None:
    container, log = lab.container(), tmp_path / "log"
    create(host, f"how={how}", f"log={log}")
    assert container.run("ip", "link", "set", "lo", "up").returncode == 0
    with unchanged(host, [container], allow=LEFT):
        failed = attach(host, container, "-p", "8080:80")
    assert (failed.returncode, said in failed.stderr) == (1, True), failed.stderr
    assert log.read_text() == "ADD inside\nDEL inside\n"
    assert json.loads(host.netkit("ps", "--json").stdout) == []
    assert host.netkit("ipam", "ls", "theirs", "--json").stdout.count("10.20.0.2") == 0


def test_a_plugin_that_hangs_is_killed(host: HostNs, lab: Lab, unchanged: Unchanged) -> None:
    container = lab.container()
    create(host, "how=hang")
    container.run("ip", "link", "set", "lo", "up")
    patience = "import netkit.engine.plugins as p; p.PATIENCE = 0.5; from netkit.cli.main import main; main()"
    with unchanged(host, [container], allow=LEFT):
        words = ("--root", str(host.root), "attach", "--pid", str(container.pid), "--network", "theirs")
        failed = host.python(patience, *words, check=False)
    assert (failed.returncode, "cable did not end within 0.5 seconds" in failed.stderr) == (1, True), failed.stderr


def test_a_dead_containers_plugin_is_told(host: HostNs, lab: Lab, tmp_path: Path) -> None:
    container, log = lab.container(), tmp_path / "log"
    create(host, f"log={log}")
    assert attach(host, container).returncode == 0
    container.die()
    released = host.netkit("gc", check=True).stdout
    assert "released attachment" in released
    assert log.read_text() == "ADD inside\nDEL \n"
    assert [link["ifname"] for link in ip(host, "link")] == ["lo"]


@pytest.mark.parametrize(
    ("options", "code", "said"),
    [
        (("name=x",), 2, "-o name: netkit says this itself"),
        (("bin-dir=bin",), 2, "no absolute path"),
        (("ipam=dhcp",), 2, "an object is needed"),
    ],
)
def test_options_that_no_plugin_can_have_are_refused(
    host: HostNs, options: tuple[str, ...], code: int, said: str
) -> None:
    words = [word for option in options for word in ("-o", option)]
    refused = host.netkit("network", "create", "theirs", "--mode", "cni:cable", *words)
    assert (refused.returncode, said in refused.stderr) == (code, True), refused.stderr


def test_a_plugin_asks_for_its_lease_by_itself(host: HostNs) -> None:
    refused = host.netkit("network", "create", "theirs", "--mode", "cni:cable", "--ipam", "dhcp")
    assert (refused.returncode, """-o 'ipam={"type": "dhcp"}'""" in refused.stderr) == (2, True), refused.stderr


def test_no_server_hears_a_routed_network(host: HostNs) -> None:
    refused = host.netkit("network", "create", "cables", "--mode", "ptp", "--ipam", "dhcp")
    assert (refused.returncode, "no DHCP server hears" in refused.stderr) == (2, True), refused.stderr


@pytest.mark.parametrize(("mode", "code"), [("cni:", 2), ("cni", 2), ("cni:../../bin/sh", 2), ("cni:nowhere", 5)])
def test_a_plugin_that_there_is_not_is_refused(host: HostNs, lab: Lab, mode: str, code: int) -> None:
    refused = host.netkit("attach", "--pid", str(lab.container().pid), "--mode", mode)
    assert refused.returncode == code, refused.stderr
    assert "Traceback" not in refused.stderr


@requires("reference-macvlan")
def test_the_references_macvlan_is_a_driver(host: HostNs, lab: Lab) -> None:
    lan, containers = lab.host("lan"), (lab.container("one"), lab.container("two"))
    lab.link(host, lan, ("192.168.7.1/24", "192.168.7.254/24"))
    words = ("-o", "master=eth0", "-o", "mode=bridge", "--subnet", "192.168.8.0/24")
    host.netkit("network", "create", "theirs", "--mode", "cni:macvlan", *words, check=True)
    for container in containers:
        assert attach(host, container, "--mtu", "1400").returncode == 0
    assert ip(containers[0], "link", "show", "eth0")[0]["mtu"] == 1400
    containers[0].run("ping", "-c1", "-W2", "192.168.8.3")
    host.netkit("detach", "--pid", str(containers[0].pid), check=True)
    assert [link["ifname"] for link in ip(containers[0], "link")] == ["lo"]


def test_a_plan_shows_what_is_known_of_ports_before_the_plugin_has_run(
    host: HostNs, lab: Lab, unchanged: Unchanged
) -> None:
    container = lab.container()
    create(host)
    words = ("attach", "--pid", str(container.pid), "--network", "theirs", "-p", "8080:80")
    with unchanged(host, [container], allow=LEFT):
        shown = host.netkit(*words, "--rate-in", "8mbit", "--explain", check=True).stdout
    assert "any4 '{ tcp . 8080" in shown, shown
    assert ": 10.20.0.2 . 80 }'" in shown
    assert "# known when the CNI plugin cable has run\n# with its answer: the link that leads to the container" in shown
    assert "where the limits of bandwidth stand" in shown
    assert "with its answer" not in host.netkit(*words[:-2], "--dry-run", check=True).stdout


def test_a_plan_says_that_a_plugins_own_addresses_are_still_to_come(host: HostNs, lab: Lab) -> None:
    words = ("--mode", "cni:cable", "-o", f"bin-dir={PLUGINS}", "-o", 'ipam={"type": "dhcp"}')
    host.netkit("network", "create", "theirs", *words, check=True)
    attached = ("attach", "--pid", str(lab.container().pid), "--network", "theirs", "-p", "8080:80", "--dry-run")
    shown = host.netkit(*attached, check=True).stdout
    assert shown.endswith(
        "# with its answer: the container's addresses, and the rules by which the published ports lead there\n"
    )


@pytest.mark.parametrize("option", ["--rate-in", "--rate-out"])
def test_a_link_that_comes_back_to_the_host_gets_no_limit(host: HostNs, lab: Lab, option: str) -> None:
    words = ("--mode", "cni:host-device", "--subnet", "10.20.0.0/24", "-o", "device=eth7")
    host.netkit("network", "create", "theirs", *words, check=True)
    refused = attach(host, lab.container(), option, "8mbit")
    assert (refused.returncode, f"{option}: a link of the host would come back" in refused.stderr) == (2, True)
