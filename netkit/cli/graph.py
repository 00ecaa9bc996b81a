"""`netkit graph`: the networks of this host as a picture of what is in the kernel."""

from __future__ import annotations

import os

import click

from netkit.cli.command import Command, options, settings_of
from netkit.cli.output import show

TYPE_CHECKING = False
if TYPE_CHECKING:
    from netkit.cli.settings import Settings
    from netkit.lab.drawing import Drawing

format_options = options(
    click.option("--dot", is_flag=True, help="In DOT, for Graphviz [Mermaid, for Markdown pages]."),
    click.option("--svg", is_flag=True, help="As an SVG picture, for a browser."),
)


@click.command("graph", cls=Command)
@format_options
@click.pass_context
def command(ctx: click.Context, dot: bool, svg: bool) -> None:
    """Draw the networks of this host, as the kernel has them.

    Links, bridges, attachments, networks and published ports.

    \b
    Examples:
      netkit graph
      netkit graph --svg > host.svg
      netkit graph --dot | dot -Tpng > host.png
    """
    from netkit.lab.graph import of_host

    settings = settings_of(ctx)
    form = chosen(dot, svg)
    draw(settings, of_host(settings.open(), os.uname().nodename), form)


def chosen(dot: bool, svg: bool) -> str:
    """The one format that was asked for."""
    from netkit.errors import UsageError

    if dot and svg:
        raise UsageError("--dot and --svg are two formats", "give one of them")
    return "dot" if dot else "svg" if svg else "mermaid"


def draw(settings: Settings, drawing: Drawing, form: str) -> None:
    """Print a drawing; as JSON, its boxes and cables beside the text."""
    from netkit.lab.graph import FORMATS

    text = FORMATS[form](drawing)
    boxes = [
        {"id": box.ident, "kind": box.kind, "title": box.title, "lines": list(box.lines), "inside": box.inside or None}
        for box in drawing.boxes
    ]
    cables = [{"ends": [cable.a, cable.b], "kind": cable.kind} for cable in drawing.cables]
    show(settings, {"boxes": boxes, "cables": cables, "format": form, "text": text}, text)
