"""What the keys of a network mean: who leases what, and where each host is.

A key is there or not, and etcd knows; but anyone may have written its value. So each is judged before it is believed,
and one that makes no sense takes nothing away: what it said before is kept, and the key's subnet stays taken.
"""

from __future__ import annotations

from netkit.errors import ConfigError, NetkitError
from netkit.ipam.pool import span
from netkit.stores import records
from netkit.stores.distinct import Taken, distinct
from netkit.stores.etcd import flannel
from netkit.stores.model import ALIVE, GONE, STALE, Claim, Host, Seen, Settings
from netkit.stores.subnets import ranges

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Mapping
    from typing import TypeVar

    from netkit.stores.etcd.mirror import Entry

    T = TypeVar("T")

#: The most hosts of one network; those beyond are passed over.
HOSTS = 4096
_NOBODY = "?"


class Reading:
    """Values by their keys, as they were judged; `warnings` collects what was passed over.

    `node` is this host: a lease that names no node, and one of its addresses, is its own.
    """

    def __init__(self, node: str, settings: Settings) -> None:
        self.node = node
        self.settings = settings
        self._public: tuple[str, ...] = ()
        self.warnings: list[str] = []
        self._taken = Taken()
        self._judged: dict[tuple[str, str], tuple[int, object]] = {}

    def begin(self, keys: set[str], public: tuple[str, ...]) -> None:
        """Begin anew, with those keys and this host's addresses: what was known of others is forgotten."""
        self.warnings.clear()
        same = public == self._public
        self._judged = {
            known: value for known, value in self._judged.items() if known[1] in keys and (same or known[0] != "claim")
        }
        self._public = public

    def leases(self, entries: dict[str, Entry], prefix: str) -> Iterator[Claim]:
        """Who has which subnets; of two that overlap, the older one counts."""
        taken = self._taken = Taken()
        for entry in sorted(entries.values(), key=lambda one: one.created):
            claim = self._claim(entry, "subnets", prefix)
            if claim is None:
                continue
            if other := self.overlap(claim):
                self.warn(entry.key, f"it overlaps {other}, which is older")
                continue
            for cidr in claim.subnets:
                taken.add(cidr)
            yield claim

    def addresses(self, entries: dict[str, Entry], prefix: str) -> Iterator[Claim]:
        """Who has which addresses."""
        claims = (self._claim(entry, "addresses", prefix) for entry in entries.values())
        return (claim for claim in claims if claim)

    def hosts(
        self,
        leases: dict[str, Entry],
        records_of: dict[str, Entry],
        alive: Iterable[str],
        holders: Mapping[str, str],
    ) -> tuple[Seen, ...]:
        """All hosts: those of netkit by their records, those of flannel by their leases; who came first is first.

        `holders` are the nodes that have claimed addresses.
        """
        living, found, since = set(alive), dict[str, Host](), dict[str, int]()
        for entry in sorted((*leases.values(), *records_of.values()), key=lambda one: one.created):
            host = self._record(entry) if entry.key in records_of else self._of_lease(entry)
            if host is not None and (host.node not in found or entry.key in records_of):
                found[host.node] = host
                since.setdefault(host.node, entry.created)
                if entry.key not in records_of and self._owner(entry)[0] == "":
                    living.add(host.node)  # flannel says nothing of its life but that its lease goes on
        if sum(not host.left for host in found.values()) > HOSTS:
            self.warn("nodes", f"there are more than {HOSTS} hosts")
        few = sorted(found.values(), key=lambda host: (host.left, since[host.node]))[:HOSTS]
        return tuple(Seen(host, _state(host, living)) for host in distinct(few, self.warn, holders))

    def overlap(self, claim: Claim) -> str:
        """The subnet that was leased at our last look and shares addresses with a claim, "" when there is none."""
        return next(filter(None, map(self._taken.overlap, claim.subnets)), "")

    def warn(self, key: str, why: str) -> None:
        """Note that something was passed over."""
        if len(self.warnings) < 100:
            self.warnings.append(f"{key[-80:]!r} in etcd was passed over: {why[:200]}")

    def _claim(self, entry: Entry, kind: str, prefix: str) -> Claim | None:
        """The claim of a key; one whose value nobody understands is had by nobody that could be named."""

        def judge(_: bytes) -> Claim:
            resource = records.resource(f"{kind}/{entry.key.removeprefix(prefix)}")
            _check_inside(resource, self.settings)
            return Claim(resource, entry.created, self._holder(entry), reserved=not entry.lease)

        return self._judge("claim", entry, judge)

    def _holder(self, entry: Entry) -> str:
        node, public = self._owner(entry)
        if not node and public in self._public:
            return self.node
        return node or public or _NOBODY

    def _owner(self, entry: Entry) -> tuple[str, str]:
        return self._judge("owner", entry, flannel.leased_to) or ("", "")

    def _of_lease(self, entry: Entry) -> Host | None:
        node, public = self._owner(entry)
        if not public:
            return None
        return self._judge("host", entry, lambda data: flannel.host(data, node or public, self.settings))

    def _record(self, entry: Entry) -> Host | None:
        node = entry.key.rpartition("/")[2]
        return self._judge("record", entry, lambda data: records.host(data, records.node(node), self.settings))

    def _judge(self, kind: str, entry: Entry, judge: Callable[[bytes], T]) -> T | None:
        """What a value says, or said last, if it makes no sense now; None when it never made any."""
        changed, known = self._judged.get((kind, entry.key), (0, None))
        if changed != entry.changed:
            try:
                if kind != "claim" and len(entry.value) > records.HOST_SIZE:
                    raise ValueError(f"larger than {records.HOST_SIZE} bytes")
                known = judge(entry.value)
                self._judged[(kind, entry.key)] = (entry.changed, known)
            except (ValueError, NetkitError) as error:
                self.warn(entry.key, error.message if isinstance(error, NetkitError) else str(error))
        return known  # type: ignore[return-value]  # one kind is judged by one function


def _check_inside(resource: str, settings: Settings) -> None:
    """ConfigError unless the subnets (or the address) of a lease lie in the network, one of each family at most."""
    kind, _, name = resource.partition("/")
    networks = [cidr for cidr in (settings.cidr, settings.cidr6) if cidr]
    if kind == "subnets" and not ranges(settings):
        raise ConfigError("", "this network leases no subnets")
    for part in name.replace("-", "/").split("&"):
        low, high = span(part)
        inside = [cidr for cidr in networks if _contains(cidr, low, high, part)]
        if networks and not inside:
            raise ConfigError("", f"{part} lies outside of the network")
        networks = [cidr for cidr in networks if cidr not in inside]


def _contains(cidr: str, low: int, high: int, part: str) -> bool:
    first, last = span(cidr)
    return (":" in cidr) == (":" in part) and first <= low and high <= last


def _state(host: Host, living: set[str]) -> str:
    if host.left:
        return GONE
    return ALIVE if host.node in living else STALE
