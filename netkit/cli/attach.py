"""`netkit attach`: a network for the namespace of any process."""

from __future__ import annotations

import click

from netkit.cli.command import Command, options, settings_of
from netkit.cli.options import attach_options, wish
from netkit.cli.output import show
from netkit.cli.target import chosen, find, required, target_options
from netkit.errors import UsageError

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

    from netkit.cli.settings import Settings
    from netkit.model import Endpoint
    from netkit.plan.steps import Plan


@click.command("attach", cls=Command)
@target_options
@attach_options
@options(
    click.option("--dry-run", is_flag=True, help="Print the commands that do the same, change nothing."),
    click.option("--explain", is_flag=True, help="The same, with the reason of each."),
)
@click.pass_context
def command(
    ctx: click.Context,
    /,
    pid: int | None,
    netns: str | None,
    container: str | None,
    dry_run: bool,
    explain: bool,
    **wanted: Any,
) -> None:
    """Attach a network namespace to a network.

    TARGET is exactly one of --pid, --netns and --container; its namespace gets an interface, an address and a way
    out, and the ports of this host that --publish names lead to it. Prints the attachment's id. On any error nothing
    is left behind.

    \b
    Examples:
      netkit attach --pid 1234 -p 8080:80
      netkit attach --netns blue --network backend --ip 10.7.0.9 --ifname eth1
      netkit attach --container 3f9c1a2b7d10 -p 127.0.0.1:5432:5432 --name db
      netkit attach --container web -P
      netkit attach --pid 1234 --explain
    """
    settings = settings_of(ctx)
    target, wished = required(chosen(pid, netns, container)), wish(**wanted)
    wished = wished.with_exposed(target.container)
    if wished.besides.dns:
        raise UsageError(
            "--dns: the files of a process that runs are its own", "use netkit run, or write its resolv.conf"
        )
    engine = settings.open()
    request = wished.request(engine, find(target, engine.root.boot_id()))
    if dry_run or explain:
        plan, ep = engine.plan_attach(request, wished.network, wished.mode, wished.parent)
        _show_plan(settings, plan, ep, explain)
        return
    record = engine.attach(request, wished.network, wished.mode, wished.parent)
    from netkit.cli import document

    show(settings, document.attachment(record), summary(record.endpoint))


def summary(ep: Endpoint) -> str:
    """An attachment in a line: `3f9c1a2b7d10  10.90.0.2/16 on eth0, gateway 10.90.0.1, port 8080 -> 80/tcp`."""
    from netkit.cli.document import ports

    parts = [f"{' and '.join(ep.addresses) or 'no address'} on {ep.ifname}"]
    if ep.gateways:
        parts.append(f"gateway {' and '.join(ep.gateways)}")
    if ep.ports:
        parts.append(f"port {ports(ep)}")
    return f"{ep.id}  {', '.join(parts)}"


def _show_plan(settings: Settings, plan: Plan, ep: Endpoint, explain: bool) -> None:
    from netkit.cli import document
    from netkit.plan.render import script

    text = script(plan, explain)
    show(settings, {"endpoint": document.endpoint(ep), "steps": document.steps(plan), "script": text}, text)
