"""A host whose IPv6 address and default route a router advertises: before, on the bridge, and after."""

from __future__ import annotations

import json
import sys

import pytest

from netkit.model import Network, Subnet
from tests.hosts import HostNs, Lab, wait_until
from tests.netns.lan import Lan, Stream

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

pytestmark = [pytest.mark.root, pytest.mark.requires("veth", "bridge", "ipv6", "nftables")]

#: Advertises itself and fd00:7::/64 once, and whenever it is asked.
ROUTER = """
import socket, struct
s = socket.socket(socket.AF_INET6, socket.SOCK_RAW, socket.IPPROTO_ICMPV6)
s.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_MULTICAST_HOPS, 255)
index = socket.if_nametoindex("eth0")
group = socket.inet_pton(socket.AF_INET6, "ff02::2") + struct.pack("=I", index)
s.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_JOIN_GROUP, group)
prefix = struct.pack("!BBBBIII16s", 3, 4, 64, 0xC0, 3600, 1800, 0, socket.inet_pton(socket.AF_INET6, "fd00:7::"))
advert = struct.pack("!BBHBBHII", 134, 0, 0, 64, 0, 1800, 0, 0) + prefix
while True:
    s.sendto(advert, ("ff02::1", 0, 0, index))
    while s.recv(2048)[0] != 133:
        pass
"""


@pytest.fixture
def lan(lab: Lab) -> Lan:
    made = Lan(lab)
    made.host.run("ip", "-6", "route", "del", "default")
    made.router.run("sysctl", "-qw", "net.ipv6.conf.all.forwarding=1")
    made.router.popen(sys.executable, "-c", ROUTER)
    assert learns(made.host, "eth0")
    made.host.settled()
    return made


def defaults(host: HostNs, dev: str) -> dict[int, dict[str, Any]]:
    """The default routes by a link that a router advertised, by metric."""
    rows = json.loads(host.run("ip", "-6", "-j", "route", "show", "default", "dev", dev).stdout)
    return {row["metric"]: row for row in rows if row["protocol"] == "ra"}


def learns(host: HostNs, dev: str) -> bool:
    """Whether the kernel comes to have a default route by a link from its own hearing."""
    return wait_until(lambda: 1024 in defaults(host, dev))


def advertised(host: HostNs, dev: str) -> dict[str, Any]:
    """The address that was made from the advertised prefix."""
    rows = json.loads(host.run("ip", "-6", "-j", "addr", "show", "dev", dev).stdout)[0]["addr_info"]
    return next((row for row in rows if row["local"].startswith("fd00:7:")), {})


def test_what_a_router_advertised_is_there_at_once_and_learned_anew(lan: Lan) -> None:
    host = lan.host
    before = advertised(host, "eth0")
    assert before["dynamic"]
    lan.router.run("ip", "addr", "add", "fd00:7::2/64", "dev", "eth0", "nodad")
    stream = Stream(lan, 6)
    for verb, dev in (("create", "nk-lan"), ("rm", "eth0")):
        lan.engine.call(verb, **({"net": lan.network()} if verb == "create" else {"name": "lan"}))
        assert defaults(host, dev), "a copy stands in until the router has been heard"
        host.settled()
        assert learns(host, dev), "the kernel asked"
        copies = [row for metric, row in defaults(host, dev).items() if metric > 1024]
        assert copies
        assert all(row["expires"] <= 30 for row in copies)
        now = advertised(host, dev)
        assert now["local"] == before["local"]
        assert now["dynamic"]
        assert now["valid_life_time"] > 3590, "the advertisement renewed it"
    _, sent, received, _ = stream.end()
    assert sent == received


def test_a_host_that_forwards_goes_on_learning(lan: Lan, lab: Lab) -> None:
    """A bridge network turns forwarding on; then only accept_ra 2 hears routers, and the bridge has the NIC's."""
    nat = lab.container("nat")
    lan.engine.call("attach_to", net=_dual(), pid=nat.pid, container="nat")
    lan.create()
    value = lan.host.run("cat", "/proc/sys/net/ipv6/conf/nk-lan/accept_ra").stdout
    assert value == "2\n"
    assert learns(lan.host, "nk-lan")


def _dual() -> Network:
    return Network("dual", "bridge", subnets=(Subnet("10.7.0.0/24", "10.7.0.1"), Subnet("fd77::/64", "fd77::1")))
