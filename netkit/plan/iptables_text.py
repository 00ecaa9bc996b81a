"""Chains and lines of iptables as values, and the text that `iptables-restore --noflush` reads."""

from __future__ import annotations

from netkit.naming import short_id
from netkit.plan import checked
from netkit.value import Value

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable

#: Tables in the order in which they are committed when adding: what drops is in before what translates.
TABLES = ("raw", "filter", "nat")


class Chain(Value):
    """A chain of our own; a `fixed` one is emptied and written whole with the base, the others keep their lines.

    A `foreign` one is another's: it is made when it is not there, and then left to him.
    """

    family: int
    table: str
    name: str
    fixed: bool = False
    foreign: bool = False


class Line(Value):
    """One rule in a chain: appended, or put at its head."""

    family: int
    table: str
    chain: str
    spec: str
    head: bool = False

    def words(self, verb: str) -> list[str]:
        """The arguments that add or delete this line."""
        how = "-D" if verb == "delete" else "-I" if self.head else "-A"
        return ["-t", self.table, how, self.chain, *self.spec.split()]

    @property
    def mark(self) -> str:
        """The comment that this line is known by, "" for a line of the frame."""
        before, _, after = self.spec.rpartition("--comment ")
        return after.split()[0] if before else ""


def devices(name: str) -> str:
    """An interface, or all whose names begin so, as iptables writes it."""
    return checked.devices(name).replace("*", "+")


def marked(owner: str, line: Line) -> Line:
    """The line with a comment that tells it from every other: `nk:OWNER:HASH`."""
    own = short_id(str(line.family), line.table, line.chain, line.spec)
    return line.replace(spec=f"{line.spec} -m comment --comment nk:{owner}:{own}")


def restore(items: Iterable[Chain | Line], verb: str) -> str:
    """The text for one family; each table is one transaction. Deleting goes through the tables the other way round."""
    deleting, items = verb == "delete", tuple(items)
    parts: list[str] = []
    for table in reversed(TABLES) if deleting else TABLES:
        mine = [item for item in items if item.table == table]
        if mine:
            parts += [f"*{table}", *(_deleted(mine) if deleting else _added(mine)), "COMMIT"]
    return "".join(f"{part}\n" for part in parts)


def _added(items: list[Chain | Line]) -> list[str]:
    chains = [_made(item) for item in items if isinstance(item, Chain)]
    lines = [f"{'-I' if item.head else '-A'} {item.chain} {item.spec}" for item in items if isinstance(item, Line)]
    return chains + lines


def _made(chain: Chain) -> str:
    """`:NAME` would empty a chain that is there by now; `-N` fails then."""
    return f"-N {chain.name}" if chain.foreign else f":{chain.name} - [0:0]"


def _deleted(items: list[Chain | Line]) -> list[str]:
    """Lines first, but those of chains that go as a whole; `:NAME` empties a chain, or makes it so that it can go."""
    chains = [item.name for item in items if isinstance(item, Chain) and not item.foreign]
    lines = [f"-D {item.chain} {item.spec}" for item in items if isinstance(item, Line) and item.chain not in chains]
    return [*(f":{name} - [0:0]" for name in chains), *lines, *(f"-X {name}" for name in chains)]
