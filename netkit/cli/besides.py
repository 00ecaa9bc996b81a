"""What an attachment may have in every mode: attach options that no driver knows."""

from __future__ import annotations

import click

from netkit.cli.command import options
from netkit.model import Rate
from netkit.value import Value

besides_options = options(
    click.option("--rate-in", metavar="RATE", help="At most so much to the container: 500kbit, 10mbit, 1gbit."),
    click.option("--rate-out", metavar="RATE", help="At most so much from it."),
)


class Besides(Value):
    """What was asked for, under the names that an AttachRequest has for it."""

    rate_in: Rate | None = None
    rate_out: Rate | None = None


def besides(rate_in: str | None, rate_out: str | None) -> Besides:
    """What these options say; ConfigError with the option's name."""
    from netkit import parse

    return Besides(
        Rate(parse.rate(rate_in, "--rate-in")) if rate_in is not None else None,
        Rate(parse.rate(rate_out, "--rate-out")) if rate_out is not None else None,
    )
