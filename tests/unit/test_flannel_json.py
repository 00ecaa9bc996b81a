"""flannel's words in etcd: its net-conf.json and its leases, as it writes them, and as anyone may have forged them."""

from __future__ import annotations

import json
import random

import pytest

from netkit.errors import ConfigError, NetkitError
from netkit.stores import subnets
from netkit.stores.etcd import flannel
from netkit.stores.model import Host, Settings
from tests.forgeries import forged

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

#: The configurations of flannel's own tests and documents, and what they stand for.
CONFIGS: tuple[tuple[dict[str, Any], Settings, str, str], ...] = (
    ({"Network": "10.3.0.0/16"}, Settings("10.3.0.0/16", 24, 1, backend="udp"), "10.3.1.0-24", "10.3.255.0-24"),
    ({"network": "10.3.0.0/24", "BACKEND": {"type": "UDP", "port": 7890}},
     Settings("10.3.0.0/24", 26, 1, backend="udp", port=7890), "10.3.0.64-26", "10.3.0.192-26"),
    ({"Network": "10.3.0.0/16", "SubnetLen": 28, "SubnetMin": "10.3.5.0", "SubnetMax": "10.3.8.0"},
     Settings("10.3.0.0/16", 28, 1, first="10.3.5.0", last="10.3.8.0", backend="udp"), "10.3.5.0-28", "10.3.8.0-28"),
    ({"Network": "10.3.0.0/16", "SubnetMin": "10.3.1.0", "SubnetMax": "10.3.255.0", "Backend": {"Type": "vxlan"}},
     Settings("10.3.0.0/16", 24, 1, backend="vxlan"), "10.3.1.0-24", "10.3.255.0-24"),
    ({"EnableIPv6": True, "Network": "10.3.0.0/16", "IPv6Network": "fc00::/48", "Backend": {"Type": "host-gw"}},
     Settings("10.3.0.0/16", 24, 1, cidr6="fc00::/48", length6=64, backend="host-gw"),
     "10.3.1.0-24&fc00:0:0:1::-64", "10.3.255.0-24&fc00:0:0:ff::-64"),
    ({"EnableIPv4": False, "EnableIPv6": True, "IPv6Network": "fc00::/48"},
     Settings("fc00::/48", 64, 1, backend="udp"), "fc00:0:0:1::-64", "fc00:0:0:ffff::-64"),
    ({"Network": "10.3.0.0/16", "Backend": {"Type": "wireguard", "ListenPort": 7000, "PSK": "secret"}},
     Settings("10.3.0.0/16", 24, 1, backend="wireguard", port=7000), "10.3.1.0-24", "10.3.255.0-24"),
)  # fmt: skip


@pytest.mark.parametrize(("body", "settings", "first", "last"), CONFIGS)
def test_a_net_conf_says_to_netkit_what_it_says_to_flannel(
    body: dict[str, Any], settings: Settings, first: str, last: str
) -> None:
    found = flannel.settings(json.dumps(body).encode(), "5-2")
    assert found == settings.replace(id="5-2")
    assert subnets.resource(found, 0) == f"subnets/{first}"
    assert subnets.resource(found, subnets.count(found) - 1) == f"subnets/{last}"
    assert flannel.settings(flannel.config(found)) == found


@pytest.mark.parametrize(
    ("body", "at"),
    [
        ({}, "Network"),
        ({"Network": "10.3.0.1/16"}, "Network"),
        ({"Network": "fc00::/48"}, "Network"),
        ({"Network": "10.3.0.0/29"}, "length"),
        ({"Network": "10.3.0.0/16", "SubnetLen": 17}, "length"),
        ({"Network": "10.3.0.0/16", "SubnetLen": "24"}, "SubnetLen"),
        ({"Network": "10.3.0.0/16", "Backend": {"Type": "vxlan", "VNI": 1 << 24}}, "Backend.VNI"),
        ({"Network": "10.3.0.0/16", "Backend": {"Type": "udp", "Port": 1 << 16}}, "Backend.Port"),
        ({"Network": "10.3.0.0/16", "SubnetMin": "10.3.1.1"}, "first"),
        ({"Network": "10.3.0.0/16", "SubnetMax": "10.4.0.0"}, "last"),
        ({"Network": "10.3.0.0/16", "SubnetMax": 7}, "SubnetMax"),
        ({"Network": "10.3.0.0/16", "EnableIPv6": True}, "IPv6Network"),
        ({"Network": "10.3.0.0/16", "EnableIPv6": "yes"}, "enableipv6"),
        ({"Network": "10.3.0.0/16", "Backend": "vxlan"}, "backend"),
        ({"Network": "10.3.0.0/16", "Backend": {"Type": 7}}, "Backend.Type"),
        ({"Network": "10.3.0.0/16", "Backend": {"Type": "vxlan", "VNI": -1}}, "Backend.VNI"),
        ({"Network": "10.3.0.0/16", "Netkit": {"TTL": 5}}, "ttl"),
        ({"Network": "10.3.0.0/16", "Netkit": {"Id": "a b"}}, "Netkit.Id"),
    ],
)
def test_a_net_conf_that_makes_no_sense_is_refused_with_its_place(body: dict[str, Any], at: str) -> None:
    with pytest.raises(ConfigError) as caught:
        flannel.settings(json.dumps(body).encode(), "5-2")
    assert caught.value.at == at


KEY, OTHER = "PiPoFgA5WUoziU9lZOGxNIu9egCI1CxKy3PurtWcAJ0=", "LXEWQrcmsEQBYnypv6wy9chT+xkDzE2wIlhxeSGkiMs="
AGREED = Settings("10.5.0.0/16", 24, 1, cidr6="fd00::/48", length6=64, backend="vxlan")
HOSTS = (
    Host("a", "192.0.2.1", 1, "02:00:00:00:00:0a"),
    Host("a", "192.0.2.1", 1, "02:00:00:00:00:0a", public6="2001:db8::1", vtep6="02:00:00:00:06:0a", port=8472),
    Host("a", "2001:db8::1", 1, vtep6="02:00:00:00:06:0a"),
    Host("a", "192.0.2.1", 1, backend="host-gw"),
    Host("a", "192.0.2.1", 1, backend="udp", port=8285),
    Host("a", "192.0.2.1", 1, backend="wireguard", port=51820, key=KEY, port6=51821),
)


@pytest.mark.parametrize("host", HOSTS)
def test_a_lease_says_where_its_host_is(host: Host) -> None:
    data = flannel.lease(host, "a")
    assert flannel.leased_to(data) == ("a", host.public)
    assert flannel.host(data, "a", AGREED) == host


def test_a_lease_is_what_flannel_writes_and_one_field_more() -> None:
    body = json.loads(flannel.lease(HOSTS[1], "a"))
    assert body.pop("Netkit") == {"Node": "a", "Port": 8472}
    assert body == {
        "PublicIP": "192.0.2.1",
        "PublicIPv6": "2001:db8::1",
        "BackendType": "vxlan",
        "BackendData": {"VNI": 1, "VtepMAC": "02:00:00:00:00:0a"},
        "BackendV6Data": {"VNI": 1, "VtepMAC": "02:00:00:00:06:0a"},
    }


def test_a_flannels_lease_has_its_address_for_a_node() -> None:
    data = b'{"PublicIP":"192.0.2.2","PublicIPv6":null,"BackendType":"vxlan",'
    data += b'"BackendData":{"VNI":1,"VtepMAC":"7e:98:74:de:6f:6b"}}'
    assert flannel.leased_to(data) == ("", "192.0.2.2")
    assert flannel.host(data, "192.0.2.2", AGREED) == Host("192.0.2.2", "192.0.2.2", 1, "7e:98:74:de:6f:6b")


def test_a_lease_of_wireguard_has_the_public_key_where_flannel_looks_for_it() -> None:
    body = json.loads(flannel.lease(HOSTS[-1], "a"))
    assert body.pop("Netkit") == {"Node": "a", "Port": 51820, "PortV6": 51821}
    data = {"PublicKey": KEY}
    told = {"PublicIP": "192.0.2.1", "PublicIPv6": None, "BackendType": "wireguard"}
    assert body == told | {"BackendData": data, "BackendV6Data": data}


def test_a_flannels_lease_of_wireguard_is_read() -> None:
    for name in ("BackendData", "BackendV6Data"):
        told = {"PublicIP": "192.0.2.2", "PublicIPv6": None, "BackendType": "wireguard", name: {"PublicKey": KEY}}
        found = flannel.host(json.dumps(told).encode(), "b", AGREED)
        assert found == Host("b", "192.0.2.2", 1, backend="wireguard", key=KEY)


@pytest.mark.parametrize(
    ("four", "six"),
    [
        ({"PublicKey": "short"}, None),
        ({"PublicKey": KEY[:-1]}, None),
        ({"PublicKey": KEY + "="}, None),
        ({"PublicKey": KEY[:42] + "1="}, None),
        ({"PublicKey": "A" * 43 + "="}, None),
        ({"PublicKey": 7}, None),
        ({"PublicKey": None}, None),
        ({"PublicKey": [KEY]}, None),
        ({"PublicKey": KEY}, {"PublicKey": OTHER}),
        (None, {"PublicKey": "\ud800" * 44}),
    ],
)
def test_a_public_key_that_is_none_or_two_is_no_hosts(four: object, six: object) -> None:
    told = {"PublicIP": "192.0.2.2", "BackendType": "wireguard", "BackendData": four, "BackendV6Data": six}
    with pytest.raises(ConfigError, match="PublicKey"):
        flannel.host(json.dumps(told).encode(), "b", AGREED)


def test_a_preshared_key_is_never_written_and_no_backend_gets_keys_that_it_does_not_know() -> None:
    for kind, known in (("wireguard", {"Type", "ListenPort"}), ("host-gw", {"Type"}), ("vxlan", {"Type", "VNI"})):
        settings = Settings("10.3.0.0/16", 24, 1, backend=kind, port=7000 if kind == "wireguard" else 0, id="n")
        assert set(json.loads(flannel.config(settings))["Backend"]) == known


def test_of_a_host_that_has_not_spoken_no_flannel_takes_notice() -> None:
    data = flannel.lease(None, "a")
    assert json.loads(data)["BackendType"] == "alloc"
    assert flannel.leased_to(data) == ("a", "")
    assert flannel.host(data, "a", AGREED) is None


@pytest.mark.parametrize(("agreed", "meant"), [("udp", "udp"), ("alloc", "alloc"), ("vxlan", "alloc")])
def test_a_lease_of_flannels_that_names_no_backend_is_of_the_two_that_never_do(agreed: str, meant: str) -> None:
    seen = flannel.host(b'{"PublicIP":"192.0.2.2","PublicIPv6":null}', "b", AGREED.replace(backend=agreed))
    assert seen is not None
    assert seen.backend == meant


def test_ten_thousand_forged_leases_are_believed_whole_or_not_at_all() -> None:
    chance = random.Random(20261124)  # noqa: S311 - the same every time
    believed = 0
    for _ in range(10_000):
        data = forged(chance, flannel.lease(chance.choice(HOSTS), "evil"))
        try:
            node, public = flannel.leased_to(data)
            host = flannel.host(data, node or public, AGREED)
        except (ValueError, NetkitError):
            continue
        if host:
            believed += 1
            again = flannel.lease(host, host.node)
            assert flannel.host(again, host.node, AGREED) == host
            assert host.vni == 1
            assert not host.public.startswith(("10.5.", "127.", "0.", "255."))
    assert believed > 500
