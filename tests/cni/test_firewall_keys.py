"""What the reference's firewall can be told: an administrator's own chain, and a firewalld zone."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.cni.client import after
from tests.cni.test_chains import BRIDGE, FIREWALL, HOST_LOCAL, add_chain, reference
from tests.features import need
from tests.hosts import wait_until
from tests.netns.test_engine_reach import asks, serve

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

    from tests.cni.client import Plugins
    from tests.hosts import Container, HostNs, Lab

OTHER = {**BRIDGE, "name": "other", "bridge": "br9", "ipam": {**HOST_LOCAL, "ranges": [[{"subnet": "10.29.0.0/16"}]]}}
TYPES = ("method_call", "method_return", "signal", "error")
ALLOWED = "".join(f'<allow send_type="{kind}"/><allow receive_type="{kind}"/>' for kind in TYPES)
BUS = (
    "<busconfig><type>system</type><listen>unix:path=/run/dbus/system_bus_socket</listen><auth>EXTERNAL</auth>"
    f'<policy context="default"><allow user="*"/><allow own="*"/>{ALLOWED}</policy></busconfig>'
)


def conf(plugin: dict[str, Any], found: dict[str, Any]) -> dict[str, Any]:
    return {"cniVersion": "1.0.0", **after(plugin, found)}


@pytest.mark.parametrize("whose", ["nftables", "iptables", "the reference's"])
@pytest.mark.requires("iptables")
def test_an_administrators_own_chain_is_asked_first(cni: Plugins, lab: Lab, host: HostNs, whose: str) -> None:
    """It is made when it is not there; what it drops is dropped, and nobody else empties it."""
    if whose == "the reference's":
        reference(cni, "bridge", "host-local", "firewall")
    web, client = lab.container("web"), lab.container("client")
    backend = {"backend": "iptables", "ipMasqBackend": "iptables"} if whose == "iptables" else {}
    bridge = {**BRIDGE, **backend, "isDefaultGateway": True, "ipam": {**HOST_LOCAL, "routes": []}}
    firewall = {"name": "dbnet", "type": "firewall", "iptablesAdminChainName": "MINE", **backend}
    found = add_chain(cni, web, bridge, firewall)
    other = {**OTHER, **backend, "isDefaultGateway": True, "ipam": {**OTHER["ipam"], "routes": []}}
    add_chain(cni, client, other, {**firewall, "name": "other"})
    serve(web)
    assert asks(client, "10.22.0.2", 80) != ""
    cni.fine("CHECK", conf(firewall, found), web)
    host.run("iptables", "-A", "MINE", "-d", "10.22.0.2", "-p", "tcp", "--dport", "80", "-j", "DROP")
    assert asks(client, "10.22.0.2", 80) == ""
    third = lab.container("third")
    after_it = add_chain(cni, third, bridge, firewall)
    assert asks(client, "10.22.0.2", 80) == ""
    host.run("iptables", "-F", "MINE")
    host.run("iptables", "-A", "MINE", "-j", "ACCEPT")
    assert asks(client, "10.22.0.2", 80) != ""
    for place, result in ((web, found), (third, after_it)):
        cni.fine("DEL", conf(firewall, result), place)
    assert "-A MINE -j ACCEPT" in host.run("iptables", "-S", "MINE").stdout
    if whose != "the reference's":
        host.netkit("network", "rm", "dbnet..firewall", check=True)
        jumps = [line for line in host.run("iptables-save").stdout.splitlines() if "-j MINE" in line]
        assert len(jumps) == 1, "that of the other network"


@pytest.mark.requires("iptables")
def test_a_lost_jump_is_missed_and_mended(cni: Plugins, lab: Lab, host: HostNs) -> None:
    web = lab.container()
    firewall = {**FIREWALL, "iptablesAdminChainName": "MINE"}
    found = add_chain(cni, web, BRIDGE, firewall)
    host.run("iptables", "-F", "FORWARD")
    host.run("iptables", "-A", "MINE", "-j", "RETURN")
    assert cni.error("CHECK", conf(firewall, found), web)["code"] == 107
    host.netkit("reload", check=True)
    cni.fine("CHECK", conf(firewall, found), web)
    assert "-A MINE -j RETURN" in host.run("iptables", "-S", "MINE").stdout


@pytest.mark.parametrize("name", ["-x", "NETKIT-FWD", "a b", "x" * 29, ";"])
def test_a_chain_that_can_be_none_is_refused(cni: Plugins, lab: Lab, name: str) -> None:
    container = lab.container()
    found = cni.add({"cniVersion": "1.0.0", **BRIDGE}, container)
    told = cni.error("ADD", conf({**FIREWALL, "iptablesAdminChainName": name}, found), container)
    assert (told["code"], "iptablesAdminChainName" in told["msg"]) == (7, True)


def test_without_firewalld_a_zone_is_passed_over_and_said(cni: Plugins, lab: Lab) -> None:
    container = lab.container()
    found = add_chain(cni, container, BRIDGE)
    firewall = {**FIREWALL, "firewalldZone": "trusted"}
    answer = cni.call("ADD", conf(firewall, found), container)
    assert (answer.status, "firewalldZone 'trusted' is passed over" in answer.stderr) == (0, True)
    for command in ("CHECK", "DEL"):
        cni.fine(command, conf(firewall, found), container)


def test_firewalld_that_does_not_run_is_refused_by_name(cni: Plugins, lab: Lab, host: HostNs) -> None:
    container = lab.container()
    found = add_chain(cni, container, BRIDGE)
    told = cni.error("ADD", conf({**FIREWALL, "backend": "firewalld"}, found), container)
    assert (told["code"], "backend: firewalld" in told["msg"]) == (105, True)
    cni.fine("DEL", conf({**FIREWALL, "backend": "firewalld"}, found), container)


def stand_in(host: HostNs, directory: Path) -> Path:
    """A firewall-cmd that keeps its sources in a file; the zone `closed` takes none."""
    (directory / "bin").mkdir()
    kept = directory / "sources"
    kept.touch()
    lines = [
        'if [ "$1" = --state ]; then exit 0; fi',
        'case "$1" in *closed) echo "Error: INVALID_ZONE: closed" >&2; exit 112;; esac',
        'case "$2" in',
        f'--query-*) grep -qx -- "$1 ${{2#*=}}" {kept};;',
        f'--add-*) echo "$1 ${{2#*=}}" >>{kept};;',
        f'--remove-*) sed -i "\\\\|^$1 ${{2#*=}}$|d" {kept};;',
        "esac",
    ]
    program = directory / "bin" / "firewall-cmd"
    program.write_text("#!/bin/sh\n" + "\n".join(lines) + "\n")
    program.chmod(0o755)
    host.run("mount", "--bind", directory / "bin", "/usr/local/bin")
    host.run("sh", "-c", "mkdir -p /run/dbus && touch /run/dbus/system_bus_socket")
    return kept


@pytest.mark.parametrize(
    ("keys", "zone"), [({}, "trusted"), ({"firewalldZone": "dmz", "backend": "firewalld"}, "dmz")], ids=str
)
def test_where_firewalld_runs_it_is_told(
    cni: Plugins, lab: Lab, host: HostNs, tmp_path: Path, keys: dict[str, Any], zone: str
) -> None:
    kept, container = stand_in(host, tmp_path), lab.container()
    firewall = {**FIREWALL, **keys}
    found = add_chain(cni, container, BRIDGE, firewall)
    assert kept.read_text() == f"--zone={zone} 10.22.0.2/32\n"
    cni.fine("CHECK", conf(firewall, found), container)
    kept.write_text("")
    assert cni.error("CHECK", conf(firewall, found), container)["code"] == 107
    host.netkit("reload", check=True)
    assert kept.read_text() == f"--zone={zone} 10.22.0.2/32\n"
    for _ in range(2):
        cni.fine("DEL", conf(firewall, found), container)
    assert kept.read_text() == ""


def test_a_zone_that_is_none_fails_the_add_alone(cni: Plugins, lab: Lab, host: HostNs, tmp_path: Path) -> None:
    stand_in(host, tmp_path)
    container = lab.container()
    found = add_chain(cni, container, BRIDGE)
    told = cni.error("ADD", conf({**FIREWALL, "firewalldZone": "closed"}, found), container)
    assert (told["code"], "INVALID_ZONE: closed" in told["msg"]) == (100, True)
    assert cni.error("ADD", conf({**FIREWALL, "firewalldZone": "a b"}, found), container)["code"] == 7
    named = {**FIREWALL, "backend": "nftables", "firewalldZone": "closed"}
    assert cni.call("ADD", conf(named, found), container).status == 0, "another backend is named"


def test_firewalld_may_come_while_containers_are_there(cni: Plugins, lab: Lab, host: HostNs, tmp_path: Path) -> None:
    add_chain(cni, lab.container("first"), BRIDGE, FIREWALL)
    kept = stand_in(host, tmp_path)
    found = add_chain(cni, second := lab.container("second"), BRIDGE, FIREWALL)
    assert kept.read_text() == "--zone=trusted 10.22.0.3/32\n"
    host.run("rm", "/run/dbus/system_bus_socket")
    cni.fine("DEL", conf(FIREWALL, found), second)
    assert kept.read_text() == ""


def firewalld(host: HostNs) -> None:
    """A real one, on a bus of its own."""
    host.run("sh", "-c", "mkdir -p /run/dbus && mount -t tmpfs tmpfs /var/log && cat >/run/bus.conf", input=BUS)
    host.popen("dbus-daemon", "--config-file=/run/bus.conf", "--nofork", "--nosyslog")
    assert wait_until(lambda: host.run("test", "-S", "/run/dbus/system_bus_socket", check=False).returncode == 0)
    host.popen("firewalld", "--nofork", "--nopid")
    assert wait_until(lambda: host.run("firewall-cmd", "--state", check=False).returncode == 0, 20)


@pytest.mark.requires("firewalld")
@pytest.mark.parametrize("whose", ["ours", "the reference's"])
def test_beside_a_real_firewalld_its_zone_lets_containers_through(
    cni: Plugins, lab: Lab, host: HostNs, whose: str
) -> None:
    need("iptables")
    if whose != "ours":
        reference(cni, "bridge", "host-local", "firewall")
    lan = lab.host("lan")
    lab.link(host, lan, ("192.0.2.1/24", "192.0.2.2/24"))
    serve(lan)  # type: ignore[arg-type]
    firewalld(host)
    container: Container = lab.container()
    bridge = {**BRIDGE, "isDefaultGateway": True, "ipam": {**HOST_LOCAL, "routes": []}}
    firewall = {"name": "dbnet", "type": "firewall"}
    found = add_chain(cni, container, bridge, firewall)
    assert host.run("firewall-cmd", "--zone=trusted", "--list-sources").stdout == "10.22.0.2/32\n"
    assert asks(container, "192.0.2.2", 80) == "192.0.2.1"
    cni.fine("CHECK", conf(firewall, found), container)
    cni.fine("DEL", conf(firewall, found), container)
    assert host.run("firewall-cmd", "--zone=trusted", "--list-sources").stdout == "\n"
