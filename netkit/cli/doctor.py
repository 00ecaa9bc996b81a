"""`netkit doctor`: what is amiss with the whole host?"""

from __future__ import annotations

import click

from netkit.cli.command import Command, settings_of
from netkit.cli.output import say, show

TYPE_CHECKING = False
if TYPE_CHECKING:
    from netkit.engine.doctor import Finding


@click.command("doctor", cls=Command)
@click.option("--fix", is_flag=True, help="Do what netkit can do about it, then look again.")
@click.pass_context
def command(ctx: click.Context, fix: bool) -> int:
    """Look for what is amiss with the whole host, and mend what can be mended.

    What was made and no longer stands, what is left of the dead, forwarding that somebody has switched off, firewalls
    and routes of others that came later and are in the way, sizes that do not fit, processes on published ports, lost
    leases, full pools. Exits with 1 when something does not work; what is only doubtful does not count.

    \b
    Examples:
      netkit doctor
      netkit doctor --fix
      netkit doctor --json | jq -r '.findings[].todo'
    """
    settings = settings_of(ctx)
    engine = settings.open()
    done = engine.treat() if fix else []
    for line in done:
        say(line)
    found = engine.diagnose()
    show(settings, {"ok": not found, "done": done, "findings": [_document(one) for one in found]}, _text(found))
    return 1 if any(one.severity == "broken" for one in found) else 0


def _document(one: Finding) -> dict[str, object]:
    return {"about": one.about, "severity": one.severity, "what": one.what, "todo": one.todo, "fix": one.fix}


def _text(found: list[Finding]) -> str:
    if not found:
        return "all is well"
    mended = "\n\nnetkit doctor --fix does what is marked with *" if any(one.fix for one in found) else ""
    return "\n".join(map(_told, found)) + mended


def _told(one: Finding) -> str:
    return f"{one.severity:8}  {one.about}: {one.what}\n        {'*' if one.fix else ' '} {one.todo}"
