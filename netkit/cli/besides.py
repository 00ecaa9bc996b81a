"""What an attachment may have in every mode: attach options that no driver knows."""

from __future__ import annotations

import click

from netkit.cli.command import options
from netkit.errors import ConfigError
from netkit.model import Dns, Rate
from netkit.value import Value

_LONGEST = 253

besides_options = options(
    click.option("--rate-in", metavar="RATE", help="At most so much to the container: 500kbit, 10mbit, 1gbit."),
    click.option("--rate-out", metavar="RATE", help="At most so much from it."),
    click.option(
        "--sysctl", multiple=True, metavar="KEY=VALUE",
        help="A net.* setting of its namespace; IFNAME is its interface. May be repeated.",
    ),
    click.option("--dns", multiple=True, metavar="IP", help="A name server, of run alone; may be repeated."),
    click.option("--dns-search", multiple=True, metavar="DOMAIN", help="Where short names are looked up."),
    click.option("--dns-option", multiple=True, metavar="OPTION", help="An option of resolv.conf, such as ndots:2."),
)  # fmt: skip


class Besides(Value):
    """What was asked for, under the names that an AttachRequest has for it."""

    rate_in: Rate | None = None
    rate_out: Rate | None = None
    sysctls: tuple[tuple[str, str], ...] = ()
    dns: Dns | None = None


def besides(
    rate_in: str | None = None,
    rate_out: str | None = None,
    sysctl: tuple[str, ...] = (),
    dns: tuple[str, ...] = (),
    dns_search: tuple[str, ...] = (),
    dns_option: tuple[str, ...] = (),
) -> Besides:
    """What these options say; ConfigError with the option's name."""
    from netkit import parse

    settings = tuple(parse.sysctl(one, "--sysctl") for one in sysctl)
    keys = [key for key, _ in settings]
    if twice := next((key for key in keys if keys.count(key) > 1), ""):
        raise ConfigError("--sysctl", f"{twice.replace('/', '.')} is given twice", "leave one of them out")
    names = Dns(
        tuple(parse.address(one, "--dns") for one in dns),
        tuple(_word(one, "--dns-search") for one in dns_search),
        tuple(_word(one, "--dns-option") for one in dns_option),
    )
    return Besides(
        Rate(parse.rate(rate_in, "--rate-in")) if rate_in is not None else None,
        Rate(parse.rate(rate_out, "--rate-out")) if rate_out is not None else None,
        settings,
        names if names != Dns() else None,
    )


def _word(text: str, at: str) -> str:
    """One word of a line of resolv.conf."""
    if not text or len(text) > _LONGEST or not text.isascii() or not text.isprintable() or " " in text:
        raise ConfigError(at, f"{text!r} is no word of a resolv.conf", "give one at a time, without spaces")
    return text
