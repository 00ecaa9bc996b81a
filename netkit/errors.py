"""Every error that netkit raises: what went wrong, where, and what to do next.

    NetkitError            exit 1   failed, nothing changed
    |- UsageError          exit 2   the words of a command are off
    |  `- ConfigError               a value in a configuration is off; says at which path
    |- NotFoundError       exit 3   no such attachment, network, process, namespace
    |- ConflictError       exit 4   address, port, name, subnet or link is taken
    |  `- PoolFullError             every address of a pool is taken
    |- HostError           exit 5   the host lacks a kernel feature, a tool or a privilege
    |  `- UnsupportedError          its kernel or its Python cannot do it: no use in trying again
    |- StateError          exit 1   a state file cannot be read or written
    |- BusyError           exit 1   a lock is held for too long; try again later
    |- KernelError         exit 1   the kernel refused one op
    `- ApplyError          exit 1   a plan failed midway and was undone; lists what could not be undone

Exit codes are part of the command's contract; `kind` is the word for the same in JSON.
"""

from __future__ import annotations

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Sequence


class NetkitError(Exception):
    """The root: a message for people, and a hint that says what to do."""

    exit_code = 1
    kind = "failed"

    def __init__(self, message: str, hint: str = "") -> None:
        super().__init__(message)
        self.message = message
        self.hint = hint


class UsageError(NetkitError):
    """The words of a command or request are off."""

    exit_code = 2
    kind = "usage"


class ConfigError(UsageError):
    """A value is off; `at` is its path, for example `subnets[1].gateway`, and grows outward."""

    kind = "config"

    def __init__(self, at: str, message: str, hint: str = "") -> None:
        super().__init__(f"{at}: {message}" if at else message, hint)
        self.at = at


class NotFoundError(NetkitError):
    """No such attachment, network, process or namespace."""

    exit_code = 3
    kind = "not-found"


class ConflictError(NetkitError):
    """An address, port, name, subnet or link is already taken."""

    exit_code = 4
    kind = "conflict"


class PoolFullError(ConflictError):
    """Every address of a pool is taken."""

    kind = "pool-full"


class HostError(NetkitError):
    """The host lacks a kernel feature, a tool or a privilege."""

    exit_code = 5
    kind = "host"


class UnsupportedError(HostError):
    """The host's kernel or its Python has no such thing, and no waiting brings it."""

    kind = "unsupported"


class StateError(NetkitError):
    """A state file or directory cannot be read or written."""

    kind = "state"


class BusyError(NetkitError):
    """Another netkit holds a lock for longer than we wait."""

    kind = "busy"


class KernelError(NetkitError):
    """The kernel refused a change; `errno` is its reason, 0 when there is none."""

    kind = "kernel"

    def __init__(self, message: str, errno: int = 0, hint: str = "") -> None:
        super().__init__(message, hint)
        self.errno = errno


class ApplyError(NetkitError):
    """A plan failed at one step and what came before it was undone.

    `leftovers` are the commands, one a line, that remove what could not be undone; empty when nothing is left.
    """

    kind = "apply"

    def __init__(self, message: str, cause: NetkitError, leftovers: Sequence[str] = ()) -> None:
        left = "".join(f"\n  {command}" for command in leftovers)
        hint = f"these changes could not be undone, run by hand:{left}" if left else cause.hint
        super().__init__(message, hint)
        self.cause = cause
        self.leftovers = tuple(leftovers)
        self.exit_code = cause.exit_code
