"""Networks: definitions, which last, and what is up of them, which a reboot clears."""

from __future__ import annotations

from netkit.model import Network
from netkit.plan import rules as _rules  # noqa: F401 - a plan holds rules: reading it needs their kinds
from netkit.plan.steps import Plan
from netkit.state.document import dump, load
from netkit.value import Value

TYPE_CHECKING = False
if TYPE_CHECKING:
    from netkit.state.root import Root

#: Stands for the host itself where a network's name is asked for; no network can be called so.
HOST = "@host"


#: By path, what was read or written last and what it says: with hundreds of hosts it is large, and an agent reads it
#: each round.
_last: dict[str, tuple[bytes, Up]] = {}


class Up(Value):
    """What bringing a network up has made, and what takes it down again: its plan, reversed.

    `met` is what leads to the network's other hosts; it changes as they come and go, and the plan does not.
    """

    network: str
    plan: Plan
    boot_id: str = ""
    met: Plan = Plan()

    @property
    def whole(self) -> Plan:
        """All that stands of it."""
        return self.plan + self.met


class Networks:
    """The networks of one root."""

    def __init__(self, root: Root) -> None:
        self.root = root

    def save(self, network: Network) -> None:
        """Put a definition in place; on the disk when this returns."""
        self.root.networks.save(network.name, network)

    def load(self, name: str) -> Network | None:
        """A definition, None when there is no such network."""
        return self.root.networks.load(name, Network)

    def all(self) -> tuple[Network, ...]:
        """Every definition, in the order of their names."""
        return tuple(self.root.networks.values(Network))

    def remove(self, name: str) -> bool:
        """Forget a definition; False when there is none."""
        return self.root.networks.unlink(name)

    def save_up(self, up: Up) -> None:
        """Note that a network, or HOST, is up."""
        place, data = self.root.networks_up, dump(up)
        place.write(up.network, data)
        _last[place.where(up.network)] = data, up

    def up(self, name: str) -> Up | None:
        """What is up of a network, or of HOST; None when nothing is. What an earlier boot made is gone with it."""
        up = self.root.networks_up.load(name, Up, _read)
        return up if up and up.boot_id in ("", self.root.boot_id()) else None

    def all_up(self) -> tuple[Up, ...]:
        """All that is up in this boot, HOST included."""
        boot = self.root.boot_id()
        return tuple(up for up in self.root.networks_up.values(Up, read=_read) if up.boot_id in ("", boot))

    def forget_up(self, name: str) -> bool:
        """Note that a network, or HOST, is down; False when it was."""
        return self.root.networks_up.unlink(name)


def _read(data: bytes, kind: type[Up], where: str) -> Up:
    """The same bytes say the same as when they were read or written last."""
    known = _last.get(where)
    if known is None or known[0] != data:
        known = _last[where] = data, load(data, kind, where)
    return known[1]
