"""The engine on bad disks: full ones, read-only ones, damaged records. What cannot be noted is not done."""

from __future__ import annotations

import pytest

from netkit.model import Network, PortMap, Subnet
from tests.contract.test_engine_faults import ALLOWED
from tests.features import need
from tests.hosts import Container, HostNs, Lab, wait_until
from tests.netns.calls import RefusedError, Remote, ip, kernel
from tests.oracle import diff

PORTS = (PortMap("tcp", "0.0.0.0", 8080, 80), PortMap("udp", "0.0.0.0", 0, 53))
BLUE = Network("blue", "bridge", subnets=(Subnet("10.7.0.0/24", "10.7.0.1"),))
DUAL = Network("dual", "bridge", subnets=(Subnet("10.8.0.0/24", "10.8.0.1"), Subnet("fd08::/64", "fd08::1")))
PAGE = 4096


class Disk:
    """A state root on a small file system of its own, in the host's mount namespace."""

    def __init__(self, host: HostNs, pages: int = 128) -> None:
        self.host, self.pages = host, pages
        host.root.mkdir(exist_ok=True)
        host.run("mount", "-t", "tmpfs", "-o", f"size={pages * PAGE},mode=700", "tmpfs", str(host.root))

    def fill(self, free: int) -> None:
        """Leave this many pages free."""
        self.host.run("rm", "-f", f"{self.host.root}/filler")
        used = int(self.host.run("stat", "-f", "-c", "%b %f", str(self.host.root)).stdout.split()[1])
        self.host.run("dd", "if=/dev/zero", f"of={self.host.root}/filler", f"bs={PAGE}", f"count={used - free}")

    def empty(self) -> None:
        self.host.run("rm", "-f", f"{self.host.root}/filler")

    def mode(self, mode: str) -> None:
        self.host.run("mount", "-o", f"remount,{mode}", str(self.host.root))


def warmed_up(remote: Remote, *containers: Container) -> None:
    """Once there and back: what the kernel makes lazily exists from here on."""
    for container in containers:
        remote.attach(container, ports=PORTS)
        remote.leave(container)
    remote.call("rm", name="bridge")


@pytest.mark.parametrize("there", (True, False), ids=("a-network-that-is-up", "the-first-of-its-network"))
def test_a_disk_that_fills_up_at_any_moment_of_an_attach_changes_nothing(lab: Lab, there: bool) -> None:
    host, container = lab.host(), lab.container()
    disk, remote = Disk(host), Remote(host)
    warmed_up(remote, container)
    if there:
        remote.call("implicit")
    before = kernel(host, container)
    failures = 0
    for free in range(40):
        disk.fill(free)
        try:
            remote.attach(container, ports=PORTS)
            break
        except RefusedError as refused:
            failures += 1
            assert refused.kind in ("state", "apply"), refused
        assert diff(before, kernel(host, container), ALLOWED) == "", f"with {free} pages free"
        disk.empty()
        remote.call("gc")
        assert diff(before, kernel(host, container), ALLOWED) == "", f"after gc, with {free} pages free"
        assert remote.call("claims", name="bridge") == () if there else remote.call("networks") == ()
    assert failures > 3
    assert remote.call("check") == ()


def test_detach_and_gc_work_on_a_full_disk(lab: Lab) -> None:
    host, one, two = lab.host(), lab.container("one"), lab.container("two")
    disk, remote = Disk(host), Remote(host)
    warmed_up(remote, one, two)
    remote.call("implicit")
    before = kernel(host, one, two)
    remote.attach(one, ports=PORTS)
    remote.attach(two)
    disk.fill(0)
    assert len(remote.leave(one)) == 1
    assert len(remote.leave(two)) == 1
    assert diff(before, kernel(host, one, two), ALLOWED) == ""
    assert remote.call("attachments") == ()
    assert remote.call("gc") == ()
    disk.empty()
    assert remote.call("claims") == ()
    assert remote.attach(one, ports=PORTS).ports[0].host_port == 8080


def test_the_first_of_two_attachments_leaves_on_a_full_disk_and_the_second_keeps_its_loopback(lab: Lab) -> None:
    host, container = lab.host(), lab.container()
    disk, remote = Disk(host), Remote(host)
    remote.call("create", net=BLUE)
    remote.attach(container)
    remote.attach(container, network="blue", ifname="eth1")
    disk.fill(0)
    assert len(remote.leave(container, "eth0")) == 1
    (lo,) = ip(container, "link", "show", "lo")
    assert "UP" in lo["flags"]
    assert {link["ifname"] for link in ip(container, "link")} == {"lo", "eth1"}
    assert len(remote.leave(container, "eth1")) == 1


def test_a_read_only_disk_refuses_an_attach_and_a_detach_and_changes_nothing(lab: Lab) -> None:
    host, one, two = lab.host(), lab.container("one"), lab.container("two")
    disk, remote = Disk(host), Remote(host)
    warmed_up(remote, one, two)
    remote.attach(one, ports=PORTS)
    before = kernel(host, one, two)
    disk.mode("ro")
    for act in (lambda: remote.attach(two), lambda: remote.leave(one), lambda: remote.call("rm", name="bridge")):
        with pytest.raises(RefusedError) as caught:
            act()
        assert caught.value.kind in ("state", "conflict")
        assert diff(before, kernel(host, one, two), ALLOWED) == ""
    disk.mode("rw")
    assert len(remote.leave(one)) == 1


def test_a_damaged_record_stands_in_nobodys_way_and_its_living_address_is_not_given_out(lab: Lab) -> None:
    host = lab.host()
    remote = Remote(host)
    broken, other, third = lab.container("broken"), lab.container("other"), lab.container("third")
    hurt = remote.attach(broken, ports=PORTS[:1])
    kept = remote.attach(other)
    record = host.root / "run" / "attachments" / hurt.id
    record.write_bytes(record.read_bytes()[:100])
    assert [ep.id for ep, _ in remote.call("attachments")] == [kept.id]
    remote.call("gc")
    assert remote.call("detach", ident=hurt.id) is False
    again = remote.attach(third, ips=())
    assert again.addresses not in (hurt.addresses, kept.addresses)
    with pytest.raises(RefusedError):
        remote.attach(lab.container("thief"), ips=(hurt.addresses[0].partition("/")[0],))
    assert remote.leave(other) == [kept.id]


@pytest.mark.parametrize("backend", ("nftables", "iptables", "iptables-legacy"))
def test_what_a_damaged_record_leaves_behind_goes_with_its_namespace(lab: Lab, backend: str) -> None:
    """Ports, rules and ledger stay while the container may live, and are taken by gc when it is dead."""
    need(backend)
    host, broken, other = lab.host(), lab.container("broken"), lab.container("other")
    remote = Remote(host, backend)
    remote.call("create", net=DUAL)
    kept = remote.attach(other, network="dual", ports=(PortMap("tcp", "0.0.0.0", 9090, 80),))
    before = kernel(host)
    ports = (PortMap("tcp", "0.0.0.0", 8080, 80), PortMap("udp", "::", 8000, 8000, 5), PortMap("tcp", "::", 81, 80, 2))
    hurt = remote.attach(broken, network="dual", ports=ports)
    record = host.root / "run" / "attachments" / hurt.id
    record.write_bytes(record.read_bytes()[:100])
    living = kernel(host)
    assert remote.call("gc") == ()
    assert diff(living, kernel(host), ALLOWED) == ""
    broken.die()
    assert wait_until(lambda: hurt.host_ifname not in {link["ifname"] for link in ip(host, "link")})
    assert any(hurt.id in line for line in remote.call("gc"))
    assert diff(before, kernel(host), ALLOWED) == ""
    assert [line.split()[-1] for line in (host.root / "run" / "host" / "ports").read_text().splitlines()[1:]] == [
        kept.id
    ]
    assert remote.call("gc") == ()
    assert remote.call("check") == ()


def test_a_link_that_bears_our_name_and_is_not_ours_is_never_deleted(lab: Lab) -> None:
    host, container = lab.host(), lab.container()
    remote = Remote(host)
    name = remote.attach(container).host_ifname
    remote.leave(container)
    host.run("ip", "link", "add", name, "type", "veth", "peer", "name", "other")
    with pytest.raises(RefusedError):
        remote.attach(container)
    remote.call("gc")
    assert {name, "other"} <= {link["ifname"] for link in ip(host, "link")}
    assert {link["ifname"] for link in ip(container, "link")} == {"lo"}
    assert remote.call("attachments") == ()


def test_a_link_that_took_the_place_of_ours_outlives_detach(lab: Lab) -> None:
    host, container = lab.host(), lab.container()
    remote = Remote(host)
    name = remote.attach(container).host_ifname
    host.run("ip", "link", "del", name)
    host.run("ip", "link", "add", name, "type", "veth", "peer", "name", "other")
    remote.leave(container)
    assert name in {link["ifname"] for link in ip(host, "link")}
