"""A small internet for firewall tests.

    lan 192.0.2.2 --- up0 192.0.2.1 [ host ] 198.51.100.1 up1 --- 198.51.100.2 far
                                       |
              netkit0 10.90.0.1 -- web .2, sibling .3
              netkit1 10.91.0.1 -- other .2
              netkit2 10.92.0.1 -- inner .2                    (internal)
              docker0 10.17.0.1 -- neighbour .2                (another tool's)

IPv6 the same: 2001:db8:1::/64, 2001:db8:2::/64, fd00:90::/64 and so on. `lan` and `far` route
everything through the host, the containers' subnets too: they are attackers who know the way. Forwarding and
route_localnet are on everywhere, so whatever is not reached is not reached because of rules.
"""

from __future__ import annotations

import json
from pathlib import Path

from netkit.naming import short_id
from netkit.plan.rules import BaseRules, ClosedTransit, NetworkRules, Publish
from tests.contract import frames, packets
from tests.contract.executor import execute
from tests.hosts import Lab, Namespace

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence
    from contextlib import AbstractContextManager

    from netkit.plan.rules import Rule
    from tests.contract.packets import Question

NETWORKS = {"netkit0": 90, "netkit1": 91, "netkit2": 92}
BRIDGES = {**NETWORKS, "docker0": 17}
PLACES = {
    "web": ("netkit0", 2),
    "sibling": ("netkit0", 3),
    "other": ("netkit1", 2),
    "inner": ("netkit2", 2),
    "neighbour": ("docker0", 2),
}

WEB4, WEB6 = "10.90.0.2", "fd00:90::2"
HOST4, HOST6 = "192.0.2.1", "2001:db8:1::1"
LAN4, LAN6 = "192.0.2.2", "2001:db8:1::2"
FAR4, FAR6 = "198.51.100.2", "2001:db8:2::2"
BOTH = ("tcp", "udp")


def published() -> list[Publish]:
    """Ports of every kind: any, host address, loopback; single, identity range, shifted range; one on `inner`."""
    owner, rules = short_id("web"), []
    for proto in BOTH:
        for host, any_, target, inner in ((HOST4, "0.0.0.0", WEB4, "10.92.0.2"), (HOST6, "::", WEB6, "fd00:92::2")):
            rules += [
                Publish(owner, proto, any_, 8080, target, 80, "netkit0"),
                Publish(owner, proto, host, 8081, target, 80, "netkit0"),
                Publish(owner, proto, any_, 9000, target, 9000, "netkit0", 4),
                Publish(owner, proto, host, 9010, target, 9010, "netkit0", 4),
                Publish(owner, proto, any_, 9100, target, 9200, "netkit0", 4),
                Publish(short_id("inner"), proto, any_, 8090, inner, 80, "netkit2"),
            ]
        rules.append(Publish(owner, proto, "127.0.0.1", 8082, WEB4, 80, "netkit0"))
    return rules


def networks() -> list[NetworkRules]:
    return [
        NetworkRules(f"net{number}", device, (f"10.{number}.0.0/16", f"fd00:{number}::/64"), internal=number == 92)
        for device, number in NETWORKS.items()
    ]


def everything() -> list[Rule]:
    return [BaseRules(), ClosedTransit(4), ClosedTransit(6), *networks(), *published()]


class World:
    """The namespaces, the servers in them, and how to ask."""

    def __init__(self, directory: Path, backend: str = "nftables") -> None:
        self.backend = backend
        self.open: list[str] = []
        self.lab = Lab(directory)
        self.host = self.lab.host("host")
        self.members: dict[str, Namespace] = {"host": self.host}
        self.settings("net.ipv6.conf.default.accept_dad=0")  # a tentative link-local address asks for no neighbour
        self._uplinks()
        for device, number in BRIDGES.items():
            self._bridge(device, number)
        for name, (device, last) in PLACES.items():
            self._container(name, device, last)
        self.settings("net.ipv4.ip_forward=1", "net.ipv6.conf.all.forwarding=1", "net.ipv4.conf.all.route_localnet=1")
        self._servers()

    def close(self) -> None:
        leaks = self.lab.close()
        assert not leaks, leaks

    def settings(self, *settings: str) -> None:
        self.host.run("sysctl", "-qw", *settings)

    def ask(self, member: str, questions: Iterable[Question], patience: float = 10) -> list[str]:
        """The answers that this member gets to its questions, all asked at once."""
        return packets.ask(self.members[member], list(questions), patience)

    def firewall(self, verb: str, rules: Sequence[Rule]) -> str:
        """Carry out `add`, `delete` or `holds` on the host, in a process of its own; what it returned or raised."""
        return execute(self.host, self.backend, verb, rules)

    def serve(self, member: str, name: str, *places: str) -> packets.Server:
        return packets.Server(self.members[member], name, *places)

    def send(self, member: str, forged: dict[str, bytes], count: int) -> None:
        """Send raw frames from a member's eth0, each `count` times."""
        frames.send(self.members[member], "eth0", forged.values(), count)

    def hear(self, member: str, patterns: dict[str, bytes]) -> AbstractContextManager[dict[str, int]]:
        """Count the frames at a member's eth0 that hold these bytes; the dict is filled when the block ends."""
        return frames.hear(self.members[member], "eth0", patterns)

    def drops(self) -> list[str]:
        """What `foreign_drops` finds on the host."""
        code = "from netkit.kernel.foreign import foreign_drops; import json; print(json.dumps(foreign_drops()))"
        found: list[str] = json.loads(self.host.python(code).stdout)
        return found

    def _uplinks(self) -> None:
        for name, net4, net6, device in (
            ("lan", "192.0.2", "2001:db8:1", "up0"),
            ("far", "198.51.100", "2001:db8:2", "up1"),
        ):
            self.members[name] = member = self.lab.host(name)
            pairs = ((f"{net4}.1/24", f"{net4}.2/24"), (f"{net6}::1/64", f"{net6}::2/64"))
            self.lab.link(self.host, member, *pairs, names=(device, "eth0"))
            member.run("ip", "route", "add", "default", "via", f"{net4}.1")
            member.run("ip", "-6", "route", "add", "default", "via", f"{net6}::1")

    def _bridge(self, device: str, number: int) -> None:
        lines = (
            f"link add {device} address 02:00:00:00:{number}:01 type bridge\nlink set {device} up\n"
            f"addr add 10.{number}.0.1/16 dev {device}\naddr add fd00:{number}::1/64 dev {device} nodad\n"
        )
        self.host.run("ip", "-batch", "-", input=lines)

    def _container(self, name: str, device: str, last: int) -> None:
        number = BRIDGES[device]
        self.members[name] = member = self.lab.container(name)
        member.run("ip", "link", "set", "lo", "up")
        self.lab.link(self.host, member, names=(f"nk{name}", "eth0"))
        mac = f"02:00:00:00:{number}:0{last}"
        lines = (
            f"link set eth0 address {mac}\naddr add 10.{number}.0.{last}/16 dev eth0\n"
            f"addr add fd00:{number}::{last}/64 dev eth0 nodad\n"
            f"route add default via 10.{number}.0.1\nroute add default via fd00:{number}::1\n"
        )
        member.run("ip", "-batch", "-", input=lines)
        self.host.run("ip", "link", "set", f"nk{name}", "master", device)
        self.host.run("bridge", "link", "set", "dev", f"nk{name}", "hairpin", "on")  # needed with br_netfilter

    def _servers(self) -> None:
        ports = (80, 81, *range(9000, 9004), *range(9010, 9014), *range(9200, 9204))
        for name in PLACES:
            self.serve(name, name, *(f"{p}:{a}:{n}" for p in BOTH for a in ("0.0.0.0", "::") for n in ports))
        for name, addresses in (("lan", (LAN4, LAN6)), ("far", (FAR4, FAR6))):
            self.serve(name, name, *(f"{p}:{a}:{n}" for p in BOTH for a in addresses for n in (80, 8080, 9000)))
        self.serve("host", "host", *(f"{p}:127.0.0.1:7000" for p in BOTH), *(f"{p}:{HOST4}:7001" for p in BOTH))
