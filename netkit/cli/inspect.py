"""`netkit inspect`: everything known about one attachment or network."""

from __future__ import annotations

import time

import click

from netkit.cli import complete, document
from netkit.cli.command import Command, settings_of
from netkit.cli.output import fields, show
from netkit.cli.peers import keeper_lines
from netkit.errors import NotFoundError
from netkit.plan.steps import Plan
from netkit.value import to_json

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

    from netkit.cli.document import Document
    from netkit.cli.settings import Settings
    from netkit.engine.report import Report
    from netkit.engine.service import Engine
    from netkit.model import Network
    from netkit.state.networks import Up
    from netkit.state.records import Record


@click.command("inspect", cls=Command)
@click.argument("what", metavar="ID|NETWORK", shell_complete=complete.either)
@click.pass_context
def command(ctx: click.Context, what: str) -> None:
    """Show everything known about an attachment or a network.

    With the commands that would make it by hand, those that would take it back, and what of the host's firewall
    concerns it. An attachment goes before a network of the same name (see `netkit network inspect`).

    \b
    Examples:
      netkit inspect 3f9c1a2b7d10
      netkit inspect bridge
      netkit inspect web --json | jq -r '.commands[]'
    """
    settings = settings_of(ctx)
    engine = settings.open()
    try:
        record, alive = engine.attachment(what)
    except NotFoundError:
        if what not in [net.name for net in engine.all_networks()]:
            hint = "netkit ps and netkit network ls list them"
            raise NotFoundError(f"there is no attachment and no network {what!r}", hint) from None
        show_network(settings, engine, what)
        return
    _show_attachment(settings, engine, record, alive)


def show_network(settings: Settings, engine: Engine, name: str) -> None:
    """One network: what it is, what it made, who is on it."""
    net, up = engine.network(name)
    users = [record.endpoint for record, _ in engine.attachments() if record.endpoint.network == name]
    report = engine.keeper_report(name) if net.store else None
    told = {
        **document.network(net, up is not None),
        **({"keeper": to_json(report)} if report else {}),
        "attachments": [ep.id for ep in users],
        "reserved": engine.reservations(name),
        **_plans(up.whole if up else Plan()),
    }
    show(settings, told, _network_text(net, up, told, report))


def _show_attachment(settings: Settings, engine: Engine, record: Record, alive: bool) -> None:
    up = engine.network(record.endpoint.network)[1]
    told = {**document.attachment(record, alive), **_plans(record.plan), "boot_id": record.boot_id}
    told["admitted_in"] = document.firewall(up.plan)["admitted_in"] if up else []
    told["lease"] = document.lease(engine.dhcp_lease(record.id))
    show(settings, told, _attachment_text(record, told))


def _plans(plan: Plan) -> Document:
    made, undone = document.steps(plan), document.steps(plan.undo())
    return {
        **document.firewall(plan),
        "steps": made,
        "commands": _commands(made),
        "undo": _commands(undone),
    }


def _commands(steps: list[Document]) -> list[str]:
    found: list[Any] = [step["commands"] for step in steps]
    return [command for commands in found for command in commands]


def _attachment_text(record: Record, told: Document) -> str:
    ep = record.endpoint
    process = f", process {ep.pid}" if ep.pid else ""
    return _text(
        told,
        ("id", ep.id),
        ("name", ep.name),
        ("state", str(told["state"])),
        ("network", f"{ep.network} ({ep.mode})"),
        ("container", ep.container),
        ("namespace", f"{ep.netns.path} (inode {ep.netns.inode}{process})"),
        ("interface", f"{ep.ifname}{f' == {ep.host_ifname} on the host' if ep.host_ifname else ''}"),
        ("mac", ep.mac),
        ("mtu", str(ep.mtu or "")),
        ("addresses", ", ".join(ep.addresses)),
        ("gateway", ", ".join(ep.gateways)),
        ("lease", _lease_text(told["lease"])),
        ("ports", document.ports(ep)),
        ("since", time.strftime("%Y-%m-%d %H:%M:%S", time.localtime(record.created))),
    )


def _lease_text(lease: Any) -> str:
    """A DHCP lease in a line: `of 192.168.7.254, renewed in 52 s, ends in 112 s`."""
    if lease is None:
        return ""
    if lease["lost"]:
        return f"of {lease['server']}, lost: {lease['lost']}"
    return f"of {lease['server']}, renewed in {lease['renews_in']} s, ends in {lease['ends_in']} s"


def _network_text(net: Network, up: Up | None, told: Document, report: Report | None) -> str:
    users: Any = told["attachments"]
    reserved: Any = told["reserved"]
    return _text(
        told,
        ("network", net.name),
        ("mode", net.mode),
        ("state", "up" if up else "down: it comes up with its first attachment"),
        ("device", net.device),
        *(("subnet", subnet_text(subnet)) for subnet in net.subnets),
        ("mtu", str(net.mtu or "")),
        ("internal", "yes: no way out" if net.internal else ""),
        ("icc", "" if net.icc else "no: containers do not reach each other"),
        ("parent", net.parent),
        ("ipam", net.ipam),
        ("options", ", ".join(f"{key}={value}" for key, value in net.options)),
        ("attachments", ", ".join(users)),
        ("reserved", ", ".join(reserved)),
        *(("keeper", line) for line in (keeper_lines(report) if report else ())),
    )


def subnet_text(subnet: Any) -> str:
    """A subnet in a line: `10.90.0.0/16 gateway 10.90.0.1 range 10.90.4.0/24`."""
    return " ".join(
        [subnet.cidr]
        + ([f"gateway {subnet.gateway}"] if subnet.gateway else [])
        + ([f"range {subnet.ip_range}"] if subnet.ip_range else [])
    )


def _text(told: Document, *pairs: tuple[str, str]) -> str:
    admitted: Any = told["admitted_in"]
    firewall = (
        ("firewall", str(told["firewall"] or "")),
        ("guarded", "yes: it can send from its own addresses only" if told["guarded"] else ""),
        ("admitted in", ", ".join(admitted)),
    )
    steps: Any = told["steps"]
    undo: Any = told["undo"]
    made = [line for step in steps for line in (f"# {step['why']}", *step["commands"])]
    by_hand = [("## the same by hand", made), ("## and back", undo)]
    blocks = ["\n".join([title, *commands]) for title, commands in by_hand if commands]
    return "\n\n".join([fields([*pairs, *firewall]), *blocks])
