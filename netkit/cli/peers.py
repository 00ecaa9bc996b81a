"""`netkit overlay peers` and `watch`: the other hosts, what the kernel has of them, and who sees to that."""

from __future__ import annotations

import time

import click

from netkit.cli.command import Command, settings_of
from netkit.cli.output import show, table

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

    from netkit.cli.document import Document
    from netkit.engine.compared import Other
    from netkit.engine.report import Report


@click.command("peers", cls=Command)
@click.option("--diff", is_flag=True, help="Each difference between wanted and kernel, and why; exit code 1 if any.")
@click.pass_context
def peers(ctx: click.Context, diff: bool) -> None:
    """List the other hosts, and whether the kernel sends to them.

    \b
    Examples:
      netkit overlay peers
      netkit overlay peers --diff
    """
    settings = settings_of(ctx)
    told = settings.open().overlay_peers()
    gaps = [gap for one in told for gap in one.gaps]
    rows: list[tuple[str, ...]]
    if diff:
        rows = [(gap.network, gap.peer, gap.endpoint, gap.state, gap.wanted, gap.kernel, gap.reason) for gap in gaps]
        head: tuple[str, ...] = ("NETWORK", "PEER", "ENDPOINT", "STATE", "WANTED", "KERNEL", "REASON")
        documents: list[Document] = [_document(gap) for gap in gaps]
    else:
        rows = [_row(one) for overlay in told for one in overlay.others]
        head = ("NETWORK", "VNI", "NODE", "PEER", "STATE", "HEARD", "ENDPOINTS", "KERNEL")
        documents = [
            {**_document(one), "state": one.state or one.kernel, "device": overlay.counters}
            for overlay in told
            for one in overlay.others
        ]
    notes = [line for one in told for line in _notes(one.network, one.vni, one.counters, one.report)]
    show(settings, documents, "\n".join([table(head, rows), *notes]))
    if diff and gaps:
        ctx.exit(1)


@click.command("watch", cls=Command)
@click.pass_context
def watch(ctx: click.Context) -> None:
    """Keep this host's overlays true, in the foreground: for systemd.

    Says in each store that this host lives, follows what the other hosts say, and mends the kernel. Where another
    keeper runs, waits until that ends, and takes its place.

    \b
    Examples:
      netkit overlay watch
    """
    settings = settings_of(ctx)
    from netkit.agent.overlay.keeper import stand_by

    stand_by(settings.open().root.path)


def _document(value: Any) -> Document:
    return dict(value.__dict__)


def _row(one: Other) -> tuple[str, ...]:
    heard = f"{one.silent:.0f} s ago" if one.silent >= 0 else ""
    count = str(one.endpoints) if one.node else ""
    return one.network, str(one.vni), one.node, one.peer, one.state, heard, count, one.kernel


def _notes(network: str, vni: int, counters: dict[str, int], report: Report | None) -> list[str]:
    """What concerns an overlay as a whole."""
    lines = []
    if counters:
        lines.append(
            f"{network}: nkv{vni} received {counters['rx_packets']} packets, dropped {counters['rx_dropped']}; "
            f"sent {counters['tx_packets']}, dropped {counters['tx_dropped']}"
        )
    if report is not None:
        lines += [f"{network}: {line}" for line in keeper_lines(report)]
    return lines


def keeper_lines(report: Report) -> list[str]:
    """What the keeper did last, and what it could not."""
    if not report.at:
        return ["its keeper has not looked yet"]
    lines = [f"last round at {_clock(report.at)} by process {report.pid}"]
    if report.mended:
        lines.append(f"last repair at {_clock(report.mended_at)}: {'; '.join(report.mended[:5])}")
    if not report.reachable:
        lines.append(f"the store is away, what was known stays: {report.why}")
    return lines + [f"failed: {each}" for each in report.failed[:5]]


def _clock(at: float) -> str:
    return time.strftime("%H:%M:%S", time.localtime(at))
