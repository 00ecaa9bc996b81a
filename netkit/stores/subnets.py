"""Which subnets can be leased: one of each family that the network has, and both of a lease have the same place.

The n-th subnet of one family goes with the n-th of the other, so that who has one has both.
"""

from __future__ import annotations

from netkit import parse
from netkit.errors import ConfigError
from netkit.ipam.pool import BITS, number, overlaps, prefix_length, span, text
from netkit.model import family
from netkit.value import Value

TYPE_CHECKING = False
if TYPE_CHECKING:
    from netkit.stores.model import Settings


class Range(Value):
    """The subnets of `length` bits in a network, from `first` to `last`: network addresses, "" for the usual ones.

    The first subnet of a network is not leased, unless `first` says so: it holds the network's own address. `at` is
    what ends the names of these settings.
    """

    cidr: str
    length: int
    first: str = ""
    last: str = ""
    at: str = ""

    @property
    def size(self) -> int:
        """The addresses of one subnet."""
        return 1 << (BITS[family(self.cidr)] - self.length)

    @property
    def ends(self) -> tuple[int, int]:
        """The first and the last subnet, as numbers of their network addresses."""
        low, high = span(self.cidr)
        first = number(self.first) if self.first else low + self.size
        return first, number(self.last) if self.last else high + 1 - self.size

    @property
    def count(self) -> int:
        """How many there are."""
        first, last = self.ends
        return (last - first) // self.size + 1

    def name(self, index: int) -> str:
        """The subnet of that place, as it stands in a resource: 10.5.72.0-24."""
        return f"{text(self.ends[0] + index * self.size, family(self.cidr))}-{self.length}"

    def has(self, cidr: str) -> bool:
        """Whether a subnet is one of these."""
        if family(cidr) != family(self.cidr) or prefix_length(cidr) != self.length:
            return False
        first, last = self.ends
        return first <= span(cidr)[0] <= last and not (span(cidr)[0] - first) % self.size

    def check(self) -> None:
        """ConfigError when at least four of such subnets cannot be leased, or the ends are none of them."""
        at = self.at
        parse.cidr(self.cidr, f"cidr{at}")
        bits, least = BITS[family(self.cidr)], prefix_length(self.cidr) + 2
        if not least <= self.length <= bits - 2:
            hint = f"use {least} to {bits - 2}"
            raise ConfigError(f"length{at}", f"{self.length} does not fit {self.cidr}", hint)
        for name, value in (("first", self.first), ("last", self.last)):
            if value:
                self._check_end(value, f"{name}{at}")
        if self.count < 1:
            raise ConfigError(f"last{at}", f"{self.last} comes before the first subnet")

    def _check_end(self, value: str, at: str) -> None:
        if family(parse.address(value, at)) != family(self.cidr):
            raise ConfigError(at, f"{value} is of another family than {self.cidr}")
        low, high = span(self.cidr)
        if not low <= number(value) <= high or (number(value) - low) % self.size:
            raise ConfigError(at, f"{value} is not where a /{self.length} of {self.cidr} begins")


def ranges(settings: Settings) -> tuple[Range, ...]:
    """One range for each family, IPv4 first; none when the network leases no subnets."""
    both = (
        Range(settings.cidr, settings.length, settings.first, settings.last),
        Range(settings.cidr6, settings.length6, settings.first6, settings.last6, "6"),
    )
    return tuple(one for one in both if one.cidr and one.length)


def usual(settings: Settings) -> Settings:
    """The same settings, without ends that are those of a network where nobody says any."""
    found = settings
    for one in ranges(settings):
        plain = one.replace(first="", last="").ends
        if one.first and number(one.first) == plain[0]:
            found = found.replace(**{f"first{one.at}": ""})
        if one.last and number(one.last) == plain[1]:
            found = found.replace(**{f"last{one.at}": ""})
    return found


def count(settings: Settings) -> int:
    """How many leases the network has."""
    return min((one.count for one in ranges(settings)), default=0)


def resource(settings: Settings, index: int) -> str:
    """The lease of that place: `subnets/10.5.72.0-24`, or a subnet of each family, joined by &."""
    return "subnets/" + "&".join(one.name(index) for one in ranges(settings))


def place(settings: Settings, cidr: str) -> int | None:
    """Which lease that subnet is of, None when it is of none."""
    for one in ranges(settings):
        if cidr and one.has(cidr):
            index = (span(cidr)[0] - one.ends[0]) // one.size
            return index if index < count(settings) else None
    return None


def fits(settings: Settings, leased: tuple[str, ...]) -> bool:
    """Whether these subnets are one of each family that the network has now, and could be leased."""
    found = ranges(settings)
    return len(leased) == len(found) and all(one.has(cidr) for one, cidr in zip(found, leased, strict=True))


def check_resource(settings: Settings, name: str) -> None:
    """ConfigError when a resource, in its one spelling, is none of this network's."""
    kind, _, rest = name.partition("/")
    if kind == "subnets":
        index = place(settings, rest.partition("&")[0].replace("-", "/"))
        if index is None or name != resource(settings, index):
            raise ConfigError("resource", f"{rest} cannot be leased in this network")
    elif settings.cidr and not any(overlaps(rest, cidr) for cidr in (settings.cidr, settings.cidr6) if cidr):
        raise ConfigError("resource", f"{rest} lies outside of the network")
