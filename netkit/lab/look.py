"""What a namespace holds, as `ip -j` tells: for people's eyes and a lab's targets."""

from __future__ import annotations

import json

from netkit.errors import HostError
from netkit.kernel.spawn import run

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

    from netkit.kernel.namespaces import Handle


def ask(handle: Handle | None, *argv: str) -> list[dict[str, Any]]:
    """What `ip -j ...` prints inside a namespace, None for our own; HostError when it fails."""
    words = ["ip", "-j", *argv]
    done = run(words) if handle is None else handle.call(lambda: run(words))
    if done.status:
        raise HostError(f"{' '.join(words)}: {done.complaint}", "is iproute2 installed?")
    found: list[dict[str, Any]] = json.loads(done.text or "[]")
    return found


def addresses_of(handle: Handle | None) -> list[str]:
    """The global addresses of a namespace with their prefix lengths, in the order of its links."""
    return [address for link in ask(handle, "addr", "show", "scope", "global") for address in global_ones(link)]


def global_ones(link: dict[str, Any]) -> list[str]:
    """The global addresses of one link."""
    infos = link.get("addr_info", ())
    return [f"{info['local']}/{info['prefixlen']}" for info in infos if info.get("scope") == "global"]
