"""All that is known after a probe: what was seen where, what the firewall said, what the tables hold. Pure."""

from __future__ import annotations

from netkit.probe.sighting import ANSWER, REQUEST
from netkit.probe.tables import Place
from netkit.value import Value

TYPE_CHECKING = False
if TYPE_CHECKING:
    from netkit.probe.probe import Probe, Result
    from netkit.probe.sighting import Sighting
    from netkit.probe.tables import Hop

HOST = "host"


class Said(Value):
    """What the firewall said of the probe: in which chain and hook, by which rule, with which verdict, on which leg."""

    where: str
    hook: str
    kind: str
    verdict: str
    rule: str
    leg: str = REQUEST
    bridged: bool = False
    arp: bool = False
    place: str = HOST

    @property
    def dropped(self) -> bool:
        """Whether this was the end of the packet."""
        return self.verdict == "drop"


class End(Value):
    """One end of the way: its place, and of an attachment, the host's end of its cable and what it may send from.

    `internal` is an attachment's whose network has no way out.
    """

    place: str
    ifname: str = ""
    host_ifname: str = ""
    mac: str = ""
    addresses: tuple[str, ...] = ()
    internal: bool = False


class Evidence(Value):
    """One probe's story. `target.place` is "" when the probe goes to where nobody can look."""

    probe: Probe
    result: Result
    source: End
    target: End
    places: tuple[Place, ...]
    sightings: tuple[Sighting, ...] = ()
    said: tuple[Said, ...] = ()
    traced: bool = True
    silent_drops: tuple[str, ...] = ()

    def place(self, name: str) -> Place:
        """What a namespace holds; an empty place for one that nobody could look at."""
        return next((place for place in self.places if place.name == name), Place(name))

    def of(self, leg: str) -> tuple[Sighting, ...]:
        """The sightings of one leg, by time; what only carries it left out."""
        return tuple(one for one in self.sightings if one.leg == leg)

    def seen(self, leg: str, place: str, outgoing: bool) -> bool:
        """Whether a leg was seen leaving or entering a place, in no tunnel."""
        return any((one.place, one.outgoing) == (place, outgoing) and not one.inside for one in self.of(leg))

    @property
    def delivered(self) -> bool:
        """Whether the probe came to its target, as far as anybody can tell."""
        if self.answered or self.target.place in ("", HOST):
            return self.answered
        came = [one for one in self.of(REQUEST) if one.place == self.target.place and not one.outgoing]
        return not self.rejected and any(not one.inside and not self.for_another(one) for one in came)

    @property
    def answered(self) -> bool:
        """Whether the sender got an answer."""
        return self.result.kind == "answered" or (self.result.kind == "refused" and not self.rejected)

    @property
    def rejected(self) -> Said | None:
        """The firewall's last word on the request, if it was the end of it."""
        return self.drop(REQUEST)

    @property
    def lost(self) -> str:
        """The leg that was lost, "" when none was."""
        if self.answered:
            return ""
        return ANSWER if self.delivered else REQUEST

    def for_another(self, one: Sighting) -> bool:
        """Whether a frame came in for a MAC address that its link does not have, so that nobody takes it there."""
        port, mac = self.place(one.place).port(one.link), one.packet.dst_mac
        if not port or port.link.master or not port.link.mac.strip("0:"):
            return False
        return port.link.mac != mac and not int(mac[:2], 16) & 1

    def drop(self, leg: str) -> Said | None:
        """Where the firewall ended a leg."""
        return next((one for one in self.said if one.leg == leg and one.dropped), None)

    def ends(self, leg: str) -> tuple[End, End]:
        """Sender and receiver of a leg."""
        return (self.source, self.target) if leg == REQUEST else (self.target, self.source)

    def last(self, leg: str) -> Sighting | None:
        """The last sighting of a leg."""
        found = self.of(leg)
        return found[-1] if found else None

    def stuck(self, leg: str) -> Sighting | None:
        """The last sighting of a leg, if it came in there and had to go on."""
        last = self.last(leg)
        if not last or last.outgoing or last.inside or last.place == self.ends(leg)[1].place != HOST:
            return None
        return last

    def hop(self, leg: str, place: str = HOST) -> Hop:
        """A place's route for a leg."""
        held = self.place(place)
        return held.there if leg == REQUEST else held.back
