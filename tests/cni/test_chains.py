"""Under the reference's names: a chain, each link a process of its own, beside the reference's plugins or alone."""

from __future__ import annotations

import json
import os
import shutil
from pathlib import Path

import pytest

from tests.cni.client import after, publishing
from tests.cni.test_verbs import TRACES, addresses, elements, fetch, links, serve

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

    from tests.cni.client import Plugins
    from tests.conftest import Unchanged
    from tests.hosts import Container, HostNs, Lab

REFERENCE = [Path(place) for place in (os.environ.get("NETKIT_CNI_REFERENCE"), "/usr/lib/cni", "/opt/cni/bin") if place]
#: On a tmpfs of the host's /run: the reference's default lies outside.
STORE = "/run/store"
HOST_LOCAL = {
    "type": "host-local",
    "dataDir": STORE,
    "ranges": [[{"subnet": "10.22.0.0/16"}]],
    "routes": [{"dst": "0.0.0.0/0"}],
}
BRIDGE: dict[str, Any] = {
    "name": "dbnet",
    "type": "bridge",
    "bridge": "cni0",
    "isGateway": True,
    "ipMasq": True,
    "ipam": HOST_LOCAL,
}
PORTMAP = {"name": "dbnet", "type": "portmap"}
FIREWALL = {"name": "dbnet", "type": "firewall", "ingressPolicy": "same-bridge"}
PORT = {"hostPort": 8080, "containerPort": 80, "protocol": "tcp"}


def reference(cni: Plugins, *names: str) -> None:
    """Put the reference's own plugins in place of ours; skipped where the machine has none."""
    for name in names:
        found = next((place / name for place in REFERENCE if (place / name).exists()), None)
        if found is None:
            pytest.skip(f"the reference's {name} is not installed")
        (cni.bin / name).unlink(missing_ok=True)
        shutil.copy(found, cni.bin / name)
        cni.forked.discard(name)
    if not os.path.ismount(f"/proc/{cni.host.pid}/root{STORE}"):
        cni.host.run("sh", "-c", f"mkdir -p {STORE} && mount -t tmpfs tmpfs {STORE}")


def need_version(cni: Plugins, version: str) -> None:
    """Skip unless the reference that this machine has speaks a version."""
    if version not in cni.call("VERSION", "{}", plugin="bridge").document["supportedVersions"]:
        pytest.skip(f"the reference's plugins on this machine are too old for {version}")


def add_chain(cni: Plugins, container: Container, *plugins: dict[str, Any]) -> dict[str, Any]:
    result: dict[str, Any] = {}
    for plugin in plugins:
        result = cni.add({"cniVersion": "1.0.0", **(after(plugin, result) if result else plugin)}, container)
    return result


@pytest.mark.parametrize(
    "foreign", [(), ("bridge", "host-local")], ids=["netkit alone", "behind the reference's bridge"]
)
def test_a_reference_chain_works_unedited(
    cni: Plugins, lab: Lab, host: HostNs, unchanged: Unchanged, foreign: tuple[str, ...]
) -> None:
    reference(cni, *foreign)
    first, second = lab.container("first"), lab.container("second")
    add_chain(cni, first, BRIDGE, PORTMAP, FIREWALL)
    chain = [BRIDGE, publishing(PORTMAP, PORT), FIREWALL]
    with unchanged(host, allow=(*TRACES, "*networks*", "state *", "*route_localnet*", "*cni0*")):
        result = add_chain(cni, second, *chain)
        assert addresses(second) == ["10.22.0.3/16"]
        serve(second)
        assert [fetch(host, f"http://{name}:8080/") for name in ("127.0.0.1", "10.22.0.1")] == ["200", "200"]
        assert fetch(first, "http://10.22.0.1:8080/") == "200"
        for plugin in chain if not foreign else chain[1:]:
            cni.fine("CHECK", {"cniVersion": "1.0.0", **after(plugin, result)}, second)
        for plugin in reversed(chain):
            cni.fine("DEL", {"cniVersion": "1.0.0", **after(plugin, result)}, second)
    assert elements(host, "any4") == []


def test_the_reference_takes_our_addresses(cni: Plugins, lab: Lab) -> None:
    reference(cni, "bridge")
    container = lab.container()
    found = cni.add({"cniVersion": "1.0.0", **BRIDGE}, container)
    assert found["ips"] == [{"interface": 2, "address": "10.22.0.2/16", "gateway": "10.22.0.1"}]
    cni.fine("CHECK", {"cniVersion": "1.0.0", **after(BRIDGE, found)}, container)
    cni.fine("DEL", {"cniVersion": "1.0.0", **after(BRIDGE, found)}, container)


KEYS: list[dict[str, Any]] = [
    {},
    {"isDefaultGateway": True, "ipam": {"type": "host-local", "dataDir": STORE, "subnet": "10.22.0.0/16"}},
    {"isGateway": False, "ipMasq": False},
    {"ipam": {}},
]


@pytest.mark.parametrize("version", ["0.3.1", "0.4.0", "1.0.0", "1.1.0"])
@pytest.mark.parametrize("keys", KEYS, ids=str)
def test_the_result_is_the_references_but_for_names_and_macs(
    cni: Plugins, lab: Lab, version: str, keys: dict[str, Any]
) -> None:
    shapes = []
    for name in ("ours", "theirs"):
        if name == "theirs":
            reference(cni, "bridge", "host-local")
            need_version(cni, version)
        conf = {**BRIDGE, "cniVersion": version, "bridge": f"br-{name}", "name": name, **keys}
        found = cni.add(conf, container := lab.container(name))
        for interface in found["interfaces"]:
            assert interface.pop("mac")
        found["interfaces"][0].pop("name")
        found["interfaces"][1].pop("name")
        assert found["interfaces"][2].pop("sandbox") == container.path
        assert found.pop("dns", {}) == {}
        shapes.append(found)
        cni.call("DEL", after(conf, found), container)
        lab.members["host"].run("ip", "link", "del", f"br-{name}")
        if name == "ours":
            lab.members["host"].run("nft", "flush", "ruleset")
    assert shapes[0] == shapes[1]


def test_l2_only_has_a_link_and_no_address(cni: Plugins, lab: Lab, host: HostNs) -> None:
    container = lab.container()
    conf = {"name": "l2", "type": "bridge", "bridge": "br7"}
    found = cni.add(conf, container)
    assert "ips" not in found
    assert (addresses(container), addresses(host, "br7")) == ([], [])
    assert "UP" in container.run("ip", "link", "show", "eth0").stdout
    cni.fine("CHECK", after(conf, found), container)
    cni.fine("DEL", conf, container)


@pytest.mark.parametrize("plugin", ["static", "host-local"])
def test_another_ipam_plugin_is_delegated_to(cni: Plugins, lab: Lab, host: HostNs, plugin: str) -> None:
    reference(cni, plugin)
    ipam = {
        "static": {"type": "static", "addresses": [{"address": "10.22.0.7/16", "gateway": "10.22.0.1"}]},
        "host-local": {
            **HOST_LOCAL,
            "ranges": [[{"subnet": "10.22.0.0/16", "rangeStart": "10.22.0.7"}]],
        },
    }[plugin]
    container = lab.container()
    conf = {"cniVersion": "1.0.0", "name": "web", "type": "netkit", "ipam": ipam}
    found = cni.add(publishing(conf, PORT), container)
    assert addresses(container) == ["10.22.0.7/16"]
    assert found["ips"] == [{"interface": 2, "address": "10.22.0.7/16", "gateway": "10.22.0.1"}]
    serve(container)
    assert fetch(host, "http://127.0.0.1:8080/") == "200"
    cni.fine("CHECK", after(publishing(conf, PORT), found), container)
    cni.fine("DEL", conf, container)
    assert "10.22" not in host.run("find", STORE, "-name", "10.*").stdout


def fake_ipam(cni: Plugins, answer: str, status: int = 0) -> Path:
    """An IPAM plugin that notes what it is asked, complains on stderr, and answers as told."""
    log = cni.bin / "asked"
    script = f'#!/bin/sh\necho "$CNI_COMMAND $CNI_CONTAINERID $CNI_IFNAME $CNI_PATH" >>{log}\ncat >{log}.$CNI_COMMAND\n'
    script += f"echo complaint >&2\n[ $CNI_COMMAND = DEL ] && exit 0\ncat <<'E'\n{answer}\nE\nexit {status}\n"
    (cni.bin / "fake").write_text(script)
    (cni.bin / "fake").chmod(0o755)
    return log


FAKE = {"name": "web", "type": "netkit", "ipam": {"type": "fake", "anything": {"goes": 1}}, "other": [1]}
LEASE = '{"cniVersion": "1.1.0", "ips": [{"address": "10.22.0.7/16", "gateway": "10.22.0.1"}]}'


def test_a_delegate_gets_all_and_its_complaints_are_heard(cni: Plugins, lab: Lab) -> None:
    log = fake_ipam(cni, LEASE)
    answer = cni.call("ADD", FAKE, lab.container())
    assert (answer.status, answer.stderr) == (0, "complaint\n")
    assert log.read_text() == f"ADD container eth0 {cni.bin}\n"
    assert json.loads(Path(f"{log}.ADD").read_text()) == {"cniVersion": "1.1.0", **FAKE}


def test_a_failing_delegate_is_told_to_take_back(cni: Plugins, lab: Lab, host: HostNs, unchanged: Unchanged) -> None:
    log = fake_ipam(cni, '{"code": 11, "msg": "later", "details": "x"}', 1)
    container = lab.container()
    with unchanged(host, [container]):
        found = cni.error("ADD", FAKE, container)
    assert (found["code"], found["msg"], found["details"]) == (11, "later", "x")
    assert [line.split()[0] for line in log.read_text().splitlines()] == ["ADD", "DEL"]


def test_a_lease_goes_back_when_the_rest_fails(cni: Plugins, lab: Lab) -> None:
    log = fake_ipam(cni, LEASE)
    container = lab.container()
    container.run("ip", "link", "add", "eth0", "type", "veth", "peer", "name", "other")
    assert cni.error("ADD", FAKE, container)["code"] == 101
    assert [line.split()[0] for line in log.read_text().splitlines()] == ["ADD", "DEL"]


@pytest.mark.parametrize("command", ["STATUS", "GC", "CHECK"])
def test_a_delegates_error_is_ours(cni: Plugins, lab: Lab, command: str) -> None:
    fake_ipam(cni, LEASE)
    container = lab.container()
    result = cni.add(FAKE, container)
    fake_ipam(cni, '{"code": 50, "msg": "broken"}', 1)
    conf = {**after(FAKE, result), "cni.dev/valid-attachments": [{"containerID": "container", "ifname": "eth0"}]}
    found = cni.error(command, conf, container)
    assert (found["code"], found["msg"]) == (50, "broken")


def test_a_missing_delegate_is_an_error(cni: Plugins, lab: Lab, host: HostNs, unchanged: Unchanged) -> None:
    container = lab.container()
    with unchanged(host, [container]):
        assert "failed to find plugin" in cni.error("ADD", FAKE, container)["msg"]
        for bad in ("../fake", "a/b", "..", "fake\n"):
            assert cni.error("ADD", {**FAKE, "ipam": {"type": bad}}, container)["code"] == 7


@pytest.mark.parametrize("plugin", ["netkit-ipam", "host-local"])
def test_addresses_for_others(cni: Plugins, lab: Lab, host: HostNs, plugin: str) -> None:
    conf = {"name": "pool", "type": "macvlan", "ipam": {**HOST_LOCAL, "type": plugin}}
    one, two = lab.container("one"), lab.container("two")
    found = cni.add(conf, one, plugin=plugin)
    assert found == {
        "cniVersion": "1.1.0",
        "ips": [{"address": "10.22.0.2/16", "gateway": "10.22.0.1"}],
        "routes": [{"dst": "0.0.0.0/0"}],
    }
    assert cni.add(conf, two, plugin=plugin)["ips"][0]["address"] == "10.22.0.3/16"
    assert cni.error("ADD", conf, one, plugin=plugin)["code"] == 101
    cni.fine("CHECK", after(conf, found), one, plugin=plugin)
    cni.fine("GC", {**conf, "cni.dev/valid-attachments": [{"containerID": "two", "ifname": "eth0"}]}, plugin=plugin)
    assert cni.error("CHECK", after(conf, found), one, plugin=plugin)["code"] == 107
    for _ in range(2):
        cni.fine("DEL", conf, two, plugin=plugin)
    assert not [p for p in (host.root / "run" / "ipam").glob("**/10.22.0.*") if p.is_file()]
    cni.fine("STATUS", conf, plugin=plugin)


def test_a_requested_address_outside_every_range_is_refused(cni: Plugins, lab: Lab) -> None:
    conf = {"name": "pool", "type": "x", "ipam": HOST_LOCAL, "runtimeConfig": {"ips": ["10.99.0.1"]}}
    assert cni.error("ADD", conf, lab.container(), plugin="host-local")["code"] == 7


def test_loopback_puts_lo_up_and_down(cni: Plugins, lab: Lab) -> None:
    container = lab.container()
    conf = {"name": "lo", "type": "loopback"}
    found = cni.add(conf, container, IFNAME="lo")
    assert found["interfaces"] == [{"name": "lo", "mac": "00:00:00:00:00:00", "sandbox": container.path}]
    assert [ip["address"] for ip in found["ips"]] == ["127.0.0.1/8", "::1/128"]
    cni.fine("CHECK", after(conf, found), container, IFNAME="lo")
    cni.fine("DEL", conf, container, IFNAME="lo")
    assert "UP" not in container.run("ip", "link", "show", "lo").stdout


def test_chained_plugins_pass_on_what_they_do_not_change(cni: Plugins, lab: Lab) -> None:
    earlier = {"cniVersion": "1.1.0", "interfaces": [{"name": "x9"}], "ips": [{"address": "192.0.2.9/24"}]}
    assert cni.add(after(PORTMAP, earlier), lab.container()) == earlier  # no ports: no work
    assert cni.error("ADD", publishing(PORTMAP, PORT), lab.container("c"))["code"] == 7
    assert cni.error("ADD", FIREWALL, lab.container("d"))["code"] == 7


@pytest.mark.parametrize("policy", ["open", "same-bridge", "isolated"])
def test_ingress_policies(cni: Plugins, lab: Lab, host: HostNs, policy: str) -> None:
    """Within a bridge, and between two of them, as the reference's firewall documents."""
    places = {}
    for name, net in (("a", "foo"), ("b", "foo"), ("c", "bar")):
        place = places[name] = lab.container(name)
        subnet = {"foo": "10.22.0.0/16", "bar": "10.23.0.0/16"}[net]
        bridge = {
            **BRIDGE,
            "name": net,
            "bridge": f"br-{net}",
            "ipam": {**HOST_LOCAL, "ranges": [[{"subnet": subnet}]]},
        }
        add_chain(cni, place, bridge, {**FIREWALL, "name": net, "ingressPolicy": policy})
    serve(places["a"])
    url = "http://10.22.0.2/"
    within, between = fetch(places["b"], url), fetch(places["c"], url)
    assert (within == "200", between == "200") == (policy != "isolated", policy == "open")


def test_gc_of_a_chained_plugin(cni: Plugins, lab: Lab, host: HostNs) -> None:
    add_chain(cni, lab.container(), BRIDGE, publishing(PORTMAP, PORT))
    cni.fine("GC", {**PORTMAP, "cni.dev/valid-attachments": [{"containerID": "container", "ifname": "eth0"}]})
    assert len(elements(host, "any4")) == 1
    cni.fine("GC", {**PORTMAP, "cni.dev/valid-attachments": []})
    assert elements(host, "any4") == []
    assert os.listdir(host.root / "run" / "attachments").__len__() == 1


def test_a_host_local_store_is_imported(cni: Plugins, lab: Lab, host: HostNs) -> None:
    reference(cni, "host-local")
    old = {"name": "dbnet", "type": "x", "ipam": HOST_LOCAL}
    first = lab.container("first")
    assert cni.call("ADD", {"cniVersion": "1.0.0", **old}, first, plugin="host-local").status == 0
    host.run("touch", f"{STORE}/dbnet/10.22.0.9")
    host.netkit("network", "create", "dbnet", "--subnet", "10.22.0.0/16", check=True)
    done = host.netkit("ipam", "import", f"{STORE}/dbnet", "--json", check=True)
    assert json.loads(done.stdout) == {"network": "dbnet", "adopted": ["10.22.0.2/16 of first eth0"], "refused": []}
    host.netkit("gc", check=True)
    conf = {"name": "dbnet", "type": "netkit", "network": "dbnet"}
    assert cni.add(conf, lab.container("second"))["ips"][0]["address"] == "10.22.0.3/16"
    cni.fine("DEL", conf, first)
    claims = {each["address"] for each in json.loads(host.netkit("ipam", "ls", "dbnet", "--json").stdout)}
    assert claims == {"10.22.0.3"}
    assert links(lab.members["second"]) == {"lo", "eth0"}


@pytest.mark.requires("iptables")
def test_a_chain_with_the_iptables_backend(cni: Plugins, lab: Lab, host: HostNs) -> None:
    """The keys that choose iptables in an existing list are obeyed by each plugin."""
    first, second = lab.container("first"), lab.container("second")
    chain = [
        {**BRIDGE, "ipMasqBackend": "iptables"},
        publishing({**PORTMAP, "backend": "iptables"}, PORT),
        {**FIREWALL, "backend": "iptables"},
    ]
    result = add_chain(cni, first, *chain)
    add_chain(cni, second, chain[0], {**chain[2]})
    serve(first)
    assert fetch(host, "http://127.0.0.1:8080/") == "200"
    assert fetch(second, "http://10.22.0.1:8080/") == "200"
    for plugin in chain:
        cni.fine("CHECK", {"cniVersion": "1.0.0", **after(plugin, result)}, first)
    rules = host.run("iptables-save", "-t", "nat").stdout
    assert "--dport 8080" in rules
    for plugin in reversed(chain):
        cni.fine("DEL", {"cniVersion": "1.0.0", **after(plugin, result)}, first)
    assert "--dport 8080" not in host.run("iptables-save", "-t", "nat").stdout
