"""Sending a probe and following it: sockets at every place, the firewall's account, and the tables afterwards."""

from __future__ import annotations

import contextlib
import itertools
import select
import time

from netkit.errors import HostError, NotFoundError
from netkit.kernel.foreign import foreign_drops
from netkit.kernel.namespaces import Namespaces
from netkit.probe.evidence import HOST, Evidence
from netkit.probe.nftrace import NfTrace
from netkit.probe.probe import Result, Sender
from netkit.probe.rulebook import Rulebook, element, read_rules
from netkit.probe.sighting import REQUEST, may_matter, recognise
from netkit.probe.sniffer import Sniffer
from netkit.probe.stamps import wait_for_stamps
from netkit.probe.story import carriers, told
from netkit.probe.tables import look

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Sequence

    from netkit.kernel.namespaces import Handle
    from netkit.probe.ends import Located
    from netkit.probe.evidence import Said
    from netkit.probe.nftrace import Event
    from netkit.probe.probe import Probe
    from netkit.probe.sighting import Sighting
    from netkit.probe.sniffer import Frame
    from netkit.probe.tables import Place

#: What still comes after the outcome is known: copies at other links, the firewall's last words. In seconds.
_REST = 0.1
#: How many frames are read of one place before the others and the clock are looked at again: a flood never ends.
_BURST = 256


class Recording:
    """All that is written down while a probe is under way."""

    def __init__(self, probe: Probe, sniffers: dict[str, Sniffer], tracers: dict[str, NfTrace]) -> None:
        self._probe, self._sniffers, self._tracers = probe, sniffers, tracers
        self.frames: list[tuple[str, Frame]] = []
        self.events: dict[str, list[Event]] = {name: [] for name in tracers}

    def during(self, sender: Sender, wait: float) -> None:
        """Read what comes until the outcome is known, at most `wait` seconds, and a little longer."""
        end = time.monotonic() + wait
        while (left := end - time.monotonic()) > 0:
            if sender.listen():
                end = min(end, time.monotonic() + _REST)
            self._read_within(min(left, 0.02))
        self._read_within(0)

    def _read_within(self, seconds: float) -> None:
        poll = select.poll()
        descriptors = [sniffer.fileno() for sniffer in self._sniffers.values()]
        for descriptor in (*descriptors, *(tracer.fileno() for tracer in self._tracers.values())):
            poll.register(descriptor, select.POLLIN)
        poll.poll(seconds * 1000)
        for name, sniffer in self._sniffers.items():
            for frame in itertools.islice(iter(sniffer.read, None), _BURST):
                if may_matter(self._probe, frame.data):
                    self.frames.append((name, frame))
        for name, tracer in self._tracers.items():
            self.events[name] += tracer.read()


def trace(source: Located, target: Located, wanted: Probe, wait: float, watched: Sequence[Located] = ()) -> Evidence:
    """What became of a probe from one end to the other; `watched` are other places that it may come by."""
    with Namespaces() as namespaces:
        ends = {one.end.place: one.netns for one in (*watched, source, target)} | {HOST: None}
        handles = {name: namespaces.enter(netns) for name, netns in ends.items() if name}
        if not target.end.place:
            local = (one for one in watched if handles[one.end.place].socket().is_local(wanted.dst))
            target = next(local, target)
        return _followed(handles, source, target, wanted, wait)


def _followed(handles: dict[str, Handle], source: Located, target: Located, wanted: Probe, wait: float) -> Evidence:
    with contextlib.ExitStack() as stack:
        sender = stack.enter_context(contextlib.closing(Sender(handles[source.end.place], wanted)))
        tracers = {
            name: stack.enter_context(contextlib.closing(tracer))
            for name, handle in handles.items()
            if (tracer := _tracer(handle, sender.probe, source.end.host_ifname if name == HOST else ""))
        }
        sniffers = {name: stack.enter_context(contextlib.closing(Sniffer(handle))) for name, handle in handles.items()}
        recording = Recording(sender.probe, sniffers, tracers)
        wait_for_stamps()
        sender.send()
        recording.during(sender, wait)
        probe, result = sender.probe, sender.result or Result()
    sightings = recognise(probe, recording.frames)
    said = [one for name in tracers for one in _said(handles[name], name, probe, recording.events[name], sightings)]
    return Evidence(
        probe,
        result,
        source.end,
        target.end,
        _places(handles, source, target, probe, sightings),
        sightings,
        tuple(said),
        HOST in tracers,
        _silent(HOST in tracers),
    )


def _said(
    handle: Handle, name: str, probe: Probe, events: Sequence[Event], sightings: tuple[Sighting, ...]
) -> list[Said]:
    """What the firewall of one place said."""
    tables = {(event.family, event.table) for event in events}
    book = handle.call(lambda: read_rules(tables)) if tables else Rulebook()
    found = told(probe, events, book, name, carriers(sightings))
    return [_with_element(said, probe) if name == HOST else said for said in found]


def _with_element(said: Said, probe: Probe) -> Said:
    """A rule of netkit's that publishes a port, with the element of its map that decided."""
    rule, _, name = said.rule.partition(" map @")
    if not rule.startswith("dnat ") or not said.where.startswith("inet netkit "):
        return said
    key = f"{probe.protocol} . {probe.port}"
    found = element("inet netkit", name, key if "any" in name else f"{probe.dst} . {key}")
    return said.replace(rule=f"{said.rule}: {found}") if found else said


def _tracer(handle: Handle, probe: Probe, guarded: str) -> NfTrace | None:
    """The firewall's account where one can be given."""
    try:
        return NfTrace(handle, probe, guarded)
    except HostError:
        return None


def _silent(traced: bool) -> tuple[str, ...]:
    """Chains that would drop our packets and cannot be traced: all of them, or the legacy ones."""
    return tuple(where for where in foreign_drops() if not traced or "legacy" in where)


def _places(
    handles: dict[str, Handle], source: Located, target: Located, probe: Probe, sightings: tuple[Sighting, ...]
) -> tuple[Place, ...]:
    """Each namespace as it is afterwards; routes are asked for the addresses that a packet has in that place."""
    requests = [one for one in sightings if one.leg == REQUEST]
    own = next((a for a in source.addresses if (":" in a) == (":" in probe.dst)), "")
    sent_from = requests[0].packet.src if requests else own
    reached = next((a for a in target.addresses if (":" in a) == (":" in probe.dst)), probe.dst)
    answered_to = {one.place: one.packet.src for one in requests}
    found = []
    for name, handle in handles.items():
        there = probe.dst if name in (source.end.place, target.end.place) and name != HOST else reached
        back = sent_from if name == HOST else answered_to.get(name, sent_from)
        here = [one for one in sightings if one.place == name]
        macs = {one.packet.dst_mac for one in here}
        outer = {one.carrier.dst for one in here if one.carrier}
        with contextlib.suppress(NotFoundError):
            found.append(look(handle, name, there, back, macs, outer))
    return tuple(found)
