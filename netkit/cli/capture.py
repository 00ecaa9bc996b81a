"""`netkit capture`: the packets that pass a target's or the host's links."""

from __future__ import annotations

import json
import os
import sys

import click

from netkit.cli import complete
from netkit.cli.command import Command, options, settings_of
from netkit.cli.output import say, write
from netkit.cli.target import chosen, find, target_options
from netkit.errors import UsageError
from netkit.value import Value

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable

    from netkit.cli.settings import Settings
    from netkit.cli.target import Target
    from netkit.model import NsRef
    from netkit.probe.capture import Limits, Wanted
    from netkit.probe.pcap import PcapWriter
    from netkit.probe.sniffer import Frame

_PORT = click.IntRange(1, 65535)

capture_options = options(
    click.option("--dev", multiple=True, metavar="IF", help="This link only; may be repeated [all, of an ID its own]."),
    click.option("--filter", "wanted", default="", metavar="FILTER", help="Which packets, e.g. 'tcp and port 80'."),
    click.option("--decode", is_flag=True, help="Draw each packet's headers, tunnels unwrapped."),
    click.option("--vxlan-port", multiple=True, type=_PORT, metavar="PORT", help="VXLAN, besides 4789 and 8472."),
    click.option("--count", type=click.IntRange(1), metavar="N", help="Stop after N packets."),
    click.option("--seconds", type=click.FloatRange(0, min_open=True), metavar="S", help="Stop after S seconds."),
    click.option("-w", "--write", "path", metavar="FILE", help="Write a pcap file, too; - is standard output."),
)


class Wish(Value):
    """What is to be shown of the packets, and where they go."""

    json: bool
    decode: bool
    path: str
    vxlan_ports: tuple[int, ...]

    @property
    def quiet(self) -> bool:
        """Whether standard output is the file's."""
        return self.path == "-"


@click.command("capture", cls=Command)
@target_options
@capture_options
@click.argument("ident", metavar="[ID]", required=False, shell_complete=complete.attachments)
@click.pass_context
def command(
    ctx: click.Context,
    pid: int | None,
    netns: str | None,
    container: str | None,
    ident: str | None,
    dev: tuple[str, ...],
    wanted: str,
    decode: bool,
    vxlan_port: tuple[int, ...],
    count: int | None,
    seconds: float | None,
    path: str | None,
) -> int:
    """Show the packets that pass the links of an attachment, a target or the host.

    ID is an attachment's id, the unique start of one, or its name; or give a TARGET (--pid, --netns or --container).
    Without either, the host's own links. One line a packet; with --json one JSON object a line. It ends with --count,
    --seconds, or Ctrl-C, and says how many packets there were, and how many came too fast to be seen.

    FILTER: tcp, udp, icmp, icmp6, arp, ip, ip6, host ADDR, net PREFIX, port N, and, or, not, parentheses.

    \b
    Examples:
      netkit capture web
      netkit capture --pid 1234 --filter "tcp and not port 22" --count 10
      netkit capture --dev eth0 --filter "udp and port 4789" --decode
      netkit capture web -w - | wireshark -k -i -
    """
    from netkit.probe.capture import Limits, Wanted
    from netkit.probe.tunnel import VXLAN_PORTS

    settings = settings_of(ctx)
    ports = (*VXLAN_PORTS, *vxlan_port)
    wish = Wish(settings.json, decode, path or "", ports)
    chosen_filter = Wanted(wanted, ports if decode else ())
    ref, links = _where(settings, chosen(pid, netns, container), ident, dev)
    limits = Limits(count or 0, seconds or 0.0)
    _capture(ref, links, limits, chosen_filter, wish)
    return 0


def _where(
    settings: Settings, target: Target | None, ident: str | None, dev: tuple[str, ...]
) -> tuple[NsRef | None, tuple[str, ...]]:
    """The namespace that is meant, None for the host's own, and its links, none for all."""
    if target and ident:
        raise UsageError("an ID and a target are two places", "give one of them")
    engine = settings.open()
    if target:
        return find(target, engine.root.boot_id()).netns, dev
    if not ident:
        return None, dev
    endpoint = engine.attachment(ident)[0].endpoint
    return endpoint.netns, dev or ((endpoint.ifname,) if endpoint.host_ifname else ())


def _capture(ref: NsRef | None, links: tuple[str, ...], limits: Limits, wanted: Wanted, wish: Wish) -> None:
    from netkit.kernel.namespaces import Namespaces
    from netkit.probe.capture import frames
    from netkit.probe.pcap import PcapWriter
    from netkit.probe.sniffer import Sniffer
    from netkit.probe.stopping import Stopping

    with Namespaces() as namespaces, Stopping() as stop:
        show = _shown(wish)
        sniffer = Sniffer(namespaces.enter(ref), links, wanted.program)
        writer = PcapWriter(wish.path) if wish.path else None
        where = f"{', '.join(links) or 'all links'} of {ref.path if ref else 'the host'}"
        say(json.dumps({"capturing": where}) if wish.json else f"capturing on {where}; Ctrl-C ends it")
        seen = 0
        try:
            for frame in frames(sniffer, stop, limits, wanted.matches):
                seen += 1
                _out(frame, writer, show)
        finally:
            dropped = sniffer.dropped()
            sniffer.close()
            if writer:
                writer.close()
            told = {"packets": seen, "dropped": dropped}
            say(json.dumps(told) if wish.json else f"{seen} packets, {dropped} dropped because they came too fast")


def _out(frame: Frame, writer: PcapWriter | None, show: Callable[[Frame], str] | None) -> None:
    if writer:
        writer.add(frame.data, frame.time // 1000, frame.length)
    if show:
        write(show(frame))


def _shown(wish: Wish) -> Callable[[Frame], str] | None:
    """How a frame is shown; None where standard output is the pcap file's, which needs no scapy."""
    if wish.quiet:
        return None
    from netkit.probe.dissect import Dissector
    from netkit.probe.show import Shown
    from netkit.probe.tunnel import OVERLAY_PORTS

    shown = Shown(Dissector(wish.vxlan_ports, OVERLAY_PORTS), wish.vxlan_ports, _width())
    if wish.json:
        return lambda frame: json.dumps(shown.document(frame, wish.decode))
    return shown.decoded if wish.decode else shown.line


def _width() -> int:
    """The terminal's columns, 0 where there is none to fit."""
    try:
        return os.get_terminal_size(sys.stdout.fileno()).columns
    except (OSError, ValueError):
        return 0
