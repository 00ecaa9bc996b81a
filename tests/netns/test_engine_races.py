"""Many at once: each call is a process of its own, as it is with a runtime that starts many containers."""

from __future__ import annotations

from collections import Counter

import pytest

from netkit.model import Network, PortMap, Subnet
from tests.hosts import Container, HostNs, Lab
from tests.netns.calls import Remote, ip

BLUE = Network("blue", "bridge", subnets=(Subnet("10.7.0.0/24", "10.7.0.1"),))
SLOW = pytest.mark.limit(120)  # forty interpreters on a busy machine

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

    from tests.netns.calls import Answer


def attach(container: Container, **wish: Any) -> tuple[str, dict[str, Any]]:
    return "attach", {"pid": container.pid, "container": container.name, **wish}


def leave(container: Container) -> tuple[str, dict[str, Any]]:
    return "leave", {"pid": container.pid}


def counted(found: list[Answer]) -> Counter[str]:
    return Counter(answer.get("error", "done") for answer in found)


def bridges(host: HostNs) -> list[str]:
    return [link["ifname"] for link in ip(host, "link", "show", "type", "bridge")]


@SLOW
def test_attaches_and_detaches_in_a_muddle(host: HostNs, lab: Lab) -> None:
    remote = Remote(host)
    containers = [lab.container(f"c{number}") for number in range(16)]
    for container in containers[::2]:
        remote.attach(container)
    for turn in (0, 1, 0):
        calls = [leave(c) if at % 2 == turn else attach(c) for at, c in enumerate(containers)]
        found = remote.together([*calls, ("gc", {}), ("check", {}), ("reload", {})])
        assert counted(found) == {"done": 19}, [each for each in found if "error" in each]
        held = [ep.container for ep, alive in remote.call("attachments") if alive]
        assert sorted(held) == sorted(c.name for c in containers[1 - turn :: 2])
        assert remote.call("check") == ()
        assert len(remote.call("claims")) == 8


def test_one_of_two_wins_a_namespace(host: HostNs, lab: Lab) -> None:
    remote, container = Remote(host), lab.container()
    for _ in range(4):
        found = remote.together([attach(container), attach(container), attach(container)])
        assert counted(found) == {"done": 1, "conflict": 2}, found
        assert remote.call("check") == ()
        assert len(remote.call("claims")) == 1
        remote.leave(container)


def test_two_networks_at_once_for_one_namespace(host: HostNs, lab: Lab) -> None:
    """Another network's lock: the same interface name goes to one of them; different names go to both."""
    remote, container = Remote(host), lab.container()
    remote.call("create", net=BLUE)
    remote.call("implicit")
    for ifname, outcome in (("eth0", {"done": 1}), ("eth1", {"done": 2})):
        for _ in range(3):
            found = remote.together([attach(container), attach(container, network="blue", ifname=ifname)])
            assert counted(found)["done"] == outcome["done"], found
            assert remote.call("check") == ()
            remote.leave(container)
            assert [link["ifname"] for link in ip(container, "link")] == ["lo"]


MEANWHILE = """
import subprocess, sys, time
from netkit.engine.service import Engine
from netkit.kernel.netns import resolve_pid

def begin(op):
    global other
    if other is None:
        other = subprocess.Popen(words)
        deadline = time.monotonic() + 2
        while other.poll() is None and time.monotonic() < deadline:
            time.sleep(0.01)

root, backend, pid, *words = sys.argv[1:]
other = None
Engine(root, backend, before_op=begin).detach_namespace(resolve_pid(int(pid)), "eth0")
sys.exit(other.wait())
"""


def test_lo_stays_up_for_one_that_comes_while_another_goes(host: HostNs, lab: Lab) -> None:
    """The second attachment begins when the first is being taken down, and finds `lo` still up."""
    remote, container = Remote(host), lab.container()
    remote.call("create", net=BLUE)
    remote.attach(container)
    coming = remote.words(attach(container, network="blue", ifname="eth1"))
    host.python(MEANWHILE, str(host.root), remote.backend, str(container.pid), *coming)
    assert {link["ifname"] for link in ip(container, "link") if "UP" in link["flags"]} == {"lo", "eth1"}
    assert container.run("ping", "-c", "1", "-W", "1", "127.0.0.1").returncode == 0
    remote.leave(container)
    assert [link["ifname"] for link in ip(container, "link") if "UP" in link["flags"]] == []


def test_a_network_of_one_name_is_made_once(host: HostNs) -> None:
    remote = Remote(host)
    found = remote.together([("create", {"net": BLUE})] * 6)
    assert counted(found) == {"done": 1, "conflict": 5}, found
    assert bridges(host) == ["nk-blue"]
    assert remote.call("check") == ()


def test_networks_with_overlapping_subnets_at_once(host: HostNs) -> None:
    remote = Remote(host)
    nets = [BLUE.replace(name=f"n{number}") for number in range(6)]
    found = remote.together([("create", {"net": net}) for net in nets])
    assert counted(found) == {"done": 1, "conflict": 5}, found
    assert len(bridges(host)) == 1
    assert [net.name for net in remote.call("networks")] == [bridges(host)[0].removeprefix("nk-")]


def test_networks_that_choose_a_subnet_at_once_choose_different_ones(host: HostNs) -> None:
    remote = Remote(host)
    found = remote.together([("create", {"net": Network(f"n{number}", "bridge")}) for number in range(8)])
    assert counted(found) == {"done": 8}, found
    assert len({net.subnets for net in remote.call("networks")}) == 8


def test_the_last_network_goes_while_another_comes(host: HostNs) -> None:
    remote = Remote(host)
    other = Network("other", "bridge", subnets=(Subnet("10.9.0.0/24", "10.9.0.1"),))
    for old, new in ((BLUE, other), (other, BLUE)) * 3:
        if old.name not in [net.name for net in remote.call("networks")]:
            remote.call("create", net=old)
        assert counted(remote.together([("rm", {"name": old.name}), ("create", {"net": new})])) == {"done": 2}
        assert host.run("sysctl", "-n", "net/ipv4/ip_forward").stdout == "1\n"
        assert remote.call("check") == ()


def test_a_host_port_that_two_want_at_once_goes_to_one(host: HostNs, lab: Lab) -> None:
    remote = Remote(host)
    one, two = lab.container("one"), lab.container("two")
    remote.call("create", net=BLUE)
    for first, second in (("", "blue"), ("blue", "blue")):
        for host_ip in ("0.0.0.0", "127.0.0.1"):
            ports = (PortMap("tcp", "0.0.0.0", 8080, 80),)
            others = (PortMap("tcp", host_ip, 8080, 80),)
            found = remote.together(
                [attach(one, network=first, ports=ports), attach(two, network=second, ports=others)]
            )
            assert counted(found) == {"done": 1, "conflict": 1}, found
            assert remote.call("check") == ()
            remote.together([leave(one), leave(two)])
            assert remote.call("claims") == ()
