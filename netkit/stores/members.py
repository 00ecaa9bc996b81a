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

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from netkit.stores.model import Host, Settings
    from netkit.stores.shared import Shared

#: The most hosts of one network; those beyond are passed over.
HOSTS = 4096
_BEATS = 1 << 62


class Members:
    """What all hosts say of themselves; `warnings` collects what was passed over."""

    def __init__(self, directory: Shared, settings: Settings, known: Iterable[Host] = ()) -> None:
        self.directory = directory
        self.settings = settings
        self.warnings: list[str] = []
        self._good = {host.node: host for host in known}
        self._signs: dict[str, tuple[int, int, int]] = {}
        self._parted: dict[str, tuple[tuple[int, int, int], Host]] = {}
        self._odd: dict[str, tuple[tuple[int, int, int], str]] = {}

    def all(self, holders: Mapping[str, str] | None = None) -> tuple[Host, ...]:
        """All hosts, those first that are known for longest; nobody takes what one before it has, or has claimed.

        `holders` are the nodes that have claimed addresses.
        """
        self.warnings.clear()
        names = self.directory.names()
        mine = self.directory.node
        there = {*self._good, *names}
        known = {name: None for name in (mine, *self._good, *names) if name in there}
        if len(known) > HOSTS:
            self._warn("", f"there are more than {HOSTS} hosts")
        self._odd = {name: odd for name, odd in self._odd.items() if name in known}
        self._parted = {name: parted for name, parted in self._parted.items() if name in known}
        for name in list(known)[:HOSTS]:
            self._take(name)
        return tuple(distinct(self._good.values(), self._warn, holders))

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

    def forget(self, nodes: Iterable[str]) -> None:
        """Hosts that are gone come after all others from now on, and are there only as long as their files."""
        for node in nodes:
            host, sign = self._good.pop(node, None), self._signs.pop(node, None)
            if host and sign:
                self._parted[node] = (sign, host)

    def remove(self, host: Host) -> None:
        """Remove the file of a host whose time is over, unless it has spoken since we looked.

        One that speaks just now has its file again with its next heartbeat. Where it cannot be removed is a warning.
        """
        try:
            if self._load(host.node).beat == host.beat:
                self.directory.remove(host.node)
        except (ValueError, StateError, ConfigError) as error:
            self._warn(host.node, str(error))

    def _take(self, name: str) -> None:
        try:
            status = self.directory.look(name)
            sign = (status.st_ino, status.st_size, status.st_mtime_ns) if status else (0, 0, 0)
            if name in self._good and self._signs.get(name) == sign:
                return
            if self._parted.get(name, ((), None))[0] == sign:
                self._signs[name], self._good[name] = self._parted[name]
                return
            if self._odd.get(name, ((), ""))[0] == sign:  # it makes no more sense than at our last look
                self._warn(name, self._odd[name][1])
                return
            self._judge(name, sign)
        except StateError as error:
            self._warn(name, error.message)

    def _judge(self, name: str, sign: tuple[int, int, int]) -> None:
        self._odd.pop(name, None)
        self._parted.pop(name, None)
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
        return records.host(data, name, self.settings)

    def _warn(self, name: str, why: str) -> None:
        if len(self.warnings) < 100:
            self.warnings.append(f"{self.directory.path}/{name[:80]!r} was passed over: {why[:200]}")
