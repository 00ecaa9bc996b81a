"""`netkit check`: does the kernel still match the records?"""

from __future__ import annotations

import click

from netkit.cli import complete, document
from netkit.cli.command import Command, settings_of
from netkit.cli.output import show

TYPE_CHECKING = False
if TYPE_CHECKING:
    from netkit.engine.repair import Difference


@click.command("check", cls=Command)
@click.argument("ident", metavar="[ID]", required=False, shell_complete=complete.attachments)
@click.pass_context
def command(ctx: click.Context, ident: str | None) -> int:
    """Compare the kernel with the records.

    Of one attachment, or of all and their networks. Exits with 0 when all holds, with 1 when something does not: each
    difference is listed with the commands that mend it, and `netkit reload` mends them all.

    \b
    Examples:
      netkit check
      netkit check 3f9c1a2b7d10
      netkit check --json | jq .differences
    """
    settings = settings_of(ctx)
    found = settings.open().check(ident or "")
    told = [
        {"owner": document.owner(one.owner), "missing": one.missing, "commands": list(one.commands)} for one in found
    ]
    show(settings, {"ok": not found, "differences": told}, "\n".join(map(_told, found)) or "all holds")
    return 1 if found else 0


def _told(one: Difference) -> str:
    """As shell: what is missing as a comment, what mends it as it would be typed."""
    return "\n".join([f"# {document.owner(one.owner)}: missing: {one.missing}", *one.commands])
