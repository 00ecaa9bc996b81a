"""`dir:///path`: a directory that hosts share, one directory in it for each network.

    network.json                 what all agree on; where it is missing, nothing is mounted
    nodes/4c1f...                what a host says of itself; only that host writes it
    subnets/10.5.72.0-24.g3      who has a subnet, third change of hands
    addresses/10.5.72.7.g1       who has an address

Nothing here is decided by the time of day, by locks, or by the order of two reads.
"""

from __future__ import annotations

import binascii
import contextlib
import os
import random
import time
from functools import partial

from netkit.errors import ConfigError, ConflictError, StateError
from netkit.state.files import dump
from netkit.stores import records
from netkit.stores.claims import Claims
from netkit.stores.hint import Hint
from netkit.stores.members import Members
from netkit.stores.model import ALIVE, GONE, GRACE, LIVELINESS, STALE, Claim, Host, Seen, Settings, Snapshot, Twin
from netkit.stores.patience import PATIENCE, Patience
from netkit.stores.shared import Shared
from netkit.stores.sightings import Sightings, boottime
from netkit.stores.subnets import check_resource

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import TypeVar

    T = TypeVar("T")

#: Seconds between two looks, give or take a fifth.
POLL = 3.0
#: Between two looks at what hosts have said, which mostly is that they live: many have by then.
_BREATH = 0.25
_MARKER = "network.json"


class DirectoryStore:
    """One network in a shared directory, as `node` sees it.

    `settings` makes the network where it is missing; ConflictError when it is there with others. The directory `path`
    itself must exist. For one thread, and one process of a host at a time.
    """

    def __init__(
        self,
        path: str,
        network: str,
        node: str,
        settings: Settings | None = None,
        clock: Callable[[], float] = boottime,
    ) -> None:
        self.node = records.node(node)
        self.path = path
        self._network = records.node(network, "network")
        self._clock = clock
        self._patience = Patience(PATIENCE)
        self._last, self._looked = Snapshot(), 0.0
        self._sightings = Sightings(clock)
        self._renewed = clock()
        place = Shared.open(path, node)
        if settings is None and place.look(self._network) is None:
            raise _missing(f"{path}/{self._network}/{_MARKER}")  # and nothing is made there: is it mounted?
        home = place.sub(self._network)
        self.settings = _agree(home, settings)
        self._enter(home)

    def acquire(self, resource: str, reserved: bool = False) -> Claim:
        return self._within(lambda: self._acquire(resource, reserved))

    def renew(self, host: Host) -> tuple[Claim, ...]:
        return self._within(lambda: self._renew(host))

    def release(self, claim: Claim) -> bool:
        return self._within(lambda: self._release(claim))

    def snapshot(self) -> Snapshot:
        self._looked = time.monotonic()
        try:
            self._last = self._within(self._look)
        except StateError as error:
            self._sightings.pause()
            self._last = self._last.replace(reachable=False, why=error.message, warnings=())
        return self._last

    def watch(self, seconds: float) -> Snapshot:
        before = self._last
        deadline = time.monotonic() + seconds
        while True:
            due = self._looked + POLL * random.uniform(0.8, 1.2)  # noqa: S311 (jitter)
            self._rest(min(due, deadline))
            found = self.snapshot()
            if not found.says(before) or time.monotonic() >= deadline:
                return found

    def _rest(self, deadline: float) -> None:
        """Wait until more has changed than the beats of hosts that we know, at most until then."""
        with contextlib.suppress(StateError):  # what is the matter the next look tells
            while (left := deadline - time.monotonic()) > 0:
                if self._news.wait(min(left, _BREATH)):
                    return
                names = self._beats.told()
                if names and not self._within(partial(self._members.are_beats, names)):
                    return

    def twin(self, session: str) -> Twin | None:
        return self._within(lambda: self._twin(session))

    def fenced(self) -> bool:
        return self._clock() - self._renewed > self.settings.fence

    def _within(self, work: Callable[[], T]) -> T:
        return self._patience.within(work, self.path)

    def _acquire(self, resource: str, reserved: bool) -> Claim:
        resource = records.resource(resource)
        check_resource(self.settings, resource)
        if self.fenced():
            raise StateError(f"{self.path}: this host has been silent for too long to claim anything", "renew first")
        claims = self._of(resource)
        now = claims.at(resource)
        if now.node == self.node and now.reserved >= reserved:
            return now
        if now.node != self.node and not self._is_free(now):
            raise ConflictError(f"{resource} is {_holder(now)}", "choose another")
        mine = Claim(resource, records.next_generation(now.generation), self.node, reserved)
        if claims.make(mine):
            return mine
        now = claims.at(resource)
        if now.node != self.node:
            raise ConflictError(f"{resource} is {_holder(now)} by now", "choose another")
        return now

    def _renew(self, host: Host) -> tuple[Claim, ...]:
        if host.node != self.node:
            raise ConfigError("node", f"{host.node} is another host than {self.node}")
        self._check()
        begun, late = self._clock(), self.fenced()
        for kind in self._claims.values():
            kind.mend(self.node)
        self._members.write(host)
        self._renewed = begun  # others count from when they saw it, not from when we were done
        if late:
            return ()  # someone may be about to take what we had: the next renewal tells
        return tuple(one for kind in self._claims.values() for one in kind.all() if one.node == self.node)

    def _release(self, claim: Claim) -> bool:
        claims = self._of(claim.resource)
        if claim.node != self.node or claims.at(claim.resource) != claim:
            return False
        return claims.make(Claim(claim.resource, records.next_generation(claim.generation)))

    def _twin(self, session: str) -> Twin | None:
        self._check()
        host = self._members.said(self.node)
        if host is None or host.left or host.session in ("", session):
            return None
        return Twin(host, self._members.directory.age(self.node))

    def _enter(self, home: Shared) -> None:
        self._home = home
        places = {name: home.sub(name) for name in ("nodes", "subnets", "addresses")}
        for place in (home, *places.values()):
            place.sweep()
        self._places = tuple(places.values())
        self._members = Members(places["nodes"], self.settings, (seen.host for seen in self._last.hosts))
        known = self._last.claims
        self._claims = {kind: Claims(places[kind], kind, self.settings, known) for kind in ("subnets", "addresses")}
        self._news, self._beats = Hint((places["subnets"].fd, places["addresses"].fd)), Hint((places["nodes"].fd,))

    def _check(self) -> None:
        """StateError unless our store is still there; one that was mounted anew is entered again."""
        home = self._home
        if not all(os.path.samestat(*place.status()) for place in (home, *self._places)):
            home = Shared.open(self._home.path, self.node)
        if _read_settings(home) != self.settings:
            raise StateError(f"{home.path} is not the store that it was", "see what is mounted there")
        if home is not self._home:
            self._enter(home)

    def _of(self, resource: str) -> Claims:
        self._check()
        return self._claims[records.resource(resource).partition("/")[0]]

    def _look(self) -> Snapshot:
        self._check()
        claims = tuple(one for kind in self._claims.values() for one in kind.all())
        hosts = self._members.all({one.resource.partition("/")[2]: one.node for one in claims if one.node})
        holders = {one.node for one in claims}
        beats: dict[str, int | None] = {node: None for node in holders if node}
        beats |= {node: beat for node, _, beat in self._members.parted()}
        self._sightings.look(beats | {host.node: host.beat for host in hosts})
        if claims != self._last.claims:
            for one in set(claims).difference(self._last.claims):
                self._sightings.hear(one.node)
        if self.node in {host.node for host in hosts} and not self._sightings.silent(self.node):
            self._renewed = self._clock()  # another process of this host has spoken for it
        before = {one.host.node: one for one in self._last.hosts}
        seen = tuple(_seen(host, self._state(host), before.get(host.node)) for host in hosts)
        self._members.part((one.host.node for one in seen if one.state == GONE), holders)
        for node, _, beat in self._members.in_turn:
            if self._is_silent(node):
                self._members.remove(node, beat)  # else a store would have all hosts that there ever were
        warnings = [text for kind in self._claims.values() for text in kind.warnings] + self._members.warnings
        told = tuple(one for one in seen if one.state != GONE or one.host.node in holders)
        parted = tuple((node, at) for node, at, _ in self._members.parted())
        return Snapshot(True, "", told, claims, tuple(warnings), parted)

    def _state(self, host: Host) -> str:
        if host.left or self._is_silent(host.node):
            return GONE
        return STALE if self._sightings.silent(host.node) > LIVELINESS else ALIVE

    def _is_silent(self, node: str) -> bool:
        return node != self.node and self._sightings.silent(node) > self.settings.ttl + GRACE

    def _is_free(self, claim: Claim) -> bool:
        """Whether a claim may be followed by ours: it was given back, or its host is gone, even at this instant."""
        if claim.reserved:
            return False
        if not claim.node:
            return True
        if self._last.claim(claim.resource) != claim:
            return False  # its host has lived since our last look
        known = next((seen.host for seen in self._last.hosts if seen.host.node == claim.node), None)
        over = self._is_silent(claim.node) or (known is not None and known.left)
        return over and self._members.beat(claim.node) in (None, known and known.beat)


def _seen(host: Host, state: str, before: Seen | None) -> Seen:
    """A host as it is seen now, which is mostly as it was."""
    if before is not None and before.host is host and before.state == state:
        return before
    return Seen(host, state)


def _agree(home: Shared, wanted: Settings | None) -> Settings:
    """The network's settings, made if need be; ConflictError when others were agreed on."""
    wanted = records.agreeable(wanted)
    if wanted is not None:
        fresh = wanted.replace(id=binascii.hexlify(os.urandom(8)).decode())
        if home.look(_MARKER) is None and home.create(_MARKER, dump(fresh)):
            return fresh
    found = _read_settings(home)
    if wanted is not None and found.replace(id=wanted.id) != wanted:
        what = f"{home.path} is a network with other settings: {found.otherwise(wanted)}"
        raise ConflictError(what, "use these, or another store")
    return found


def _read_settings(home: Shared) -> Settings:
    where = f"{home.path}/{_MARKER}"
    try:
        data = home.read(_MARKER, records.CLAIM_SIZE)
        if data is None:
            raise _missing(where)
        return records.settings(data)
    except (ValueError, ConfigError) as error:
        raise StateError(f"{where} makes no sense: {error}", "ask who writes there, and put it right") from error


def _missing(where: str) -> StateError:
    return StateError(f"{where} is missing: nothing is stored here", "see whether it is mounted")


def _holder(claim: Claim) -> str:
    word = "reserved for" if claim.reserved else "leased to"
    return f"{word} {claim.node or 'nobody'}"
