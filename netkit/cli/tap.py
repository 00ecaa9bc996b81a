"""What `netkit lab check` listens with: the probe's sniffer, for tunnelled packets alone."""

from __future__ import annotations

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator
    from typing import Self

    from netkit.kernel.namespaces import Handle
    from netkit.lab.tunnels import Heard


class Tap:
    """Hears the tunnelled IP packets that pass a namespace's links, from now on; a context manager."""

    def __init__(self, handle: Handle, vxlan_ports: tuple[int, ...]) -> None:
        from netkit.probe.sniffer import Sniffer
        from netkit.probe.tunnel import VXLAN_PORTS

        self._sniffer = Sniffer(handle)
        self._ports = (*VXLAN_PORTS, *vxlan_ports)

    def heard(self) -> Iterator[Heard]:
        """The packets of which no one has been told yet."""
        from netkit.lab.tunnels import Heard
        from netkit.probe.packet import IPV4, IPV6, parse
        from netkit.probe.tunnel import unwrap

        while (frame := self._sniffer.read()) is not None:
            outer = parse(frame.data)
            tunnel = unwrap(outer, self._ports)
            if tunnel and tunnel.inner.kind in (IPV4, IPV6):
                yield Heard(tunnel.kind, outer.src, outer.dst, outer.dport, tunnel.vni, tunnel.inner.dst)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._sniffer.close()
