"""What is known of a lab that stands: its file of state, and where its hosts keep theirs.

lab/NAME           this module's `Running`: which file, which namespaces, the mark of its processes
lab-hosts/NAME/    a netkit root for each member, and what its background commands write
"""

from __future__ import annotations

import os

from netkit.errors import NotFoundError
from netkit.model import NsRef
from netkit.state.locks import Lock
from netkit.value import Value

TYPE_CHECKING = False
if TYPE_CHECKING:
    from netkit.state.root import Root

#: Every process of a lab has this in its environment, with the lab's token as value.
MARK = "NETKIT_LAB"
#: Where this very netkit is imported from.
LIBRARY = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
#: Where a member's background commands write, in its netkit root.
LOG = "log"
_PATIENCE = 60.0


class Held(Value):
    """A member's namespace and the process that holds it."""

    name: str
    kind: str
    pid: int
    netns: NsRef


class Running(Value):
    """A lab that stands, or (`ready` false) that is being built, or was when somebody killed its builder."""

    name: str
    file: str
    token: str
    ready: bool = False
    members: tuple[Held, ...] = ()

    def member(self, name: str) -> Held:
        """A member by name; NotFoundError when there is none."""
        for one in self.members:
            if one.name == name:
                return one
        raise NotFoundError(f"the lab {self.name} has no {name}", f"it has {', '.join(m.name for m in self.members)}")


class Labs:
    """The labs of one root directory."""

    def __init__(self, root: Root) -> None:
        self._root = root

    def lock(self, name: str) -> Lock:
        """One command at a time on a lab."""
        return Lock(self._root.locks, f"lab-{name}", _PATIENCE)

    def find(self, name: str) -> Running | None:
        """The lab of that name, None when there is none."""
        return self._root.labs.load(name, Running)

    def standing(self, name: str) -> Running:
        """The lab of that name, which must be up."""
        found = self.find(name)
        if found is None or not found.ready:
            raise NotFoundError(
                f"the lab {name} is not up", "`netkit lab up FILE` builds it; `netkit lab ls` lists labs"
            )
        return found

    def built_from(self, file: str) -> list[Running]:
        """The labs that were built from a file, which may be gone or broken by now."""
        return [one for one in self.all() if one.file == file]

    def all(self) -> list[Running]:
        """Every lab, by name."""
        return list(self._root.labs.values(Running))

    def save(self, lab: Running) -> None:
        """Write down how far a lab is."""
        self._root.labs.save(lab.name, lab)

    def forget(self, name: str) -> bool:
        """Remove all files of a lab; False when there were none."""
        self._root.lab_hosts.clear(name)
        return self._root.labs.unlink(name)

    def home(self, name: str, member: str) -> str:
        """The netkit root of a lab's host, made if need be."""
        return self._root.lab_hosts.sub(name).sub(member).path
