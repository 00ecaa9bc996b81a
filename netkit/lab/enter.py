"""Becoming a command inside a member of a lab."""

from __future__ import annotations

import os

from netkit.errors import NetkitError
from netkit.lab import processes

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import NoReturn

    from netkit.lab.running import Held


def become(held: Held, argv: list[str], token: str, home: str) -> NoReturn:
    """Turn this process into the command; it keeps the terminal, and the caller's environment but for netkit's root."""
    if argv[0] == "netkit":
        argv = processes.python(*argv)
    words = processes.enter(held, argv, os.getcwd())
    program = processes.program(words[0])
    env = {**os.environ, **processes.environment(token, home), "PATH": os.environ.get("PATH", os.defpath)}
    try:
        os.execve(program, words, env)  # noqa: S606 (words, no shell)
    except OSError as error:
        raise NetkitError(f"cannot start {program}: {error.strerror}", "is util-linux installed?") from error
