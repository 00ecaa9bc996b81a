"""What an attached container's links are like at once and for good: families, addresses, MAC, MTU, announcements."""

from __future__ import annotations

import re
from typing import Any

import pytest

from netkit.model import Network, Subnet, bare
from tests.contract.frames import hear
from tests.contract.test_engine_faults import ALLOWED
from tests.hosts import HostNs, Lab
from tests.netns.calls import RefusedError, Remote, ip
from tests.oracle import diff, snapshot

TYPE_CHECKING = False
if TYPE_CHECKING:
    from tests.hosts import Namespace

V4, V6 = Subnet("10.7.0.0/24", "10.7.0.1"), Subnet("fd07::/64", "fd07::1")
BLUE = Network("blue", "bridge", subnets=(V4,))
SECOND = Network("second", "bridge", subnets=(Subnet("10.8.0.0/24", "10.8.0.1"),))
DUAL = Network("dual", "bridge", subnets=(V4, V6))

SEND_RAS = """
import socket, struct, sys
source, mac, count = sys.argv[1], bytes.fromhex(sys.argv[2].replace(":", "")), int(sys.argv[3])
prefix = socket.inet_pton(socket.AF_INET6, "2001:db8:bad::")
ra = struct.pack("!BBHBBHII", 134, 0, 0, 64, 0, 1800, 0, 0)
ra += struct.pack("!BB6s", 1, 1, mac) + struct.pack("!BBBBIII16s", 3, 4, 64, 0xC0, 7200, 7200, 0, prefix)
every = socket.inet_pton(socket.AF_INET6, "ff02::1")
pseudo = socket.inet_pton(socket.AF_INET6, source) + every + struct.pack("!II", len(ra), 58)
total = sum(struct.unpack(f"!{len(pseudo + ra) // 2}H", pseudo + ra))
while total >> 16:
    total = (total & 0xFFFF) + (total >> 16)
ra = ra[:2] + struct.pack("!H", ~total & 0xFFFF) + ra[4:]
head = struct.pack("!IHBB", 6 << 28, len(ra), 58, 255) + pseudo[:32]
with socket.socket(socket.AF_PACKET, socket.SOCK_RAW) as sock:
    sock.bind((sys.argv[4], 0))
    for _ in range(count):
        sock.send(bytes.fromhex("333300000001") + mac + bytes.fromhex("86dd") + head + ra)
"""

BIND = """
import socket, sys
for address in sys.argv[1:]:
    family = socket.AF_INET6 if ":" in address else socket.AF_INET
    with socket.create_server((address, 8000), family=family) as server, socket.socket(family) as client:
        client.connect((address, 8000))
"""


def all_addresses(place: Namespace, dev: str) -> list[dict[str, Any]]:
    (link,) = ip(place, "addr", "show", "dev", dev)
    found: list[dict[str, Any]] = link["addr_info"]
    return found


def packed(address: str) -> bytes:
    import socket

    return socket.inet_pton(socket.AF_INET6 if ":" in address else socket.AF_INET, bare(address))


def test_an_ipv4_attachment_has_no_ipv6_at_either_end_nor_on_its_bridge(host: HostNs, lab: Lab) -> None:
    container = lab.container()
    ep = Remote(host).attach(container)
    for place, dev in ((host, ep.host_ifname), (host, "netkit0"), (container, "eth0")):
        assert [a for a in all_addresses(place, dev) if a["family"] == "inet6"] == []
        assert ip(place, "-6", "route", "show", "dev", dev, "table", "all") == []
    container.run("ip", "link", "set", "eth0", "down")
    container.run("ip", "link", "set", "eth0", "up")
    assert [a for a in all_addresses(container, "eth0") if a["family"] == "inet6"] == []


def test_where_ipv6_cannot_be_switched_off_nothing_is_attached(host: HostNs, lab: Lab) -> None:
    container, remote = lab.container(), Remote(host)
    remote.attach(container)
    remote.leave(container)
    before = snapshot(host, (container,))
    host.run("mount", "-t", "proc", "-o", "ro", "proc", "/proc")
    with pytest.raises(RefusedError, match="read-only"):
        remote.attach(container)
    host.run("umount", "/proc")
    assert diff(before, snapshot(host, (container,)), ALLOWED) == ""


def test_a_hundred_router_advertisements_from_a_container_change_nothing(host: HostNs, lab: Lab) -> None:
    remote, rogue, sibling = Remote(host), lab.container("rogue"), lab.container("sibling")
    remote.call("create", net=DUAL)
    ep = remote.attach(rogue, network="dual")
    remote.attach(sibling, network="dual")
    source = next(a["local"] for a in all_addresses(rogue, "eth0") if a["scope"] == "link")
    before = snapshot(host, (rogue, sibling))
    with hear(rogue, "eth0", {"ra": packed("ff02::1") + b"\x86\x00"}) as sent:
        rogue.python(SEND_RAS, source, ep.mac, "100", "eth0")
    assert sent["ra"] == 100
    assert diff(before, snapshot(host, (rogue, sibling))) == ""


def test_router_advertisements_change_nothing_where_ports_are_not_guarded(host: HostNs, lab: Lab) -> None:
    remote, rogue, sibling = Remote(host), lab.container("rogue"), lab.container("sibling")
    remote.call("create", net=DUAL.replace(options=(("guard", "off"),)))
    ep = remote.attach(rogue, network="dual")
    remote.attach(sibling, network="dual")
    source = next(a["local"] for a in all_addresses(rogue, "eth0") if a["scope"] == "link")
    before = snapshot(host, (rogue, sibling))
    with hear(sibling, "eth0", {"ra": packed("ff02::1") + b"\x86\x00"}) as seen:
        rogue.python(SEND_RAS, source, ep.mac, "100", "eth0")
    assert seen["ra"] == 100, "they came, and were not believed"
    assert diff(before, snapshot(host, (rogue, sibling))) == ""


def test_addresses_are_never_tentative_and_can_be_bound_at_once(host: HostNs, lab: Lab) -> None:
    remote, container = Remote(host), lab.container()
    remote.call("create", net=DUAL)
    for _ in range(12):
        ep = remote.attach(container, network="dual")
        for place, dev in ((container, "eth0"), (host, "nk-dual")):
            flags = {flag for a in all_addresses(place, dev) for flag in a if a[flag] is True}
            assert not flags & {"tentative", "dadfailed", "optimistic"}
        container.python(BIND, *map(bare, ep.addresses))
        remote.leave(container)


def test_a_bridge_keeps_its_mac_and_mtu_while_ports_of_all_sizes_come_and_go(host: HostNs, lab: Lab) -> None:
    Remote(host).call("create", net=BLUE)
    lines = []
    for number in range(200):
        mac = f"00:00:00:00:{number:02x}:01"
        lines += [
            f"link add p{number} address {mac} mtu {1280 + number * 40} type veth peer name q{number}",
            f"link set p{number} up master nk-blue",
            "link show dev nk-blue",
            f"link del p{number}" if number % 2 else f"link set p{number} nomaster",
            "link show dev nk-blue",
        ]
    text = host.run("ip", "-batch", "-", input="\n".join(lines) + "\n").stdout
    shown = re.findall(r"nk-blue: .* mtu (\d+) .*\n\s+link/ether (\S+)", text)
    assert len(shown) == 400
    assert len(set(shown)) == 1, set(shown)


def test_a_new_address_is_announced_to_the_neighbours(host: HostNs, lab: Lab) -> None:
    remote, sibling, container = Remote(host), lab.container("sibling"), lab.container()
    remote.call("create", net=DUAL)
    remote.attach(sibling, network="dual")
    first = remote.attach(container, network="dual", ips=("10.7.0.77", "fd07::77"))
    remote.leave(container)
    mac = bytes.fromhex(first.mac.replace(":", ""))
    four, six = packed("10.7.0.77"), packed("fd07::77")
    patterns = {
        "arp": b"\x08\x06\x00\x01\x08\x00\x06\x04\x00\x01" + mac + four,
        "na": packed("ff02::1") + b"\x88\x00",
        "na-target": six + b"\x02\x01" + mac,
    }
    with hear(sibling, "eth0", patterns) as seen:
        remote.attach(container, network="dual", ips=("10.7.0.77", "fd07::77"))
    assert seen["arp"] >= 1
    assert seen["na"] >= 1
    assert seen["na-target"] >= 1


def test_an_address_with_a_new_mac_is_reached_at_once(host: HostNs, lab: Lab) -> None:
    """A sibling and the host have the old owner in their neighbour tables; the announcement corrects both."""
    remote, sibling = Remote(host), lab.container("sibling")
    remote.call("create", net=DUAL)
    remote.attach(sibling, network="dual")
    for number in range(3):
        container = lab.container(f"c{number}")
        remote.attach(container, network="dual", ips=("10.7.0.77", "fd07::77"))
        for place in (sibling, host):
            for address in ("10.7.0.77", "fd07::77"):
                place.run("ping", "-n", "-c", "3", "-i", "0.2", "-W", "1", address)
        remote.leave(container)


@pytest.mark.parametrize("case", ("v4", "v6"))
def test_forwarding_goes_back_to_what_it_was_with_the_last_network(host: HostNs, case: str) -> None:
    """The kernel changes more than one switch with it: accept_redirects of IPv4, and forwarding of each link."""
    remote = Remote(host)
    net = BLUE if case == "v4" else DUAL
    host.run("ip", "link", "add", "own0", "type", "veth", "peer", "name", "own1")
    for each in (net, SECOND):
        remote.call("create", net=each)
        remote.call("rm", name=each.name)
    host.run("ip", "-batch", "-", input="link set own0 up\nlink set own1 up\naddr add 192.0.2.1/24 dev own0\n")
    settings = ("net.ipv4.conf.all.accept_redirects=0", "net.ipv4.conf.default.accept_redirects=0")
    host.run("sysctl", "-qw", *settings, "net.ipv4.conf.own0.forwarding=1", "net.ipv6.conf.own0.forwarding=1")
    before = snapshot(host)
    remote.call("create", net=net)
    remote.call("create", net=SECOND)
    remote.call("rm", name=net.name)
    remote.call("rm", name="second")
    assert diff(before, snapshot(host), ALLOWED) == ""
