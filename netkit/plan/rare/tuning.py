"""The op of tuning: what a link that is there can be told besides."""

from __future__ import annotations

from netkit.plan.ops import LinkSet

TYPE_CHECKING = False
if TYPE_CHECKING:
    from netkit.plan.host import Host


class LinkTune(LinkSet):
    """Change a link's MAC ("" leaves it), whether it takes every multicast frame, how many packets its queue holds."""

    mac: str = ""
    allmulti: bool | None = None
    txqlen: int | None = None

    def holds(self, host: Host) -> bool:
        link = host.link(self.dev, self.ns)
        return (
            link is not None
            and super().holds(host)
            and self.mac in ("", link.mac)
            and self.allmulti in (None, link.allmulti)
            and self.txqlen in (None, link.txqlen)
        )
