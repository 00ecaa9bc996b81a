"""When this host was last heard in a store, by our own clock: whoever renews writes it down, whoever attaches reads it.

So an attachment that follows a dead agent asks no store and no process, and gives out no address that may be another
host's by now.
"""

from __future__ import annotations

from netkit.errors import StateError
from netkit.stores.sightings import boottime
from netkit.value import Value

TYPE_CHECKING = False
if TYPE_CHECKING:
    from netkit.model import Network
    from netkit.state.root import Root


class Beat(Value):
    """When this host was last heard, in seconds since it started.

    Where it leases `subnets`, it may count on them for `holds` seconds from then.
    """

    at: float
    boot_id: str
    holds: float = 0.0
    subnets: tuple[str, ...] = ()

    @property
    def silent(self) -> float:
        """The seconds since."""
        return boottime() - self.at


def note(root: Root, network: str, holds: float = 0.0, subnets: tuple[str, ...] = ()) -> None:
    """Write down that this host has just been heard."""
    root.beats.save(network, Beat(boottime(), root.boot_id(), holds, subnets))


def last(root: Root, network: str) -> Beat | None:
    """When this host was heard last, None when it has not been since it started."""
    beat = root.beats.load(network, Beat)
    return beat if beat and beat.boot_id == root.boot_id() else None


def refuse_unrenewed(root: Root, net: Network) -> None:
    """StateError unless the lease of the network's subnets was renewed so lately that no other host can have it."""
    beat, subnets = last(root, net.name), tuple(subnet.cidr for subnet in net.subnets)
    if beat is None or beat.subnets != subnets:
        since = "since this host started"
    elif beat.silent > beat.holds:
        since = f"for {beat.silent:.0f} s"
    else:
        return
    raise StateError(
        f"network {net.name} takes nobody in: nobody has renewed this host's lease of {', '.join(subnets)} {since},"
        " so it may be another host's by now",
        "start its agent, which renews it or leases another (netkit agent run), and try again",
    )
