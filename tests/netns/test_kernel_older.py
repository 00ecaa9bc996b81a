"""What older kernels have to be told otherwise, told to this one: links under a passing name, renamed at home."""

from __future__ import annotations

import pytest

from netkit.errors import KernelError
from netkit.kernel import older
from netkit.kernel.apply import Kernel
from netkit.kernel.links import Batch
from netkit.kernel.netns import Namespaces
from netkit.naming import GROUP, passing_name
from netkit.plan.kinds import Macvlan
from netkit.plan.ops import LinkAdd
from tests.hosts import Container, HostNs, Lab
from tests.netns.test_kernel_apply import ip, link, no_firewall, ref

pytestmark = pytest.mark.requires("macvlan")

MAC = "02:00:00:00:00:77"
#: Kernels that look for a new link's name where it is made from, and some that do not.
OLD, NEW = ("6.1.0-13-amd64", "5.15", "6.14.2", "odd"), ("6.15.0", "6.18.44-x", "7.0")


@pytest.fixture
def router(lab: Lab) -> HostNs:
    return lab.host("router")


@pytest.fixture
def box(lab: Lab) -> Container:
    return lab.container("box")


def test_on_an_older_kernel_a_link_may_still_have_a_name_that_its_parents_namespace_has(
    router: HostNs, box: Container
) -> None:
    router.run("ip", "link", "add", "eth0", "up", "type", "veth", "peer", "eth9")
    op = LinkAdd("eth0", "macvlan", GROUP, ref(box), MAC, 1400, info=Macvlan("eth0", "private", ref(router)))
    with Namespaces() as namespaces:
        parents = namespaces.enter(ref(router)).socket()
        assert all(older.clashing(op, parents, release) == op for release in OLD)
        assert not any(older.clashing(op, parents, release) for release in NEW)
        assert older.clashing(op.replace(name="eth1"), parents, OLD[0]) is None
        batch = Batch(namespaces, ref(router), {}, tolerant=False)
        older.make(op, namespaces, batch)
        made = link(box, "eth0")
        assert (made["address"], made["mtu"], made["linkinfo"]["info_data"]["mode"]) == (MAC, 1400, "private")
        with pytest.raises(KernelError):
            older.make(op.replace(mac=""), namespaces, batch)
    assert {one["ifname"] for one in ip(box, "link")} == {"lo", "eth0"}


def test_what_a_crash_left_under_a_passing_name_is_deleted(router: HostNs, box: Container) -> None:
    router.run("ip", "link", "add", "nic", "up", "type", "veth", "peer", "eth9")
    op = LinkAdd("eth0", "macvlan", GROUP, ref(box), info=Macvlan("nic", "bridge", ref(router)))
    with Namespaces() as namespaces:
        kernel = Kernel(namespaces, no_firewall)
        assert kernel.apply([op.replace(name=passing_name("eth0"))]) == [None]
        assert kernel.apply(op.reverse(), tolerant=True) == [None]
    assert {one["ifname"] for one in ip(box, "link")} == {"lo"}
