"""Arithmetic on addresses: which a subnet has, which of them are given out, and in what order.

Own integer arithmetic on canonical text: `ipaddress` costs 3 ms of start-up, and takes much that is no address
(`True`, `fe80::1%eth0`, host masks).
"""

from __future__ import annotations

from netkit.errors import ConfigError
from netkit.model import bare, family
from netkit.value import Value

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from netkit.model import Subnet

BITS = {4: 32, 6: 128}
#: Spans that were asked for last: an agent compares the same hundreds of subnets each few seconds.
_SPANS: dict[str, tuple[int, int]] = {}
_MOST_SPANS = 4096
_HEX = frozenset("0123456789abcdefABCDEF")


class Pool(Value):
    """The addresses of one subnet, as numbers.

    `first` to `last` are given out, without `gateway`; in that order they are counted from 0. `lowest` to `highest`
    may be asked for: all but the network's own and the broadcast address (IPv4) or the routers' anycast address (IPv6).
    A /31 (RFC 3021) and a /127 (RFC 6164) have neither: both their addresses are usable.
    """

    cidr: str
    family: int
    length: int
    lowest: int
    highest: int
    gateway: int
    first: int
    last: int

    @classmethod
    def of(cls, subnet: Subnet) -> Pool:
        """A subnet's pool; ConfigError when there is no address to give out."""
        version = family(subnet.cidr)
        lowest, highest = _usable(subnet.cidr)
        first, last = lowest, highest
        if subnet.ip_range:
            start, end = span(subnet.ip_range)
            first, last = max(first, start), min(last, end)
        gateway = number(subnet.gateway) if subnet.gateway else -1
        if last - first + 1 <= (first <= gateway <= last):
            hint = "choose a larger subnet or another range"
            raise ConfigError("subnet", f"{subnet.ip_range or subnet.cidr} has no address to give out", hint)
        return cls(subnet.cidr, version, prefix_length(subnet.cidr), lowest, highest, gateway, first, last)

    @property
    def size(self) -> int:
        """How many addresses are given out."""
        return self.last - self.first + 1 - (self.first <= self.gateway <= self.last)

    def contains(self, address: str) -> bool:
        """Whether an address is one of the subnet's, usable or not."""
        start, end = span(self.cidr)
        return family(address) == self.family and start <= number(address) <= end

    def address(self, index: int) -> str:
        """The address that is given out as number `index`, from 0."""
        value = self.first + index
        return text(value + (self.first <= self.gateway <= value), self.family)

    def index(self, address: str) -> int | None:
        """The number of an address in the order of giving out, None when it is not given out by itself."""
        value = number(address) if family(address) == self.family else -1
        if not self.first <= value <= self.last or value == self.gateway:
            return None
        return value - self.first - (self.first <= self.gateway < value)

    def check(self, address: str, at: str = "ip") -> str:
        """An address that may be asked for, bare; ConfigError when it is another subnet's or has a role."""
        address = bare(address)
        if not self.contains(address):
            raise ConfigError(at, f"{address} is not in {self.cidr}", f"choose an address of {self.cidr}")
        value = number(address)
        role = "the gateway" if value == self.gateway else self._role(value)
        if role:
            hint = f"choose from {text(self.lowest, self.family)} to {text(self.highest, self.family)}"
            if self.gateway >= 0:
                hint += f", but not the gateway's {text(self.gateway, self.family)}"
            raise ConfigError(at, f"{address} is {role} of {self.cidr}", hint)
        return address

    def _role(self, value: int) -> str:
        if self.lowest <= value <= self.highest:
            return ""
        if value > self.highest:
            return "the broadcast address"
        return "the network address" if self.family == 4 else "the routers' anycast address"


def default_gateway(cidr: str) -> str:
    """The first usable address of a subnet; ConfigError when it is too small to have a gateway and a container."""
    return text(_usable(cidr)[0], family(cidr))


def overlaps(a: str, b: str) -> bool:
    """Whether two subnets (or addresses) share an address."""
    if family(a) != family(b):
        return False
    (a_first, a_last), (b_first, b_last) = span(a), span(b)
    return a_first <= b_last and b_first <= a_last


def next_free_subnet(candidates: Iterable[str], taken: Iterable[str]) -> str | None:
    """The first candidate that overlaps nothing taken, None when there is none."""
    taken = tuple(taken)
    return next((cidr for cidr in candidates if not any(overlaps(cidr, other) for other in taken)), None)


def subdivide(cidr: str, length: int) -> Iterator[str]:
    """The subnets of that prefix length in a subnet, in order."""
    version = family(cidr)
    first, last = span(cidr)
    for start in range(first, last + 1, 1 << (BITS[version] - length)):
        yield f"{text(start, version)}/{length}"


def prefix_length(cidr: str) -> int:
    """The prefix length in `10.90.0.0/16`; an address alone has its family's full length."""
    length = cidr.partition("/")[2]
    return int(length) if length else BITS[family(cidr)]


def span(cidr: str) -> tuple[int, int]:
    """The first and the last address of a subnet, an address, or a range `first-last`."""
    known = _SPANS.get(cidr)
    if known is None:
        if len(_SPANS) >= _MOST_SPANS:
            _SPANS.clear()
        known = _SPANS[cidr] = _span(cidr)
    return known


def _span(cidr: str) -> tuple[int, int]:
    start, dash, end = cidr.partition("-")
    if dash:
        return number(start), number(end)
    hosts = (1 << (BITS[family(cidr)] - prefix_length(cidr))) - 1
    first = number(bare(cidr)) & ~hosts
    return first, first | hosts


def subnet_of(address: str) -> str:
    """The subnet that an address with a prefix length lies in: 10.90.0.0/16 of 10.90.0.2/16."""
    return f"{text(span(address)[0], family(address))}/{prefix_length(address)}"


def number(address: str) -> int:
    """An address as a number; ValueError for anything but plain text of an address, without zone or prefix."""
    value = _number6(address) if ":" in address else _number4(address)
    if value is None:
        raise ValueError(f"{address!r} is no IP address")
    return value


def text(value: int, version: int) -> str:
    """A number as an address in canonical text (RFC 5952 for IPv6)."""
    if version == 4:
        return ".".join(str(byte) for byte in value.to_bytes(4, "big"))
    words = [f"{value >> shift & 0xFFFF:x}" for shift in range(112, -16, -16)]
    start, length = _longest_zeros(words)
    if length < 2:
        return ":".join(words)
    return f"{':'.join(words[:start])}::{':'.join(words[start + length :])}"


def _usable(cidr: str) -> tuple[int, int]:
    """The first and the last address that a host may have."""
    room = BITS[family(cidr)] - prefix_length(cidr)
    if room == 0:
        raise ConfigError("subnet", f"{cidr} is a single address", "choose a larger subnet, for example a /24")
    first, last = span(cidr)
    if room == 1:
        return first, last
    return first + 1, last - (family(cidr) == 4)


def _number4(address: str) -> int | None:
    parts = address.split(".")
    if len(parts) != 4 or not all(_is_byte(part) for part in parts):
        return None
    return int.from_bytes(bytes(int(part) for part in parts), "big")


def _is_byte(part: str) -> bool:
    """Decimal, without a leading zero: other programs read `010` as 8."""
    return part.isascii() and part.isdigit() and len(part) < 4 and str(int(part)) == part and int(part) < 256


def _number6(address: str) -> int | None:
    head, gap, tail = address.partition("::")
    left = head.split(":") if head else []
    right = tail.split(":") if tail else []
    missing = 8 - len(left) - len(right)
    if missing < 1 if gap else missing:
        return None
    value = 0
    for word in left + ["0"] * missing + right:
        if not 0 < len(word) < 5 or not _HEX.issuperset(word):
            return None
        value = value << 16 | int(word, 16)
    return value


def _longest_zeros(words: list[str]) -> tuple[int, int]:
    """Where the longest run of zero words starts, the first of several, and its length."""
    best = run = 0
    end = 0
    for at, word in enumerate(words):
        run = run + 1 if word == "0" else 0
        if run > best:
            best, end = run, at + 1
    return end - best, best
