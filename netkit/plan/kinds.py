"""What a link of one kind has and no other: the last words of `ip link add`, and the link that it stands on.

A new kind is a value here, its words in `plan.render` and its bytes in `kernel.messages`.
"""

from __future__ import annotations

from netkit.value import Value

TYPE_CHECKING = False
if TYPE_CHECKING:
    from netkit.model import NsRef


class Info(Value):
    """The kind-specific part of a link to be made."""


class Stacked(Info):
    """A link that stands on another, `parent`, and dies with it; the two may be in different namespaces.

    `parent_ns` is where the parent is, None for the host. A link is made from there, under its final name where it
    belongs.
    """

    parent: str
    mode: str
    parent_ns: NsRef | None = None


class Macvlan(Stacked):
    """One more MAC address on the parent; `bcqueuelen` 0 leaves the length of its broadcast queue to the kernel."""

    bcqueuelen: int = 0


class Ipvlan(Stacked):
    """More IP addresses on the parent, under the parent's own MAC."""
