"""A network in etcd, as one host sees it.

    PREFIX/config                         what all agree on, as flannel's net-conf.json
    PREFIX/subnets/10.5.72.0-24           who leases a subnet, as flannel writes it
    PREFIX/netkit/addresses/10.5.72.7     who has an address
    PREFIX/netkit/nodes/4c1f...           what a host says of itself
    PREFIX/netkit/alive/4c1f...           there while the host says that it lives

Whose time is over, etcd decides by its own clock. Every write is made only if the key is as it was seen.
"""

from __future__ import annotations

import binascii
import os
import time

from netkit.errors import ConfigError, ConflictError, StateError
from netkit.jsontext import dumps
from netkit.state.files import dump
from netkit.stores import records
from netkit.stores.etcd import flannel
from netkit.stores.etcd.change import Alive, Change
from netkit.stores.etcd.gateway import Gateway, after
from netkit.stores.etcd.mirror import Mirror
from netkit.stores.etcd.reading import Reading
from netkit.stores.model import ALIVE, GONE, LIVELINESS, Claim, Snapshot, Twin
from netkit.stores.sightings import boottime
from netkit.stores.subnets import check_resource

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable

    from netkit.stores.etcd.mirror import Entry
    from netkit.stores.etcd.url import Location
    from netkit.stores.model import Host, Settings

#: How often a write is tried again, when others write at the same time.
_TRIES = 16
#: Seconds between two looks when etcd does not answer: the first, and the most.
_SOON, _LATE = 0.1, 5.0


class EtcdStore:
    """One network below a prefix, as `node` sees it; `settings` makes it where it is missing.

    For one thread. A host that has spoken (`renew`) also has the leases that flannel wrote for its address.
    """

    def __init__(
        self,
        location: Location,
        node: str,
        settings: Settings | None = None,
        clock: Callable[[], float] = boottime,
    ) -> None:
        self.node = records.node(node)
        self.prefix = location.prefix
        self._clock = clock
        self._gateway = Gateway(location)
        self._config = location.key_of("config")
        self._subnets, self._addresses, self._nodes, self._alive = (
            location.key_of(f"{name}/") for name in ("subnets", "netkit/addresses", "netkit/nodes", "netkit/alive")
        )
        prefixes = (self._config, self._subnets, self._addresses, self._nodes, self._alive)
        self._mirror = Mirror(self._gateway, prefixes)
        self.settings = self._agree(settings)
        self._reading = Reading(self.node, self.settings)
        self._lease = Alive(self._gateway, self.settings.ttl)
        self._life = Alive(self._gateway, int(LIVELINESS))
        self._said: Host | None = None
        self._last = self._built = Snapshot()
        self._looks = 0
        self._heard: dict[str, int] = {}
        self._built_of: tuple[int, tuple[str, ...]] = (0, ())
        self._renewed = clock()

    def acquire(self, resource: str, reserved: bool = False) -> Claim:
        resource = records.resource(resource)
        if self.fenced():
            raise StateError("this host has been silent for too long to claim anything", "renew first")
        for _ in range(_TRIES):
            self._refresh()
            claim, mine = self._known().claim(resource), self._entry(resource)
            if claim and claim.node != self.node:
                word = "reserved for" if claim.reserved else "leased to"
                raise ConflictError(f"{resource} is {word} {claim.node}", "choose another")
            if claim and claim.reserved >= reserved:
                return claim
            if claim is None:
                check_resource(self.settings, resource)
                self._check_free(resource, mine)
            self._claim(resource, mine, reserved)
        raise ConflictError(f"{resource} could not be had: others write all the time", "try again")

    def renew(self, host: Host) -> tuple[Claim, ...]:
        if host.node != self.node:
            raise ConfigError("node", f"{host.node} is another host than {self.node}")
        said = host.replace(beat=0)
        data = dump(said)
        records.host(data, host.node, self.settings)
        self._said = said
        for _ in range(_TRIES):
            begun = self._clock()
            self._refresh()
            change = self._word(said, data)
            if change.make(self._gateway):
                self._renewed = begun
                if not change.is_empty():  # mostly it is: what we know is what we have just looked at
                    self._refresh()
                return self._known().of(self.node)
        raise StateError("this host's keys are written by others all the time", "see which other host has its id")

    def release(self, claim: Claim) -> bool:
        self._refresh()
        entry = self._entry(claim.resource)
        if entry is None or claim.node != self.node or claim not in self._known().claims:
            return False
        change = Change()
        change.delete(entry)
        return change.make(self._gateway)

    def snapshot(self) -> Snapshot:
        try:
            self._refresh()
            if self._alive + self.node in self._mirror.under(self._alive):  # so has another process of this host spoken
                self._renewed = max(self._renewed, self._clock() - LIVELINESS)
            self._last = self._beaten(self._known())
        except StateError as error:
            self._last = self._last.replace(reachable=False, why=error.message, warnings=())
        return self._last

    def watch(self, seconds: float) -> Snapshot:
        before, pause = self._last, _SOON
        deadline = time.monotonic() + seconds
        while True:
            begun = time.monotonic()
            found = self.snapshot()
            left = deadline - time.monotonic()
            if not found.says(before) or left <= 0:
                return found
            if found.reachable:
                self._gateway.changed(f"{self.prefix}/", self._mirror.revision, left)
            pause = _SOON if time.monotonic() - begun > _SOON else min(2 * pause, _LATE)
            time.sleep(min(pause if not found.reachable or pause > _SOON else 0.0, left))

    def twin(self, session: str) -> Twin | None:
        self._refresh()
        entry = self._mirror.under(self._nodes).get(self._nodes + self.node)
        sign = self._mirror.under(self._alive).get(self._alive + self.node)
        try:
            host = records.host(entry.value, self.node, self.settings) if entry and sign else None
        except (ValueError, ConfigError, StateError):
            return None  # whoever wrote that is no host
        if host is None or sign is None or host.left or host.session in ("", session):
            return None
        return Twin(host, self._life.age(sign.lease))

    def fenced(self) -> bool:
        return self._clock() - self._renewed > self.settings.fence

    def _refresh(self) -> None:
        """Know what etcd says now; StateError when it does not say it, or is another network than it was."""
        self._mirror.refresh()
        if self._agreed() != self.settings:
            raise StateError(f"{self._config} is not what it was", "start netkit again on all hosts if that is meant")

    def _agree(self, wanted: Settings | None) -> Settings:
        """The network's settings, made if need be; ConflictError when others were agreed on."""
        wanted = records.agreeable(wanted)
        self._mirror.refresh()
        if wanted is not None and not self._mirror.under(self._config):
            fresh = wanted.replace(id=binascii.hexlify(os.urandom(8)).decode())
            change = Change()
            change.put(self._config, None, flannel.config(fresh), 0)
            change.make(self._gateway)
            self._mirror.refresh()
        found = self._agreed()
        if wanted is not None and found.replace(id=wanted.id) != wanted:
            what = f"{self.prefix} is a network with other settings: {found.otherwise(wanted)}"
            raise ConflictError(what, "use these, or another")
        return found

    def _agreed(self) -> Settings:
        entry = self._mirror.under(self._config).get(self._config)
        if entry is None:
            raise StateError(f"{self._config} is missing: no network is there", "see whether the prefix is right")
        try:
            return flannel.settings(entry.value, f"{int(self._mirror.cluster):x}-{entry.created:x}")
        except (ValueError, ConfigError) as error:
            raise StateError(f"{self._config} in etcd makes no sense: {error}", "ask who wrote it") from error

    def _known(self) -> Snapshot:
        """What the mirror's keys mean, worked out when one has changed."""
        public = tuple(filter(None, (self._said.public, self._said.public6))) if self._said else ()
        if self._built_of != (self._mirror.version, public):
            self._built, self._built_of = self._build(public), (self._mirror.version, public)
        return self._built

    def _beaten(self, known: Snapshot) -> Snapshot:
        """The same with a beat for each host: the number of our last look at which etcd said that it lives."""
        self._looks += 1
        heard = [(seen.host.node, self._looks if seen.state == ALIVE else 0) for seen in known.hosts]
        self._heard = {node: look or self._heard.get(node, 0) for node, look in heard}
        hosts = (seen.replace(host=seen.host.replace(beat=self._heard[seen.host.node])) for seen in known.hosts)
        return known.replace(hosts=tuple(hosts))

    def _build(self, public: tuple[str, ...]) -> Snapshot:
        leases, addresses = self._mirror.under(self._subnets), self._mirror.under(self._addresses)
        nodes, reading = self._mirror.under(self._nodes), self._reading
        reading.begin({*leases, *addresses, *nodes}, public)
        claims = (*reading.leases(leases, self._subnets), *reading.addresses(addresses, self._addresses))
        living = {key.removeprefix(self._alive) for key in self._mirror.under(self._alive)}
        hosts = reading.hosts(leases, nodes, living, {one.resource.partition("/")[2]: one.node for one in claims})
        holders = {claim.node for claim in claims}
        idle = {
            seen.host.node: seen.host.public for seen in hosts if seen.state == GONE and seen.host.node not in holders
        }
        told, parted = tuple(seen for seen in hosts if seen.host.node not in idle), tuple(idle.items())
        return Snapshot(True, "", told, claims, tuple(reading.warnings), parted)

    def _entry(self, resource: str) -> Entry | None:
        """What stands under the key of a resource."""
        return self._mirror.under(self._place(resource)).get(self._key(resource))

    def _place(self, resource: str) -> str:
        return self._subnets if resource.startswith("subnets/") else self._addresses

    def _key(self, resource: str) -> str:
        return self._place(resource) + resource.partition("/")[2]

    def _check_free(self, resource: str, entry: Entry | None) -> None:
        """ConflictError when a key stands there that is no claim, or when the subnets are partly another's."""
        if entry is not None:
            raise ConflictError(f"nobody can tell who has {resource}: see {entry.key} in etcd", "remove that key")
        if other := self._reading.overlap(Claim(resource, 0)):
            raise ConflictError(f"{resource} overlaps {other}, which is leased", "choose another")

    def _claim(self, resource: str, seen: Entry | None, reserved: bool) -> None:
        """Write the key of a resource, unless something changed since we looked: the caller looks again either way."""
        change = Change()
        change.put(self._key(resource), seen, self._value(resource), 0 if reserved else self._hold())
        if resource.startswith("subnets/"):
            change.none_since(self._subnets, after(self._subnets), self._mirror.revision)
        change.make(self._gateway)

    def _value(self, resource: str) -> bytes:
        if resource.startswith("subnets/"):
            return flannel.lease(self._said, self.node)
        return dumps({"Netkit": {"Node": self.node}}).encode()

    def _hold(self) -> int:
        """The lease that our keys last with: the one of our last life, as long as that is not over."""
        record = self._mirror.under(self._nodes).get(self._nodes + self.node)
        return self._lease.keep(record.lease if record else 0)

    def _word(self, said: Host, data: bytes) -> Change:
        """What is to be written so that our record and our leases say who we are; and etcd is told that we live."""
        change, hold = Change(), self._hold()
        _put(change, self._nodes + self.node, self._mirror.under(self._nodes), data, hold)
        sign = self._alive + self.node
        if said.left:
            self._life.end()
        else:
            life = self._mirror.under(self._alive).get(sign)
            _put(change, sign, self._mirror.under(self._alive), b"", self._life.keep(life.lease if life else 0))
        for claim in self._known().of(self.node):
            entry = self._entry(claim.resource)
            if entry is None:
                continue
            if said.left and not claim.reserved:
                change.delete(entry)
            else:
                place = self._mirror.under(self._place(claim.resource))
                _put(change, entry.key, place, self._value(claim.resource), 0 if claim.reserved else hold)
        return change


def net_conf(where: Location) -> str:
    """The network's net-conf.json with all that an operator wrote in it, "" when there is none."""
    mirror = Mirror(Gateway(where), (where.key_of("config"),))
    mirror.refresh()
    return "".join(entry.value.decode("utf-8", "replace") for entry in mirror.under(where.key_of("config")).values())


def _put(change: Change, key: str, place: dict[str, Entry], value: bytes, lease: int) -> None:
    """Have a key say that, and last as long as that lease; nothing is written when it does."""
    seen = place.get(key)
    if seen is None or seen.value != value or seen.lease != lease:
        change.put(key, seen, value, lease)
