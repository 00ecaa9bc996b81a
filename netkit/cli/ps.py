"""`netkit ps`: which attachments there are."""

from __future__ import annotations

import click

from netkit.cli.command import Command, settings_of
from netkit.cli.output import show, table

_HEADERS = ("ID", "NAME", "MODE", "NETWORK", "IFNAME", "ADDRESSES", "PORTS", "PID", "STATE")


@click.command("ps", cls=Command)
@click.pass_context
def command(ctx: click.Context) -> None:
    """List attachments.

    The oldest comes first. The state is `attached`, or `dead` when the namespace is gone; `netkit gc` releases dead
    ones.

    \b
    Examples:
      netkit ps
      netkit ps --json | jq -r '.[] | select(.state == "dead") | .id'
    """
    settings = settings_of(ctx)
    found = settings.open().attachments()
    from netkit.cli import document

    rows = [
        (ep.id, ep.name, ep.mode, ep.network, ep.ifname, ", ".join(ep.addresses), document.ports(ep), str(ep.pid or ""),
         "attached" if alive else "dead")
        for ep, alive in ((record.endpoint, alive) for record, alive in found)
    ]  # fmt: skip
    show(settings, [document.attachment(record, alive) for record, alive in found], table(_HEADERS, rows))
