"""Ops carried out in real namespaces, with `ip -j` and /proc as the judges."""

from __future__ import annotations

import json
import os

import pytest

from netkit.errors import ConflictError, HostError, KernelError, NetkitError, NotFoundError
from netkit.kernel.apply import UNTRIED, Kernel
from netkit.kernel.netns import Namespaces, resolve_pid
from netkit.model import NsRef
from netkit.naming import GROUP, PROTOCOL
from netkit.plan.ops import (
    AddrAdd,
    AddrDel,
    LinkAdd,
    LinkDel,
    LinkSet,
    LoopbackUp,
    Op,
    Peer,
    RouteAdd,
    RouteDel,
    SysctlRestore,
    SysctlSet,
)
from tests.hosts import Container, HostNs, Lab, Namespace

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence
    from typing import Any

    from tests.conftest import Unchanged

pytestmark = pytest.mark.root

FORWARD = "net/ipv4/conf/all/forwarding"


@pytest.fixture
def router(lab: Lab) -> HostNs:
    """Stands for netkit's own host: ops name it by reference, so that nothing reaches another test."""
    return lab.host("router")


@pytest.fixture
def box(lab: Lab) -> Container:
    return lab.container("box")


@pytest.fixture
def kernel() -> Iterator[Kernel]:
    with Namespaces() as namespaces:
        yield Kernel(namespaces, no_firewall)


def no_firewall(backend: str) -> Any:
    raise AssertionError(f"nobody asked for {backend}")


def ip(where: Namespace, *words: str) -> Any:
    return json.loads(where.run("ip", "-j", "-d", *words).stdout or "[]")


def link(where: Namespace, name: str) -> dict[str, Any]:
    found: dict[str, Any] = next((one for one in ip(where, "link") if one["ifname"] == name), {})
    return found


def addresses(where: Namespace, dev: str) -> set[str]:
    return {f"{a['local']}/{a['prefixlen']}" for a in ip(where, "addr", "show", "dev", dev)[0]["addr_info"]}


def ref(of: Namespace) -> NsRef:
    return resolve_pid(of.pid)


def bridge(ns: NsRef | None, name: str = "br0") -> list[Op]:
    return [
        LinkAdd(name, "bridge", GROUP, ns, mac="02:00:00:00:00:01"),
        LinkSet(name, ns, mtu=1400, no_addrgen=True, up=True),
        AddrAdd("10.90.0.1/16", name, ns),
        AddrAdd("fd00::1/64", name, ns),
    ]


def cable(ns: NsRef | None, inside: NsRef, number: int = 2, host_end: str = "nk1") -> list[Op]:
    peer = Peer("eth0", inside, f"02:00:00:00:01:{number:02x}", 1400)
    return [
        LinkAdd(host_end, "veth", GROUP, ns, mtu=1400, peer=peer),
        LinkSet(host_end, ns, master="br0", isolated=True, no_addrgen=True, up=True),
        LoopbackUp(inside),
        LinkSet("eth0", inside, up=True),
        AddrAdd(f"10.90.0.{number}/16", "eth0", inside),
        AddrAdd(f"fd00::{number}/64", "eth0", inside),
        RouteAdd("default", "eth0", "10.90.0.1", inside),
        RouteAdd("default", "eth0", "fd00::1", inside, family=6, metric=300),
        RouteAdd("10.7.0.0/16", "eth0", ns=inside),
    ]


def done(outcomes: Sequence[object]) -> bool:
    assert list(outcomes) == [None] * len(outcomes)
    return True


# -- what comes to be ------------------------------------------------------------------------------------------------


def test_a_bridge_is_born_with_its_mac_mtu_and_group(kernel: Kernel, router: HostNs) -> None:
    assert done(kernel.apply(bridge(ref(router))))
    shown = link(router, "br0")
    assert (shown["address"], shown["mtu"], shown["linkinfo"]["info_kind"]) == ("02:00:00:00:00:01", 1400, "bridge")
    assert (shown["group"], "UP" in shown["flags"], shown["inet6_addr_gen_mode"]) == (str(GROUP), True, "none")
    assert addresses(router, "br0") == {"10.90.0.1/16", "fd00::1/64"}


def test_a_whole_attach_is_seen_by_ip(kernel: Kernel, router: HostNs, box: Container) -> None:
    assert done(kernel.apply(bridge(ref(router)) + cable(ref(router), ref(box))))
    port, inner = link(router, "nk1"), link(box, "eth0")
    assert (port["master"], port["mtu"], port["inet6_addr_gen_mode"]) == ("br0", 1400, "none")
    assert port["linkinfo"]["info_slave_data"]["isolated"] is True
    assert (inner["address"], inner["mtu"], "UP" in inner["flags"]) == ("02:00:00:00:01:02", 1400, True)
    assert {"127.0.0.1/8", "::1/128"} == addresses(box, "lo")
    assert {"10.90.0.2/16", "fd00::2/64"} < addresses(box, "eth0")
    assert addresses(router, "br0") == {"10.90.0.1/16", "fd00::1/64"}
    box.run("ping", "-c1", "-W2", "10.90.0.1")


def test_routes_carry_protocol_scope_and_metric(kernel: Kernel, router: HostNs, box: Container) -> None:
    assert done(kernel.apply(bridge(ref(router)) + cable(ref(router), ref(box))))
    ours = [r for family in ("-4", "-6") for r in ip(box, family, "route") if r.get("protocol") == str(PROTOCOL)]
    shown = [(r["dst"], r.get("gateway"), r.get("scope"), r.get("metric")) for r in ours]
    assert shown == [
        ("default", "10.90.0.1", "global", None),
        ("10.7.0.0/16", None, "link", None),
        ("default", "fd00::1", "global", 300),
    ]


def test_an_ipv6_address_is_usable_at_once(kernel: Kernel, router: HostNs) -> None:
    assert done(kernel.apply(bridge(ref(router))))
    (shown,) = [a for a in ip(router, "addr", "show", "dev", "br0")[0]["addr_info"] if a["family"] == "inet6"]
    assert shown["nodad"] is True
    assert "tentative" not in shown


def test_a_port_never_has_a_link_local_address(kernel: Kernel, router: HostNs, box: Container) -> None:
    for _ in range(20):
        assert done(kernel.apply(bridge(ref(router)) + cable(ref(router), ref(box))))
        assert not [a for a in addresses(router, "nk1") | addresses(router, "br0") if a.startswith("fe80")]
        assert done(
            kernel.apply([LinkDel("nk1", "veth", GROUP, ref(router)), LinkDel("br0", "bridge", GROUP, ref(router))])
        )


def test_a_link_leaves_its_master(kernel: Kernel, router: HostNs, box: Container) -> None:
    kernel.apply(bridge(ref(router)) + cable(ref(router), ref(box)))
    assert done(kernel.apply([LinkSet("nk1", ref(router), master="", up=False)]))
    shown = link(router, "nk1")
    assert ("master" in shown, "UP" in shown["flags"]) == (False, False)


def test_an_ipv4_route_may_have_an_ipv6_gateway(kernel: Kernel, router: HostNs) -> None:
    kernel.apply(bridge(ref(router)))
    assert done(kernel.apply([RouteAdd("10.8.0.0/16", "br0", "fd00::9", ref(router))]))
    assert {"dst": "10.8.0.0/16", "host": "fd00::9"}.items() <= {
        "dst": ip(router, "route", "show", "10.8.0.0/16")[0]["dst"],
        "host": ip(router, "route", "show", "10.8.0.0/16")[0]["via"]["host"],
    }.items()


def test_many_ops_are_more_than_one_batch(kernel: Kernel, router: HostNs) -> None:
    kernel.apply(bridge(ref(router)))
    assert done(kernel.apply([AddrAdd(f"10.91.{n // 250}.{n % 250 + 1}/32", "br0", ref(router)) for n in range(300)]))
    assert len([a for a in addresses(router, "br0") if a.startswith("10.91.")]) == 300


# -- what fails ------------------------------------------------------------------------------------------------------


def only_failure(outcomes: Sequence[object]) -> NetkitError:
    (failure,) = [outcome for outcome in outcomes if isinstance(outcome, NetkitError)]
    return failure


def test_a_taken_link_name_is_a_conflict_that_names_it(kernel: Kernel, router: HostNs) -> None:
    kernel.apply(bridge(ref(router)))
    failure = only_failure(kernel.apply(bridge(ref(router))))
    assert isinstance(failure, ConflictError)
    assert f"a link named br0 exists already in {router.path}" in str(failure)
    assert "nsenter --net=" in str(failure)


def test_a_taken_name_inside_the_container_is_a_conflict_too(kernel: Kernel, router: HostNs, box: Container) -> None:
    box.run("ip", "link", "add", "eth0", "type", "bridge")
    kernel.apply(bridge(ref(router)))
    failure = only_failure(kernel.apply(cable(ref(router), ref(box))))
    assert isinstance(failure, ConflictError)
    assert link(router, "nk1") == {}


@pytest.mark.parametrize("again", [2, 3])
def test_a_taken_address_is_a_conflict(kernel: Kernel, router: HostNs, again: int) -> None:
    kernel.apply(bridge(ref(router)))
    failure = only_failure(kernel.apply([bridge(ref(router))[again]]))
    assert isinstance(failure, ConflictError)
    assert "br0" in str(failure)


def test_a_taken_route_is_a_conflict(kernel: Kernel, router: HostNs) -> None:
    kernel.apply(bridge(ref(router)))
    route = RouteAdd("10.8.0.0/16", "br0", ns=ref(router))
    assert isinstance(only_failure(kernel.apply([route, route])), ConflictError)


def test_the_kernels_own_words_reach_the_error(kernel: Kernel, router: HostNs) -> None:
    kernel.apply(bridge(ref(router)))
    failure = only_failure(kernel.apply([RouteAdd("default", "br0", "192.0.2.1", ref(router))]))
    assert isinstance(failure, KernelError)
    assert "Nexthop has invalid gateway" in str(failure)
    assert "route add default via 192.0.2.1 dev br0" in str(failure)


def test_a_kind_that_the_kernel_lacks_is_the_hosts_matter(kernel: Kernel, router: HostNs) -> None:
    failure = only_failure(kernel.apply([LinkAdd("x0", "nonsense", GROUP, ref(router))]))
    assert isinstance(failure, HostError)
    assert "no nonsense links" in failure.hint


def test_one_bad_message_in_a_batch_fails_alone(kernel: Kernel, router: HostNs) -> None:
    """The kernel goes on after a failure, so later ops of the same batch are done, and said to be."""
    kernel.apply(bridge(ref(router)))
    ops = [
        AddrAdd("10.91.0.1/32", "br0", ref(router)),
        AddrAdd("10.90.0.1/16", "br0", ref(router)),
        AddrAdd("10.91.0.3/32", "br0", ref(router)),
        SysctlSet(FORWARD, "1", "0", ref(router)),
    ]
    first, second, third, fourth = kernel.apply(ops)
    assert (first, third, fourth) == (None, None, UNTRIED)
    assert isinstance(second, ConflictError)
    assert {"10.91.0.1/32", "10.91.0.3/32"} < addresses(router, "br0")


def test_an_op_on_a_link_that_was_not_made_is_untried(kernel: Kernel, router: HostNs) -> None:
    router.run("ip", "link", "add", "br0", "type", "bridge")
    outcomes = kernel.apply(bridge(ref(router)))
    assert isinstance(outcomes[0], ConflictError)
    assert outcomes[2:] == [UNTRIED, UNTRIED]
    assert not addresses(router, "br0") & {"10.90.0.1/16", "fd00::1/64"}


def test_a_foreign_link_of_the_name_is_not_touched(kernel: Kernel, router: HostNs, box: Container) -> None:
    """In one batch the kernel would go on after EEXIST, and put the other's link into our bridge."""
    kernel.apply(bridge(ref(router)))
    router.run("ip", "link", "add", "nk1", "type", "bridge")
    before = link(router, "nk1")
    failure, *rest = kernel.apply(cable(ref(router), ref(box)))
    assert isinstance(failure, ConflictError)
    assert rest == [UNTRIED] * len(rest)
    assert link(router, "nk1") == before


def test_a_gone_namespace_fails_the_first_op_there(kernel: Kernel, router: HostNs, box: Container) -> None:
    inside = ref(box)
    box.close()
    kernel.apply(bridge(ref(router)))
    outcomes = kernel.apply([LoopbackUp(inside), SysctlSet(FORWARD, "1", "0", inside)])
    assert isinstance(outcomes[0], NotFoundError)
    assert outcomes[1:] == [UNTRIED]


def test_a_veth_into_a_gone_namespace_is_not_made(kernel: Kernel, router: HostNs, box: Container) -> None:
    inside = ref(box)
    box.close()
    kernel.apply(bridge(ref(router)))
    assert isinstance(kernel.apply(cable(ref(router), inside))[0], NotFoundError)
    assert link(router, "nk1") == {}


# -- sysctls ---------------------------------------------------------------------------------------------------------


def read(where: Namespace, key: str) -> str:
    return where.run("cat", f"/proc/sys/{key}").stdout.strip()


def test_a_sysctl_is_set_in_its_namespace_only(kernel: Kernel, router: HostNs, box: Container) -> None:
    assert done(kernel.apply([SysctlSet(FORWARD, "1", "0", ref(box))]))
    assert (read(box, FORWARD), read(router, FORWARD)) == ("1", "0")


def test_a_sysctl_is_restored_only_if_nobody_changed_it(kernel: Kernel, box: Container) -> None:
    back = SysctlRestore("net/ipv4/ip_default_ttl", "64", "99", ref(box))
    box.run("sysctl", "-qw", "net.ipv4.ip_default_ttl=77")
    assert done(kernel.apply([back]))
    assert read(box, "net/ipv4/ip_default_ttl") == "77"
    box.run("sysctl", "-qw", "net.ipv4.ip_default_ttl=99")
    assert done(kernel.apply([back]))
    assert read(box, "net/ipv4/ip_default_ttl") == "64"


def test_a_missing_sysctl_is_an_error_and_ends_it(kernel: Kernel, box: Container) -> None:
    wrong = SysctlSet("net/ipv4/conf/nope/forwarding", "1", "0", ref(box))
    outcomes = kernel.apply([SysctlSet(FORWARD, "1", "0", ref(box)), wrong, SysctlSet(FORWARD, "0", "1", ref(box))])
    assert (outcomes[0], outcomes[2]) == (None, UNTRIED)
    assert "net/ipv4/conf/nope/forwarding" in str(outcomes[1])
    assert read(box, FORWARD) == "1"


# -- what goes -------------------------------------------------------------------------------------------------------


def test_a_link_of_another_group_or_kind_is_left_alone(kernel: Kernel, router: HostNs) -> None:
    router.run("ip", "link", "add", "foreign", "type", "bridge")
    router.run("ip", "link", "add", "vex0", "group", str(GROUP), "type", "veth", "peer", "name", "vex1")
    ops = [LinkDel("foreign", "bridge", GROUP, ref(router)), LinkDel("vex0", "bridge", GROUP, ref(router))]
    assert done(kernel.apply(ops))
    assert link(router, "foreign")
    assert link(router, "vex0")


def test_a_link_is_not_deleted_by_its_alternative_name(kernel: Kernel, router: HostNs) -> None:
    router.run("ip", "link", "add", "other", "group", str(GROUP), "type", "bridge")
    router.run("ip", "link", "property", "add", "dev", "other", "altname", "br0")
    assert done(kernel.apply([LinkDel("br0", "bridge", GROUP, ref(router))]))
    assert link(router, "other")


def test_deleting_twice_is_as_good_as_once(kernel: Kernel, router: HostNs) -> None:
    kernel.apply(bridge(ref(router)))
    assert done(kernel.apply([LinkDel("br0", "bridge", GROUP, ref(router))] * 2))
    assert link(router, "br0") == {}


def test_a_route_of_another_protocol_stays(kernel: Kernel, router: HostNs) -> None:
    kernel.apply(bridge(ref(router)))
    router.run("ip", "route", "add", "10.8.0.0/16", "dev", "br0", "proto", "static")
    outcomes = kernel.apply([RouteDel("10.8.0.0/16", "br0", ns=ref(router))])
    assert isinstance(outcomes[0], KernelError)
    assert ip(router, "route", "show", "10.8.0.0/16")[0]["protocol"] == "static"


#: What the kernel itself keeps of a link's first up, and of a bridge's first port.
KEPT = ("box qdiscs: *lo*noqueue*", "host links br0 tso_max_size: *")


def test_what_is_added_can_be_taken_back(kernel: Kernel, router: HostNs, box: Container, unchanged: Unchanged) -> None:
    kernel.apply(bridge(ref(router)))
    ops = cable(ref(router), ref(box))
    with unchanged(router, [box], allow=KEPT):
        assert done(kernel.apply(ops))
        assert done(kernel.apply([back for op in reversed(ops) for back in op.reverse()]))


def gone(ns: NsRef) -> list[Op]:
    return [
        RouteDel("10.9.0.0/16", "br0", ns=ns),
        RouteDel("10.9.0.0/16", "nope", ns=ns),
        AddrDel("10.99.0.1/16", "br0", ns),
        AddrDel("fd99::1/64", "br0", ns),
        AddrDel("10.99.0.1/16", "nope", ns),
        LinkSet("nope", ns, up=False),
        LinkDel("nope", "veth", GROUP, ns),
        SysctlRestore("net/ipv4/conf/nope/forwarding", "0", "1", ns),
    ]


def test_undo_takes_what_is_gone_for_done(kernel: Kernel, router: HostNs) -> None:
    kernel.apply(bridge(ref(router)))
    assert done(kernel.apply(gone(ref(router)), tolerant=True))
    assert isinstance(kernel.apply(gone(ref(router)))[0], KernelError)


def test_undo_takes_a_gone_namespace_for_done(kernel: Kernel, box: Container) -> None:
    inside = ref(box)
    box.close()
    assert done(kernel.apply([*gone(inside), SysctlSet(FORWARD, "1", "0", inside)], tolerant=True))


def test_undo_goes_on_past_a_real_failure(kernel: Kernel, router: HostNs) -> None:
    kernel.apply(bridge(ref(router)))
    wrong: list[Op] = [
        SysctlSet(FORWARD, "nonsense", "0", ref(router)),
        LinkSet("br0", ref(router), mtu=10),
        LinkDel("br0", "bridge", GROUP, ref(router)),
    ]
    first, second, third = kernel.apply(wrong, tolerant=True)
    assert isinstance(first, KernelError)
    assert isinstance(second, KernelError)
    assert third is None
    assert link(router, "br0") == {}


# -- the seam for faults ---------------------------------------------------------------------------------------------


def test_ops_are_announced_one_by_one_and_in_order(router: HostNs, box: Container) -> None:
    seen: list[Op] = []
    ops = bridge(ref(router)) + cable(ref(router), ref(box))
    with Namespaces() as namespaces:
        assert done(Kernel(namespaces, no_firewall, before_op=seen.append).apply(ops))
    assert seen == ops


@pytest.mark.parametrize("place", range(4))
def test_a_fault_before_an_op_leaves_it_and_the_rest_undone(router: HostNs, place: int) -> None:
    ops = bridge(ref(router))

    def fault(op: Op) -> None:
        if op == ops[place]:
            raise KernelError("a fault")

    with Namespaces() as namespaces:
        outcomes = Kernel(namespaces, no_firewall, before_op=fault).apply(ops)
    assert outcomes[:place] == [None] * place
    assert str(outcomes[place]).endswith("a fault")
    assert outcomes[place + 1 :] == [UNTRIED] * (3 - place)


def test_attaching_a_thousand_times_leaves_no_descriptor(router: HostNs, box: Container) -> None:
    host, inside = ref(router), ref(box)

    def attach_and_back() -> None:
        with Namespaces() as namespaces:
            kernel = Kernel(namespaces, no_firewall)
            ops = [LoopbackUp(inside), SysctlSet(FORWARD, "1", "0", inside), AddrAdd("10.1.1.1/32", "lo", inside)]
            assert done(kernel.apply(ops))
            assert done(kernel.apply([AddrDel("10.1.1.1/32", "lo", inside), LinkSet("lo", host, up=True)]))

    attach_and_back()
    before = len(os.listdir("/proc/self/fd"))
    for _ in range(1000):
        attach_and_back()
    assert len(os.listdir("/proc/self/fd")) == before
