"""Shaping ops as messages: what pyroute2's decoder reads is what the op says; and how a queue is read back."""

from __future__ import annotations

import struct

from hypothesis import given
from hypothesis import strategies as st

from netkit.kernel import wire
from netkit.kernel.messages import encode
from netkit.kernel.tc import TCMSG, queueing
from netkit.plan.rare.shaping import IngressAdd, IngressDel, Queueing, RedirectAdd, TokenBucketAdd, TokenBucketDel
from tests.unit.test_rtnl_codec import INDEXES, Numbers, decoded, devices, flags_of, only

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

    from netkit.plan.ops import Op

HANDLE = 0x6E6B0000
ROOT, INGRESS, INGRESS_HANDLE, ARRIVING = 0xFFFFFFFF, 0xFFFFFFF1, 0xFFFF0000, 0xFFFFFFF2
sizes = st.integers(1, 2**32 - 1)
rates = st.integers(1, 2**50).map(lambda octets: octets * 8)


def one(op: Op, event: str) -> Any:
    (message,) = decoded(op)
    assert message["event"] == event
    exclusive = set() if isinstance(op, RedirectAdd) else {"NLM_F_EXCL"}
    assert flags_of(message) == ({"NLM_F_REQUEST", "NLM_F_CREATE"} | exclusive if "NEW" in event else {"NLM_F_REQUEST"})
    return message


@given(st.builds(TokenBucketAdd, devices, rates, sizes, sizes))
def test_a_bucket_is_made_as_the_op_says(op: TokenBucketAdd) -> None:
    message = one(op, "RTM_NEWQDISC")
    assert (message["index"], message["handle"], message["parent"]) == (INDEXES[op.dev], HANDLE, ROOT)
    found = only(message, "TCA_KIND", "TCA_OPTIONS")
    assert found["TCA_KIND"] == "tbf"
    told = dict(found["TCA_OPTIONS"]["attrs"])
    parms = told["TCA_TBF_PARMS"]
    rate = op.rate // 8
    assert (parms["rate"], parms["limit"]) == (min(rate, 2**32 - 1), op.limit)
    assert {parms[key] for key in ("peak", "buffer", "mtu", "peak_mpu") if key in parms} <= {0}
    ((_, _, sent),) = encode(op, Numbers())  # what follows is newer than pyroute2's tables
    assert struct.pack("=HHI", 8, 6, op.burst) in sent
    assert (struct.pack("=HHQ", 12, 4, rate) in sent) == (rate >= 2**32)


@given(devices)
def test_a_bucket_goes_by_kind_and_handle_so_that_another_stays(dev: str) -> None:
    message = one(TokenBucketDel(dev), "RTM_DELQDISC")
    assert (message["index"], message["handle"], message["parent"]) == (INDEXES[dev], HANDLE, ROOT)
    assert only(message, "TCA_KIND") == {"TCA_KIND": "tbf"}


@given(devices)
def test_the_ingress_queue_comes_and_goes_by_its_fixed_place(dev: str) -> None:
    for op, event in ((IngressAdd(dev), "RTM_NEWQDISC"), (IngressDel(dev), "RTM_DELQDISC")):
        message = one(op, event)
        assert (message["index"], message["handle"], message["parent"]) == (INDEXES[dev], INGRESS_HANDLE, INGRESS)
        assert only(message, "TCA_KIND") == {"TCA_KIND": "ingress"}


@given(devices, devices)
def test_a_redirect_takes_every_packet_of_every_protocol(dev: str, to: str) -> None:
    message = one(RedirectAdd(dev, to), "RTM_NEWTFILTER")
    assert (message["index"], message["parent"], message["handle"]) == (INDEXES[dev], ARRIVING, 0x80000800)
    assert message["info"] == (1 << 16 | struct.unpack("=H", b"\x00\x03")[0])
    found = only(message, "TCA_KIND", "TCA_OPTIONS")
    assert found["TCA_KIND"] == "u32"
    told = dict(found["TCA_OPTIONS"]["attrs"])
    selector = told["TCA_U32_SEL"]
    assert (selector["flags"], len(selector["keys"])) == (1, 1)
    (key,) = selector["keys"]
    assert (key["key_mask"], key["key_val"], key["key_off"]) == (0, 0, 0)
    (action,) = [value for _, value in told["TCA_U32_ACT"]["attrs"]]
    assert action.get_attr("TCA_ACT_KIND") == "mirred"
    mirred = action.get_attr("TCA_ACT_OPTIONS").get_attr("TCA_MIRRED_PARMS")
    assert (mirred["eaction"], mirred["action"], mirred["ifindex"]) == (1, 4, INDEXES[to])


class Kernel:
    """An Rtnl that answers dumps with what was encoded, as the kernel gives it back."""

    def __init__(self, *ops: Op) -> None:
        self.messages = [message for op in ops for message in encode(op, Numbers())]

    def dump(self, message: wire.Message) -> list[bytes]:
        kind = {38: 36, 46: 44}[message[0]]
        index = TCMSG.unpack_from(message[2])[1]
        found = [payload for number, _, payload in self.messages if number == kind]
        return [payload for payload in found if index in (0, TCMSG.unpack_from(payload)[1])]

    def name(self, index: int) -> str:
        return next(name for name, number in INDEXES.items() if number == index)


@given(rates, sizes, sizes)
def test_what_was_encoded_is_read_back(rate: int, burst: int, limit: int) -> None:
    bucket = TokenBucketAdd("eth0", rate, burst, limit)
    kernel: Any = Kernel(bucket, IngressAdd("eth0"), RedirectAdd("eth0", "netkit0"), IngressAdd("netkit0"))
    assert queueing(kernel, INDEXES["eth0"]) == Queueing(0x6E6B, rate, limit, True, "netkit0")
    assert queueing(kernel, INDEXES["netkit0"]) == Queueing(ingress=True)
    assert queueing(kernel, INDEXES["nk3f9c1a2b7d10"]) == Queueing()
