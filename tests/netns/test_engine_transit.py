"""netkit turns forwarding on, and the host does not become a router for anybody but its containers.

lan 192.0.2.2 --- eth0 192.0.2.1 [ host ] 198.51.100.1 eth1 --- 198.51.100.2 far        (IPv6 the same)
"""

from __future__ import annotations

import pytest

from netkit.model import Network, Subnet
from tests.features import need
from tests.hosts import HostNs, Lab, Namespace, wait_until
from tests.netns.calls import Remote, ip
from tests.netns.test_engine_links import SEND_RAS

TYPE_CHECKING = False
if TYPE_CHECKING:
    from tests.conftest import Unchanged

DUAL = Network("dual", "bridge", subnets=(Subnet("10.7.0.0/24", "10.7.0.1"), Subnet("fd07::/64", "fd07::1")))
LAN, FAR = ("192.0.2.2", "2001:db8:1::2"), ("198.51.100.2", "2001:db8:2::2")


def world(lab: Lab) -> tuple[HostNs, HostNs, HostNs]:
    host, lan, far = lab.host(), lab.host("lan"), lab.host("far")
    lab.link(host, lan, ("192.0.2.1/24", "192.0.2.2/24"), ("2001:db8:1::1/64", "2001:db8:1::2/64"))
    lab.link(host, far, ("198.51.100.1/24", "198.51.100.2/24"), ("2001:db8:2::1/64", "2001:db8:2::2/64"))
    for member, v4, v6 in ((lan, "192.0.2.1", "2001:db8:1::1"), (far, "198.51.100.1", "2001:db8:2::1")):
        member.run("ip", "route", "add", "default", "via", v4)
        member.run("ip", "-6", "route", "add", "default", "via", v6)
    return host, lan, far


def reaches(place: Namespace, *addresses: str) -> list[bool]:
    """Which of these answer, all asked at once."""
    lines = [f"ping -n -c1 -W1 {address} >/dev/null 2>&1 && echo {address} &" for address in addresses]
    answered = place.run("sh", input="\n".join([*lines, "wait"])).stdout.split()
    return [address in answered for address in addresses]


@pytest.mark.parametrize("backend", ("nftables", "iptables", "iptables-legacy"))
def test_transit_stays_dead_while_containers_reach_out(lab: Lab, backend: str) -> None:
    need(backend)
    host, lan, far = world(lab)
    remote, container = Remote(host, backend), lab.container()
    remote.call("create", net=DUAL)
    remote.attach(container, network="dual")
    assert reaches(container, *LAN, *FAR) == [True] * 4
    assert reaches(lan, *FAR) == [False] * 2
    assert reaches(far, *LAN) == [False] * 2
    remote.leave(container)
    assert reaches(lan, *FAR) == [False] * 2
    remote.call("rm", name="dual")
    for key in ("net/ipv4/ip_forward", "net/ipv6/conf/all/forwarding"):
        assert host.run("sysctl", "-n", key).stdout == "0\n"
    host.run("sysctl", "-qw", "net/ipv4/ip_forward=1", "net/ipv6/conf/all/forwarding=1")
    assert reaches(lan, *FAR) == [True] * 2, "nothing is left that would stop a router"


def test_a_router_stays_a_router(lab: Lab) -> None:
    host, lan, _ = world(lab)
    host.run("sysctl", "-qw", "net/ipv4/ip_forward=1", "net/ipv6/conf/all/forwarding=1")
    remote, container = Remote(host), lab.container()
    remote.call("create", net=DUAL)
    remote.attach(container, network="dual")
    assert reaches(lan, *FAR) == [True] * 2
    remote.leave(container)
    remote.call("rm", name="dual")
    assert reaches(lan, *FAR) == [True] * 2


@pytest.mark.parametrize("backend", ("nftables", "iptables", "iptables-legacy"))
def test_links_that_forward_by_themselves_go_on_and_no_others(lab: Lab, backend: str, unchanged: Unchanged) -> None:
    """What comes in by `lan` and `far` passes while the host's switch is off; IPv6 knows that since Linux 6.17."""
    need(backend)
    host, lan, far = world(lab)
    third = lab.host("third")
    lab.link(host, third, ("203.0.113.1/24", "203.0.113.2/24"), ("2001:db8:3::1/64", "2001:db8:3::2/64"))
    third.run("ip", "route", "add", "default", "via", "203.0.113.1")
    third.run("ip", "-6", "route", "add", "default", "via", "2001:db8:3::1")
    host.run("sysctl", "-qw", *(f"net/ipv4/conf/{name}/forwarding=1" for name in ("eth0", "eth1")))
    forced = [f"net/ipv6/conf/{name}/force_forwarding=1" for name in ("eth0", "eth1")]
    old = host.run("sysctl", "-qw", *forced, check=False).returncode != 0

    def fates() -> list[list[bool]]:
        return [reaches(lan, *FAR), reaches(far, *LAN), reaches(third, *LAN, *FAR)]

    before = fates()
    assert before == [[True, not old], [True, not old], [False] * 4]
    remote, container = Remote(host, backend), lab.container()
    with unchanged(host, allow=["state *", "*iptables*", "*nft ip*"]):
        remote.call("create", net=DUAL)
        remote.attach(container, network="dual")
        assert reaches(container, *LAN, *FAR) == [True] * 4
        assert reaches(lan, "10.7.0.2", "fd07::2") == [False] * 2, "a router is no way into a container"
        assert fates() == before
        remote.leave(container)
        remote.call("rm", name="dual")
    assert fates() == before


def test_the_host_goes_on_learning_its_default_route_from_router_advertisements(lab: Lab) -> None:
    host, lan = lab.host(), lab.host("lan")
    lab.link(host, lan)
    (link,) = ip(lan, "addr", "show", "dev", "eth0")
    source = next(a["local"] for a in link["addr_info"] if a["scope"] == "link")

    def advertise() -> bool:
        lan.python(SEND_RAS, source, link["address"], "1", "eth0")
        return wait_until(lambda: [r["dev"] for r in ip(host, "-6", "route", "show", "default")] == ["eth0"])

    def accept_ra() -> str:
        return host.run("sysctl", "-n", "net/ipv6/conf/eth0/accept_ra").stdout.strip()

    assert advertise() and accept_ra() == "1"
    remote = Remote(host)
    remote.call("create", net=DUAL)
    assert [r["dev"] for r in ip(host, "-6", "route", "show", "default")] == ["eth0"], "it is still there"
    assert accept_ra() == "2"
    host.run("ip", "-6", "route", "flush", "default")
    assert advertise(), "and is learned anew"
    remote.call("rm", name="dual")
    assert accept_ra() == "1"
    assert [r["dev"] for r in ip(host, "-6", "route", "show", "default")] == ["eth0"]
