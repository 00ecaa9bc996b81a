"""Packets that carry packets: what a lab expects of their outer headers, and who listens for them.

The listener is handed in by the command (`netkit.cli.tap`): to read tunnels is the business of `netkit.probe`.
"""

from __future__ import annotations

from netkit.value import Value

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from contextlib import AbstractContextManager
    from typing import Protocol, TypeAlias

    from netkit.kernel.namespaces import Handle

    class Tap(Protocol):
        """Hears what passes the links of a namespace."""

        def heard(self) -> Iterator[Heard]:
            """The tunnelled IP packets that have passed since the last time."""

    #: Taps a namespace; ports are where VXLAN is looked for, besides the usual ones.
    Listen: TypeAlias = Callable[[Handle, tuple[int, ...]], AbstractContextManager[Tap]]


class Heard(Value):
    """The outer header of a packet, and where the packet in it goes to; `vni` is -1 where the tunnel has none."""

    kind: str
    src: str
    dst: str
    port: int
    vni: int
    inner: str

    def __str__(self) -> str:
        vni = f" {self.vni}" if self.vni >= 0 else ""
        return f"{self.kind}{vni}, {self.src} > {self.dst} port {self.port}"


class Outer(Value):
    """What is expected of an outer header; addresses may be members' names, "" and -1 are what nobody asks for."""

    kind: str = ""
    src: str = ""
    dst: str = ""
    port: int = 0
    vni: int = -1
    line: int = 0

    def __str__(self) -> str:
        words = [self.kind or "tunnel", str(self.vni) if self.vni >= 0 else ""]
        words += [f"from {self.src}" if self.src else "", f"to {self.dst}" if self.dst else ""]
        words += [f"port {self.port}" if self.port else ""]
        return " ".join(word for word in words if word)

    def fits(self, heard: Heard, addresses: Callable[[str], list[str]]) -> bool:
        """Whether a header is the expected one; `addresses` are those of a member."""
        return (
            self.kind in ("", heard.kind)
            and self.port in (0, heard.port)
            and self.vni in (-1, heard.vni)
            and (not self.src or heard.src in addresses(self.src))
            and (not self.dst or heard.dst in addresses(self.dst))
        )
