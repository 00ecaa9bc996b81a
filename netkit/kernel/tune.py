"""The op of tuning as rtnetlink messages."""

from __future__ import annotations

from netkit.kernel.messages import IFF_ALLMULTI, IFLA_ADDRESS, IFLA_TXQLEN, link_set, set_link
from netkit.kernel.wire import attr, u32
from netkit.plan.rare.tuning import LinkTune

TYPE_CHECKING = False
if TYPE_CHECKING:
    from netkit.kernel.messages import Numbers
    from netkit.kernel.wire import Message


def _tune(op: LinkTune, numbers: Numbers) -> list[Message]:
    settings = attr(IFLA_ADDRESS, bytes.fromhex(op.mac.replace(":", ""))) if op.mac else b""
    settings += attr(IFLA_TXQLEN, u32(op.txqlen)) if op.txqlen is not None else b""
    messages = [set_link(op.dev, settings)] if settings else []
    if op.allmulti is not None:
        messages.append(set_link(op.dev, flags=IFF_ALLMULTI if op.allmulti else 0, mask=IFF_ALLMULTI))
    return messages + link_set(op, numbers)


ENCODERS = {LinkTune: _tune}
