"""One act of the engine inside a lab host, for tests that break it at a chosen op.

    python -m tests.acts ROOT BACKEND CASE create|plan|attach|detach|rm|gc|- PID [raise|kill N]

With `-` it stays, and does what each line of its standard input says: a verb, and the fault. Prints one JSON line an
act: how many ops were reached, and the error if there was one; `plan` writes the script to stderr.
"""

from __future__ import annotations

import json
import os
import signal
import sys

from netkit.engine.service import Engine
from netkit.errors import KernelError, NetkitError
from netkit.kernel.netns import resolve_pid
from netkit.model import AttachRequest, Network, PortMap, Rate, Subnet
from netkit.plan.ops import Op
from netkit.plan.render import script

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

    from tests.hosts import Namespace

V4 = Subnet("10.90.0.0/16", "10.90.0.1")
V6 = Subnet("fd00:90::/64", "fd00:90::1")
LAN = Subnet("192.0.2.0/24", "192.0.2.2", "192.0.2.128/25")
TCP = PortMap("tcp", "0.0.0.0", 8080, 80)
MORE = (TCP, PortMap("tcp", "::", 8080, 80), PortMap("udp", "0.0.0.0", 7000, 80, 3))
RANGES = (
    PortMap("tcp", "0.0.0.0", 9000, 9000, 100),
    PortMap("udp", "0.0.0.0", 7000, 80, 3),
    PortMap("tcp", "192.0.2.1", 8443, 443),
)
PICKY = (("conditionsV4", "! -s 198.51.100.0/24 -i up+"), ("masqAll", "on"))
FREE = (PortMap("tcp", "0.0.0.0", 0, 22),)
PLUGINS = ("bin-dir", os.path.join(os.path.dirname(os.path.abspath(__file__)), "plugins"))
LAN4 = Subnet("192.0.2.0/24", "192.0.2.2", "192.0.2.100-192.0.2.120")
LAN6 = Subnet("fd00:2::/64", "fd00:2::2", "fd00:2::100-fd00:2::120")
YES = (("yes", "on"),)

#: What is attached: the network (None: the implicit one of the mode), the mode, the ports.
CASES: dict[str, tuple[Network | None, str, tuple[PortMap, ...]]] = {
    "null": (None, "null", ()),
    "bridge": (None, "bridge", (TCP,)),
    "dual": (Network("blue", "bridge", subnets=(V4, V6)), "bridge", MORE),
    "free": (None, "bridge", FREE),
    "internal": (Network("dark", "bridge", subnets=(V4,), internal=True), "bridge", ()),
    "lonely": (Network("lonely", "bridge", subnets=(V4,), icc=False, mtu=1400), "bridge", (TCP,)),
    "ranges": (Network("ranges", "bridge", subnets=(V4,)), "bridge", RANGES),
    "picky": (Network("picky", "bridge", subnets=(V4,), options=PICKY), "bridge", RANGES),
    "ptp": (Network("cables", "ptp", subnets=(V4, V6)), "ptp", MORE),
    "adopted": (Network("old", "bridge", subnets=(V4,), options=(("bridge", "br0"),)), "bridge", (TCP,)),
    "beside": (Network("beside", "bridge", subnets=(V4,)), "bridge", (TCP,)),
    "second": (Network("second", "bridge", subnets=(V4,)), "bridge", ()),
    "macvlan": (Network("lan", "macvlan", subnets=(LAN,), options=(("host", "on"),)), "macvlan", ()),
    "apart": (Network("apart", "macvlan", subnets=(V4, V6), options=(("mode", "private"),), mtu=1400), "macvlan", ()),
    "delegate": (Network("theirs", "cni:cable", subnets=(V4,), options=(PLUGINS,)), "cni:cable", ()),
    "delegate-ports": (Network("theirs", "cni:cable", subnets=(V4,), options=(PLUGINS,)), "cni:cable", (TCP,)),
    "underlay": (Network("lan", "underlay", subnets=(LAN4, LAN6), parent="eth0", options=YES), "underlay", ()),
    "shaped": (None, "bridge", (TCP,)),
    "shaped-inside": (Network("lan", "macvlan", subnets=(LAN,)), "macvlan", ()),
}

#: What is asked for besides.
LIMITS = {"rate_in": Rate(10**7), "rate_out": Rate(5 * 10**6, 512 * 10**3)}
BESIDES: dict[str, dict[str, Any]] = {"shaped": LIMITS, "shaped-inside": LIMITS}

#: The interface in the container, where it is not eth0.
IFNAMES = {"second": "eth1"}

#: What is there before netkit comes, on the host and in the container; all of it given, so that twins are alike.
_PREPARED: dict[str, tuple[tuple[str, ...], tuple[str, ...]]] = {
    "adopted": (
        (
            "ip link add br0 address 02:00:00:00:00:b0 type bridge",
            "ip link set br0 addrgenmode none",
            "ip link set br0 up",
            "ip addr add 10.90.0.1/16 dev br0",
        ),
        (),
    ),
    "beside": (
        ("iptables -N DOCKER-USER", "iptables -I FORWARD -j DOCKER-USER", "iptables -P FORWARD DROP"),
        (),
    ),
    "second": (
        (),
        (
            "ip link set lo up",
            "ip link add eth0 address 02:00:00:00:00:e0 type veth peer name other address 02:00:00:00:00:e1",
            "ip link set eth0 addrgenmode none",
            "ip link set other addrgenmode none",
            "ip addr add 10.80.0.2/24 dev eth0",
            "ip link set other up",
            "ip link set eth0 up",
            "ip route add default via 10.80.0.1",
        ),
    ),
}


def prepare(case: str, host: Namespace, container: Namespace) -> None:
    """Make a host and a container what they are at the beginning of a case."""
    for_host, for_container = _PREPARED.get(case, ((), ()))
    for line in for_host:
        host.run(*line.split())
    for line in for_container:
        container.run(*line.split())


class Breaker:
    """Called before each op; raises or kills at the chosen one."""

    def __init__(self, how: str = "", at: int = -1) -> None:
        self.how = how
        self.at = at
        self.reached = 0

    def __call__(self, op: Op) -> None:
        self.reached += 1
        if self.reached - 1 != self.at:
            return
        self.at = -1
        if self.how == "kill":
            os.kill(os.getpid(), signal.SIGKILL)
        raise KernelError(f"planted before {type(op).__name__}", 5)


def act(engine: Engine, case: str, verb: str, pid: int) -> None:
    """Create the case's network, attach to it, detach, remove it, or take back what the dead have left."""
    net, mode, _ = CASES[case]
    if verb == "create":
        engine.create_network(net or Network(mode, mode, made_by_mode=True))
    elif verb == "attach":
        request = _request(case, pid)
        engine.attach(request, network=net.name if net else "", mode=mode)
    elif verb == "plan":
        request = _request(case, pid)
        plan, _ = engine.plan_attach_to(net, request) if net else engine.plan_attach(request, mode=mode)
        sys.stderr.write(script(plan))
    elif verb == "detach":
        engine.detach_namespace(resolve_pid(pid))
    elif verb == "rm":
        engine.remove_network(net.name if net else mode)
    elif verb == "gc":
        engine.gc()
    else:
        raise ValueError(verb)


def _request(case: str, pid: int) -> AttachRequest:
    ports, besides = CASES[case][2], BESIDES.get(case, {})
    return AttachRequest("web", resolve_pid(pid), IFNAMES.get(case, "eth0"), pid=pid, ports=ports, **besides)


def outcome(root: str, backend: str, case: str, verb: str, pid: str, *fault: str) -> str:
    """How one act ends, as a line of JSON."""
    breaker = Breaker(fault[0], int(fault[1])) if fault else Breaker()
    error = ""
    try:
        act(Engine(root, backend, breaker), case, verb, int(pid))
    except NetkitError as caught:
        error = f"{caught.message} | {caught.hint}"
    return json.dumps({"ops": breaker.reached, "error": error})


def main() -> None:
    root, backend, case, verb, pid, *fault = sys.argv[1:]
    if verb != "-":
        print(outcome(root, backend, case, verb, pid, *fault))
        return
    for line in sys.stdin:
        verb, *fault = line.split()
        print(outcome(root, backend, case, verb, pid, *fault), flush=True)


if __name__ == "__main__":
    main()
