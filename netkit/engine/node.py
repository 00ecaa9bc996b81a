"""What this host is called by other hosts, whatever its addresses are."""

from __future__ import annotations

import os

from netkit.value import Value

TYPE_CHECKING = False
if TYPE_CHECKING:
    from netkit.state.root import Root

_MACHINE = "/etc/machine-id"
_NAME = "node"


class Node(Value):
    """The name that was drawn for this host."""

    id: str


def node_of(root: Root) -> str:
    """This host's id: the machine's own, or one that is drawn once, for hosts that share a machine.

    A root of its own (`--root`) is a host of its own.
    """
    if not root.path:
        try:
            with open(_MACHINE, encoding="ascii") as file:
                found = file.read().strip()
        except (OSError, ValueError):
            found = ""
        if len(found) == 32 and set(found) <= set("0123456789abcdef"):
            return found
    known = root.identity.load(_NAME, Node)
    if known is None:
        known = Node(os.urandom(16).hex())
        root.identity.save(_NAME, known)
    return known.id
