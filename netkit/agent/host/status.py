"""What the agent knows and did last, in a file for those who ask."""

from __future__ import annotations

from netkit.value import Value

TYPE_CHECKING = False
if TYPE_CHECKING:
    from netkit.state.root import Root

#: So much is told of each round.
SHOWN = 20


class Peer(Value):
    """Another host: where it is, what it has, whether it lives, when it last gave a sign (seconds since start-up)."""

    node: str
    address: str
    subnets: tuple[str, ...]
    state: str
    heard: float = 0.0


class Status(Value):
    """The state of an agent; times are of the wall, 0 for never. `mended` is what the last repair did, `trigger` why.

    `lost` says why another host may have the subnets by now.
    """

    pid: int = 0
    at: float = 0.0
    ready: bool = False
    node: str = ""
    backend: str = ""
    network: str = ""
    subnets: tuple[str, ...] = ()
    dev: str = ""
    why: str = ""
    public: str = ""
    mtu: int = 0
    store: str = ""
    reachable: bool = True
    store_why: str = ""
    peers: tuple[Peer, ...] = ()
    refused: tuple[str, ...] = ()
    failed: tuple[str, ...] = ()
    warnings: tuple[str, ...] = ()
    mended_at: float = 0.0
    mended: tuple[str, ...] = ()
    rounds: int = 0
    repairs: int = 0
    trigger: str = ""
    lost: str = ""
    released: int = 0


def load_all(root: Root) -> list[Status]:
    """What the agents of this root wrote last, by network."""
    return [found for name in root.agent.names() if (found := root.agent.load(name, Status))]


def save(root: Root, network: str, status: Status) -> None:
    """Write it down."""
    root.agent.save(network, status)


def forget(root: Root, network: str) -> None:
    """Leave nothing of it."""
    root.agent.unlink(network)
