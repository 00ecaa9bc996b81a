"""Two hosts, a container on each, and proxies of netkit between them; each proxy's life is in its host's own processes.

pair = Tunnels(lab); pair.start(); pair.a.container.run("ping", pair.b.address)
"""

from __future__ import annotations

import json

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

    from tests.hosts import HostNs, Lab

DEVICE, PORT = "flannel0", 8285
MTU4, MTU6 = 1472, 1452
_CALL = """
import json, sys
from netkit.agent.udp.proxy import Proxy
from netkit.agent.udp.settings import Settings
from netkit.errors import NetkitError
from netkit.state.root import Root
from netkit.value import from_json
root, settings, act, *arguments = json.load(sys.stdin)
try:
    proxy = Proxy(Root(root), Settings(**from_json(settings)))
    answer = getattr(proxy, act)(*arguments)
except NetkitError as error:
    answer = {"error": type(error).__name__, "message": error.message}
print(json.dumps(answer, default=vars))
"""


class End:
    """A host with its container, its subnets, and the address where its proxy listens."""

    def __init__(self, lab: Lab, number: int, outer: int) -> None:
        self.host: HostNs = lab.host(f"host{number}")
        self.container = lab.container(f"container{number}")
        self.outer = f"192.0.2.{number}" if outer == 4 else f"2001:db8::{number}"
        self.mtu = MTU4 if outer == 4 else MTU6
        self.local = [f"10.5.{number}.0/24", f"fd00:5:{number}::/64"]
        self.address, self.address6 = f"10.5.{number}.2", f"fd00:5:{number}::2"
        inside = ((f"10.5.{number}.1/24", f"10.5.{number}.2/24"), (f"fd00:5:{number}::1/64", f"fd00:5:{number}::2/64"))
        lab.link(self.host, self.container, *inside, names=("c0", "eth0"))
        self.container.run("ip", "route", "add", "default", "via", f"10.5.{number}.1")
        self.container.run("ip", "route", "add", "default", "via", f"fd00:5:{number}::1")
        self.host.run("sysctl", "-qw", "net.ipv4.ip_forward=1", "net.ipv6.conf.all.forwarding=1")

    def proxy(self, act: str, *arguments: object, **settings: object) -> Any:
        """What a method of `Proxy` answers in this host; an error as `{"error": CLASS, "message"}`."""
        given = {"device": DEVICE, "mtu": self.mtu, "listen": (self.outer, PORT), "local": self.local} | settings
        words = json.dumps([str(self.host.root), given, act, *arguments])
        return json.loads(self.host.module("-c", _CALL, input=words).stdout)

    def routes(self) -> None:
        """The kernel's routes to the proxy, as the agent would make them."""
        self.host.run("ip", "route", "replace", "10.5.0.0/16", "dev", DEVICE)
        self.host.run("ip", "route", "replace", "fd00:5::/32", "dev", DEVICE)


class Tunnels:
    """The two ends, cabled; `outer` is the family of the underlay."""

    def __init__(self, lab: Lab, outer: int = 4) -> None:
        self.a, self.b = End(lab, 1, outer), End(lab, 2, outer)
        self.ends = (self.a, self.b)
        bits = 24 if outer == 4 else 64
        lab.link(self.a.host, self.b.host, (f"{self.a.outer}/{bits}", f"{self.b.outer}/{bits}"), names=("eth0", "eth0"))

    def start(self) -> None:
        """Packets flow."""
        for end, other in (self.ends, self.ends[::-1]):
            assert end.proxy("start") is True
            end.proxy("table", dict.fromkeys(other.local, (other.outer, PORT)))
            end.routes()

    def stop(self) -> None:
        """End the proxies; a test that forgets leaves processes behind."""
        for end in self.ends:
            end.proxy("stop")

    def dropped(self) -> dict[str, int]:
        """What both dropped, by reason, where it is not nothing; the kernel's own multicast aside."""
        total: dict[str, int] = {}
        for end in self.ends:
            for reason, count in end.proxy("counters")["dropped"].items():
                total[reason] = total.get(reason, 0) + count
        return {reason: count for reason, count in total.items() if count and reason != "multicast"}
