"""What the reference's portmap can be told of its ports, by packets: beside the reference, and with both backends."""

from __future__ import annotations

import json

import pytest

from tests.cni.client import WEB, after, publishing
from tests.cni.test_chains import BRIDGE, PORT, PORTMAP, add_chain, need_version, reference
from tests.cni.test_verbs import links
from tests.features import need
from tests.hosts import wait_until
from tests.netns.test_engine_reach import asks, serve

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

    from tests.cni.client import Plugins, Refusing
    from tests.hosts import HostNs, Lab

HOST, LAN, GATEWAY, SIBLING = "192.0.2.1", "192.0.2.2", "10.22.0.1", "10.22.0.3"
MARKS = (
    "-N MARKS",
    "-A MARKS -j MARK --set-xmark 0x4000/0x4000",
    f"-A POSTROUTING -m mark --mark 0x4000/0x4000 -j SNAT --to-source {HOST}",
)

#: Keys, and the client that the container sees: of localhost, the host, the LAN, a sibling; "" where none gets in.
WAYS: list[tuple[dict[str, Any], tuple[str, str, str, str]]] = [
    ({}, (GATEWAY, HOST, LAN, GATEWAY)),
    ({"markMasqBit": 5}, (GATEWAY, HOST, LAN, GATEWAY)),
    ({"snat": False}, ("", HOST, LAN, SIBLING)),
    ({"masqAll": True}, (GATEWAY, GATEWAY, GATEWAY, GATEWAY)),
    ({"snat": False, "masqAll": True}, ("", HOST, LAN, SIBLING)),
    ({"conditionsV4": ["-s", f"{LAN}/32"]}, ("", "", LAN, "")),
    ({"conditionsV4": ["!", "-s", LAN]}, (GATEWAY, HOST, "", GATEWAY)),
    ({"conditionsV4": ["-i", "cni0"], "masqAll": True}, ("", "", "", GATEWAY)),
]
#: What only iptables can.
OF_IPTABLES = [
    ({"externalSetMarkChain": "MARKS"}, (HOST, HOST, LAN, HOST)),
    ({"externalSetMarkChain": "MARKS", "masqAll": True}, (HOST, HOST, HOST, HOST)),
    ({"conditionsV4": ["-m", "mark", "!", "--mark", "0x1"]}, (GATEWAY, HOST, LAN, GATEWAY)),
]
WHOSE = ["nftables", "iptables", "behind the reference's bridge", "the reference's"]


class Scene:
    """A host with a LAN neighbour, a container with port 8080 published by these keys, and a sibling."""

    def __init__(self, cni: Plugins, lab: Lab, whose: str, keys: dict[str, Any]) -> None:
        self.cni, self.host, self.lan = cni, cni.host, lab.host("lan")
        reference(
            cni, *{WHOSE[2]: ("bridge", "host-local"), WHOSE[3]: ("bridge", "host-local", "portmap")}.get(whose, ())
        )
        if whose == WHOSE[3]:
            need_version(cni, "1.1.0")
        lab.link(self.host, self.lan, (f"{HOST}/24", f"{LAN}/24"))
        self.host.run("sysctl", "-qw", "net.ipv4.ip_forward=1")
        backend = {"iptables": "iptables"}.get(whose, "")
        self.bridge = {**BRIDGE, **({"ipMasqBackend": backend} if backend else {})}
        self.portmap = publishing({**PORTMAP, **({"backend": backend} if backend else {}), **keys}, PORT)
        self.web, self.sibling = lab.container("web"), lab.container("sibling")
        self.found = add_chain(cni, self.web, self.bridge, self.portmap)
        add_chain(cni, self.sibling, self.bridge)
        serve(self.web)

    def seen(self) -> tuple[str, str, str, str]:
        of_host, of_lan, of_sibling = (asks(place, HOST, 8080) for place in (self.host, self.lan, self.sibling))
        # The last: what is not masqueraded asks for its neighbour as 127.0.0.1, and all others wait with it for 3 s.
        return asks(self.host, "127.0.0.1", 8080), of_host, of_lan, of_sibling

    def conf(self) -> dict[str, Any]:
        return {"cniVersion": "1.0.0", **after(self.portmap, self.found)}


@pytest.mark.parametrize("whose", WHOSE)
@pytest.mark.parametrize(("keys", "seen"), WAYS, ids=str)
def test_who_gets_in_and_what_the_container_sees(
    cni: Plugins, lab: Lab, whose: str, keys: dict[str, Any], seen: tuple[str, ...]
) -> None:
    need("iptables")
    scene = Scene(cni, lab, whose, keys)
    assert scene.seen() == seen
    cni.fine("CHECK", scene.conf(), scene.web)
    cni.fine("DEL", scene.conf(), scene.web)
    assert set(scene.seen()) == {""}


@pytest.mark.parametrize("whose", ["iptables", "the reference's"])
@pytest.mark.parametrize(("keys", "seen"), OF_IPTABLES, ids=str)
def test_what_only_iptables_can(
    cni: Plugins, lab: Lab, host: HostNs, whose: str, keys: dict[str, Any], seen: tuple[str, ...]
) -> None:
    need("iptables")
    for line in MARKS:
        host.run("iptables", "-t", "nat", *line.split())
    scene = Scene(cni, lab, whose, keys)
    assert scene.seen() == seen
    cni.fine("CHECK", scene.conf(), scene.web)
    cni.fine("DEL", scene.conf(), scene.web)
    left = host.run("iptables-save", "-t", "nat").stdout
    assert "8080" not in left
    assert "-A MARKS -j MARK" in left


@pytest.mark.parametrize(
    "words",
    [
        ["ip", "saddr", LAN, "counter"],
        [f"ip saddr {{ {LAN}, 198.51.100.0/24 }}"],
        ["iifname", "up*", "ip", "ttl", ">", "1"],
    ],
    ids=str,
)
def test_conditions_in_nfts_own_words(cni: Plugins, lab: Lab, words: list[str]) -> None:
    scene = Scene(cni, lab, "nftables", {"conditionsV4": words, "backend": "nftables"})
    assert (scene.seen()[2], scene.seen()[1]) == (LAN if "up*" not in words else "", "")


@pytest.mark.parametrize("backend", ["nftables", "iptables"])
def test_a_port_of_one_address_with_conditions_beside_the_same_port_of_another(
    cni: Plugins, lab: Lab, host: HostNs, backend: str
) -> None:
    """The condition says `-d`, and so does the port's own address; ranges of either kind and UDP are beside it."""
    need(backend)
    host.run("ip", "addr", "add", "192.0.2.9/32", "dev", "lo")
    named = {"backend": backend} if backend == "iptables" else {}
    conf = {**WEB, **named, "conditionsV4": ["!", "-d", "192.0.2.9"]}
    first, second = lab.container("first"), lab.container("second")
    host.run("ip", "addr", "add", f"{HOST}/32", "dev", "lo")
    wide = {"hostPort": 9000, "hostPortEnd": 9002, "containerPort": 79, "containerPortEnd": 81, "hostIP": HOST}
    same = {"hostPort": "80-82", "containerPort": "80-82", "hostIP": HOST}
    cni.add(publishing(conf, {**PORT, "hostIP": HOST}, wide, same), first)
    cni.add(publishing(conf, {**PORT, "hostIP": "192.0.2.9"}, {**PORT, "protocol": "udp"}), second)
    serve(first)
    serve(second)
    answers = [
        asks(host, address, port) for address, port in ((HOST, 8080), (HOST, 9001), (HOST, 80), ("192.0.2.9", 8080))
    ]
    assert answers == [HOST, HOST, HOST, ""]
    for container in (first, second):
        cni.fine("DEL", conf, container)
    rules = host.run("nft", "list", "ruleset").stdout
    assert not [word for word in ("8080", "9001", "when_") if word in rules]


def test_ipv6_has_conditions_of_its_own(cni: Plugins, lab: Lab, host: HostNs) -> None:
    lan, web = lab.host("lan"), lab.container("web")
    lab.link(host, lan, (f"{HOST}/24", f"{LAN}/24"), ("fd00:2::1/64", "fd00:2::2/64"))
    ranges = [[{"subnet": "10.91.0.0/16"}], [{"subnet": "fd91::/64"}]]
    conf = {**WEB, "ipam": {"ranges": ranges}, "conditionsV6": ["-s", "fd00:2::2"], "masqAll": True}
    cni.add(publishing(conf, PORT), web)
    serve(web)
    seen = [asks(place, address, 8080) for place in (host, lan) for address in (HOST, "fd00:2::1")]
    assert seen == ["10.91.0.1", "", "10.91.0.1", "fd91::1"]


def test_a_chain_that_was_emptied_is_missed_and_mended(cni: Plugins, lab: Lab, host: HostNs) -> None:
    scene = Scene(cni, lab, "nftables", {"conditionsV4": ["-s", LAN]})
    (chain,) = (
        word for word in host.run("nft", "list", "map", "inet", "netkit", "when4").stdout.split() if "when_" in word
    )
    for spoil in (f"flush chain inet netkit {chain}", "flush table inet netkit"):
        host.run("nft", *spoil.split())
        assert cni.error("CHECK", scene.conf(), scene.web)["code"] == 107
        host.netkit("reload", check=True)
        cni.fine("CHECK", scene.conf(), scene.web)
        assert scene.seen() == ("", "", LAN, "")


def test_other_keys_hold_for_who_comes_after(cni: Plugins, lab: Lab, host: HostNs) -> None:
    scene = Scene(cni, lab, "nftables", {})
    second = lab.container("second")
    later = publishing({**PORTMAP, "masqAll": True}, {**PORT, "hostPort": 8081})
    add_chain(cni, second, scene.bridge, later)
    serve(second)
    assert [asks(scene.lan, HOST, port) for port in (8080, 8081)] == [LAN, GATEWAY]


REFUSED: list[tuple[dict[str, Any], str]] = [
    ({"conditionsV4": ["-s", "1.2.3.4"], "backend": "nftables"}, "conditionsV4"),
    ({"conditionsV6": ["ip6", "saddr", "::1"], "backend": "iptables"}, "conditionsV6"),
    ({"conditionsV4": ["-m", "set", "--match-set", "x", "src"]}, "conditionsV4"),
    ({"conditionsV4": ["-s", "1.2.3.4"], "conditionsV6": ["ip6", "saddr", "::1"]}, "conditionsV6"),
    ({"conditionsV4": ["-s", "1.2.3.4 -j DROP"]}, "conditionsV4"),
    ({"conditionsV4": [""]}, "conditionsV4"),
    *(({"conditionsV4": ["ip", "saddr", odd]}, "conditionsV4") for odd in ("1;", "#", '"', "a\nb;", "$x", "\\", "'")),
    ({"externalSetMarkChain": "X"}, "externalSetMarkChain"),
    ({"externalSetMarkChain": "X", "markMasqBit": 3}, "externalSetMarkChain"),
    ({"externalSetMarkChain": "X", "backend": "nftables"}, "externalSetMarkChain"),
    ({"externalSetMarkChain": "-X"}, "externalSetMarkChain"),
    ({"externalSetMarkChain": "NETKIT-DNAT"}, "externalSetMarkChain"),
    ({"markMasqBit": 32}, "markMasqBit"),
]


@pytest.fixture(scope="module")
def routed(refusing: Refusing) -> Refusing:
    """A host that has a way to the container which a plugin before portmap would have made."""
    refusing.host.run("ip", "route", "add", "10.22.0.0/16", "dev", "lo")
    return refusing


@pytest.mark.root
@pytest.mark.parametrize("kind", ["netkit", "portmap"])
@pytest.mark.parametrize(("keys", "told"), REFUSED, ids=str)
def test_what_cannot_be_said_is_refused_by_name(routed: Refusing, kind: str, keys: dict[str, Any], told: str) -> None:
    conf: dict[str, Any] = {**WEB, **keys}
    if kind == "portmap":
        conf = {**after(PORTMAP, {"cniVersion": "1.1.0", "ips": [{"address": "10.22.0.2/16"}]}), **keys}
    found = routed.error(publishing(conf, PORT), allow=("state *",))
    assert (found["code"], told in found["msg"]) == (7, True), found


def test_a_network_of_a_person_says_itself_how_it_publishes(cni: Plugins, lab: Lab, host: HostNs) -> None:
    host.netkit("network", "create", "blue", "-o", "masqAll=on", "-o", "conditionsV4=ip saddr 127.0.0.1", check=True)
    conf = {"name": "x", "type": "netkit", "network": "blue"}
    assert "masqAll" in cni.error("ADD", {**conf, "masqAll": True}, lab.container("other"))["msg"]
    cni.add(publishing(conf, PORT), web := lab.container())
    serve(web)
    gateway = json.loads(host.netkit("network", "inspect", "blue", "--json").stdout)["subnets"][0]["gateway"]
    assert [asks(host, address, 8080) for address in ("127.0.0.1", gateway)] == [gateway, ""]


@pytest.mark.parametrize("backend", ["nftables", "iptables"])
def test_gc_finds_them_when_their_record_is_damaged(cni: Plugins, lab: Lab, host: HostNs, backend: str) -> None:
    need(backend)
    named = {"backend": backend} if backend == "iptables" else {}
    conf = {**WEB, **named, "conditionsV4": ["-s", LAN]}
    wide = {"hostPort": "9000-9009", "containerPort": "80-89", "hostIP": "127.0.0.1"}
    cni.add(conf, lab.container("other"))
    cni.add(publishing(conf, PORT, wide), web := lab.container())
    (record,) = [each["id"] for each in json.loads(host.netkit("ps", "--json").stdout) if each["ports"]]
    (host.root / "run" / "attachments" / record).write_text("{")
    web.die()
    assert wait_until(lambda: f"nk{record}" not in links(host))
    host.netkit("gc", check=True)
    left = host.run("nft", "list", "ruleset").stdout
    assert not [word for word in ("8080", "9000", "when_", record) if word in left], left
