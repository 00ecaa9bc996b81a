"""Processes die without a word: what they had is released by gc, or by whoever needs it next. And hosts reboot."""

from __future__ import annotations

import sys

import pytest

from netkit.model import Network, PortMap, Subnet, bare
from tests.contract.test_engine_faults import ALLOWED
from tests.features import need
from tests.hosts import Container, HostNs, Lab, wait_until
from tests.netns.calls import Remote, ip, kernel
from tests.oracle import diff, snapshot

PORTS = (
    PortMap("tcp", "0.0.0.0", 8080, 80),
    PortMap("udp", "0.0.0.0", 0, 53),
    PortMap("tcp", "127.0.0.1", 9000, 81, 3),
)
DUAL = Network("dual", "bridge", subnets=(Subnet("10.7.0.0/24", "10.7.0.1"), Subnet("fd07::/64", "fd07::1")))

PID_IS_REUSED = """
import ctypes, json, os, signal, sys
from netkit.engine.service import Engine
from netkit.kernel.netns import resolve_pid
from netkit.model import AttachRequest, PortMap
from netkit.value import to_json

def process(own_network):
    ready, go = os.pipe()
    pid = os.fork()
    if pid == 0:
        if own_network:
            assert ctypes.CDLL(None).unshare(0x40000000) == 0
        os.write(go, b".")
        signal.pause()
    assert os.read(ready, 1) == b"."
    return pid

def end(pid):
    os.kill(pid, signal.SIGKILL)
    os.waitpid(pid, 0)

engine = Engine(sys.argv[1], "nftables")
victim = process(True)
engine.attach(AttachRequest("web", resolve_pid(victim), pid=victim, ports=(PortMap("tcp", "0.0.0.0", 8080, 80),)))
end(victim)
for _ in range(50):
    with open("/proc/sys/kernel/ns_last_pid", "w") as file:
        file.write(str(victim - 1))
    heir = process(sys.argv[2] == "another")
    if heir == victim:
        break
    end(heir)
assert heir == victim
print(json.dumps(engine.gc()), [alive for _, alive in engine.attachments()])
end(heir)
"""


def warmed_up(remote: Remote, *containers: Container, network: str = "") -> None:
    for container in containers:
        remote.attach(container, network=network, ports=PORTS)
        remote.leave(container)


@pytest.mark.parametrize("backend", ("nftables", "iptables", "iptables-legacy"))
@pytest.mark.parametrize("waits", (True, False), ids=("when-it-is-cleared-away", "at-once"))
def test_gc_releases_all_that_a_dead_process_had(host: HostNs, lab: Lab, backend: str, waits: bool) -> None:
    need(backend)
    remote, container = Remote(host, backend), lab.container()
    remote.call("create", net=DUAL)
    warmed_up(remote, container, network="dual")
    before = snapshot(host)
    ep = remote.attach(container, network="dual", ports=PORTS)
    container.die()
    if waits:
        assert wait_until(lambda: ep.host_ifname not in [link["ifname"] for link in ip(host, "link")])
    assert [line.split()[:2] for line in remote.call("gc")] == [["attachment", ep.id]]
    assert diff(before, snapshot(host), ALLOWED) == ""


@pytest.mark.parametrize("whose", ("another", "the-host"))
def test_gc_is_not_fooled_by_a_pid_that_is_given_again(host: HostNs, whose: str) -> None:
    words = ("unshare", "--pid", "--fork", "--mount-proc")
    remote = Remote(host)
    remote.call("implicit")
    before = kernel(host)

    done = host.run(*words, sys.executable, "-c", PID_IS_REUSED, str(host.root), whose)
    assert done.stdout.startswith('["attachment ') and done.stdout.endswith("] []\n"), done.stdout
    assert diff(before, kernel(host), ALLOWED) == ""


def test_the_next_attachment_takes_what_a_dead_one_had(host: HostNs, lab: Lab) -> None:
    remote = Remote(host)
    address = "10.90.0.77"
    for number in range(4):
        container = lab.container(f"c{number}")
        ep = remote.attach(container, ips=(address,), ports=PORTS, name="web")
        assert bare(ep.addresses[0]) == address
        assert [each.container for each, alive in remote.call("attachments")] == [container.name]
        assert remote.call("check") == ()
        container.die()


def test_detach_of_the_dead_is_clean(host: HostNs, lab: Lab) -> None:
    remote, container = Remote(host), lab.container()
    warmed_up(remote, container)
    before = snapshot(host)
    ep = remote.attach(container, ports=PORTS)
    container.die()
    assert remote.call("detach", ident=ep.id) is True
    assert remote.call("detach", ident=ep.id) is False
    assert wait_until(lambda: ep.host_ifname not in [link["ifname"] for link in ip(host, "link")])
    assert diff(before, snapshot(host), ALLOWED) == ""


def test_a_namespace_lives_on_through_another_process(host: HostNs, lab: Lab) -> None:
    remote, container = Remote(host), lab.container()
    warmed_up(remote, container)
    before = kernel(host)
    ep = remote.attach(container, ports=PORTS)
    other = container.popen("sleep", "60")
    path = f"/proc/{other.pid}/ns/net"
    container.die()
    assert remote.call("gc") == ()
    assert remote.call("check") == ()
    assert [alive for _, alive in remote.call("attachments")] == [True]
    host.run("nsenter", f"--net={path}", "ping", "-n", "-c", "1", "-W", "1", "10.90.0.1")
    assert remote.call("detach", ident=ep.id) is True
    links = host.run("nsenter", f"--net={path}", "ip", "-o", "link").stdout.splitlines()
    assert len(links) == 1 and "DOWN" in links[0]
    assert diff(before, kernel(host), ALLOWED) == ""


def test_a_namespace_that_only_a_descriptor_holds_is_not_collected(host: HostNs, lab: Lab) -> None:
    remote, container = Remote(host), lab.container()
    ep = remote.attach(container)
    with open(container.path):
        container.die()
        assert remote.call("gc") == ()
        assert remote.call("detach", ident=ep.id) is True
    assert remote.call("gc") == ()


def test_after_a_reboot_the_first_attachment_works_and_gc_forgets_the_rest(lab: Lab) -> None:
    old, new = lab.host("old"), lab.host("new")
    before = Remote(old)
    before.call("create", net=DUAL)
    before.call("reserve", name="dual", address="10.7.0.9")
    gone = [lab.container(f"old{number}") for number in range(5)]
    for container in gone:
        ports = (PortMap("tcp", "0.0.0.0", 8080 + gone.index(container), 80), PORTS[1])
        before.attach(container, network="dual", ports=ports, name=f"name{gone.index(container)}")
    for container in gone:
        container.die()
    after = Remote(new, root=old.root)
    after.boot_id = "another"
    web = lab.container("web")
    wanted = (PortMap("tcp", "0.0.0.0", 8081, 80),)
    ep = after.attach(web, network="dual", ips=("10.7.0.2",), ports=wanted, name="name1")
    assert bare(ep.addresses[0]) == "10.7.0.2"
    web.run("ping", "-n", "-c", "1", "-W", "1", "10.7.0.1")
    after.call("gc")
    assert [each.id for each, _ in after.call("attachments")] == [ep.id]
    assert after.call("gc") == ()
    assert after.call("check") == ()
    assert {claim.container for _, claim in after.call("claims")} == {"web"}
    assert after.call("reservations", name="dual") == ("10.7.0.9",)
    assert [net.name for net in after.call("networks")] == ["dual"]
    assert new.run("sysctl", "-n", "net/ipv4/ip_local_reserved_ports").stdout == "\n"
    assert after.attach(lab.container("again"), network="dual", ports=(PortMap("tcp", "0.0.0.0", 8080, 80),)).ports


def test_gc_after_a_reboot_clears_everything(lab: Lab) -> None:
    old, new = lab.host("old"), lab.host("new")
    before, after = Remote(old), Remote(new, root=old.root)
    before.call("create", net=DUAL)
    containers = [lab.container(f"old{number}") for number in range(3)]
    for container in containers:
        before.attach(container, network="dual", ports=(PORTS[1],))
    after.boot_id = "another"
    seen = kernel(new)
    assert len(after.call("gc")) >= 3
    assert after.call("gc") == after.call("attachments") == after.call("claims") == after.call("check") == ()
    assert diff(seen, kernel(new)) == ""
    after.call("rm", name="dual")
    assert diff(seen, kernel(new)) == ""
