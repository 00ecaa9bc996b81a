"""net-conf.json: flannel's defaults and bounds, and an error with a path for whatever is off."""

from __future__ import annotations

import json

import pytest

from netkit.agent.config import Config, Pool, loads
from netkit.errors import NetkitError

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any


def read(**keys: Any) -> Config:
    return loads(json.dumps(keys), "net-conf.json")


def test_a_network_alone_has_flannels_defaults() -> None:
    assert read(Network="10.3.0.0/16") == Config("vxlan", Pool("10.3.0.0/16", 24, "10.3.1.0", "10.3.255.0"))


def test_ipv6_has_its_own_defaults() -> None:
    found = read(EnableIPv4=False, EnableIPv6=True, IPv6Network="fc00::/48")
    assert found.six == Pool("fc00::/48", 64, "fc00:0:0:1::", "fc00:0:0:ffff::")
    assert (found.four, found.networks) == (Pool(), ("fc00::/48",))


def test_a_small_network_has_four_subnets() -> None:
    assert read(Network="10.3.0.0/23").four == Pool("10.3.0.0/23", 25, "10.3.0.128", "10.3.1.128")


def test_keys_and_backends_are_read_in_any_case() -> None:
    found = loads('{"network": "10.3.0.0/16", "BACKEND": {"type": "VXLAN", "directrouting": true, "vni": 7}}', "c")
    assert (found.backend, found.direct, found.vni) == ("vxlan", True, 7)


def test_ends_are_where_they_are_said() -> None:
    found = read(Network="10.3.0.0/16", SubnetMin="10.3.0.0", SubnetMax="10.3.9.0", Backend={"Type": "host-gw"})
    assert (found.backend, found.four) == ("host-gw", Pool("10.3.0.0/16", 24, "10.3.0.0", "10.3.9.0"))


@pytest.mark.parametrize(
    ("keys", "path"),
    [
        ({}, "net-conf.json.Network"),
        ({"Network": 7}, "net-conf.json.Network"),
        ({"Network": "10.3.0.7/16"}, "net-conf.json.Network"),
        ({"Network": "10.3.0.0/29"}, "net-conf.json.Network"),
        ({"Network": "fc00::/48"}, "net-conf.json.Network"),
        ({"Network": "10.3.0.0/16", "SubnetLen": 17}, "net-conf.json.SubnetLen"),
        ({"Network": "10.3.0.0/16", "SubnetLen": 31}, "net-conf.json.SubnetLen"),
        ({"Network": "10.3.0.0/16", "SubnetLen": "24"}, "net-conf.json.SubnetLen"),
        ({"Network": "10.3.0.0/16", "SubnetLen": True}, "net-conf.json.SubnetLen"),
        ({"Network": "10.3.0.0/16", "SubnetMin": "10.4.0.0"}, "net-conf.json.SubnetMin"),
        ({"Network": "10.3.0.0/16", "SubnetMin": "10.3.0.7"}, "net-conf.json.SubnetMin"),
        ({"Network": "10.3.0.0/16", "SubnetMin": "10.3.9.0", "SubnetMax": "10.3.8.0"}, "net-conf.json.SubnetMax"),
        ({"Network": "10.3.0.0/16", "Networks": 1}, "net-conf.json.Networks"),
        ({"Network": "10.3.0.0/16", "EnableIPv6": True}, "net-conf.json.IPv6Network"),
        ({"Network": "10.3.0.0/16", "EnableIPv4": "yes"}, "net-conf.json.EnableIPv4"),
        ({"EnableIPv4": False}, "net-conf.json.EnableIPv4"),
        ({"Network": "10.3.0.0/16", "Backend": "vxlan"}, "net-conf.json.Backend"),
        ({"Network": "10.3.0.0/16", "Backend": {"Type": "ipip"}}, "net-conf.json.Backend.Type"),
        ({"Network": "10.3.0.0/16", "Backend": {"Type": 7}}, "net-conf.json.Backend.Type"),
        ({"Network": "10.3.0.0/16", "Backend": {"Type": "vxlan", "VNI": 0}}, "net-conf.json.Backend.VNI"),
        ({"Network": "10.3.0.0/16", "Backend": {"Type": "vxlan", "VNI": 1 << 24}}, "net-conf.json.Backend.VNI"),
        ({"Network": "10.3.0.0/16", "Backend": {"Type": "vxlan", "Port": 65536}}, "net-conf.json.Backend.Port"),
        ({"Network": "10.3.0.0/16", "Backend": {"Type": "vxlan", "MTU": 1}}, "net-conf.json.Backend.MTU"),
        (
            {"Network": "10.3.0.0/16", "Backend": {"Type": "vxlan", "MacPrefix": ""}},
            "net-conf.json.Backend.MacPrefix",
        ),
        ({"Network": "10.3.0.0/16", "Backend": {"Type": "host-gw", "VNI": 1}}, "net-conf.json.Backend.VNI"),
    ],
)
def test_what_is_off_is_told_with_its_path(keys: dict[str, Any], path: str) -> None:
    with pytest.raises(NetkitError) as caught:
        read(**keys)
    assert caught.value.message.startswith(path + ": ")


KEY = "cHNrcHNrcHNrcHNrcHNrcHNrcHNrcHNrcHNrcHNrcHM="


def test_a_wireguard_has_flannels_keys() -> None:
    keys = {
        "ListenPort": 7,
        "listenportv6": 8,
        "PSK": KEY,
        "PersistentKeepaliveInterval": 25,
        "Mode": "auto",
        "MTU": 1400,
    }
    found = read(Network="10.3.0.0/16", EnableIPv6=True, IPv6Network="fc00::/48", Backend={"Type": "wireguard", **keys})
    assert (found.backend, found.port, found.port6, found.mtu) == ("wireguard", 7, 8, 1400)
    assert (found.psk, found.keepalive, found.mode) == (KEY, 25, "auto")
    assert KEY not in repr(found)
    usual = read(Network="10.3.0.0/16", Backend={"Type": "wireguard"})
    assert (usual.port, usual.port6, usual.psk, usual.keepalive, usual.mode) == (0, 0, "", 0, "separate")


@pytest.mark.parametrize(
    ("keys", "at"),
    [
        ({"ListenPort": "51820"}, "ListenPort"),
        ({"ListenPortV6": 65536}, "ListenPortV6"),
        ({"ListenPort": 51821}, "ListenPortV6"),
        ({"ListenPort": 7, "ListenPortV6": 7}, "ListenPortV6"),
        ({"PSK": KEY[:-4] + "AAAA"}, "PSK"),
        ({"PSK": KEY[:-1]}, "PSK"),
        ({"PSK": KEY + "\n"}, "PSK"),
        ({"PSK": "A" * 43 + "="}, "PSK"),
        ({"PSK": [KEY]}, "PSK"),
        ({"PersistentKeepaliveInterval": -1}, "PersistentKeepaliveInterval"),
        ({"PersistentKeepaliveInterval": "25s"}, "PersistentKeepaliveInterval"),
        ({"Mode": "both"}, "Mode"),
        ({"Mode": 7}, "Mode"),
        ({"Port": 51820}, "Port"),
        ({"VNI": 1}, "VNI"),
    ],
)
def test_what_is_off_with_a_wireguard_is_told_with_its_path_and_no_secret(keys: dict[str, Any], at: str) -> None:
    with pytest.raises(NetkitError) as caught:
        read(Network="10.3.0.0/16", EnableIPv6=True, IPv6Network="fc00::/48", Backend={"Type": "wireguard", **keys})
    assert caught.value.message.startswith(f"net-conf.json.Backend.{at}: ")
    assert KEY[:30] not in caught.value.message


def test_a_mode_over_a_family_that_the_network_has_not_is_refused() -> None:
    with pytest.raises(NetkitError, match=r"^net-conf\.json\.Backend\.Mode: ipv6 is for a network that has IPv6$"):
        read(Network="10.3.0.0/16", Backend={"Type": "wireguard", "Mode": "ipv6"})


@pytest.mark.parametrize("text", ["", "{", "[]", "7", '{"Network": "10.3.0.0/16", "Network": "10.4.0.0/16"}',
                                  '{"Network": "10.3.0.0/16", "network": "10.4.0.0/16"}', "[" * 100000])  # fmt: skip
def test_what_is_no_configuration_is_told_as_such(text: str) -> None:
    with pytest.raises(NetkitError):
        loads(text, "net-conf.json")
