"""What people and programs get to see: text and tables, or one JSON document, on stdout; all else on stderr."""

from __future__ import annotations

import json
import os
import sys

from netkit.errors import NetkitError

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from netkit.cli.settings import Settings


def show(settings: Settings, document: object, text: str) -> None:
    """One JSON document under --json, else the text, which may be empty."""
    if settings.json:
        write(json.dumps(document, indent=2))
    elif text:
        write(text)


def write(text: str) -> None:
    """A text and a newline on stdout; NetkitError when it cannot be written, BrokenPipeError when nobody reads on."""
    if sys.stdout is None:
        return
    try:
        sys.stdout.write(f"{text.rstrip()}\n")
        sys.stdout.flush()
    except OSError as error:
        # The interpreter flushes stdout once more on its way out: let it, into nothing.
        os.dup2(os.open(os.devnull, os.O_WRONLY), 1)
        if isinstance(error, BrokenPipeError):
            raise
        raise NetkitError(
            f"cannot write to standard output: {error.strerror}", "the command itself was done"
        ) from error


def say(text: str) -> None:
    """A line for people on stderr; where that cannot be written, nobody is there to be told."""
    try:
        print(text, file=sys.stderr, flush=True)
    except OSError:
        return


def warn(settings: Settings, text: str) -> None:
    """Something that a person should know although the work went on."""
    if settings.json:
        say(json.dumps({"warning": text}))
    else:
        say(f"netkit: warning: {text}")


def complain(settings: Settings, error: NetkitError) -> None:
    """An error: what went wrong, and what to do next."""
    if settings.json:
        told = {"code": error.exit_code, "kind": error.kind, "message": error.message, "hint": error.hint}
        say(json.dumps({"error": told}, indent=2))
        return
    say(f"netkit: {error.message}")
    for line in error.hint.splitlines():
        say(f"  {line}")


def table(headers: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    """Columns as wide as their widest cell, two spaces apart; an empty cell reads `-`."""
    lines = [list(headers), *([cell or "-" for cell in row] for row in rows)]
    widths = [max(len(line[column]) for line in lines) for column in range(len(headers))]
    return "\n".join(
        "  ".join(cell.ljust(width) for cell, width in zip(line, widths, strict=True)).rstrip() for line in lines
    )


def fields(pairs: Iterable[tuple[str, str]]) -> str:
    """Names and values, one pair a line; pairs without a value are left out."""
    known = [(name, value) for name, value in pairs if value]
    width = max((len(name) for name, _ in known), default=0)
    return "\n".join(f"{name:<{width}}  {value}" for name, value in known)
