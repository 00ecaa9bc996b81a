"""Claims in a directory: `10.5.72.0-24.g7` is the seventh time that this subnet changed hands.

A claim never changes; who has a resource is what its highest generation says. So a host that comes late, believing that
a claim is dead, can only lose the race for the next generation: it cannot remove a claim that is fresh.
"""

from __future__ import annotations

import time

from netkit.errors import ConfigError, ConflictError, StateError
from netkit.state.files import dump
from netkit.stores import records
from netkit.stores.model import Claim
from netkit.stores.subnets import check_resource

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from netkit.stores.model import Settings
    from netkit.stores.shared import Shared, Sign

#: Times of files are coarse: what comes so soon after a change, in seconds, may bear the same. And a directory where
#: nothing changes is looked through anew that often, if only for files that were damaged where they stand.
_COARSE, _ANEW = 1.0, 60.0
#: Generations that stay below the highest: whoever is so late that it links a name anew looks again and sees these.
_KEPT = 2


class Claims:
    """The claims of one kind of resource, `subnets` or `addresses`.

    `warnings` collects what was passed over. The claim of a resource that was read last is remembered by its inode: it
    cannot change. So are names that were judged: whoever looks each few seconds at thousands of them finds nearly all
    as they were.
    While the directory bears the time that it had, nobody's claim has come or gone.
    Nor can it vanish, but by a hand that has no business there: what is `known` stays, and its host puts it back.
    """

    def __init__(self, directory: Shared, kind: str, settings: Settings, known: Iterable[Claim] = ()) -> None:
        self.directory = directory
        self.settings = settings
        self.kind = kind
        self.warnings: list[str] = []
        self._read: dict[str, tuple[Sign, Claim]] = {}
        self._named: dict[str, tuple[str, int, str]] = {}
        self._good = {claim.resource: claim for claim in known if claim.resource.startswith(f"{kind}/")}
        #: When the directory changed last, by its own time; since when we know of that; and when we looked through it.
        self._changed, self._since, self._looked = 0, 0.0, 0.0
        self._told: tuple[tuple[Claim, ...], tuple[str, ...]] = (), ()

    def all(self) -> tuple[Claim, ...]:
        """Who has what; where a highest generation cannot be read, what was known last."""
        if not self._is_as_it_was():
            self.warnings.clear()
            claims = tuple(self._current())
            self._told = claims, tuple(self.warnings)
        self.warnings[:] = self._told[1]
        return self._told[0]

    def _is_as_it_was(self) -> bool:
        """Whether nothing has come or gone since we looked through the directory; else we do so now."""
        now, changed = time.monotonic(), self.directory.changed()
        if changed != self._changed:
            self._changed, self._since = changed, now
        if self._looked - self._since > _COARSE and now - self._looked < _ANEW:
            return True
        self._looked = now
        return False

    def at(self, resource: str) -> Claim:
        """The claim of a resource, of generation 0 when there is none; ConflictError when nobody can tell."""
        self.warnings.clear()
        highest = max(self._generations().get(resource, ()), default=0)
        known = self._good.get(resource)
        if known and known.generation > highest:
            return known
        if not highest:
            return Claim(resource, 0)
        try:
            return self._load(resource, highest)
        except ValueError as error:
            where = f"{self.directory.path}/{_file(resource, highest)}"
            raise ConflictError(f"nobody can tell who has {resource}: {where}: {error}", "remove that file") from error

    def make(self, claim: Claim) -> bool:
        """Put a claim in the place of the generation before; False when another was faster."""
        if not self.directory.create(_file(claim.resource, claim.generation), dump(claim)):
            return False
        numbers = self._generations().get(claim.resource, [])
        if max(numbers, default=0) != claim.generation:
            self.directory.remove(
                _file(claim.resource, claim.generation)
            )  # we were so late that our number had been used and cleared away
            return False
        self._clear(claim, numbers)
        return True

    def mend(self, node: str) -> None:
        """Put back what someone has removed of a host's claims: a claim ends by a higher one, and never vanishes."""
        for claim in tuple(self._good.values()):
            if claim.node == node and self.directory.look(_file(claim.resource, claim.generation)) is None:
                numbers = self._generations().get(claim.resource, [])
                if max(numbers, default=0) < claim.generation:
                    self.directory.create(_file(claim.resource, claim.generation), dump(claim))

    def _current(self) -> Iterator[Claim]:
        found = self._generations()
        good: dict[str, Claim] = {}
        for resource, claim in self._good.items():
            if claim.generation > max(found.get(resource, ()), default=0):
                self._warn(_file(claim.resource, claim.generation), "it has vanished, and what it said is kept")
                found.pop(resource, None)
                good[resource] = claim
        yield from good.values()
        for resource, numbers in found.items():
            try:
                good[resource] = self._load(resource, max(numbers))
            except ValueError as error:
                self._warn(_file(resource, max(numbers)), str(error))
                if resource not in self._good:
                    continue
                good[resource] = self._good[resource]
            yield good[resource]
        self._good = good
        self._read = {resource: entry for resource, entry in self._read.items() if resource in good}

    def _generations(self) -> dict[str, list[int]]:
        """The generations of each resource there are files of; other files are named in `warnings`."""
        found: dict[str, list[int]] = {}
        self._named = {name: self._named.get(name) or self._judge(name) for name in self.directory.names()}
        for name, (resource, number, why) in self._named.items():
            if why:
                self._warn(name, why)
            else:
                found.setdefault(resource, []).append(number)
        return found

    def _judge(self, name: str) -> tuple[str, int, str]:
        """The resource and the generation that a file's name tells, and why it tells neither."""
        bare, _, last = name.rpartition(".g")
        number = records.generation(last)
        try:
            resource = records.resource(f"{self.kind}/{bare}")
            if number is None:
                raise ConfigError("generation", "a name ends in .g1, .g2...")
            check_resource(self.settings, resource)
        except ConfigError as error:
            return "", 0, error.message
        return resource, number, ""

    def _load(self, resource: str, number: int) -> Claim:
        """A claim as its file says; ValueError when that cannot be believed."""
        name = _file(resource, number)
        sign = self.directory.sign(name)
        known, claim = self._read.get(resource, (None, None))
        if claim and claim.generation == number and known == sign:
            return claim
        try:
            data = self.directory.read(name, records.CLAIM_SIZE)
            if data is None:
                raise ValueError("it has just vanished")
            found = records.claim(data, resource, number)
        except (StateError, ConfigError) as error:
            raise ValueError(error.message) from error
        self._read[resource] = (sign, found)
        return found

    def _clear(self, claim: Claim, numbers: list[int]) -> None:
        for number in numbers:
            if number < claim.generation - _KEPT:
                self.directory.remove(_file(claim.resource, number))

    def _warn(self, name: str, why: str) -> None:
        if len(self.warnings) < 100:
            self.warnings.append(f"{self.directory.path}/{name[:80]!r} was passed over: {why[:200]}")


def _file(resource: str, generation: int) -> str:
    return f"{resource.partition('/')[2]}.g{generation}"
