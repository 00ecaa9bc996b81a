"""What the shell offers when a person presses Tab; where nothing can be known, it offers nothing."""

from __future__ import annotations

import os

from netkit.cli.settings import Settings
from netkit.errors import NetkitError

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable

    import click
    from click.shell_completion import CompletionItem

    from netkit.engine.service import Engine


def modes(ctx: click.Context, param: click.Parameter, incomplete: str) -> list[CompletionItem]:
    """The modes that there are."""
    from netkit.drivers.registry import known_modes

    words = ((mode.partition(":")[0] + ":" * (":" in mode), mode) for mode in known_modes())
    return _items(words, incomplete)


def networks(ctx: click.Context, param: click.Parameter, incomplete: str) -> list[CompletionItem]:
    """The names of networks, with their subnets."""
    return _items(_networks(_engine(ctx)), incomplete)


def attachments(ctx: click.Context, param: click.Parameter, incomplete: str) -> list[CompletionItem]:
    """The ids and names of attachments."""
    return _items(_attachments(_engine(ctx)), incomplete)


def either(ctx: click.Context, param: click.Parameter, incomplete: str) -> list[CompletionItem]:
    """Attachments and networks."""
    engine = _engine(ctx)
    return _items([*_attachments(engine), *_networks(engine)], incomplete)


def namespaces(ctx: click.Context, param: click.Parameter, incomplete: str) -> list[CompletionItem]:
    """The names that `ip netns` knows, or files once there is a slash."""
    from click.shell_completion import CompletionItem

    if "/" in incomplete:
        return [CompletionItem(incomplete, type="file")]
    try:
        names = sorted(os.listdir("/run/netns"))
    except OSError:
        names = []
    return _items(((name, "") for name in names), incomplete)


def _engine(ctx: click.Context) -> Engine | None:
    settings = ctx.find_object(Settings)
    return settings.open() if settings and os.geteuid() == 0 else None


def _networks(engine: Engine | None) -> list[tuple[str, str]]:
    try:
        nets = engine.all_networks() if engine else []
    except NetkitError:
        return []
    return [(net.name, ", ".join(subnet.cidr for subnet in net.subnets)) for net in nets]


def _attachments(engine: Engine | None) -> list[tuple[str, str]]:
    try:
        records = [record for record, _ in engine.attachments()] if engine else []
    except NetkitError:
        return []
    ids = [(record.id, f"{record.endpoint.ifname} on {record.endpoint.network}") for record in records]
    return ids + [(record.endpoint.name, record.id) for record in records if record.endpoint.name]


def _items(found: Iterable[tuple[str, str]], incomplete: str) -> list[CompletionItem]:
    from click.shell_completion import CompletionItem

    return [CompletionItem(word, help=about or None) for word, about in found if word.startswith(incomplete)]
