"""Every encoded op, read back by pyroute2's decoder, is the op that it came from."""

from __future__ import annotations

import errno
import struct
from functools import reduce

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pyroute2.netlink.rtnl.marshal import MarshalRtnl  # type: ignore[import-untyped]

from netkit.errors import KernelError
from netkit.kernel import wire
from netkit.kernel.messages import LINK_KINDS, encode
from netkit.model import NsRef
from netkit.plan.kinds import Info, Ipvlan, Macvlan, Stacked
from netkit.plan.ops import AddrAdd, AddrDel, LinkAdd, LinkSet, LoopbackUp, Op, Peer, RouteAdd, RouteDel

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

BOX = NsRef("/proc/77/ns/net", 4026532000, 12)
INDEXES = {"eth0": 7, "netkit0": 8, "nk3f9c1a2b7d10": 9}
NAMES = {index: name for name, index in INDEXES.items()}
BOX_FD = 42
CREATE = {"NLM_F_REQUEST", "NLM_F_CREATE", "NLM_F_EXCL"}
FLAGS = {"NLM_F_REQUEST": 1, "NLM_F_ACK": 4, "NLM_F_EXCL": 0x200, "NLM_F_CREATE": 0x400}


class Numbers:
    """The numbers behind the names of these tests."""

    def index(self, name: str) -> int:
        return INDEXES[name]

    def netns_fd(self, ref: NsRef | None) -> int:
        assert ref == BOX
        return BOX_FD


def decoded(op: Op) -> list[Any]:
    """The op's messages as pyroute2 reads them; every one of them is a request."""
    data = b"".join(wire.frame(message, 0, 1) for message in encode(op, Numbers()))
    messages = list(MarshalRtnl().parse(data))
    assert all("NLM_F_REQUEST" in flags_of(message) for message in messages)
    return messages


def flags_of(message: Any) -> set[str]:
    return {name for name, bit in FLAGS.items() if message["header"]["flags"] & bit}


def only(message: Any, *names: str) -> dict[str, Any]:
    """The message's attributes by name; there must be no others."""
    found = dict(message["attrs"])
    assert set(found) <= set(names), f"unexpected {set(found) - set(names)}"
    return found


# -- reading back ----------------------------------------------------------------------------------------------------


def link_add(message: Any) -> LinkAdd:
    assert message["event"] == "RTM_NEWLINK"
    assert flags_of(message) == CREATE
    basic = ("IFLA_IFNAME", "IFLA_ADDRESS", "IFLA_MTU", "IFLA_GROUP", "IFLA_LINKINFO")
    found = only(message, *basic, "IFLA_LINK", "IFLA_NET_NS_FD")
    info = dict(found["IFLA_LINKINFO"]["attrs"])
    kind, data = info["IFLA_INFO_KIND"], dict(info["IFLA_INFO_DATA"]["attrs"]) if "IFLA_INFO_DATA" in info else {}
    return LinkAdd(
        found["IFLA_IFNAME"],
        kind,
        found["IFLA_GROUP"],
        BOX if int(found.get("IFLA_NET_NS_FD", 0)) == BOX_FD else None,
        mac=found.get("IFLA_ADDRESS", ""),
        mtu=found.get("IFLA_MTU", 0),
        peer=peer_of(data["VETH_INFO_PEER"]) if kind == "veth" and data else None,
        info=INFOS[kind](NAMES.get(found.get("IFLA_LINK", 0), ""), data) if kind in INFOS else None,
    )


def macvlan(parent: str, data: dict[str, Any]) -> Info:
    return Macvlan(parent, data["IFLA_MACVLAN_MODE"])


def ipvlan(parent: str, data: dict[str, Any]) -> Info:
    return Ipvlan(parent, ("l2", "l3", "l3s")[data["IFLA_IPVLAN_MODE"]])


INFOS = {"macvlan": macvlan, "ipvlan": ipvlan}


def peer_of(message: Any) -> Peer:
    found = only(message, "IFLA_IFNAME", "IFLA_ADDRESS", "IFLA_MTU", "IFLA_NET_NS_FD")
    ns = BOX if int(found.get("IFLA_NET_NS_FD", 0)) == BOX_FD else None
    return Peer(found["IFLA_IFNAME"], ns, found.get("IFLA_ADDRESS", ""), found.get("IFLA_MTU", 0))


def link_set(message: Any) -> dict[str, Any]:
    """The fields of a LinkSet that one message stands for."""
    assert message["event"] == "RTM_SETLINK"
    assert flags_of(message) == {"NLM_F_REQUEST"}
    if message["family"] == 7:
        port = dict(only(message, "IFLA_PROTINFO")["IFLA_PROTINFO"]["attrs"])
        return {"dev": NAMES[message["index"]], "isolated": bool(port["IFLA_BRPORT_ISOLATED"])}
    found = only(message, "IFLA_IFNAME", "IFLA_MTU", "IFLA_MASTER", "IFLA_AF_SPEC")
    fields = {"dev": found["IFLA_IFNAME"]}
    if "IFLA_MTU" in found:
        fields["mtu"] = found["IFLA_MTU"]
    if "IFLA_MASTER" in found:
        fields["master"] = NAMES.get(found["IFLA_MASTER"], "")
    if "IFLA_AF_SPEC" in found:
        inet6 = dict(dict(found["IFLA_AF_SPEC"]["attrs"])["AF_INET6"]["attrs"])
        fields["no_addrgen"] = inet6 == {"IFLA_INET6_ADDR_GEN_MODE": 1}
    if message["change"]:
        assert message["change"] == 1
        fields["up"] = bool(message["flags"] & 1)
    return fields


def address(message: Any, kind: str) -> dict[str, Any]:
    assert message["event"] == kind
    found = only(message, "IFA_LOCAL", "IFA_ADDRESS")
    assert found["IFA_LOCAL"] == found["IFA_ADDRESS"]
    assert message["family"] == (10 if ":" in found["IFA_LOCAL"] else 2)
    return {"address": f"{found['IFA_LOCAL']}/{message['prefixlen']}", "dev": NAMES[message["index"]]}


def route(message: Any, kind: str) -> dict[str, Any]:
    assert message["event"] == kind
    assert (message["table"], message["type"], message["tos"], message["src_len"]) == (254, 1, 0, 0)
    found = only(message, "RTA_DST", "RTA_GATEWAY", "RTA_VIA", "RTA_OIF", "RTA_PRIORITY")
    via = found.get("RTA_GATEWAY") or found.get("RTA_VIA", {}).get("addr", "")
    direct = message["family"] == 2 and not via
    assert message["scope"] == (253 if direct else 0)
    return {
        "dst": f"{found['RTA_DST']}/{message['dst_len']}" if "RTA_DST" in found else "default",
        "dev": NAMES[found["RTA_OIF"]],
        "via": via,
        "family": 6 if message["family"] == 10 else 4,
        "protocol": message["proto"],
        "metric": found.get("RTA_PRIORITY", 0),
    }


# -- any op ----------------------------------------------------------------------------------------------------------

macs = st.binary(min_size=6, max_size=6).map(lambda raw: raw.hex(":"))
mtus = st.integers(68, 65535)
devices = st.sampled_from(sorted(INDEXES))
groups = st.integers(0, 2**32 - 1)
new_names = st.from_regex(r"[A-Za-z0-9][A-Za-z0-9_.-]{0,14}", fullmatch=True)
v4 = st.ip_addresses(v=4).map(str)
#: Without ::a.b.c.d and ::ffff:a.b.c.d, which Python and libc write differently.
v6 = st.ip_addresses(v=6).filter(lambda address: int(address) >> 48).map(str)
peers = st.builds(Peer, new_names, st.sampled_from([None, BOX]), macs | st.just(""), mtus | st.just(0))


def prefixed(addresses: st.SearchStrategy[str], longest: int) -> st.SearchStrategy[str]:
    return st.tuples(addresses, st.integers(0, longest)).map(lambda pair: f"{pair[0]}/{pair[1]}")


addresses = prefixed(v4, 32) | prefixed(v6, 128)


def optional(strategy: st.SearchStrategy[Any]) -> st.SearchStrategy[Any]:
    return st.none() | strategy


@given(st.builds(LinkAdd, new_names, st.sampled_from(["bridge", "vxlan"]), groups, mac=macs | st.just(""), mtu=mtus))
def test_a_link_is_made_as_the_op_says(op: LinkAdd) -> None:
    assert [link_add(message) for message in decoded(op)] == [op]


@given(st.builds(LinkAdd, new_names, st.just("veth"), groups, mac=macs | st.just(""), mtu=mtus, peer=peers))
def test_a_veth_carries_its_whole_peer(op: LinkAdd) -> None:
    assert [link_add(message) for message in decoded(op)] == [op]


macvlans = st.builds(Macvlan, devices, st.sampled_from(["private", "vepa", "bridge", "passthru"]))
ipvlans = st.builds(Ipvlan, devices, st.sampled_from(["l2", "l3", "l3s"]))


places = st.sampled_from([None, BOX])
stacked = [
    st.builds(LinkAdd, new_names, st.just(kind), groups, places, macs | st.just(""), mtus, info=info)
    for kind, info in (("macvlan", macvlans), ("ipvlan", ipvlans))
]


@given(st.one_of(stacked))
def test_a_link_on_another_is_made_where_it_belongs(op: LinkAdd) -> None:
    assert op.netns is None
    assert [link_add(message) for message in decoded(op)] == [op]


@given(st.builds(LinkAdd, new_names, st.just("macvlan"), groups, st.just(BOX), info=macvlans))
def test_a_link_whose_parent_is_in_its_own_namespace_is_made_there(op: LinkAdd) -> None:
    assert isinstance(op.info, Stacked)
    inside = op.replace(info=op.info.replace(parent_ns=BOX))
    assert inside.netns == BOX
    assert [link_add(message) for message in decoded(inside)] == [op.replace(ns=None)]


@given(
    st.builds(
        LinkSet,
        devices,
        up=optional(st.booleans()),
        master=optional(st.just("") | devices),
        mtu=optional(mtus),
        isolated=optional(st.booleans()),
        no_addrgen=st.booleans(),
    )
)
def test_a_link_is_set_as_the_op_says(op: LinkSet) -> None:
    parts = [link_set(message) for message in decoded(op)]
    nothing: dict[str, Any] = {"dev": op.dev}
    assert LinkSet(**reduce(lambda a, b: {**a, **b}, parts, nothing)) == op
    assert all(part["dev"] == op.dev for part in parts)


def test_a_port_is_isolated_and_stripped_of_link_local_before_it_goes_up() -> None:
    op = LinkSet("eth0", master="netkit0", isolated=True, no_addrgen=True, up=True)
    fields = [sorted(set(link_set(message)) - {"dev"}) for message in decoded(op)]
    assert fields == [["no_addrgen"], ["master"], ["isolated"], ["up"]]


def test_lo_goes_up_by_its_number() -> None:
    (message,) = decoded(LoopbackUp(BOX))
    assert (message["event"], message["index"], message["flags"], message["change"]) == ("RTM_SETLINK", 1, 1, 1)
    assert not message["attrs"]


@given(st.builds(AddrAdd, addresses, devices, nodad=st.booleans()))
def test_an_address_is_added_as_the_op_says(op: AddrAdd) -> None:
    (message,) = decoded(op)
    v6_nodad = op.nodad and ":" in op.address
    assert flags_of(message) == CREATE
    assert AddrAdd(**address(message, "RTM_NEWADDR"), nodad=op.nodad) == op
    assert message["flags"] == (2 if v6_nodad else 0)
    assert message["scope"] == (254 if op.address.startswith("127.") else 0)


@given(st.builds(AddrDel, addresses, devices))
def test_an_address_is_deleted_as_the_op_says(op: AddrDel) -> None:
    (message,) = decoded(op)
    assert flags_of(message) == {"NLM_F_REQUEST"}
    assert AddrDel(**address(message, "RTM_DELADDR")) == op


protocols, metrics = st.integers(1, 255), st.integers(0, 2**32 - 1)
routes_v4 = (st.just("default") | prefixed(v4, 32), devices, st.just("") | v4 | v6, st.none(), st.just(4))
routes_v6 = (st.just("default") | prefixed(v6, 128), devices, st.just("") | v6, st.none(), st.just(6))


@given(st.builds(RouteAdd, *routes_v4, protocols, metrics) | st.builds(RouteAdd, *routes_v6, protocols, metrics))
def test_a_route_is_added_as_the_op_says(op: RouteAdd) -> None:
    (message,) = decoded(op)
    assert flags_of(message) == CREATE
    assert RouteAdd(**route(message, "RTM_NEWROUTE")) == op


@given(st.builds(RouteDel, *routes_v4, protocols, metrics) | st.builds(RouteDel, *routes_v6, protocols, metrics))
def test_a_route_is_deleted_as_the_op_says(op: RouteDel) -> None:
    (message,) = decoded(op)
    assert flags_of(message) == {"NLM_F_REQUEST"}
    assert RouteDel(**route(message, "RTM_DELROUTE")) == op


def test_the_length_of_a_broadcast_queue_is_told_where_pyroute2_does_not_look() -> None:
    op = LinkAdd("eth0", "macvlan", 1, info=Macvlan("eth0", "bridge", bcqueuelen=500))
    ((_, _, payload),) = encode(op, Numbers())
    assert wire.attr(7, wire.u32(500)) in payload


def test_each_kind_with_data_has_its_own_encoder() -> None:
    assert {"veth", "macvlan", "ipvlan"} <= set(LINK_KINDS)


# -- what an error says ----------------------------------------------------------------------------------------------

REQUEST = struct.pack("=IHHII", 20, 16, 5, 1, 0)


def test_a_capped_error_tells_the_kernels_own_words() -> None:
    payload = struct.pack("=i", -errno.EINVAL) + REQUEST + wire.attr(1, b"Unknown device type\0")
    failure = wire.refusal(wire.NLMSG_ERROR, 0x300, payload)
    assert failure is not None
    assert (str(failure), failure.errno) == ("Unknown device type (Invalid argument)", errno.EINVAL)


def test_an_error_that_holds_the_whole_request_tells_them_too() -> None:
    payload = struct.pack("=i", -errno.EPERM) + REQUEST + b"\1\2\3\4" + wire.attr(1, b"no\0")
    assert str(wire.refusal(wire.NLMSG_ERROR, 0x200, payload)) == "no (Operation not permitted)"


def test_an_error_without_words_tells_its_number() -> None:
    payload = struct.pack("=i", -errno.ENODEV) + REQUEST
    assert str(wire.refusal(wire.NLMSG_ERROR, 0x100, payload)) == "No such device"


def test_an_acknowledgement_is_no_error() -> None:
    assert wire.refusal(wire.NLMSG_ERROR, 0x100, struct.pack("=i", 0) + REQUEST) is None


@given(st.binary(max_size=64))
def test_garbage_is_read_or_refused_but_never_overrun(data: bytes) -> None:
    try:
        found = wire.attributes(data)
    except KernelError:
        return
    assert sum(len(value) for value in found.values()) <= len(data)


def test_an_attribute_that_runs_past_the_end_is_refused() -> None:
    with pytest.raises(KernelError, match="malformed"):
        wire.attributes(struct.pack("=HH", 200, 1) + b"short")
