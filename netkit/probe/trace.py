"""Sending a probe and following it: sockets at every place, the firewall's account, and the tables afterwards."""

from __future__ import annotations

import contextlib
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
from netkit.probe.story import told
from netkit.probe.tables import look

TYPE_CHECKING = False
if TYPE_CHECKING:
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


class Recording:
    """All that is written down while a probe is under way."""

    def __init__(self, probe: Probe, sniffers: dict[str, Sniffer], tracer: NfTrace | None) -> None:
        self._probe, self._sniffers, self._tracer = probe, sniffers, tracer
        self.frames: list[tuple[str, Frame]] = []
        self.events: list[Event] = []

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
        for sniffer in self._sniffers.values():
            poll.register(sniffer.fileno(), select.POLLIN)
        if self._tracer:
            poll.register(self._tracer.fileno(), select.POLLIN)
        poll.poll(seconds * 1000)
        for name, sniffer in self._sniffers.items():
            while frame := sniffer.read():
                if may_matter(self._probe, frame.data):
                    self.frames.append((name, frame))
        if self._tracer:
            self.events += self._tracer.read()


def trace(source: Located, target: Located, wanted: Probe, wait: float) -> Evidence:
    """What became of a probe from one end to the other."""
    with Namespaces() as namespaces:
        ends = {source.end.place: source, target.end.place: target} | {HOST: None}
        handles = {name: namespaces.enter(where.netns if where else None) for name, where in ends.items() if name}
        return _followed(handles, source, target, wanted, wait)


def _followed(handles: dict[str, Handle], source: Located, target: Located, wanted: Probe, wait: float) -> Evidence:
    with contextlib.ExitStack() as stack:
        sender = stack.enter_context(contextlib.closing(Sender(handles[source.end.place], wanted)))
        tracer = _tracer(sender.probe, source)
        if tracer:
            stack.enter_context(contextlib.closing(tracer))
        sniffers = {name: stack.enter_context(contextlib.closing(Sniffer(handle))) for name, handle in handles.items()}
        recording = Recording(sender.probe, sniffers, tracer)
        sender.send()
        recording.during(sender, wait)
        probe, result = sender.probe, sender.result or Result()
    sightings = recognise(probe, recording.frames)
    book = read_rules((event.family, event.table) for event in recording.events) if recording.events else Rulebook()
    return Evidence(
        probe,
        result,
        source.end,
        target.end,
        _places(handles, source, target, probe, sightings),
        sightings,
        tuple(_with_element(said, probe) for said in told(probe, recording.events, book)),
        tracer is not None,
        _silent(tracer is not None),
    )


def _with_element(said: Said, probe: Probe) -> Said:
    """A rule of netkit's that publishes a port, with the element of its map that decided."""
    rule, _, name = said.rule.partition(" map @")
    if not rule.startswith("dnat ") or not said.where.startswith("inet netkit "):
        return said
    key = f"{probe.protocol} . {probe.port}"
    found = element("inet netkit", name, key if "any" in name else f"{probe.dst} . {key}")
    return said.replace(rule=f"{said.rule}: {found}") if found else said


def _tracer(probe: Probe, source: Located) -> NfTrace | None:
    """The firewall's account where the host can give one."""
    try:
        return NfTrace(probe, source.end.host_ifname)
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
        there = reached if name == HOST else probe.dst
        back = sent_from if name == HOST else answered_to.get(name, sent_from)
        with contextlib.suppress(NotFoundError):
            found.append(look(handle, name, there, back))
    return tuple(found)
