"""The role `loopback`: lo up in the container, and what the kernel then gives it."""

from __future__ import annotations

from netkit.cni import result
from netkit.cni.result import Result
from netkit.cni.wish import Wish
from netkit.model import Network

TYPE_CHECKING = False
if TYPE_CHECKING:
    from netkit.cni.call import Call
    from netkit.engine.service import Engine
    from netkit.state.records import Record

_NO_MAC = "00:00:00:00:00:00"


def read(call: Call) -> Wish:
    """There is nothing to configure."""
    return Wish(Network(call.network_name(), "null"))


def answer(call: Call, wish: Wish, record: Record, engine: Engine) -> Result:
    """lo and its addresses; behind other plugins, nothing to add."""
    if result.read(call.conf, call.version) is not None:
        return Result()
    interface = {"name": "lo", "mac": _NO_MAC, "sandbox": call.invocation.netns}
    found = engine.addresses("lo", record.endpoint.netns)
    return Result((interface,), tuple({"interface": 0, "address": address} for address in found))
