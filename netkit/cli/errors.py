"""Errors in the words of the command line: option names for paths, and click's own complaints in our form."""

from __future__ import annotations

import click

from netkit.errors import NetkitError, UsageError

#: How the engine calls what these options gave.
_OPTIONS = {
    "container": "--container",
    "dev": "--dev",
    "gateways": "--gateway",
    "iface": "--iface",
    "iface-regex": "--iface-regex",
    "ifname": "--ifname",
    "ip": "--ip",
    "ipam": "--ipam",
    "local": "--local",
    "mac": "--mac",
    "mtu": "--mtu",
    "netns": "--netns",
    "parent": "--parent",
    "peer": "--peer",
    "options": "-o",
    "ports": "--publish",
    "publish": "--publish",
    "ranges": "--ip-range",
    "rate_in": "--rate-in",
    "rate_out": "--rate-out",
    "store": "--store",
    "subnet": "--subnet",
    "subnets": "--subnet",
    "sysctl": "--sysctl",
}
#: What of a network's options is not said with -o.
_OF_OVERLAYS = {"control": "--control", "group": "--group", "peers": "--peer", "store": "--store"}


def in_option_words(error: NetkitError) -> NetkitError:
    """`subnets[1].gateway: ...` as `--subnet: ...`: a person at the shell wrote an option, not a path."""
    at, colon, rest = error.message.partition(": ")
    word, _, below = at.partition(".")
    option = _OPTIONS.get(word.partition("[")[0])
    if option == "-o" and below in _OF_OVERLAYS:
        option, below = _OF_OVERLAYS[below], ""
    if colon and option and ":" not in at:  # mtu.yaml:3 is a place in a file
        error.message = f"{option} {below}: {rest}" if option == "-o" and below else f"{option}: {rest}"
    return error


def usage(error: click.ClickException) -> UsageError:
    """click's words for wrong words, in our form."""
    ctx = getattr(error, "ctx", None)
    text = error.format_message().rstrip(".").replace("\n", " ")
    return UsageError(text[:1].lower() + text[1:], f"`{ctx.command_path if ctx else 'netkit'} --help` tells more")
