"""`netkit gc`: releasing what belongs to the dead."""

from __future__ import annotations

import click

from netkit.cli.command import Command, settings_of
from netkit.cli.output import show


@click.command("gc", cls=Command)
@click.option("--dry-run", is_flag=True, help="List what would be released, change nothing.")
@click.pass_context
def command(ctx: click.Context, dry_run: bool) -> None:
    """Release what belongs to dead namespaces.

    Attachments whose namespace is gone, their addresses and ports, and what a killed netkit left half done.

    \b
    Examples:
      netkit gc --dry-run
      netkit gc
    """
    settings = settings_of(ctx)
    found = settings.open().gc(dry_run)
    verb = "would release" if dry_run else "released"
    text = "\n".join(f"{verb} {one}" for one in found) or "nothing to release"
    show(settings, {"dry_run": dry_run, "released": found}, text)
