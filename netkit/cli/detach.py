"""`netkit detach`: taking attachments back."""

from __future__ import annotations

import click

from netkit.cli import complete
from netkit.cli.command import Command, options, settings_of
from netkit.cli.output import show
from netkit.cli.target import chosen, listed, records_of, required, target_options
from netkit.errors import ConflictError, NotFoundError, UsageError

TYPE_CHECKING = False
if TYPE_CHECKING:
    from netkit.cli.target import Target
    from netkit.engine.service import Engine


@click.command("detach", cls=Command)
@click.argument("ident", metavar="[ID]", required=False, shell_complete=complete.attachments)
@target_options
@options(
    click.option("--ifname", metavar="IF", help="Of a target with several attachments: this interface."),
    click.option("--all", "everything", is_flag=True, help="Of a target with several attachments: all of them."),
)
@click.pass_context
def command(
    ctx: click.Context,
    ident: str | None,
    pid: int | None,
    netns: str | None,
    container: str | None,
    ifname: str | None,
    everything: bool,
) -> None:
    """Take attachments back.

    ID is an attachment's id, the unique start of one, or its name; a TARGET (--pid, --netns or --container) works
    also when it has died. That nothing is attached is no error.

    \b
    Examples:
      netkit detach 3f9c1a2b7d10
      netkit detach --pid 1234
      netkit detach --netns blue --ifname eth1
      netkit detach --container web --all
    """
    settings = settings_of(ctx)
    target = chosen(pid, netns, container)
    _check(ident, target, ifname, everything)
    engine = settings.open()
    if target:
        what, done = str(target), _detach_target(engine, target, ifname, everything)
    else:
        what, done = str(ident), _detach_id(engine, str(ident))
    text = "\n".join(f"{one}  detached" for one in done) or f"nothing to detach: nothing is attached to {what}"
    show(settings, {"detached": done}, text)


def _check(ident: str | None, target: Target | None, ifname: str | None, everything: bool) -> None:
    if ident is None:
        required(target, "an ID (see netkit ps)")
    elif target:
        raise UsageError(f"both an id ({ident}) and {target} are named", "give one of them")
    elif ifname is not None or everything:
        raise UsageError("an id names one attachment already", "leave --ifname and --all out")
    if ifname is not None and everything:
        raise UsageError("--ifname and --all exclude each other", "give one of them")


def _detach_id(engine: Engine, ident: str) -> list[str]:
    try:
        record, _ = engine.attachment(ident)
    except NotFoundError:
        return []
    return [record.id] if engine.detach(record.id) else []


def _detach_target(engine: Engine, target: Target, ifname: str | None, everything: bool) -> list[str]:
    records = records_of(engine, target)
    if ifname is not None:
        records = [record for record in records if record.endpoint.ifname == ifname]
    if len(records) > 1 and not everything:
        raise ConflictError(
            f"{target} has {len(records)} attachments: {listed(records)}", "say --ifname IF, --all, or give an id"
        )
    return [record.id for record in records if engine.detach(record.id)]
