"""A host whose NIC leads to a LAN with a router and a neighbour, and a TCP stream between the host and the router.

router 192.0.2.2 fd00:2::2 --+
peer   192.0.2.3 fd00:2::3 --+-- switch -- eth0 192.0.2.1 fd00:2::1  host
"""

from __future__ import annotations

import json
import sys

from netkit.model import Network, Subnet
from tests.hosts import Container, HostNs, Lab, Namespace, wait_until
from tests.netns.calls import Remote

TYPE_CHECKING = False
if TYPE_CHECKING:
    import subprocess
    from typing import Any

HOST = {4: "192.0.2.1", 6: "fd00:2::1"}
ROUTER = {4: "192.0.2.2", 6: "fd00:2::2"}
PEER = {4: "192.0.2.3", 6: "fd00:2::3"}
SUBNETS = (
    Subnet("192.0.2.0/24", "192.0.2.2", "192.0.2.100-192.0.2.120"),
    Subnet("fd00:2::/64", "fd00:2::2", "fd00:2::100-fd00:2::120"),
)
YES = (("yes", "on"),)
LENGTH = {4: 24, 6: 64}

_SERVER = """
import json, socket, sys, time
listening = socket.create_server((sys.argv[1], 7777), family=socket.AF_INET6 if ":" in sys.argv[1] else socket.AF_INET)
print("ready", flush=True)
connection, sender = listening.accept()
last, gaps, total = time.monotonic(), [], 0
while data := connection.recv(4096):
    now = time.monotonic()
    gaps.append(now - last)
    last, total = now, total + len(data)
print(json.dumps([sender[0], total, max(gaps)]), flush=True)
"""
_CLIENT = """
import socket, sys, time
connection = socket.create_connection((sys.argv[1], 7777))
connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
sent = 0
print("ready", flush=True)
while not sys.stdin in __import__("select").select([sys.stdin], [], [], 0.001)[0]:
    sent += connection.send(b"x")
connection.close()
print(sent, flush=True)
"""


class Lan:
    """The LAN, the host in it with a default route of each family, and the engine there."""

    def __init__(self, lab: Lab, backend: str = "nftables") -> None:
        self.lab = lab
        self.host: HostNs = lab.host()
        self.router, self.peer = lab.host("router"), lab.host("peer")
        places: dict[Namespace, dict[int, str]] = {self.host: HOST, self.router: ROUTER, self.peer: PEER}
        lab.switch({place: tuple(f"{ip}/{LENGTH[v]}" for v, ip in own.items()) for place, own in places.items()})
        for version in (4, 6):
            self.host.run("ip", "route", "add", "default", "via", ROUTER[version])
        self.host.settled()
        self.engine = Remote(self.host, backend)

    def network(self, **changes: Any) -> Network:
        """The network of most tests."""
        return Network("lan", "underlay", subnets=SUBNETS, parent="eth0", options=YES).replace(**changes)

    def create(self, **changes: Any) -> None:
        """Make it."""
        self.engine.call("create", net=self.network(**changes))

    def attach(self, container: Container) -> dict[int, str]:
        """Attach a container; its addresses by family."""
        found = self.engine.call("attach", pid=container.pid, network="lan")
        return {6 if ":" in each else 4: each.partition("/")[0] for each in found.addresses}


def shown(host: Namespace, dev: str) -> list[Any]:
    """All of a link's addresses and routes as `ip -j` shows them, in its order, without the link's name."""
    addresses = json.loads(host.run("ip", "-j", "-d", "addr", "show", "dev", dev).stdout)[0]["addr_info"]
    found = [[{k: v for k, v in each.items() if k != "label"} for each in addresses]]
    for family in ("-4", "-6"):
        rows = json.loads(host.run("ip", "-j", "-d", family, "route", "show", "table", "all", "dev", dev).stdout)
        found.append([row for row in rows if row["dst"] != "ff00::/8"])
    return found


class Stream:
    """A byte a millisecond from the host to the router over one connection."""

    def __init__(self, lan: Lan, version: int) -> None:
        self.server = lan.router.popen(sys.executable, "-c", _SERVER, ROUTER[version])
        _first_line(self.server)
        self.client = lan.host.popen(sys.executable, "-c", _CLIENT, ROUTER[version], stdin=-1)
        _first_line(self.client)

    def end(self) -> tuple[str, int, int, float]:
        """Who the router saw, bytes sent and received, and the largest gap in seconds."""
        sent, _ = self.client.communicate("\n")
        told, complaint = self.server.communicate()
        assert told, complaint
        sender, received, gap = json.loads(told)
        return sender, int(sent), received, gap


def _first_line(process: subprocess.Popen[str]) -> None:
    assert process.stdout
    assert process.stdout.readline() == "ready\n"


def serve(place: Namespace) -> None:
    """A server at port 80 that answers with the address that it is asked from."""
    code = (
        "import socket; s = socket.create_server(('::', 80), family=socket.AF_INET6, dualstack_ipv6=True)\n"
        "while True: c, a = s.accept(); c.sendall(a[0].removeprefix('::ffff:').encode()); c.close()"
    )
    place.popen(sys.executable, "-c", code)
    assert wait_until(lambda: ":80" in place.run("ss", "-Hltn").stdout)


def asks(client: Namespace, address: str) -> str:
    """The address that the server there sees, "" when there is no answer."""
    code = (
        "import socket, sys\n"
        "try: print(socket.create_connection((sys.argv[1], 80), 3).recv(99).decode())\n"
        "except OSError: print('')"
    )
    return client.run(sys.executable, "-c", code, address).stdout.strip()
