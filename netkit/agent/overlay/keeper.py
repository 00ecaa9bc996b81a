"""The keeper of a root's overlays: one process that tells that this host lives, watches the stores, mends the kernel.

    each 20 s           a heartbeat, and what this host has in the store is set right
    each 10 s           a full round: what the store holds, what is recorded, what the kernel has
    when told           the same at once: a host came, left or changed; a link, an entry, a neighbour went

It holds no state that another process needs: killed and started again it goes on from the files. Whoever attaches,
detaches, or looks at an overlay starts it where it is not there; it ends when no overlay with a store is left.
"""

from __future__ import annotations

import os
import signal
import sys

from netkit.agent.events import LOST, Events
from netkit.agent.loop import Loop
from netkit.agent.overlay.report import report
from netkit.agent.overlay.watch import Watch
from netkit.engine.node import node_of
from netkit.engine.service import Engine
from netkit.engine.tending import KEEPER
from netkit.errors import BusyError, NetkitError, NotFoundError
from netkit.state.locks import PATIENCE, lock
from netkit.state.root import Root
from netkit.stores.model import HEARTBEAT

TYPE_CHECKING = False
if TYPE_CHECKING:
    from netkit.model import Network

#: Seconds between two full rounds, and the least between what happens and the round that follows it.
ROUND, SOON = 10.0, 0.3


class Keeper:
    """The overlays of one root that have stores."""

    def __init__(self, root: str, loop: Loop, foreground: bool = False) -> None:
        self.root = root
        self.loop = loop
        self.idle = False  # it ended because there is nothing to keep
        self._foreground = foreground
        self._watches: dict[str, Watch] = {}
        self._lost: dict[str, tuple[str, ...]] = {}
        self._events = Events()
        loop.hear(self._events.fileno(), self._hear)
        loop.every(HEARTBEAT, self.beat)
        loop.every(ROUND, self.round)

    def beat(self) -> None:
        """Say in each store that this host lives."""
        engine = Engine(self.root or None)
        for net in self._overlays(engine):
            try:
                self._lost[net.name] = engine.beat(net.name)
            except NotFoundError:
                continue
            except NetkitError as error:
                self._lost[net.name] = (f"{error.message} ({error.hint})" if error.hint else error.message,)

    def round(self) -> None:
        """See that each overlay is what its store says; end when there is none."""
        if not self._foreground and not os.path.isdir(self.root or "/"):
            self.loop.stop()
            return
        engine = Engine(self.root or None)
        nets = self._overlays(engine)
        self._watch(engine, nets)
        for net in nets:
            self._tend(engine, net)
        if not nets and not self._foreground:
            self.idle = True
            self.loop.stop()

    def _tend(self, engine: Engine, net: Network) -> None:
        watch = self._watches[net.name]
        if watch.died:
            raise watch.died
        if watch.found is None:
            return  # the first look is under way
        try:
            tended, failed = engine.tend(net.name, watch.found), self._lost.get(net.name, ())
        except NotFoundError:
            return
        except NetkitError as error:
            tended, failed = None, (error.message,)
        report(engine.root, net.name, watch, tended, failed)

    def _watch(self, engine: Engine, nets: list[Network]) -> None:
        """One watch for each overlay."""
        wanted = {net.name: net for net in nets}
        for name in [name for name, watch in self._watches.items() if name not in wanted or
                     watch.url != wanted[name].store]:  # fmt: skip
            self._watches.pop(name).stop()
        for name, net in wanted.items():
            if name not in self._watches:
                node = node_of(engine.root)
                self._watches[name] = Watch(self.root, net, node, lambda: self.loop.wake(self._soon))

    def _overlays(self, engine: Engine) -> list[Network]:
        return [net for net in engine.all_networks() if net.store]

    def _hear(self) -> None:
        heard = self._events.heard()
        if any(event.kind == LOST or event.kind == "neigh" or (event.kind == "link" and event.gone) for event in heard):
            self._soon()

    def _soon(self) -> None:
        self.loop.within(SOON, self.round)


def keep(root: str, foreground: bool = False) -> bool:
    """Keep a root's overlays until a signal comes; in the background also until there are none: then True."""
    loop = Loop()
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda _number, _frame: loop.stop())
    keeper = Keeper(root, loop, foreground)
    loop.run()
    return keeper.idle


def stand_by(root: str) -> None:
    """Keep a root's overlays in the foreground, as soon as nobody else does."""
    while True:
        try:
            with lock(Root(root or None), KEEPER, PATIENCE):
                keep(root, foreground=True)
                return
        except BusyError:
            continue


def main() -> None:
    """`python -c ... [ROOT]`: one for each root; a second one ends at once.

    Who makes an overlay while the last keeper is about to end sees it alive: so that one looks again, having let go.
    """
    root = Root(sys.argv[1] if len(sys.argv) > 1 else None)
    try:
        idle = True
        while idle:
            with lock(root, KEEPER, 0):
                idle = keep(root.path)
            if not any(net.store for net in Engine(root.path or None).all_networks()):
                return
    except BusyError:
        return


if __name__ == "__main__":
    main()
