"""The hosts of a network, each in a file of its own under the name of its node id.

Nobody but the host writes its file, and others remove it when its time is over. A file that is torn, foreign or missing
takes nothing away: what was known of the host last is kept until then.
"""

from __future__ import annotations

import os

from netkit.errors import ConfigError, StateError
from netkit.state.files import dump
from netkit.stores import records
from netkit.stores.distinct import distinct
from netkit.stores.model import Host

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Container, Iterable, Mapping

    from netkit.stores.model import Endpoint, Settings
    from netkit.stores.shared import Shared, Sign

#: The most hosts of one network; those beyond are passed over.
HOSTS = 4096
_BEATS = 1 << 62
#: Those that were let go are looked at in turns once they are many, so many a look, or an eighth: who is back has
#: mostly made a claim, which tells it at once.
_TURN, _TURNS = 64, 8
#: How the line of a record's beat begins, how a record does before its checksum, and a beat that is surely one.
_BEAT, _HEAD, _DIGITS = b'\n "beat": ', len(b'{"netkit": 1, '), 18


class _Parted:
    """The farewell of a host, or its last word: which file said it, its beat and address, and the record if needed."""

    __slots__ = ("beat", "host", "public", "sign")

    def __init__(self, sign: Sign, said: Host, host: Host | None) -> None:
        self.sign, self.beat, self.public, self.host = sign, said.beat, said.public, host


class Members:
    """What all hosts say of themselves; `warnings` collects what was passed over."""

    def __init__(self, directory: Shared, settings: Settings, known: Iterable[Host] = ()) -> None:
        self.directory = directory
        self.settings = settings
        self.warnings: list[str] = []
        self._good = {host.node: host for host in known}
        self._signs: dict[str, Sign] = {}
        self._parted: dict[str, _Parted] = {}
        self._odd: dict[str, tuple[Sign, str]] = {}
        self._texts: dict[str, tuple[bytes, Host]] = {}
        self._looks = 0
        self._gone: tuple[tuple[str, str, int], ...] | None = None
        #: Those that were let go and whose turn it was at our last look, and those that were let go since.
        self.in_turn: tuple[tuple[str, str, int], ...] = ()
        #: The hosts and the holders that were judged last; which hosts are there and what is behind them; who is odd.
        self._judged: tuple[tuple[Host, ...], Mapping[str, str]] = (), {}
        self._told: dict[str, tuple[Endpoint, ...]] = {}
        self._refused: list[tuple[str, str]] = []

    def all(self, holders: Mapping[str, str] | None = None) -> tuple[Host, ...]:
        """All hosts, those first that are known for longest; nobody takes what one before it has, or has claimed.

        `holders` are the nodes that have claimed addresses. Who has parted is not among them.
        """
        self.warnings.clear()
        names = self.directory.names()
        mine = self.directory.node
        there = {*self._good, *names}
        known = {name: None for name in (mine, *self._good, *names) if name in there}
        self._odd = {name: odd for name, odd in self._odd.items() if name in known}
        self._texts = {name: text for name, text in self._texts.items() if name in self._good}
        held = set((holders or {}).values())  # who has a claim after all is told again
        parted = {n: one for n, one in self._parted.items() if n in known and (one.host or n not in held)}
        if len(parted) != len(self._parted):
            self._parted, self._gone = parted, None
        gone = self.parted()
        let_go = {node for node, _, _ in gone}
        others = [name for name in known if name not in let_go]
        if len(others) > HOSTS:
            self._warn("", f"there are more than {HOSTS} hosts")
        self._looks += 1
        turns = max(min(len(gone) // _TURN, _TURNS), 1)
        self.in_turn = gone[self._looks % turns :: turns]
        for name in (*others[:HOSTS], *(node for node, _, _ in self.in_turn)):
            self._take(name)
        return self._distinct(holders or {})

    def parted(self) -> tuple[tuple[str, str, int], ...]:
        """Those that were let go: node, address and beat."""
        if self._gone is None:
            self._gone = tuple((node, one.public, one.beat) for node, one in self._parted.items() if one.host is None)
        return self._gone

    def beat(self, node: str) -> int | None:
        """The beat of a host as its file says this instant, None when it has none that can be read."""
        host = self.said(node)
        return host.beat if host else None

    def said(self, node: str) -> Host | None:
        """What a host's file says this instant, None when nothing can be read there."""
        try:
            return self._load(node)
        except (ValueError, StateError, ConfigError):
            return None

    def are_beats(self, names: Iterable[str]) -> bool:
        """Whether files that were written anew say nothing new, but that their hosts live."""
        before = {name: self._good.get(name) for name in names}
        for name in before:
            self._take(name)
        pairs = [(host, self._good.get(name)) for name, host in before.items()]
        return all(host is not None and now is not None and host.is_like(now) for host, now in pairs)

    def write(self, host: Host) -> None:
        """Put what this host says in its file, with another beat than before."""
        last = self.beat(host.node)
        beat = int.from_bytes(os.urandom(7), "big") if last is None else (last + 1) % _BEATS
        data = dump(host.replace(beat=beat))
        records.host(data, host.node, self.settings)
        self.directory.replace(host.node, data)

    def part(self, nodes: Iterable[str], holders: Container[str]) -> None:
        """Hosts that are gone come after all others from now on, and are there only as long as their files.

        Those that hold nothing are let go: they are told again when their files say something new.
        """
        for node in nodes:
            host, sign = self._good.pop(node, None), self._signs.pop(node, None)
            if host and sign:
                self._parted[node] = _Parted(sign, host, host if node in holders else None)
                self._gone = None
                self.in_turn += () if node in holders else ((node, host.public, host.beat),)

    def remove(self, node: str, beat: int) -> None:
        """Remove the file of a host whose time is over, unless it has spoken since we looked.

        One that speaks just now has its file again with its next heartbeat. Where it cannot be removed is a warning.
        """
        try:
            if self._load(node).beat == beat:
                self.directory.remove(node)
        except (ValueError, StateError, ConfigError) as error:
            self._warn(node, str(error))

    def _distinct(self, holders: Mapping[str, str]) -> tuple[Host, ...]:
        """The hosts without what is another's; mostly they say what they said at our last look."""
        hosts, (before, held) = tuple(self._good.values()), self._judged
        if holders != held or len(hosts) != len(before) or not all(map(Host.is_like, hosts, before)):
            self._refused = []
            found = distinct(hosts, lambda node, why: self._refused.append((node, why)), holders)
            self._told = {host.node: host.endpoints for host in found}
        self._judged = hosts, holders
        for node, why in self._refused:
            self._warn(node, why)
        there = ((host, self._told[host.node]) for host in hosts if host.node in self._told)
        return tuple(host if host.endpoints == own else host.replace(endpoints=own) for host, own in there)

    def _take(self, name: str) -> None:
        try:
            sign = self.directory.sign(name)
            if name in self._good and self._signs.get(name) == sign:
                return
            if (parted := self._parted.get(name)) and parted.sign == sign:
                if parted.host:
                    self._signs[name], self._good[name] = sign, parted.host
                return
            if self._odd.get(name, ((), ""))[0] == sign:  # it makes no more sense than at our last look
                self._warn(name, self._odd[name][1])
                return
            self._judge(name, sign)
        except StateError as error:
            self._warn(name, error.message)

    def _judge(self, name: str, sign: Sign) -> None:
        self._odd.pop(name, None)
        if self._parted.pop(name, None):
            self._gone = None
        try:
            self._good[name] = self._load(name)
            self._signs[name] = sign
        except (ValueError, ConfigError) as error:
            why = error.message if isinstance(error, ConfigError) else str(error)
            self._odd[name] = (sign, why)
            self._warn(name, why)

    def _load(self, name: str) -> Host:
        records.node(name)
        data = self.directory.read(name, records.HOST_SIZE)
        if data is None:
            raise ValueError("it has vanished")
        text, beat = _apart(data)
        known, host = self._texts.get(name, (b"", None))
        if host is not None and known == text and beat.isdigit() and len(beat) <= _DIGITS:
            return host.replace(beat=int(beat))
        host = records.host(data, name, self.settings)
        self._texts[name] = text, host
        return host

    def _warn(self, name: str, why: str) -> None:
        if len(self.warnings) < 100:
            self.warnings.append(f"{self.directory.path}/{name[:80]!r} was passed over: {why[:200]}")


def _apart(data: bytes) -> tuple[bytes, bytes]:
    """A record's text without its checksum and its beat, and that beat: mostly it alone is new."""
    before, _, rest = data[data.find(b"\n") :].partition(_BEAT)
    beat, *after = rest.split(b"\n", 1)
    return b"\n".join((data[:_HEAD] + before, *after)), beat.rstrip(b",}")
