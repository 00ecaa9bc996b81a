"""What every link driver promises, and the place where it must keep it.

    lan 192.0.2.2 --- eth0 192.0.2.1 [ host ] 198.51.100.1 eth1 --- 198.51.100.2 far
                                        |
                                  web, sibling

IPv6 the same: fd00:2::/64, fd00:3::/64. The host's default route leads to `lan`, which in turn knows the way to every
subnet of a network: it is an attacker, or a peer, as the driver has it.

A driver joins by one entry in DRIVERS.
"""

from __future__ import annotations

import contextlib
from typing import NamedTuple

from netkit.model import Endpoint, Network, Subnet, bare, family
from tests.contract.test_engine_faults import ALLOWED
from tests.features import need
from tests.hosts import Container, Lab, Namespace, wait_until
from tests.netns.calls import Resident
from tests.oracle import diff, snapshot

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator
    from typing import Any

FAMILIES = {"v4": (4,), "v6": (6,), "dual": (4, 6)}
#: Smaller than any link's on the way, so that it is the network's own that counts.
MTU = 1400


class Promise(NamedTuple):
    """A driver: whom its containers reach (gateway, sibling, host, lan), and who reaches them (host, lan).

    Whoever is not named is not reached, even though the packet would find its way. With `parent` the network stands on
    the host's eth0 (a second one on eth1) and its containers live in the LAN's own subnets. `{}` in an option is the
    number of the network.
    """

    mode: str
    reaches: tuple[str, ...]
    reached_by: tuple[str, ...]
    parent: bool = False
    options: tuple[tuple[str, str], ...] = ()
    needs: tuple[str, ...] = ()


ALL = ("gateway", "sibling", "host", "lan")
_OVERLAY = (("vni", "4{}"), ("local", "192.0.2.1"), ("dev", "eth0"))
DRIVERS = (
    Promise("bridge", reaches=ALL, reached_by=("host",), needs=("bridge", "nft-bridge")),
    Promise("ptp", reaches=ALL, reached_by=("host",), needs=("veth",)),
    Promise("macvlan", ("gateway", "sibling", "lan"), ("lan",), parent=True, needs=("macvlan",)),
    Promise("macvlan", ALL, ("host", "lan"), parent=True, options=(("host", "on"),), needs=("macvlan",)),
    Promise("macvlan", ("gateway", "lan"), ("lan",), parent=True, options=(("mode", "private"),), needs=("macvlan",)),
    Promise("switch", ("sibling",), (), needs=("bridge", "nft-bridge", "driver-switch")),
    Promise("ipvlan", ("gateway", "sibling", "lan"), ("lan",), parent=True, needs=("ipvlan",)),
    Promise("underlay", ALL, ("host", "lan"), parent=True, options=(("yes", "on"),), needs=("bridge", "nft-bridge")),
    Promise("overlay", ALL, ("host",), options=(*_OVERLAY, ("peers", "192.0.2.2")), needs=("vxlan", "nft-bridge")),
    Promise("overlay", ALL, ("host",), options=(*_OVERLAY, ("group", "239.1.1.4{}")), needs=("vxlan", "nft-bridge")),
)

#: Subnets of a first and a second network: of their own, and those of the LANs.
OWN = {
    4: (Subnet("10.90.0.0/24", "10.90.0.1"), Subnet("10.91.0.0/24", "10.91.0.1")),
    6: (Subnet("fd00:90::/64", "fd00:90::1"), Subnet("fd00:91::/64", "fd00:91::1")),
}
LANS = {
    4: (
        Subnet("192.0.2.0/24", "192.0.2.2", "192.0.2.64/26"),
        Subnet("198.51.100.0/24", "198.51.100.2", "198.51.100.64/26"),
    ),
    6: (
        Subnet("fd00:2::/64", "fd00:2::2", "fd00:2::100/120"),
        Subnet("fd00:3::/64", "fd00:3::2", "fd00:3::100/120"),
    ),
}
#: The host's own address, and its neighbour's.
HOST = {4: "192.0.2.1", 6: "fd00:2::1"}
LAN = {4: "192.0.2.2", 6: "fd00:2::2"}


class Stage:
    """A host between two LANs, two containers, and networks of one driver."""

    def __init__(self, lab: Lab, promise: Promise, versions: str) -> None:
        need(*promise.needs)
        self.promise, self.families = promise, FAMILIES[versions]
        self.host = lab.host()
        self.lan, far = lab.host("lan"), lab.host("far")
        lab.link(self.host, self.lan, ("192.0.2.1/24", "192.0.2.2/24"), ("fd00:2::1/64", "fd00:2::2/64"))
        lab.link(self.host, far, ("198.51.100.1/24", "198.51.100.2/24"), ("fd00:3::1/64", "fd00:3::2/64"))
        for version in (4, 6):
            self.host.run("ip", "route", "add", "default", "via", LAN[version])
            for subnet in OWN[version]:
                self.lan.run("ip", "route", "add", subnet.cidr, "via", HOST[version])
        self.web, self.sibling = lab.container("web"), lab.container("sibling")
        self._clean: dict[str, Any] = {}
        self.engine = Resident(self.host)
        for net in (self.network(0), self.network(1)):
            # Once there and back: directories, lock files and the kernel's lazily made tables exist from here on.
            self.engine.call("attach_to", net=net, pid=self.web.pid)
            self.engine.leave(self.web)
            self.engine.call("rm", name=net.name)

    def network(self, number: int) -> Network:
        """The first or second network of the driver."""
        subnets = tuple((LANS if self.promise.parent else OWN)[version][number] for version in self.families)
        parent = f"eth{number}" if self.promise.parent else ""
        name = ("one", "two")[number]
        options = tuple((key, value.format(number)) for key, value in self.promise.options)
        return Network(name, self.promise.mode, "", subnets, MTU, parent=parent, options=options)

    def attach(self, container: Container, number: int = 0, ifname: str = "eth0") -> Endpoint:
        """A container on one of the networks, which is made first if it is not there."""
        arguments = {"net": self.network(number), "pid": container.pid, "ifname": ifname, "container": container.name}
        made: Endpoint = self.engine.call("attach_to", **arguments)
        return made

    @contextlib.contextmanager
    def attached(self) -> Iterator[dict[str, dict[int, str]]]:
        """Both containers are on the first network: where everybody is, by family."""
        web, sibling = self.attach(self.web), self.attach(self.sibling)
        yield {
            "web": {family(address): bare(address) for address in web.addresses},
            "sibling": {family(address): bare(address) for address in sibling.addresses},
            "gateway": {family(subnet.cidr): subnet.gateway for subnet in self.network(0).subnets},
            "host": HOST,
            "lan": LAN,
        }
        self.clear()

    def clear(self) -> None:
        """Nobody is attached, and there are no networks."""
        for container in (self.web, self.sibling):
            self.engine.leave(container)
        for net in self.engine.call("networks"):
            self.engine.call("rm", name=net.name)

    def clean(self) -> dict[str, Any]:
        """What there is to see when nobody is attached: looked at once, for every test leaves it so."""
        self._clean = self._clean or self.seen()
        return self._clean

    def seen(self) -> dict[str, Any]:
        """What the oracle sees of the host and the containers."""
        self.host.settled()
        return snapshot(self.host, (self.web, self.sibling))

    def settled(self) -> dict[str, Any]:
        """The same when it stays so: the kernel adds the local route of an IPv6 address in its own time."""
        seen = self.seen()

        def same() -> bool:
            nonlocal seen
            before, seen = seen, self.seen()
            return diff(before, seen) == ""

        assert wait_until(same)
        return seen

    def changed(self, before: dict[str, Any], *allowed: str) -> str:
        """What the oracle sees that was otherwise before."""
        return diff(before, self.seen(), (*ALLOWED, *allowed))


def pings(place: Namespace, targets: dict[str, str], patience: float = 5, *options: str) -> set[str]:
    """Which of these targets answer this place, all asked at once; by their names."""
    words = ["ping", "-n", "-c1", f"-W{patience}", *options]
    lines = [f"{' '.join(words)} {address} >/dev/null 2>&1 && echo {name} &" for name, address in targets.items()]
    return set(place.run("sh", input="\n".join([*lines, "wait"])).stdout.split())
