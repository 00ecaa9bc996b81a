"""What this host is called by other hosts, whatever its addresses are."""

from __future__ import annotations

import os

from netkit.state.document import dump
from netkit.value import Value

TYPE_CHECKING = False
if TYPE_CHECKING:
    from netkit.state.root import Root

_MACHINE = "/etc/machine-id"
_NAME, _SESSION = "node", "@session"


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


class Start(Value):
    """What was drawn for this start of the host."""

    session: str
    boot_id: str


def session_of(root: Root) -> str:
    """Another one each time that this host starts: two hosts made from one image have one id, but not this."""
    boot = root.boot_id()
    known = root.beats.load(_SESSION, Start)
    if known is not None and known.boot_id == boot:
        return known.session
    if known is not None:
        root.beats.unlink(_SESSION)
    drawn = Start(os.urandom(8).hex(), boot)
    if root.beats.create(_SESSION, dump(drawn)):
        return drawn.session
    return session_of(root)


def another_id(root: Root) -> str:
    """How one of two hosts with one id gets another."""
    if root.identity.exists(_NAME):
        way = f"remove {root.identity.where(_NAME)} while nothing is attached"
    else:
        way = f"rm {_MACHINE}, systemd-machine-id-setup, reboot"
    return f"machines made from one image? On one of the two: {way}"
