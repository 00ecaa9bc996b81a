"""`netkit reload`: making the kernel match the records again."""

from __future__ import annotations

import click

from netkit.cli import document
from netkit.cli.command import Command, settings_of
from netkit.cli.output import show


@click.command("reload", cls=Command)
@click.pass_context
def command(ctx: click.Context) -> None:
    """Make the kernel match the records again.

    After a firewall was flushed or reloaded, a link deleted, a sysctl changed: whatever `netkit check` misses is done
    again, drops first. What holds is left alone.

    \b
    Examples:
      netkit reload
      nft flush ruleset && netkit reload
    """
    settings = settings_of(ctx)
    repaired = {document.owner(owner): count for owner, count in settings.open().reload().items()}
    text = "\n".join(f"{owner}: {count} steps done again" for owner, count in repaired.items())
    show(settings, {"repaired": repaired}, text or "nothing to mend")
