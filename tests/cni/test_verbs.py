"""ADD, DEL, CHECK, GC and STATUS of the `netkit` type, looked at with `ip -j` and `nft -j`."""

from __future__ import annotations

import json
import os
import shutil
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from tests.cni.client import WEB, after, publishing
from tests.hosts import wait_until

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

    from tests.cni.client import Plugins
    from tests.conftest import Unchanged
    from tests.hosts import Container, HostNs, Lab, Namespace

PORT = {"hostPort": 8080, "containerPort": 80, "protocol": "tcp"}
#: What the kernel and the pool keep after an attachment has come and gone.
TRACES = ("*qdiscs: *lo*", "state *order*", "state *locks*", "state *ports*")


def addresses(place: Namespace, ifname: str = "eth0") -> list[str]:
    (found,) = json.loads(place.run("ip", "-j", "addr", "show", "dev", ifname).stdout)
    return [f"{a['local']}/{a['prefixlen']}" for a in found["addr_info"] if a["scope"] == "global"]


def links(place: Namespace) -> set[str]:
    return {each["ifname"] for each in json.loads(place.run("ip", "-j", "link").stdout)}


def elements(host: HostNs, name: str) -> list[Any]:
    listed = json.loads(host.run("nft", "-j", "list", "map" if "any" in name else "set", "inet", "netkit", name).stdout)
    return [e for each in listed["nftables"] for kind in ("map", "set") for e in each.get(kind, {}).get("elem", [])]


def serve(container: Container, port: int = 80) -> None:
    container.popen("python3", "-m", "http.server", str(port))
    assert wait_until(lambda: f":{port} " in container.run("ss", "-ltn").stdout)


def fetch(place: Namespace, url: str) -> str:
    line = ("curl", "--silent", "--max-time", "2", "--output", "/dev/null", "--write-out", "%{http_code}", url)
    return place.run(*line, check=False).stdout


def test_add_gives_what_the_result_says(cni: Plugins, lab: Lab, host: HostNs) -> None:
    container = lab.container()
    found = cni.add(publishing(WEB, PORT), container)
    bridge, cable, inner = found["interfaces"]
    assert addresses(container) == [ip["address"] for ip in found["ips"]] == ["10.91.0.2/16"]
    shown = {each["ifname"]: each for each in json.loads(host.run("ip", "-j", "link").stdout)}
    assert shown[cable["name"]]["master"] == bridge["name"]
    assert (shown[bridge["name"]]["address"], shown[cable["name"]]["address"]) == (bridge["mac"], cable["mac"])
    (eth0,) = json.loads(container.run("ip", "-j", "link", "show", "dev", "eth0").stdout)
    assert (eth0["address"], eth0["mtu"]) == (inner["mac"], inner["mtu"])
    (default,) = json.loads(container.run("ip", "-j", "route", "show", "default").stdout)
    assert [{"dst": "0.0.0.0/0", "gw": default["gateway"]}] == found["routes"]


def test_a_published_port_leads_to_the_container(cni: Plugins, lab: Lab, host: HostNs) -> None:
    container = lab.container()
    cni.add(publishing(WEB, PORT), container)
    serve(container)
    assert [fetch(host, f"http://{name}:8080/") for name in ("127.0.0.1", "10.91.0.1")] == ["200", "200"]


def test_port_ranges_are_one_mapping(cni: Plugins, lab: Lab, host: HostNs) -> None:
    container = lab.container()
    wide = {"hostPort": "9000-9009", "containerPort": "80-89"}
    ended = {"hostPort": 9100, "hostPortEnd": 9101, "containerPort": 80, "containerPortEnd": 81, "protocol": "TCP"}
    cni.add(publishing(WEB, wide, ended), container)
    serve(container, 81)
    assert [fetch(host, f"http://127.0.0.1:{port}/") for port in (9001, 9101)] == ["200", "200"]


def test_the_same_attachment_twice_is_refused_and_the_first_stays(
    cni: Plugins, lab: Lab, host: HostNs, unchanged: Unchanged
) -> None:
    container = lab.container()
    cni.add(publishing(WEB, PORT), container)
    with unchanged(host, [container]):
        assert cni.error("ADD", publishing(WEB, PORT), container)["code"] == 101


def test_another_interface_of_the_same_container_is_independent(cni: Plugins, lab: Lab, host: HostNs) -> None:
    container = lab.container()
    first = cni.add(publishing(WEB, PORT), container)
    cni.add(publishing(WEB, {**PORT, "hostPort": 8081}), container, IFNAME="eth1")
    assert addresses(container, "eth1") == ["10.91.0.3/16"]
    cni.fine("DEL", WEB, container, IFNAME="eth1")
    assert links(container) == {"lo", "eth0"}
    cni.fine("CHECK", after(publishing(WEB, PORT), first), container)


def test_an_interface_name_that_is_taken_is_an_error_that_leaks_nothing(
    cni: Plugins, lab: Lab, host: HostNs, unchanged: Unchanged
) -> None:
    cni.add(WEB, lab.container("first"))
    container = lab.container()
    container.run("ip", "link", "add", "eth0", "type", "veth", "peer", "name", "other")
    with unchanged(host, [container], allow=TRACES):
        assert cni.error("ADD", publishing(WEB, PORT), container)["code"] == 101


def test_a_namespace_that_is_none_is_code_8(cni: Plugins, lab: Lab, host: HostNs, tmp_path: Path) -> None:
    container = lab.container()
    (tmp_path / "file").touch()
    os.mkfifo(tmp_path / "fifo")
    (tmp_path / "dangling").symlink_to("nowhere")
    bad = [host.path, "/proc/self/ns/net", f"/proc/{container.pid}/ns/mnt", "/nowhere"]
    for path in [*bad, *(str(tmp_path / name) for name in ("file", "fifo", "dangling", ""))]:
        assert cni.error("ADD", WEB, container, NETNS=path)["code"] == 8
    assert links(host) == {"lo"}


@pytest.mark.parametrize("case", ["again", "never", "no netns", "netns gone", "no prevResult", "no config keys"])
def test_del_succeeds_and_leaves_nothing(cni: Plugins, lab: Lab, host: HostNs, unchanged: Unchanged, case: str) -> None:
    cni.add(WEB, lab.container("first"))
    container = lab.container()
    conf = publishing(WEB, PORT)
    with unchanged(host, allow=TRACES):
        result = None if case == "never" else cni.add(conf, container)
        gone = {"no netns": None, "netns gone": "/run/netns/gone"}.get(case, container.path)
        if case == "no config keys":
            conf = {"name": "web", "type": "netkit"}
        elif result and case != "no prevResult":
            conf = after(conf, result)
        for _ in range(3 if case == "again" else 1):
            cni.fine("DEL", conf, container, NETNS=gone)


def test_del_works_when_the_namespace_has_died(cni: Plugins, lab: Lab, host: HostNs, unchanged: Unchanged) -> None:
    cni.add(WEB, lab.container("first"))
    with unchanged(host, allow=TRACES):
        host.run("ip", "netns", "add", "short")
        words: dict[str, str | None] = {"CONTAINERID": "short", "NETNS": "/run/netns/short", "IFNAME": "eth0"}
        assert cni.call("ADD", publishing(WEB, PORT), None, **words).status == 0
        host.run("ip", "netns", "del", "short")
        cni.fine("DEL", publishing(WEB, PORT), None, **words)


def test_del_works_without_its_files(cni: Plugins, lab: Lab, host: HostNs) -> None:
    container = lab.container()
    cni.add(publishing(WEB, PORT), container)
    shutil.rmtree(host.root / "run" / "ipam")
    (host.root / "run" / "host" / "ports").unlink()
    shutil.rmtree(host.root / "lib" / "networks")
    cni.fine("DEL", WEB, container)
    assert links(container) == {"lo"}
    assert elements(host, "any4") == []


def test_a_failed_add_can_be_deleted(cni: Plugins, lab: Lab, host: HostNs, unchanged: Unchanged) -> None:
    cni.add(publishing(WEB, PORT), lab.container("first"))
    container = lab.container()
    with unchanged(host, [container], allow=TRACES):
        assert cni.error("ADD", publishing(WEB, PORT), container)["code"] == 101
        cni.fine("DEL", publishing(WEB, PORT), container)


BREAKAGE = {
    "link": ("container", "ip link del eth0"),
    "address": ("container", "ip addr del 10.91.0.2/16 dev eth0"),
    "route": ("container", "ip route del default"),
    "port": ("host", "nft delete element inet netkit any4 { tcp . 8080 }"),
    "masquerade": ("host", "nft delete element inet netkit masq4 { 10.91.0.0/16 }"),
    "isolation": ("host", 'nft delete element inet netkit fwd_to { "nk-web" }'),
    "table": ("host", "nft flush ruleset"),
    "bridge": ("host", "ip link set nk-web down"),
    "port of the bridge": ("host", "ip link set dev CABLE nomaster"),
    "claim": ("host", "rm ROOT/run/ipam/web/10.91.0.0_16/10.91.0.2"),
}


@pytest.mark.parametrize("piece", BREAKAGE)
def test_check_finds_what_is_missing(cni: Plugins, lab: Lab, host: HostNs, piece: str) -> None:
    container = lab.container()
    conf = publishing(WEB, PORT)
    found = cni.add(conf, container)
    cni.fine("CHECK", after(conf, found), container)
    where, line = BREAKAGE[piece]
    line = line.replace("ROOT", str(host.root)).replace("CABLE", found["interfaces"][1]["name"])
    (container if where == "container" else host).run("sh", "-c", line)
    assert cni.error("CHECK", after(conf, found), container)["code"] == 107


def test_check_lets_later_plugins_changes_be(cni: Plugins, lab: Lab) -> None:
    container = lab.container()
    found = cni.add(WEB, container)
    for line in (
        "link set eth0 address 02:00:00:00:00:77",
        "addr add 192.0.2.7/24 dev eth0",
        "route add 198.51.100.0/24 dev eth0",
    ):
        container.run("ip", *line.split())
    found["ips"].append({"address": "192.0.2.7/24", "interface": 2})
    cni.fine("CHECK", after(WEB, found), container)


def test_check_needs_the_result_of_the_add(cni: Plugins, lab: Lab) -> None:
    container = lab.container()
    cni.add(WEB, container)
    assert cni.error("CHECK", WEB, container)["code"] == 7


def test_status_says_nothing_when_all_is_well(cni: Plugins, lab: Lab) -> None:
    cni.fine("STATUS", WEB)
    cni.add(WEB, lab.container())
    cni.fine("STATUS", WEB)


def test_status_knows_a_full_pool_and_add_is_tried_all_the_same(cni: Plugins, lab: Lab) -> None:
    conf = {**WEB, "ipam": {"ranges": [[{"subnet": "10.91.0.0/30"}]]}}
    cni.add(conf, lab.container("first"))
    assert cni.error("STATUS", conf)["code"] == 50
    assert cni.error("ADD", conf, lab.container("second"))["code"] == 102


def test_status_knows_that_containers_suffer(cni: Plugins, lab: Lab, host: HostNs) -> None:
    cni.add(WEB, lab.container())
    host.run("nft", "flush", "ruleset")
    assert cni.error("STATUS", WEB)["code"] == 51


@pytest.mark.parametrize("key", ["cni.dev/valid-attachments", "cni.dev/attachments"])
def test_gc_removes_exactly_the_complement(cni: Plugins, lab: Lab, host: HostNs, key: str) -> None:
    keep, stale = lab.container("keep"), lab.container("stale")
    other = {**WEB, "name": "other", "ipam": {"ranges": [[{"subnet": "10.92.0.0/16"}]]}}
    first = cni.add(publishing(WEB, PORT), keep)
    cni.add(publishing(WEB, {**PORT, "hostPort": 8081}), stale)
    cni.add(publishing(WEB, {**PORT, "hostPort": 8082}), keep, IFNAME="eth1")
    cni.add(other, stale, IFNAME="net1")
    cni.fine("GC", {**WEB, key: [{"containerID": "keep", "ifname": "eth0"}]})
    assert (links(keep), links(stale)) == ({"lo", "eth0"}, {"lo", "net1"})
    assert len(elements(host, "any4")) == 1
    assert os.listdir(host.root / "run" / "attachments").__len__() == 2
    cni.fine("CHECK", after(publishing(WEB, PORT), first), keep)


def test_gc_without_a_list_removes_nothing_and_an_empty_one_all(cni: Plugins, lab: Lab) -> None:
    container = lab.container()
    cni.add(WEB, container)
    cni.fine("GC", WEB)
    assert "eth0" in links(container)
    cni.fine("GC", {**WEB, "cni.dev/valid-attachments": []})
    assert "eth0" not in links(container)


def test_gc_leaves_what_a_person_has_attached(cni: Plugins, lab: Lab, host: HostNs) -> None:
    container = lab.container()
    cni.add(WEB, lab.container("first"))
    host.netkit("attach", "--netns", container.path, "--network", "web", check=True)
    cni.fine("GC", {**WEB, "cni.dev/valid-attachments": []})
    assert "eth0" in links(container)


def test_a_damaged_record_does_not_stop_gc_or_del(cni: Plugins, lab: Lab, host: HostNs) -> None:
    good, bad = lab.container("good"), lab.container("bad")
    cni.add(WEB, bad)
    (record,) = (host.root / "run" / "attachments").iterdir()
    cni.add(WEB, good)
    record.write_text("{")
    cni.fine("GC", {**WEB, "cni.dev/valid-attachments": []})
    assert "eth0" not in links(good)
    cni.fine("DEL", WEB, bad)


@pytest.mark.limit(120)
def test_many_at_once_get_an_address_each(cni: Plugins, lab: Lab, host: HostNs) -> None:
    containers = [lab.container(f"c{number}") for number in range(16)]
    with ThreadPoolExecutor(16) as pool:
        results = list(pool.map(lambda container: cni.add(WEB, container), containers))
        assert len({each["ips"][0]["address"] for each in results}) == 16
        list(pool.map(lambda container: cni.fine("DEL", WEB, container), containers))
    assert links(host) == {"lo", "nk-web"}


def test_requested_address_and_mac_are_given(cni: Plugins, lab: Lab) -> None:
    container = lab.container()
    conf = {**WEB, "runtimeConfig": {"ips": ["10.91.3.4/16"], "mac": "02:11:22:33:44:55", "aliases": ["db"]}}
    cni.add({**WEB, "runtimeConfig": {"aliases": {"web": ["db"]}}}, lab.container("podman"))
    found = cni.add(conf, container)
    assert addresses(container) == ["10.91.3.4/16"]
    assert found["interfaces"][2]["mac"] == "02:11:22:33:44:55"


@pytest.mark.parametrize(
    ("words", "keys", "mac"),
    [
        ("MAC=02:00:00:00:00:01", {}, "02:00:00:00:00:01"),
        ("MAC=02:00:00:00:00:01", {"args": {"cni": {"mac": "02:00:00:00:00:02"}}}, "02:00:00:00:00:02"),
        (
            "MAC=02:00:00:00:00:01",
            {"args": {"cni": {"mac": "02:00:00:00:00:02"}}, "runtimeConfig": {"mac": "02:00:00:00:00:03"}},
            "02:00:00:00:00:03",
        ),
    ],
)
def test_the_runtimes_mac_goes_before_the_arguments(
    cni: Plugins, lab: Lab, words: str, keys: dict[str, Any], mac: str
) -> None:
    assert cni.add({**WEB, **keys}, lab.container(), ARGS=words)["interfaces"][2]["mac"] == mac


def test_args_take_the_place_of_cni_args(cni: Plugins, lab: Lab) -> None:
    conf = {**WEB, "args": {"cni": {"ips": ["10.91.0.9"]}}}
    assert cni.add(conf, lab.container("a"), ARGS="IP=10.91.0.8")["ips"][0]["address"] == "10.91.0.9/16"
    assert cni.add(WEB, lab.container("b"), ARGS="IP=10.91.0.8/16")["ips"][0]["address"] == "10.91.0.8/16"


def test_range_sets_of_both_families_and_routes(cni: Plugins, lab: Lab) -> None:
    container = lab.container()
    ranges = [
        [{"subnet": "10.91.0.0/16", "rangeStart": "10.91.5.1", "gateway": "10.91.0.254"}],
        [{"subnet": "fd00:91::/64"}],
    ]
    routes = [{"dst": "192.0.2.0/24", "gw": "10.91.0.253"}, {"dst": "198.51.100.0/24"}]
    found = cni.add({**WEB, "ipam": {"ranges": ranges, "routes": routes}}, container)
    assert [(ip["address"], ip["gateway"]) for ip in found["ips"]] == [
        ("10.91.5.1/16", "10.91.0.254"),
        ("fd00:91::2/64", "fd00:91::1"),
    ]
    assert found["routes"][:2] == routes
    shown = {r["dst"]: r.get("gateway") for r in json.loads(container.run("ip", "-j", "route").stdout)}
    assert (shown["192.0.2.0/24"], shown["198.51.100.0/24"]) == ("10.91.0.253", "10.91.0.254")


def test_dns_of_the_configuration_goes_before_resolv_conf(cni: Plugins, lab: Lab, tmp_path: Path) -> None:
    (tmp_path / "resolv.conf").write_text("# x\nnameserver 192.0.2.1\nsearch a.example b.example\noptions ndots:2\n")
    ipam = {**WEB["ipam"], "resolvConf": str(tmp_path / "resolv.conf")}  # type: ignore[dict-item]
    found = cni.add({**WEB, "ipam": ipam}, lab.container("a"))
    assert found["dns"] == {"nameservers": ["192.0.2.1"], "search": ["a.example", "b.example"], "options": ["ndots:2"]}
    found = cni.add({**WEB, "ipam": ipam, "dns": {"nameservers": ["192.0.2.2"]}}, lab.container("b"))
    assert found["dns"] == {"nameservers": ["192.0.2.2"]}


def test_a_network_that_a_person_has_made_is_used(cni: Plugins, lab: Lab, host: HostNs) -> None:
    host.netkit("network", "create", "blue", "--mode", "bridge", "--subnet", "10.93.0.0/24", check=True)
    container = lab.container()
    conf = {"name": "web", "type": "netkit", "network": "blue"}
    found = cni.add(publishing(conf, PORT), container)
    assert found["ips"][0]["address"] == "10.93.0.2/24"
    cni.fine("CHECK", after(conf, found), container)
    cni.fine("STATUS", conf)
    cni.fine("GC", {**conf, "cni.dev/valid-attachments": []})
    assert "eth0" not in links(container)


def test_the_null_mode_is_a_loopback(cni: Plugins, lab: Lab) -> None:
    container = lab.container()
    conf = {"name": "alone", "type": "netkit", "mode": "null"}
    found = cni.add(conf, container, IFNAME="eth0")
    assert [each["name"] for each in found["interfaces"]] == ["lo"]
    cni.fine("GC", {**conf, "cni.dev/valid-attachments": [{"containerID": "container", "ifname": "eth0"}]})
    assert "UP" in container.run("ip", "link", "show", "lo").stdout
    cni.fine("DEL", conf, container)
    assert "UP" not in container.run("ip", "link", "show", "lo").stdout
