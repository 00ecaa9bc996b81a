"""What a store holds, and what every store can do.

A *claim* is a resource that only one host may have: a subnet of a network, or an address. Its generation grows with
each change of hands, and the highest one decides. A *host* is what one host says of itself, written by it alone.
"""

from __future__ import annotations

from typing import Protocol

from netkit.value import Value

#: For so long, in seconds, a host may be silent before it is shown as stale; nothing follows from it.
LIVELINESS = 90.0
#: Beyond its time to live, a claim lasts for so long: attribute caches (60 s), polls, and the longest pause of a host.
GRACE = 120.0
#: A host says that it lives each so many seconds.
HEARTBEAT = 20.0

ALIVE, STALE, GONE = "alive", "stale", "gone"


class Settings(Value):
    """What all hosts of one network agree on; `ttl` in seconds, `id` tells one store from another.

    Subnets of `length` bits are leased from `cidr`, from `first` to `last` (their network addresses; "" for the second
    and the last of all); without a `length`, only addresses are. With `cidr6`, each lease is two subnets, one of each
    family. `cidr` is IPv6 where the network has no IPv4. `port` is where tunnels listen, 0 for the backend's default.
    """

    cidr: str = ""
    length: int = 0
    vni: int = 0
    ttl: int = 86400
    id: str = ""
    cidr6: str = ""
    length6: int = 0
    backend: str = ""
    port: int = 0
    first: str = ""
    last: str = ""
    first6: str = ""
    last6: str = ""

    @property
    def fence(self) -> float:
        """For so long a host may be silent before it must withdraw, in seconds."""
        return self.ttl - min(self.ttl / 10, 3600)

    def otherwise(self, wanted: Settings) -> str:
        """What differs from what is wanted, in words: `cidr 10.5.0.0/16, not 10.7.0.0/16`."""
        pairs = [(name, own, wanted.__dict__[name]) for name, own in self.__dict__.items() if name != "id"]
        return "; ".join(f"{name} {own or 'none'}, not {other or 'none'}" for name, own, other in pairs if own != other)


class Claim(Value):
    """A resource, and who has it: nobody when `node` is "".

    Resources are `addresses/10.5.72.7`, `subnets/10.5.72.0-24`, and, where a lease is a subnet of each family,
    `subnets/10.5.72.0-24&fd00:0:0:48::-64`. What is `reserved` is never taken from a silent host.
    """

    resource: str
    generation: int
    node: str = ""
    reserved: bool = False

    @property
    def subnets(self) -> tuple[str, ...]:
        """The subnets that are leased, `10.5.72.0/24`: IPv4 first; none for an address."""
        kind, _, name = self.resource.partition("/")
        return tuple(part.replace("-", "/") for part in name.split("&")) if kind == "subnets" else ()


class Endpoint(Value):
    """An interface behind a host's tunnel."""

    address: str
    mac: str


class Host(Value):
    """What a host says of itself: where its tunnel ends, and what lies behind it; `left` is its farewell.

    `public` is its address, of either family, and `public6` an IPv6 one beside an IPv4 one. `vtep` is the MAC of its
    VXLAN device, `vtep6` that of the one for IPv6, where these are two. `port` is where its tunnel listens (UDP), 0 for
    the network's, `port6` that of a tunnel for IPv6 alone; `key` is the public key of encrypted ones. `beat` is another
    number each time; it says that the host lives, and nothing about when. `session` is another one each time that the
    host starts: so two hosts with one id are told apart. With a `fast_path` it takes what kernels send for the backend
    `udp`.
    """

    node: str
    public: str
    vni: int = 0
    vtep: str = ""
    endpoints: tuple[Endpoint, ...] = ()
    left: bool = False
    beat: int = 0
    public6: str = ""
    backend: str = "vxlan"
    vtep6: str = ""
    port: int = 0
    session: str = ""
    key: str = ""
    port6: int = 0
    fast_path: bool = False

    def is_like(self, other: Host) -> bool:
        """Whether both say the same but for the beat; mostly they are one and the same value."""
        return self is other or {**self.__dict__, "beat": 0} == {**other.__dict__, "beat": 0}


class Twin(Value):
    """What another session says under this host's id, and how many seconds ago, by the store's own clock."""

    host: Host
    age: float


class Seen(Value):
    """A host as we see it: alive, stale (silent: keep its routes) or gone (it left, or its time is over)."""

    host: Host
    state: str = ALIVE


class Snapshot(Value):
    """All that a store holds; when it is not `reachable`, what was known last, and why.

    An unreachable store is no loss of hosts: nothing may be withdrawn because of it. Hosts that are gone are among
    `hosts` while they hold a claim; of all others that have `parted` the node and the address are told.
    """

    reachable: bool = True
    why: str = ""
    hosts: tuple[Seen, ...] = ()
    claims: tuple[Claim, ...] = ()
    warnings: tuple[str, ...] = ()
    parted: tuple[tuple[str, str], ...] = ()

    def claim(self, resource: str) -> Claim | None:
        """The claim of a resource, None when it was never claimed."""
        return next((one for one in self.claims if one.resource == resource), None)

    def of(self, node: str) -> tuple[Claim, ...]:
        """What a host has."""
        return tuple(one for one in self.claims if one.node == node)

    def says(self, other: Snapshot) -> bool:
        """Whether both say the same, but for what changes all the time and means nothing."""
        if (self.reachable, self.why, self.warnings) != (other.reachable, other.why, other.warnings):
            return False
        if len(self.hosts) != len(other.hosts) or self.claims != other.claims:
            return False
        return all(
            one is two or (one.state == two.state and one.host.is_like(two.host))
            for one, two in zip(self.hosts, other.hosts, strict=True)
        )

    def told(self) -> Snapshot:
        """The same without what changes all the time and means nothing."""
        hosts = tuple(seen.replace(host=seen.host.replace(beat=0)) for seen in self.hosts)
        return self.replace(hosts=hosts, parted=())


class LeaseStore(Protocol):
    """A place that hosts share. Whatever it refuses is a NetkitError, and then nothing has changed."""

    node: str
    settings: Settings

    def acquire(self, resource: str, reserved: bool = False) -> Claim:
        """Take a resource, or go on having it.

        ConflictError when another host has it that is not gone, or when nobody can tell who has it.
        """
        ...

    def renew(self, host: Host) -> tuple[Claim, ...]:
        """Say that this host lives, and what it is now; returns what it has: what is missing there is lost."""
        ...

    def release(self, claim: Claim) -> bool:
        """Give back exactly this claim; False when it is no longer this host's."""
        ...

    def snapshot(self) -> Snapshot:
        """All there is now. Never raises: see `Snapshot.reachable`."""
        ...

    def watch(self, seconds: float) -> Snapshot:
        """The next snapshot that differs from the last one, or the one after so many seconds."""
        ...

    def twin(self, session: str) -> Twin | None:
        """Who else speaks under this host's id at this instant: None when that is this session, or nobody."""
        ...

    def fenced(self) -> bool:
        """Whether this host has been silent for so long that others may soon take what it has: it must withdraw."""
        ...
