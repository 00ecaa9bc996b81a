"""Traffic control: shaping ops as rtnetlink messages, and how a link's packets wait.

Numbers are from linux/pkt_sched.h and linux/pkt_cls.h. A tbf is told its rate in bytes a second and its burst in bytes;
what the kernel derives from these (ticks, rate tables) is left to it.
"""

from __future__ import annotations

import sys
from struct import Struct

from netkit.kernel.messages import text
from netkit.kernel.wire import NLA_F_NESTED, NLM_F_CREATE, NLM_F_EXCL, attr, attributes, number, u32
from netkit.plan.rare.shaping import (
    HANDLE,
    IngressAdd,
    IngressDel,
    Queueing,
    RedirectAdd,
    TokenBucketAdd,
    TokenBucketDel,
)

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Mapping
    from typing import Any

    from netkit.kernel.messages import Numbers
    from netkit.kernel.rtnl import Rtnl
    from netkit.kernel.wire import Message
    from netkit.plan.ops import Op

_NEWQDISC, _DELQDISC, _GETQDISC, _NEWTFILTER, _GETTFILTER = 36, 37, 38, 44, 46
_ROOT, _INGRESS, _INGRESS_HANDLE, _ARRIVING = 0xFFFFFFFF, 0xFFFFFFF1, 0xFFFF0000, 0xFFFFFFF2
_KIND, _OPTIONS = 1, 2
_TBF_PARMS, _TBF_RATE64, _TBF_BURST = 1, 4, 6
_U32_SEL, _U32_ACT, _SEL_TERMINAL = 5, 7, 1
_ACT_KIND, _ACT_OPTIONS, _MIRRED_PARMS = 1, 2, 2
_STOLEN, _EGRESS_REDIRECT = 4, 1
_EVERY_PROTOCOL, _FIRST, _FILTER = 3, 1, 0x80000800
_CREATE = NLM_F_CREATE | NLM_F_EXCL
_LARGEST_32 = 0xFFFFFFFF

#: struct tcmsg: family, ifindex, handle, parent, info.
TCMSG = Struct("=BxxxiIII")
#: struct tc_tbf_qopt: twice (cell log, link layer, overhead, cell align, mpu, rate), limit, buffer, mtu.
_TBF = Struct("=BBHhHI BBHhHI III")
#: struct tc_u32_sel (flags, offset shift, keys, offsets...) with one struct tc_u32_key (mask, value, offsets).
_MATCH_ALL = Struct("=BBBxHHhhI IIii")
#: struct tc_mirred: index, capabilities, what becomes of the packet, references, bindings, direction, ifindex.
_MIRRED = Struct("=IIiiiiI")
_ETHERNET = 1


def _qdisc(kind: str, index: int, handle: int, parent: int, options: bytes = b"") -> bytes:
    payload = TCMSG.pack(0, index, handle, parent, 0) + attr(_KIND, text(kind))
    return payload + (attr(_OPTIONS, options) if options else b"")


def _bucket_add(op: TokenBucketAdd, numbers: Numbers) -> list[Message]:
    rate = op.rate // 8
    parms = _TBF.pack(0, _ETHERNET, 0, 0, 0, min(rate, _LARGEST_32), *(0,) * 6, op.limit, 0, 0)
    options = attr(_TBF_PARMS, parms) + attr(_TBF_BURST, u32(op.burst))
    if rate > _LARGEST_32:
        options += attr(_TBF_RATE64, rate.to_bytes(8, sys.byteorder))
    return [(_NEWQDISC, _CREATE, _qdisc("tbf", numbers.index(op.dev), HANDLE << 16, _ROOT, options))]


def _bucket_del(op: TokenBucketDel, numbers: Numbers) -> list[Message]:
    return [(_DELQDISC, 0, _qdisc("tbf", numbers.index(op.dev), HANDLE << 16, _ROOT))]


def _ingress_add(op: IngressAdd, numbers: Numbers) -> list[Message]:
    return [(_NEWQDISC, _CREATE, _qdisc("ingress", numbers.index(op.dev), _INGRESS_HANDLE, _INGRESS))]


def _ingress_del(op: IngressDel, numbers: Numbers) -> list[Message]:
    return [(_DELQDISC, 0, _qdisc("ingress", numbers.index(op.dev), _INGRESS_HANDLE, _INGRESS))]


def _redirect_add(op: RedirectAdd, numbers: Numbers) -> list[Message]:
    """A u32 filter whose one key fits every packet: the oldest classifier, there where matchall is not.

    Under a handle of its own it takes the place of one that leads to a link which is gone, and which drops all.
    """
    every = int.from_bytes(_EVERY_PROTOCOL.to_bytes(2, "big"), sys.byteorder)
    head = TCMSG.pack(0, numbers.index(op.dev), _FILTER, _ARRIVING, _FIRST << 16 | every)
    mirred = attr(_MIRRED_PARMS, _MIRRED.pack(0, 0, _STOLEN, 0, 0, _EGRESS_REDIRECT, numbers.index(op.to)))
    action = attr(_ACT_KIND, text("mirred")) + attr(_ACT_OPTIONS | NLA_F_NESTED, mirred)
    options = attr(_U32_SEL, _MATCH_ALL.pack(_SEL_TERMINAL, 0, 1, *(0,) * 9)) + attr(_U32_ACT, attr(_FIRST, action))
    return [(_NEWTFILTER, NLM_F_CREATE, head + attr(_KIND, text("u32")) + attr(_OPTIONS, options))]


ENCODERS: Mapping[type[Op], Callable[[Any, Numbers], list[Message]]] = {
    TokenBucketAdd: _bucket_add,
    TokenBucketDel: _bucket_del,
    IngressAdd: _ingress_add,
    IngressDel: _ingress_del,
    RedirectAdd: _redirect_add,
}


def queueing(rtnl: Rtnl, index: int) -> Queueing:
    """How the packets of the link of that number wait.

    All queues of the namespace are asked for: about a single one that is built in the kernel does not answer at all.
    """
    seen = Queueing()
    for payload in rtnl.dump((_GETQDISC, 0, TCMSG.pack(0, 0, 0, 0, 0))):
        _, on, handle, parent, _ = TCMSG.unpack_from(payload)
        if on != index:
            continue
        queue = attributes(payload, TCMSG.size)
        if parent == _ROOT:
            rate, limit = _rate_and_limit(queue) if _is(queue, "tbf") else (0, 0)
            seen = seen.replace(handle=handle >> 16, rate=rate, limit=limit)
        elif _is(queue, "ingress"):
            seen = seen.replace(ingress=True, redirect=_redirect(rtnl, index))
    return seen


def _is(queue: dict[int, bytes], kind: str) -> bool:
    return queue.get(_KIND) == text(kind)


def _rate_and_limit(queue: dict[int, bytes]) -> tuple[int, int]:
    """Bits a second and bytes of a tbf."""
    options = attributes(queue.get(_OPTIONS, b""))
    fields = _TBF.unpack_from(options[_TBF_PARMS])
    rate = number(options[_TBF_RATE64]) if _TBF_RATE64 in options else fields[5]
    return rate * 8, fields[12]


def _redirect(rtnl: Rtnl, index: int) -> str:
    """The name of the link that all which arrives is sent through, "" when there is none."""
    for payload in rtnl.dump((_GETTFILTER, 0, TCMSG.pack(0, index, 0, _ARRIVING, 0))):
        found = attributes(payload, TCMSG.size)
        options = attributes(found.get(_OPTIONS, b""))
        action = attributes(attributes(options.get(_U32_ACT, b"")).get(_FIRST, b""))
        mirred = attributes(action.get(_ACT_OPTIONS, b"")).get(_MIRRED_PARMS, b"")
        if _is(found, "u32") and len(mirred) >= _MIRRED.size:
            to = _MIRRED.unpack_from(mirred)[6]  # 0 when that link is gone
            return rtnl.name(to) if to else ""
    return ""
