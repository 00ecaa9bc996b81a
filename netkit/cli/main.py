"""The `netkit` command: reads the words, runs the command, and turns every outcome into an exit code and a message."""

from __future__ import annotations

import os
import signal
import sys

import click

from netkit.cli.errors import in_option_words, usage
from netkit.cli.output import complain, say, warn
from netkit.cli.settings import Settings
from netkit.errors import NetkitError

TYPE_CHECKING = False
if TYPE_CHECKING:
    from types import FrameType, TracebackType
    from typing import NoReturn

#: Signals that end a command; what it has begun is taken back first.
STOPPING = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)
_COMPLETE = "_NETKIT_COMPLETE"


def main() -> NoReturn:
    """Run the command that the process was started with, and leave with its exit code.

    It leaves without the interpreter's rites: they take a sixth of a short command's time, and free what ends anyway.
    All that is written is flushed by whoever writes it.
    """
    _open_standard_files()
    try:
        status = run(sys.argv[1:])
    except SystemExit as stopped:
        status = stopped.code if isinstance(stopped.code, int) else 1
    os._exit(status)


def run(words: list[str]) -> int:
    """Run one command; returns its exit code, and raises nothing but what stops the process."""
    settings = Settings()
    settings.json = "--json" in words[: words.index("--") if "--" in words else None]
    settings.root = os.environ.get("NETKIT_ROOT") or None
    _tell_bugs(settings)
    _unwind_on_signals()
    try:
        return _outcome(settings, words)
    except SystemExit:
        say("netkit: stopped by a signal")
        raise
    finally:
        for warning in settings.warnings():
            warn(settings, warning)


def _outcome(settings: Settings, words: list[str]) -> int:
    try:
        return _invoke(settings, words)
    except click.exceptions.Exit as done:
        return done.exit_code
    except click.ClickException as error:
        return _complain(settings, usage(error))
    except NetkitError as error:
        return _complain(settings, error)
    except KeyboardInterrupt:
        say("netkit: interrupted")
        return 128 + signal.SIGINT
    except BrokenPipeError:
        return 128 + signal.SIGPIPE


def _invoke(settings: Settings, words: list[str]) -> int:
    from netkit.cli.catalog import netkit

    if _COMPLETE in os.environ:
        from click.shell_completion import shell_complete

        return shell_complete(netkit, {"obj": settings}, "netkit", _COMPLETE, os.environ[_COMPLETE])
    with netkit.make_context("netkit", words, obj=settings) as ctx:
        code: int | None = netkit.invoke(ctx)
    return code or 0


def _complain(settings: Settings, error: NetkitError) -> int:
    complain(settings, in_option_words(error))
    return error.exit_code


def _tell_bugs(settings: Settings) -> None:
    """An exception that nobody expected is a bug: say so, without a traceback unless -v."""

    def hook(kind: type[BaseException], error: BaseException, trace: TracebackType | None) -> None:
        from netkit import __version__

        bug = NetkitError(
            f"internal error: {kind.__name__}: {error}",
            f"this is a bug of netkit {__version__}: please report it with the command and what it prints with -v;"
            "\n`netkit check` tells whether something is left, `netkit gc` takes it back",
        )
        bug.kind = "internal"
        complain(settings, bug)
        if settings.verbose:
            sys.__excepthook__(kind, error, trace)

    sys.excepthook = hook


def _unwind_on_signals() -> None:
    """A signal that ends the command raises, so that what it began is taken back; a second one is not heard."""

    def stop(number: int, frame: FrameType | None) -> None:
        for other in STOPPING:
            signal.signal(other, signal.SIG_IGN)
        if number == signal.SIGINT:
            raise KeyboardInterrupt
        raise SystemExit(128 + number)

    for number in STOPPING:
        if signal.getsignal(number) is not signal.SIG_IGN:
            signal.signal(number, stop)


def _open_standard_files() -> None:
    """Where a standard descriptor is closed, the next file to be opened would take its place: a lock, a record."""
    for number in (0, 1, 2):
        try:
            os.fstat(number)
        except OSError:
            os.open(os.devnull, os.O_RDWR)
