"""What the agent knows and did last, in a file for those who ask."""

from __future__ import annotations

from netkit.errors import BusyError
from netkit.state.locks import lock
from netkit.value import Value

TYPE_CHECKING = False
if TYPE_CHECKING:
    from netkit.state.root import Root

#: What the lock of a network's agent is called, and for how long an agent that starts waits for whoever looks at it.
LOCK, PATIENCE = "agent-{}", 1.0
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

    `lost` says why another host may have the subnets by now. With `fast_path`, the kernel does what the proxy does.
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
    fast_path: bool = False


def load_all(root: Root) -> list[Status]:
    """What the agents of this root wrote last, by network; one that was killed could not write that it ended."""
    found = {name: root.agent.load(name, Status) for name in root.agent.names()}
    return [one if _runs(root, name) else one.replace(pid=0, ready=False) for name, one in found.items() if one]


def _runs(root: Root, network: str) -> bool:
    try:
        with lock(root, LOCK.format(network), 0):
            return False
    except BusyError:
        return True


def save(root: Root, network: str, status: Status) -> None:
    """Write it down."""
    root.agent.save(network, status)


def forget(root: Root, network: str) -> None:
    """Leave nothing of it."""
    root.agent.unlink(network)
