"""`netkit trace`: a probe that is followed hop by hop, and why it did not arrive."""

from __future__ import annotations

import click

from netkit.cli import complete
from netkit.cli.command import Command, options, settings_of
from netkit.cli.output import show
from netkit.cli.target import Target, chosen, find, target_options
from netkit.errors import NotFoundError, UsageError

TYPE_CHECKING = False
if TYPE_CHECKING:
    from netkit.cli.settings import Settings
    from netkit.engine.service import Engine
    from netkit.model import Endpoint
    from netkit.probe.cause import Cause
    from netkit.probe.ends import Located
    from netkit.probe.evidence import Evidence
    from netkit.probe.probe import Probe
    from netkit.probe.walk import Step

_LARGEST = 65000

trace_options = options(
    click.option("--port", type=click.IntRange(1, 65535), metavar="N", help="To this port, by TCP [an ICMP echo]."),
    click.option("--udp", is_flag=True, help="A UDP datagram to --port."),
    click.option("--size", type=click.IntRange(16, _LARGEST), metavar="BYTES", help="Its payload [16]; not for TCP."),
    click.option("--wait", type=click.FloatRange(0.1, 60), default=1.5, metavar="S", help="For an answer [1.5]."),
    click.option("--watch", multiple=True, metavar="[NAME=]NETNS", help="Look there, too: a host on the way."),
)


@click.command("trace", cls=Command)
@target_options
@trace_options
@click.argument("words", metavar="[FROM] TO", nargs=-1, shell_complete=complete.attachments)
@click.pass_context
def command(
    ctx: click.Context,
    pid: int | None,
    netns: str | None,
    container: str | None,
    words: tuple[str, ...],
    port: int | None,
    udp: bool,
    size: int | None,
    wait: float,
    watch: tuple[str, ...],
) -> int:
    """Send a probe, say hop by hop where it went or died, and why.

    FROM is an attachment (id or name) or `host`; or give a TARGET (--pid, --netns or --container) in its place. TO is
    an address, an attachment (its address), or `host`. One packet is sent from there: an ICMP echo, a TCP SYN with
    --port, a datagram with --udp; it must not be fragmented. Exits with 0 when it was answered (or, by UDP, came in),
    with 1 when not. Other hosts on this machine (of a lab, say) are followed, too, when --watch names their namespaces.

    \b
    Examples:
      netkit trace web 192.0.2.1 --port 443
      netkit trace host web --port 80
      netkit trace web db --udp --port 53
      netkit trace --pid 1234 192.0.2.1 --size 1472
      netkit trace web 10.244.2.2 --watch h2=/proc/4321/ns/net
    """
    from netkit.probe.causes import cause
    from netkit.probe.trace import trace

    settings = settings_of(ctx)
    source, to = _from(settings, chosen(pid, netns, container), words)
    probe, target = _to(settings.open(), source, to, _wanted(port, udp, size))
    evidence = trace(source, target, probe, wait, _watched(settings, watch, source, target))
    found = cause(evidence)
    show(settings, _document(evidence, found), _text(evidence, found))
    return 1 if found else 0


def _wanted(port: int | None, udp: bool, size: int | None) -> Probe:
    """The probe, its destination still open."""
    from netkit.probe.probe import TOKEN, Probe

    if udp and not port:
        raise UsageError("--udp needs a port", "give --port N")
    protocol = "udp" if udp else "tcp" if port else "icmp"
    if size and protocol == "tcp":
        raise UsageError("a TCP probe is a bare SYN, without a payload", "leave --size out, or give --udp or no --port")
    return Probe(protocol, "", port or 0, size=size or TOKEN)


def _from(settings: Settings, target: Target | None, words: tuple[str, ...]) -> tuple[Located, str]:
    """Where the probe is sent from, and the word that says where to."""
    from netkit.probe.ends import host_end, namespace_end

    wanted = 1 if target else 2
    if len(words) != wanted:
        raise UsageError("a probe goes from one place to another", "netkit trace FROM TO, for example: host web")
    engine = settings.open()
    if target:
        return namespace_end(str(target), find(target, engine.root.boot_id()).netns), words[0]
    return (host_end() if words[0] == "host" else _attachment(engine, words[0])), words[1]


def _named(engine: Engine, word: str) -> Located:
    """An attachment that a probe goes to."""
    try:
        return _attachment(engine, word)
    except NotFoundError as error:
        hint = "TO is an address, `host`, or an attachment (netkit ps); names of the DNS are not looked up"
        raise NotFoundError(error.message, hint) from error


def _attachment(engine: Engine, ident: str) -> Located:
    from netkit.probe.ends import attachment_end

    record, alive = engine.attachment(ident)
    if not alive:
        raise NotFoundError(f"the namespace of {ident} is dead", "netkit gc releases what it held")
    return attachment_end(record.endpoint, _is_internal(engine, record.endpoint.network))


def _is_internal(engine: Engine, network: str) -> bool:
    try:
        return engine.network(network)[0].internal
    except NotFoundError:
        return False  # it was removed, or a CNI configuration's that nobody keeps


def _watched(settings: Settings, words: tuple[str, ...], *ends: Located) -> list[Located]:
    from netkit.probe.ends import watched_ends

    boot_id = settings.open().root.boot_id() if words else ""
    return watched_ends(words, lambda where: find(Target(netns=where), boot_id).netns, *ends)


def _to(engine: Engine, source: Located, word: str, wanted: Probe) -> tuple[Probe, Located]:
    """The probe with its destination, and who is behind that."""
    from netkit.kernel.namespaces import Namespaces
    from netkit.probe.ends import address_of, behind, host_end, parsed_address

    known: list[Endpoint] = [record.endpoint for record, alive in engine.attachments() if alive]
    if not (dst := parsed_address(word)):
        dst = address_of(source, host_end() if word == "host" else _named(engine, word))
    with Namespaces() as namespaces:
        local = namespaces.enter(None).socket().is_local(dst)
    return wanted.replace(dst=dst), behind(dst, wanted.port, wanted.protocol, local, known)


def _text(evidence: Evidence, found: Cause | None) -> str:
    lines = [f"{evidence.probe}, from {evidence.source.place}"]
    if steps := _steps(evidence):
        lines += ["", *_columns(steps)]
    return "\n".join([*lines, "", *_verdict(evidence, found)])


def _columns(steps: tuple[Step, ...]) -> list[str]:
    """A step a line; the packet stands on it where it has changed, and what decided comes last, for it is long."""
    rows = [
        (f"{number:>2}", step.place, step.at, step.way, step.packet, step.by) for number, step in enumerate(steps, 1)
    ]
    widths = [max(len(row[column]) for row in rows) for column in range(len(rows[0]))]
    return ["  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)).rstrip() for row in rows]


def _verdict(evidence: Evidence, found: Cause | None) -> list[str]:
    if found is None:
        return ["answered" if evidence.answered else "delivered; nobody has to answer a datagram, and nobody did"]
    title = "refused" if found.name == "nothing-listens" else f"the {evidence.lost} was lost"
    meant = ", which is meant so" if found.meant else ""
    return [f"{title}: {found.name}, at {found.where}{meant}", f"  {found.why}", f"  {found.hint}"]


def _steps(evidence: Evidence) -> tuple[Step, ...]:
    from netkit.probe.sighting import ANSWER, ERROR, REQUEST
    from netkit.probe.walk import walk

    return walk(evidence, REQUEST) + walk(evidence, ERROR) + walk(evidence, ANSWER)


def _document(evidence: Evidence, found: Cause | None) -> dict[str, object]:
    probe = evidence.probe
    return {
        "probe": {"protocol": probe.protocol, "to": probe.dst, "port": probe.port or None, "size": probe.size},
        "from": evidence.source.place,
        "to": evidence.target.place or None,
        "delivered": evidence.delivered or bool(found and found.name == "nothing-listens"),
        "answered": evidence.answered,
        "traced": evidence.traced,
        "steps": [
            {"leg": step.leg, "where": step.place, "at": step.at, "way": step.way, "packet": step.packet, "by": step.by}
            for step in _steps(evidence)
        ],
        "cause": found
        and {"name": found.name, "where": found.where, "why": found.why, "hint": found.hint, "meant": found.meant},
    }
