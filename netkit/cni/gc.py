"""GC: everything that the runtime no longer counts as an attachment of this network goes, and nothing else."""

from __future__ import annotations

from netkit.cni.failure import in_turn
from netkit.cni.ipamtype import delegated, forward
from netkit.cni.open import engine

TYPE_CHECKING = False
if TYPE_CHECKING:
    from netkit.cni.call import Call

#: The key of the specification, and the one that its tag v1.1.0 had; libcni sends both.
KEYS = ("cni.dev/valid-attachments", "cni.dev/attachments")


def collect(call: Call) -> None:
    """Remove what is stale. Goes on past errors, and tells them all in one. Without a list nothing is stale."""
    valid = valid_attachments(call)
    plugin = delegated(call)
    in_turn(
        lambda: None if valid is None else engine(call).keep_only(call.network_name(), valid, call.name),
        lambda: forward(call, plugin),
    )


def valid_attachments(call: Call) -> set[tuple[str, str]] | None:
    """(container, ifname) pairs, None when the runtime says nothing of them; an empty list says that all are stale."""
    keys = [key for key in KEYS if key in call.conf]
    if not keys:
        return None
    entries = [entry for key in keys for entry in call.conf.sections(key)]
    known_by = "lo" if call.has_loopback_alone else ""
    return {(entry.text("containerID"), known_by or entry.text("ifname")) for entry in entries}
