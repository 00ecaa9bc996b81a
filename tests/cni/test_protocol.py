"""What comes before any network: the environment, stdin, versions; nothing is touched when they are off."""

from __future__ import annotations

import pytest

from tests.cni.client import VERSIONS, WEB, after, publishing

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

    from tests.cni.client import Plugins, Refusing
    from tests.conftest import Unchanged
    from tests.hosts import HostNs, Lab

pytestmark = pytest.mark.root
PORT = {"hostPort": 8080, "containerPort": 80, "protocol": "tcp"}


@pytest.fixture
def cni(cni: Plugins) -> Plugins:
    """Here the processes themselves are under test."""
    cni.forked.clear()
    return cni


@pytest.fixture
def installed(refusing: Refusing) -> Refusing:
    """And here."""
    refusing.cni.forked.clear()
    return refusing


@pytest.mark.parametrize(
    ("text", "code", "says"),
    [
        ("{nonsense", 6, "decoded"),
        ("[]", 6, "no JSON object"),
        ('{"cniVersion": "1.0.0"}', 7, "missing network name"),
        ('{"cniVersion": "1.0.0", "name": "a b"}', 7, "invalid characters found in network name"),
        ('{"cniVersion": "1.0.0", "name": "../x"}', 7, "invalid characters found in network name"),
        ('{"cniVersion": "1.0.0", "name": "web\\n"}', 7, "invalid characters found in network name"),
        ('{"cniVersion": "1.0.0", "name": 7}', 7, "invalid characters found in network name"),
        ('{"cniVersion": "2.0.0", "name": "web"}', 1, "incompatible CNI versions"),
        ('{"cniVersion": "1.a", "name": "web"}', 6, "no version"),
        ('{"cniVersion": "1.0.0", "name": "web", "name": "x"}', 6, "twice"),
        ('{"cniVersion": "1.0.0", "name": "web", "mtu": NaN}', 6, "NaN"),
        ('{"cniVersion": "1.0.0", "name": "web", "mtu": 1e999}', 6, "too large"),
        ('{"cniVersion": "1.0.0", "name": "web", "mtu": ' + "9" * 5000 + "}", 6, "digits"),
        ('{"cniVersion": "1.0.0", "name": "web", "x": "\\ud800"}', 6, "surrogate"),
        ('{"cniVersion": "1.0.0", "name": "web", "x": ' + "[" * 70 + "]" * 70 + "}", 6, "deeper"),
        ('{"cniVersion": "1.0.0", "name": "web", "x": ' + "[" * 90000 + "]" * 90000 + "}", 6, "deeper"),
        ('{"cniVersion": "1.0.0", "name": "web", "x": "' + "y" * (1 << 20) + '"}', 6, "bytes"),
    ],
    ids=lambda value: str(value)[:40],
)
def test_bad_input_is_told_and_changes_nothing(installed: Refusing, text: str, code: int, says: str) -> None:
    found = installed.error(text)
    assert found["code"] == code
    assert says in found["msg"]


def test_an_unreadable_stdin_is_an_input_error(cni: Plugins, host: HostNs) -> None:
    env = ["CNI_COMMAND=ADD", "CNI_CONTAINERID=c", "CNI_NETNS=/x", "CNI_IFNAME=eth0"]
    done = host.run("sh", "-c", f"exec env -i {' '.join(env)} {cni.bin}/netkit 0>/dev/null", check=False)
    assert done.returncode == 1
    assert '"code": 5' in done.stdout


def test_an_incompatible_version_names_both_sides(cni: Plugins, lab: Lab) -> None:
    found = cni.error("ADD", {**WEB, "cniVersion": "9.9.9"}, lab.container())
    assert "9.9.9" in found["details"]
    assert all(version in found["details"] for version in VERSIONS)


def test_a_configuration_without_version_is_0_1_0(cni: Plugins, lab: Lab) -> None:
    found = cni.add({**WEB, "cniVersion": ""}, lab.container())
    assert found["cniVersion"] == "0.1.0"
    assert found["ip4"]["ip"] == "10.91.0.2/16"


@pytest.mark.parametrize(("command", "version"), [("CHECK", "0.3.1"), ("GC", "1.0.0"), ("STATUS", "1.0.0")])
def test_a_command_that_a_version_does_not_have_is_refused(cni: Plugins, lab: Lab, command: str, version: str) -> None:
    found = cni.error(command, {**WEB, "cniVersion": version}, lab.container())
    assert (found["code"], found["msg"]) == (1, f"config version does not allow {command}")


@pytest.mark.parametrize("command", ["CHECK", "GC", "STATUS"])
def test_a_malformed_version_is_a_decoding_error(cni: Plugins, lab: Lab, command: str) -> None:
    assert cni.error(command, {**WEB, "cniVersion": "1.a"}, lab.container())["code"] == 6


@pytest.mark.parametrize(
    ("command", "missing"),
    [
        ("ADD", "CNI_CONTAINERID,CNI_NETNS,CNI_IFNAME"),
        ("DEL", "CNI_CONTAINERID,CNI_IFNAME"),
        ("CHECK", "CNI_CONTAINERID,CNI_NETNS,CNI_IFNAME"),
    ],
)
def test_all_missing_variables_are_told_in_one_message(cni: Plugins, command: str, missing: str) -> None:
    found = cni.error(command, WEB)
    assert (found["code"], found["msg"]) == (4, f"required env variables [{missing}] missing")


@pytest.mark.parametrize("container", ["", "../x", "a b", "-x", "x\ny", "a;b"])
def test_a_bad_container_id_is_refused(cni: Plugins, lab: Lab, container: str) -> None:
    found = cni.error("ADD", WEB, lab.container(), CONTAINERID=container)
    assert found["code"] == 4
    assert not container or found["msg"] == "invalid characters in containerID"


@pytest.mark.parametrize("ifname", [".", "..", "a/b", "a:b", "a b", "x" * 16, "all", "default", "lo", "eth%d", "$(x)"])
def test_a_bad_interface_name_is_refused(cni: Plugins, lab: Lab, ifname: str) -> None:
    assert cni.error("ADD", WEB, lab.container(), IFNAME=ifname)["code"] == 4


def test_an_unknown_command_is_named(cni: Plugins, lab: Lab) -> None:
    found = cni.error("JUMP", WEB, lab.container())
    assert found["code"] == 4
    assert "JUMP" in found["msg"]


def test_version_needs_neither_stdin_nor_environment(cni: Plugins, host: HostNs) -> None:
    for plugin in ("netkit", "bridge", "host-local", "portmap", "firewall", "loopback", "netkit-ipam"):
        answer = cni.call("VERSION", "", plugin=plugin)
        assert answer.status == 0
        assert answer.document == {"cniVersion": "1.1.0", "supportedVersions": list(VERSIONS)}


def test_without_a_command_it_introduces_itself(cni: Plugins, host: HostNs) -> None:
    answer = cni.call("", "", COMMAND=None)
    assert (answer.status, answer.document) == (0, None)
    assert "1.1.0" in answer.stderr


@pytest.mark.parametrize("arguments", ["IgnoreUnknown=1;K8S_POD_NAME=x", "K8S_POD_NAME=x;IgnoreUnknown=TRUE", ""])
def test_unknown_arguments_pass_where_that_is_asked_for(cni: Plugins, lab: Lab, arguments: str) -> None:
    cni.add(WEB, lab.container(), ARGS=arguments)


@pytest.mark.parametrize("arguments", ["K8S_POD_NAME=x", "IP", "IP=1=2", "IgnoreUnknown=maybe", "X=1;IgnoreUnknown=0"])
def test_bad_arguments_are_refused(cni: Plugins, lab: Lab, arguments: str) -> None:
    assert cni.error("ADD", WEB, lab.container(), ARGS=arguments)["code"] == 4


@pytest.mark.parametrize(
    ("keys", "path"),
    [
        ({"mtu": True}, "mtu"),
        ({"mtu": 7}, "mtu"),
        ({"mtu": "1500"}, "mtu"),
        ({"ipMasq": 1}, "ipMasq"),
        ({"ipam": {"ranges": [[{"subnet": "10.1.0.0/16"}, {"subnet": "10.2.0.1/16"}]]}}, "ipam.ranges[0][1].subnet"),
        ({"ipam": {"ranges": [[{"subnet": "10.1.0.0/31"}]]}}, "ipam.ranges[0][0].subnet"),
        ({"ipam": {"ranges": [{"subnet": "10.1.0.0/16"}]}}, "ipam.ranges[0]"),
        ({"ipam": {"subnet": "10.1.0.0/16", "rangeStart": "10.2.0.1"}}, "ipam.rangeStart"),
        ({"ipam": {"subnet": "10.1.0.0/16", "routes": [{"dst": "fe80::1%x/64"}]}}, "ipam.routes[0].dst"),
        ({"ipam": {"ranges": [[{"subnet": "10.1.0.0/16"}], [{"subnet": "10.1.0.0/24"}]]}}, "ipam.ranges"),
        ({"options": {"nonsense": "on"}}, "options.nonsense"),
        ({"bridge": "all"}, "bridge"),
        ({"dns": {"nameservers": "1.1.1.1"}}, "dns.nameservers"),
        ({"runtimeConfig": {"portMappings": [{"hostPort": 0, "containerPort": 80}]}}, "runtimeConfig.portMappings[0]"),
        ({"runtimeConfig": {"portMappings": [{"hostPort": True, "containerPort": 80}]}}, "portMappings[0].hostPort"),
        ({"runtimeConfig": {"mac": "xx"}}, "runtimeConfig.mac"),
        ({"runtimeConfig": {"ips": ["10.91.0.5/99"]}}, "runtimeConfig.ips[0]"),
        ({"root": "var/../etc"}, "root"),
        ({"prevResult": {"ips": [{"address": "10.1.0.1"}]}}, "prevResult.ips[0].address"),
        ({"prevResult": {"cniVersion": "7.0.0"}}, "prevResult.cniVersion"),
    ],
    ids=str,
)
def test_a_wrong_key_is_told_by_its_path(installed: Refusing, keys: dict[str, Any], path: str) -> None:
    found = installed.error({**WEB, **keys})
    assert found["code"] == 7
    assert path in found["msg"]


@pytest.mark.parametrize(
    "keys",
    [
        {"runtimeConfig": {"bandwidth": {"ingressRate": 1}}},
    ],
    ids=str,
)
def test_what_netkit_cannot_do_is_refused_by_name(installed: Refusing, keys: dict[str, Any]) -> None:
    found = installed.error({**WEB, "type": "bridge", **keys})
    assert found["code"] == 105
    assert next(iter(keys)) in found["msg"]


@pytest.mark.parametrize("version", VERSIONS)
def test_each_version_has_its_own_shape(cni: Plugins, lab: Lab, version: str) -> None:
    container = lab.container()
    found = cni.add({**WEB, "cniVersion": version}, container)
    assert found["cniVersion"] == version
    assert "dns" not in found
    if version in ("0.1.0", "0.2.0"):
        assert found["ip4"]["gateway"] == "10.91.0.1"
        assert set(found) == {"cniVersion", "ip4"}
        return
    (ip,) = found["ips"]
    assert ip.pop("version", None) == (None if version >= "1" else "4")
    assert ip == {"interface": 2, "address": "10.91.0.2/16", "gateway": "10.91.0.1"}
    *outer, inner = found["interfaces"]
    assert inner["sandbox"] == container.path
    assert not any("sandbox" in each for each in outer)
    assert ("mtu" in inner) == (version == "1.1.0")


@pytest.mark.parametrize("version", VERSIONS[2:])
def test_an_earlier_result_is_passed_on_and_extended(cni: Plugins, lab: Lab, version: str) -> None:
    earlier: dict[str, Any] = {
        "cniVersion": version,
        "interfaces": [{"name": "net7", "mac": "02:00:00:00:00:07", "sandbox": "/x"}],
        "ips": [{"address": "192.0.2.7/24", "interface": 0}],
        "routes": [{"dst": "192.0.2.0/24"}],
        "dns": {"nameservers": ["192.0.2.1"]},
    }
    if version < "1":
        earlier["ips"][0]["version"] = "4"
    found = cni.add(after({**WEB, "cniVersion": version}, earlier), lab.container())
    assert found["interfaces"][0] == earlier["interfaces"][0]
    assert found["ips"][0] == earlier["ips"][0]
    assert found["routes"][0] == {"dst": "192.0.2.0/24"}
    assert found["dns"] == earlier["dns"]
    assert found["ips"][1]["interface"] == 3


def test_an_old_result_is_read_too(cni: Plugins, lab: Lab) -> None:
    earlier = {
        "cniVersion": "0.2.0",
        "ip4": {"ip": "192.0.2.7/24", "gateway": "192.0.2.1", "routes": [{"dst": "0.0.0.0/0"}]},
    }
    found = cni.add(after(WEB, earlier), lab.container())
    assert found["ips"][0] == {"address": "192.0.2.7/24", "gateway": "192.0.2.1"}
    assert found["routes"][0] == {"dst": "0.0.0.0/0", "gw": "192.0.2.1"}


def test_unknown_keys_and_reserved_ones_are_let_through(cni: Plugins, lab: Lab) -> None:
    cni.add(
        {**WEB, "whatever": {"x": 1}, "cni.dev/other": 7, "args": {"cni": {"labels": [{"key": "a"}]}}}, lab.container()
    )


def test_a_result_that_nobody_takes_is_taken_back(cni: Plugins, lab: Lab, host: HostNs, unchanged: Unchanged) -> None:
    first, container = lab.container("first"), lab.container()
    cni.add(WEB, first)
    env = ["CNI_COMMAND=ADD", "CNI_CONTAINERID=c", f"CNI_NETNS={container.path}", "CNI_IFNAME=eth0"]
    conf = '{"cniVersion":"1.0.0","name":"web","type":"netkit","ipam":{"ranges":[[{"subnet":"10.91.0.0/16"}]]}}'
    for closed in (">&-", ">/dev/full"):
        with unchanged(host, [container], allow=["state *order*", "container qdiscs: *lo*"]):
            line = f"echo '{conf}' | env -i {' '.join(env)} {cni.bin}/netkit {closed}"
            assert host.run("sh", "-c", line, check=False).returncode == 1


def test_an_empty_port_list_publishes_nothing(cni: Plugins, lab: Lab) -> None:
    cni.add(publishing(WEB), lab.container())
