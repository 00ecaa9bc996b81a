"""What older kernels have to be told otherwise.

Before Linux 6.15 a link that is made from one namespace into another may not have a name that the first one has, too:
and an eth0 in a container stands on the host's eth0 more often than not. There it is made under a passing name, and
renamed where it belongs.
"""

from __future__ import annotations

import os

from netkit.kernel.messages import delete_link, encode, move_link
from netkit.kernel.outcomes import worst
from netkit.naming import passing_name
from netkit.plan.kinds import Stacked
from netkit.plan.ops import LinkAdd

TYPE_CHECKING = False
if TYPE_CHECKING:
    from netkit.kernel.messages import Numbers
    from netkit.kernel.namespaces import Namespaces
    from netkit.kernel.rtnl import Rtnl
    from netkit.kernel.wire import Message
    from netkit.plan.ops import Op

#: Kinds of links that may have been left under a passing name by a crash.
KINDS = ("macvlan", "ipvlan")
#: The first kernel that looks for a new link's name where the link will be.
LOOKS_THERE = (6, 15)


def clashing(op: Op, parents: Rtnl, release: str = "") -> LinkAdd | None:
    """The op, if this kernel would refuse its link's name because the namespace that it is made from has it."""
    if not isinstance(op, LinkAdd) or not isinstance(op.info, Stacked) or op.ns == op.netns:
        return None
    old = _version(release or os.uname().release) < LOOKS_THERE
    return op if old and parents.link(op.name) is not None else None


def make(op: LinkAdd, namespaces: Namespaces, numbers: Numbers) -> None:
    """Make a link under a passing name and rename it; KernelError when that failed, and then it is not there."""
    passing = op.replace(name=passing_name(op.name))
    inside = namespaces.enter(op.ns).socket()
    _send(namespaces.enter(op.netns).socket(), encode(passing, numbers))
    index = inside.index(passing.name)
    try:
        _send(inside, [move_link(index, op.name, "")])
    except BaseException:
        inside.batch([delete_link(index)])
        raise


def _send(rtnl: Rtnl, messages: list[Message]) -> None:
    if failure := worst(rtnl.batch(messages)):
        raise failure


def _version(release: str) -> tuple[int, ...]:
    """6, 1 of `6.1.0-13-amd64`; a release that says nothing is taken for an old one."""
    words = release.split(".")[:2]
    return tuple(int(word) if word.isdigit() else 0 for word in words)
