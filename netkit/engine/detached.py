"""Processes that outlive the command which starts them."""

from __future__ import annotations

import os
import sys

from netkit.errors import HostError
from netkit.kernel import spawn

#: What of our environment is theirs, too: a lab knows its processes by its mark, and ends them.
_KEPT = ("NETKIT_LAB", "NETKIT_BOOT_ID")


def command(module: str, root: str) -> list[str]:
    """The command line for a module's `main`; modules are found where we find ours, also where Python looks nowhere."""
    code = f"import sys; sys.path[:0] = {sys.path!r}; from {module} import main; main()"
    return [sys.executable, "-c", code, *([root] if root else [])]


def start(module: str, root: str, what: str) -> int:
    """Begin a module's `main` as a process that outlives us; its PID."""
    return begin(command(module, root), what)


def begin(words: list[str], what: str, output: int | None = None) -> int:
    """Begin a session of its own, out of reach of our terminal's signals, with nothing of ours open but `output`."""
    nothing = os.open(os.devnull, os.O_RDWR | os.O_CLOEXEC)
    try:
        ends = (nothing, nothing if output is None else output, nothing)
        actions = [(os.POSIX_SPAWN_DUP2, end, number) for number, end in enumerate(ends)]
        environment = {"PATH": ":".join(spawn.DIRECTORIES), "LC_ALL": "C.UTF-8"}
        environment |= {name: value for name, value in os.environ.items() if name in _KEPT}
        return os.posix_spawn(words[0], words, environment, file_actions=actions, setsid=True, setsigmask=())
    except OSError as error:
        raise HostError(f"cannot start {what}: {error.strerror}", "is there memory left?") from error
    finally:
        os.close(nothing)
