"""The agent: joins the network, keeps its routes true, and says what it does.

    at the start        link, lease, network, subnet.env; again and again until the store answers
    each 10 s           a full round: what the store holds, what is recorded, what the kernel has
    when told           the same at once: a host came, left or moved; a route, an entry, a device went

It holds no state that another process needs. Ended, it leaves everything up; started again it goes on from the files.
"""

from __future__ import annotations

import os
import time

from netkit.agent import subnetenv
from netkit.agent.host import status as statuses
from netkit.agent.host.joining import Joining
from netkit.agent.host.line import FAREWELL, Line
from netkit.agent.host.member import Member
from netkit.agent.host.notify import notify
from netkit.agent.host.status import SHOWN, Peer, Status
from netkit.engine.service import Engine
from netkit.errors import NetkitError, UnsupportedError, UsageError
from netkit.state.root import Root
from netkit.stores.model import GONE
from netkit.stores.twins import refuse_twin

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from netkit.agent.host.care import Care
    from netkit.agent.host.joining import Ground
    from netkit.agent.loop import Loop
    from netkit.engine.peers import Met
    from netkit.model import PeerHost
    from netkit.plan.steps import Step
    from netkit.stores.model import Claim, Snapshot

#: Seconds between two full rounds, from what happens to the round that follows, and between two tries to join.
ROUND, SOON, AGAIN = 10.0, 0.2, 2.0
#: For so long a round waits for a line that is to begin anew; one that hangs longer is seen again by the next.
_END = 5.0


class Agent:
    """One host in one network of leased subnets. `say` is told, in a sentence, what a person should know."""

    def __init__(self, root: str, ground: Ground, loop: Loop, say: Callable[[str], None]) -> None:
        self.root, self.ground, self.loop = root, ground, loop
        self.status = Status(pid=os.getpid(), store=ground.store)
        self.care: Care | None = None
        self.member: Member | None = None
        self._say = say
        self._said: tuple[set[str], set[str]] = set(), set()  # in the last round, in this one
        self._trigger = ""
        self._judged: tuple[Member, Snapshot, tuple[tuple[PeerHost, ...], tuple[str, ...]]] | None = None
        self._shown: tuple[Snapshot | None, tuple[Peer, ...]] = None, ()
        self._line: Line | None = None
        self._joining = Joining(root, ground)
        loop.within(0.0, self.join)

    def join(self) -> None:
        """Lease a subnet and make the network; tried again until it works. What can never work is raised."""
        if self.member is not None:
            return
        self._said = self._said[1], set()
        try:
            member = self._joining.member()
            self._make(member)
        except (UsageError, UnsupportedError):
            raise
        except NetkitError as error:
            self._tell_not_yet(error)
            self.status = self.status.replace(failed=(error.message,))
            self._save()
            self.loop.within(AGAIN, self.join)
            return
        self._begin(member)
        self.loop.every(ROUND, self.round)

    def soon(self, why: str) -> None:
        """A round in a moment: something has happened."""
        if self.member is not None:
            self._trigger = self._trigger or why
            self.loop.within(SOON, self.round)

    def round(self) -> None:
        """See that the kernel leads to those hosts that the store tells of; tell how it went."""
        if self.member is None or self._line is None:
            return
        if self._line.died:
            raise self._line.died
        self._said = self._said[1], set()
        try:
            self._follow()
        except NetkitError as error:
            self._tell_not_yet(error)
        found = self._line.found
        engine = Engine(self.root or None)
        refused: tuple[str, ...] = ()
        try:
            self._proxy(self.member)
            if not engine.is_defined(self.member.network()):
                engine.see_network(self.member.network())
            known, refused = self._peers(self.member, found) if found else ((), ())
            peers = known if found and self._is_news(found) else None
            self._proxy(self.member, peers, known)
            met = engine.keep(self.member.name, peers)
            failed = met.failed
        except NetkitError as error:
            met, failed = None, (error.message,)
        self._report(self._line, found, met, refused, failed)
        self._trigger = ""
        if not self.status.ready and not failed:
            self.status = self.status.replace(ready=True)
            notify("READY=1")
        self._save()

    def _peers(self, member: Member, found: Snapshot) -> tuple[tuple[PeerHost, ...], tuple[str, ...]]:
        """`member.peers`, which is the same as long as both are."""
        if not self._judged or self._judged[0] is not member or self._judged[1] is not found:
            self._judged = member, found, member.peers(found)
        return self._judged[2]

    def _is_news(self, found: Snapshot) -> bool:
        """Whether the store tells who is there; what is remembered of it counts only where nothing is recorded."""
        if found.reachable:
            return True
        up = Engine(self.root or None).network(self.ground.network)[1]
        return bool(found.hosts) and not (up and up.met.steps)

    def leave(self, teardown: bool) -> None:
        """End; with `teardown` nothing is left, neither here nor in the store."""
        notify("STOPPING=1")
        hangs = self._line is not None and not self._line.stop(FAREWELL)
        if hangs:
            self._tell("the store hangs: nothing was said to it")
        elif teardown and self.member is not None:
            self._take_down(self.member)
        self.status = self.status.replace(ready=False, pid=0)
        if not (teardown and self._is_gone()):
            self._save()

    def _is_gone(self) -> bool:
        """Whether the network has been taken down; then nothing is to be told of it."""
        gone = all(net.name != self.ground.network for net in Engine(self.root or None).all_networks())
        if gone:
            root = Root(self.root or None)
            statuses.forget(root, self.ground.network)
            root.beats.unlink(self.ground.network)
        return gone

    def _begin(self, member: Member) -> None:
        """Speak and listen as this member."""
        self.member = member
        self._line = Line(
            self._joining.store,
            member.record(),
            self._renewed,
            lambda: self.loop.wake(self._news),
            self._joining.hint(),
        )
        self._tell(f"{', '.join(member.leased)} by {member.iface.dev} ({member.iface.why}), {member.config.backend}")
        if member.lost:
            self._tell(f"the network takes nobody in: {member.lost}")

    def _renewed(self, held: Sequence[Claim]) -> None:
        """Write down that the lease is this host's: without that, after a while, nobody is taken in."""
        if self.member and any(claim.subnets == self.member.leased for claim in held):
            self._joining.note(self.member.leased)

    def _news(self) -> None:
        self.soon("the store told something new")

    def _make(self, member: Member) -> None:
        """The network, and the file that tells of it."""
        self._proxy(member)
        engine = Engine(self.root or None)
        net = engine.see_network(member.network())
        mtu = engine.look(lambda host: link.mtu if (link := host.link(net.device)) else 0)
        subnetenv.write(self.ground.subnet_file, member.env(mtu))
        self.status = self.status.replace(
            node=member.node,
            backend=member.config.backend,
            network=member.name,
            subnets=member.leased,
            dev=member.iface.dev,
            why=member.iface.why,
            public=member.iface.public,
            mtu=mtu,
            lost=member.lost,
            fast_path=member.fast_path,
        )

    def _proxy(self, member: Member, peers: Sequence[PeerHost] | None = None, known: Sequence[PeerHost] = ()) -> None:
        if member.config.backend != "udp":
            return
        from netkit.agent.host.carrier import carry

        carry(Root(self.root or None), member, peers, known)

    def _follow(self) -> None:
        """The link's address may be another by now, and the lease may be lost."""
        member, line = self.member, self._line
        if member is None or line is None:
            return
        try:
            iface = self._joining.iface(member.config)
        except NetkitError:
            iface = member.iface  # the link is away for now: what was known of it stays
        if iface.replace(why="") != member.iface.replace(why=""):
            self._tell(f"the link is {iface.dev} {iface.public}, MTU {iface.mtu}")
            self._rejoin(member, line)
        elif line.ends or (line.held is not None and not line.failure and self._other(line, member)):
            self._rejoin(member, line)
        elif (line.fenced or line.twin) and line.failure and not member.lost:
            self._withdraw(member, line.twin)

    def _other(self, line: Line, member: Member) -> bool:
        """Whether this host's lease is not what it was: lost, had again, or to be given up for another."""
        held = any(claim.subnets == member.leased for claim in line.held or ())
        return held == bool(member.lost) or (bool(member.lost) and not self._joining.used())

    def _rejoin(self, member: Member, line: Line) -> None:
        """Begin anew with what is now true; where that fails, go on as before and try again with the next round."""
        if not line.stop(_END):
            return
        try:
            now = self._joining.member()
            self._make(now)
        except NetkitError as error:
            self._tell_not_yet(error)
            now = member
        self._begin(now)

    def _withdraw(self, member: Member, twin: str) -> None:
        """Take nobody in: this host's lease may be another's, of one with its id, or after a long silence."""
        silent = f"this host could not say that it lives; others may have {', '.join(member.leased)} by now"
        why = twin or silent
        self.member = member.replace(lost=why)
        self._tell(f"the network takes nobody in: {why}")
        self._make(self.member)

    def _take_down(self, member: Member) -> None:
        store = self._joining.store
        try:
            Engine(self.root or None).remove_network(member.name)
            if member.config.backend == "udp":
                from netkit.agent.host.carrier import stop

                stop(Root(self.root or None), member)
            subnetenv.remove(self.ground.subnet_file)
            refuse_twin(store, member.record(), self._joining.hint())
            store.renew(member.record(left=True))
            for claim in store.snapshot().of(member.node):
                store.release(claim)
            if member.keys.file:
                from netkit.agent.host import keys

                keys.forget(Root(self.root or None), member.name)
        except NetkitError as error:
            self._tell(f"not all is taken down: {error.message} ({error.hint})")

    def _report(
        self, line: Line, found: Snapshot | None, met: Met | None, refused: tuple[str, ...], failed: tuple[str, ...]
    ) -> None:
        own = self.care.failed if self.care else ()
        told = tuple(each for each in (line.failure, "silent for too long" if line.fenced else "") if each)
        now = self.status.replace(
            at=time.time(), rounds=self.status.rounds + 1, refused=refused, failed=failed + told + own
        )
        if found is not None:
            now = now.replace(
                reachable=found.reachable,
                store_why=found.why,
                warnings=found.warnings[:SHOWN],
                peers=self._shown_peers(found, line),
            )
        if met is not None and (met.mended or met.dropped):
            done = (*_lines("again", met.mended), *_lines("away", met.dropped))
            now = now.replace(mended_at=time.time(), mended=done, repairs=now.repairs + len(done))
            now = now.replace(trigger=self._trigger or "its turn")
        self.status = now.replace(released=self.care.released if self.care else 0)

    def _shown_peers(self, found: Snapshot, line: Line) -> tuple[Peer, ...]:
        """The other hosts, as they were shown before as long as the store tells the same, but for when each spoke."""
        if self._shown[0] is not found:
            self._shown = found, _peers(found, self.status.node)
        ages = ((peer, line.heard.get(peer.node, 0.0)) for peer in self._shown[1])
        self._shown = found, tuple(peer if peer.heard == at else peer.replace(heard=at) for peer, at in ages)
        return self._shown[1]

    def _save(self) -> None:
        try:
            statuses.save(Root(self.root or None), self.ground.network, self.status)
        except NetkitError as error:
            self._tell(error.message)

    def _tell_not_yet(self, error: NetkitError) -> None:
        self._tell(f"not yet: {error.message}" + (f" ({error.hint})" if error.hint else ""))

    def _tell(self, sentence: str) -> None:
        """Say it, unless it was said in this round or the one before: what goes on is said once."""
        known = sentence in self._said[0] or sentence in self._said[1]
        self._said[1].add(sentence)
        if not known:
            self._say(sentence)
            notify(f"STATUS={sentence}")


def _peers(found: Snapshot, node: str) -> tuple[Peer, ...]:
    leases = {claim.node: claim.subnets for claim in found.claims if claim.subnets}
    known = [(seen.host, seen.state) for seen in found.hosts if seen.host.node != node]
    hosts = [(host, state) for host, state in known if state != GONE or host.node in leases]
    return tuple(Peer(host.node, host.public, leases.get(host.node, ()), state) for host, state in hosts)


def _lines(word: str, steps: tuple[Step, ...]) -> list[str]:
    return [f"{word}: {step.why.removeprefix('undo: ')}" for step in steps[:SHOWN]]
