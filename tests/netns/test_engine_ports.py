"""Published ports: who gets in whose way, what the kernel is told about them, and who is reached by them."""

from __future__ import annotations

import subprocess
import sys

import pytest

from netkit.model import Network, PortMap, Subnet, bare
from tests.contract import packets
from tests.contract.packets import Server
from tests.hosts import HostNs, Lab, Namespace
from tests.netns.calls import RefusedError, Remote, kernel
from tests.oracle import diff

DUAL = Network("dual", "bridge", subnets=(Subnet("10.7.0.0/24", "10.7.0.1"), Subnet("fd07::/64", "fd07::1")))
RESERVED = "net/ipv4/ip_local_reserved_ports"

LISTEN = """
import socket, sys
kind, address, port, only = sys.argv[1], sys.argv[2], int(sys.argv[3]), sys.argv[4] == "only"
family = socket.AF_INET6 if ":" in address else socket.AF_INET
sock = socket.socket(family, socket.SOCK_STREAM if kind == "tcp" else socket.SOCK_DGRAM)
if family == socket.AF_INET6:
    sock.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, only)
sock.bind((address, port))
if kind == "tcp":
    sock.listen()
print("ready", flush=True)
sys.stdin.read()
"""

SEND_FOREVER = """
import socket, sys, time
sock = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
sock.connect((sys.argv[1], int(sys.argv[2])))
sock.settimeout(0.01)
last = ""
for _ in range(3000):
    try:
        sock.send(b"?")
        answer = sock.recv(100).decode().split()[0]
        time.sleep(0.01)
    except OSError:
        continue
    if answer != last:
        last = answer
        print(answer, flush=True)
"""


def tcp(host_ip: str, port: int, container_port: int = 80, count: int = 1, protocol: str = "tcp") -> PortMap:
    return PortMap(protocol, host_ip, port, container_port, count)


def ask(place: Namespace, *questions: tuple[str, str, int]) -> list[str]:
    return [answer.partition(" ")[0] for answer in packets.ask(place, questions, 1)]


def listener(place: Namespace, kind: str, address: str, port: int, only: bool = False) -> subprocess.Popen[str]:
    words = (sys.executable, "-c", LISTEN, kind, address, str(port), "only" if only else "both")
    process = place.popen(*words, stdin=subprocess.PIPE)
    assert process.stdout and process.stdout.readline() == "ready\n"
    return process


def reserved(host: HostNs) -> str:
    return host.run("sysctl", "-n", RESERVED).stdout.strip()


@pytest.mark.parametrize(
    ("one", "other", "fits"),
    [
        (tcp("0.0.0.0", 8080), tcp("0.0.0.0", 8080), False),
        (tcp("0.0.0.0", 8080), tcp("127.0.0.1", 8080), False),
        (tcp("127.0.0.1", 8080), tcp("0.0.0.0", 8080), False),
        (tcp("192.0.2.1", 8080), tcp("0.0.0.0", 8080), False),
        (tcp("192.0.2.1", 8080), tcp("127.0.0.1", 8080), True),
        (tcp("127.0.0.1", 8080), tcp("127.0.0.2", 8080), True),
        (tcp("0.0.0.0", 8080), tcp("0.0.0.0", 8080, protocol="udp"), True),
        (tcp("0.0.0.0", 8080), tcp("::", 8080), True),
        (tcp("0.0.0.0", 8080, count=10), tcp("0.0.0.0", 8085), False),
        (tcp("0.0.0.0", 8085), tcp("0.0.0.0", 8080, count=10), False),
        (tcp("0.0.0.0", 8080, count=10), tcp("0.0.0.0", 8090), True),
    ],
)
def test_who_gets_in_whose_way(host: HostNs, lab: Lab, one: PortMap, other: PortMap, fits: bool) -> None:
    lab.link(host, lab.host("lan"), ("192.0.2.1/24", "192.0.2.2/24"))
    remote, first, second = Remote(host), lab.container("first"), lab.container("second")
    remote.call("create", net=DUAL)
    remote.attach(first, network="dual", ports=(one,))
    before = kernel(host)
    if fits:
        remote.attach(second, network="dual", ports=(other,))
    else:
        with pytest.raises(RefusedError, match=r"conflict: .*80"):
            remote.attach(second, network="dual", ports=(other,))
        assert diff(before, kernel(host)) == ""
    assert remote.call("check") == ()


@pytest.mark.parametrize(
    ("kind", "address", "only", "wanted", "refused"),
    [
        ("tcp", "0.0.0.0", False, tcp("0.0.0.0", 8080), True),
        ("tcp", "127.0.0.1", False, tcp("0.0.0.0", 8080), True),
        ("tcp", "127.0.0.1", False, tcp("127.0.0.2", 8080), False),
        ("tcp", "::", False, tcp("0.0.0.0", 8080), True),
        ("tcp", "::", True, tcp("0.0.0.0", 8080), False),
        ("tcp", "::", True, tcp("::", 8080), True),
        ("tcp", "::1", True, tcp("::", 8080), True),
        ("udp", "0.0.0.0", False, tcp("0.0.0.0", 8080), False),
        ("udp", "0.0.0.0", False, tcp("0.0.0.0", 8080, protocol="udp"), True),
        ("udp", "::", False, tcp("127.0.0.1", 8080, protocol="udp"), True),
        ("tcp", "0.0.0.0", False, tcp("0.0.0.0", 8071, count=10), True),
    ],
)
def test_a_port_that_a_process_listens_on(
    host: HostNs, lab: Lab, kind: str, address: str, only: bool, wanted: PortMap, refused: bool
) -> None:
    remote, container = Remote(host), lab.container()
    remote.call("create", net=DUAL)
    listener(host, kind, address, 8080, only)
    if refused:
        with pytest.raises(RefusedError, match=r"conflict: .*listens.*8080"):
            remote.attach(container, network="dual", ports=(wanted,))
        assert remote.call("claims") == ()
    else:
        remote.attach(container, network="dual", ports=(wanted,))


def test_a_port_that_a_process_is_connected_from_is_told_as_that(host: HostNs, lab: Lab) -> None:
    remote, container = Remote(host), lab.container()
    remote.call("create", net=DUAL)
    code = "import socket, time; s = socket.socket(2, 2); s.bind(('127.0.0.1', 8080)); s.connect(('127.0.0.1', 9))"
    client = host.popen(sys.executable, "-c", f"{code}; print('there', flush=True); time.sleep(60)")
    assert client.stdout is not None
    assert client.stdout.readline() == "there\n"
    with pytest.raises(RefusedError, match=r"conflict: .*is connected from 127.0.0.1:8080/udp"):
        remote.attach(container, network="dual", ports=(tcp("127.0.0.1", 8080, protocol="udp"),))


def test_a_port_that_netkit_chooses_is_kept_from_others_and_given_back(host: HostNs, lab: Lab) -> None:
    remote, one, two = Remote(host), lab.container("one"), lab.container("two")
    host.run("sysctl", "-qw", f"{RESERVED}=40000,50000-50010")
    remote.call("create", net=DUAL)
    first = remote.attach(one, network="dual", ports=(tcp("0.0.0.0", 0), tcp("::", 0), tcp("0.0.0.0", 0, 90)))
    second = remote.attach(two, network="dual", ports=(tcp("0.0.0.0", 0, 53, protocol="udp"),))
    chosen = sorted({port.host_port for port in (*first.ports, *second.ports)})
    assert first.ports[0].host_port == first.ports[1].host_port
    assert len(chosen) == 3
    assert set(map(str, chosen)) <= set(reserved(host).split(","))
    remote.leave(one)
    remote.leave(two)
    assert reserved(host) == "40000,50000-50010"


def test_a_chosen_range_takes_no_port_that_somebody_else_has_reserved(host: HostNs, lab: Lab) -> None:
    remote, container = Remote(host), lab.container()
    host.run("sysctl", "-qw", "net/ipv4/ip_local_port_range=40000 40019", f"{RESERVED}=40002-40003,40008,40012-40020")
    remote.call("create", net=DUAL)
    for _ in range(4):
        ep = remote.attach(container, network="dual", ports=(tcp("0.0.0.0", 0, 80, count=3),))
        assert ep.ports[0].host_port in (40004, 40005, 40009)
        remote.leave(container)
        assert reserved(host) == "40002-40003,40008,40012-40020"


@pytest.mark.parametrize("damage", ("garbage", "empty", "gone", "a-directory"))
def test_a_damaged_ledger_forgets_nobody(host: HostNs, lab: Lab, damage: str) -> None:
    remote, one, two = Remote(host), lab.container("one"), lab.container("two")
    remote.attach(one, ports=(tcp("0.0.0.0", 8080),))
    ledger = host.root / "run" / "host" / "ports"
    ledger.unlink()
    if damage in ("garbage", "empty"):
        ledger.write_bytes(b"netkit ports 1 00000000\nrubbish" if damage == "garbage" else b"")
    elif damage == "a-directory":
        ledger.mkdir()
    with pytest.raises(RefusedError, match="8080"):
        remote.attach(two, ports=(tcp("127.0.0.1", 8080),))
    remote.attach(two, ports=(tcp("127.0.0.1", 8081),))
    remote.leave(one)
    remote.leave(two)
    remote.attach(two, ports=(tcp("127.0.0.1", 8080),))


@pytest.mark.parametrize("backend", ("nftables", "iptables"))
def test_published_ports_lead_to_their_container_and_nowhere_when_it_is_gone(lab: Lab, backend: str) -> None:
    host, lan, web = lab.host(), lab.host("lan"), lab.container("web")
    lab.link(host, lan, ("192.0.2.1/24", "192.0.2.2/24"), ("2001:db8::1/64", "2001:db8::2/64"))
    remote = Remote(host, backend)
    remote.call("create", net=DUAL)
    ports = (tcp("0.0.0.0", 8080), tcp("::", 8080), tcp("192.0.2.1", 9000, 81), tcp("0.0.0.0", 7000, 90, 3, "udp"))
    remote.attach(web, network="dual", ports=ports)
    Server(
        web, "web", "tcp:0.0.0.0:80", "tcp::::80", "tcp:0.0.0.0:81", *(f"udp:0.0.0.0:{port}" for port in (90, 91, 92))
    )
    asked = (
        ("tcp", "192.0.2.1", 8080),
        ("tcp", "2001:db8::1", 8080),
        ("tcp", "192.0.2.1", 9000),
        ("udp", "192.0.2.1", 7000),
        ("udp", "192.0.2.1", 7002),
    )
    assert ask(lan, *asked, ("udp", "192.0.2.1", 7003)) == ["web"] * 5 + [""]
    assert ask(host, *asked, ("tcp", "127.0.0.1", 8080), ("tcp", "127.0.0.1", 9000)) == ["web"] * 6 + [""]
    remote.leave(web)
    assert ask(lan, *asked) == [""] * 5


def test_a_client_that_never_stops_sending_reaches_the_new_container(lab: Lab) -> None:
    """UDP from one socket every 10 ms: a tracked connection would lead to the old address as long as it sends."""
    host, lan = lab.host(), lab.host("lan")
    lab.link(host, lan, ("192.0.2.1/24", "192.0.2.2/24"))
    remote = Remote(host)
    ports = (PortMap("udp", "0.0.0.0", 5300, 53),)
    client = lan.popen(sys.executable, "-c", SEND_FOREVER, "192.0.2.1", "5300")
    assert client.stdout
    for number in range(4):
        container = lab.container(f"c{number}")
        ep = remote.attach(container, ports=ports)
        server = Server(container, f"answer{number}-{bare(ep.addresses[0])}", "udp:0.0.0.0:53")
        assert client.stdout.readline().strip() == f"answer{number}-{bare(ep.addresses[0])}"
        if number % 2:
            remote.leave(container)
        else:
            server.close()
            container.die()
