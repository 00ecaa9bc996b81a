"""From an environment and a stdin to a document on stdout and an exit code; a process is not needed for it.

One document is written, whatever happens: a result, a version, or an error. What is for people goes to stderr.
"""

from __future__ import annotations

from netkit import __version__
from netkit.cni import env, versions
from netkit.cni.call import make
from netkit.cni.failure import INPUT, CniError, document
from netkit.cni.jsonin import LARGEST, parse
from netkit.errors import NetkitError
from netkit.jsontext import dumps

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Mapping
    from typing import Any

    from netkit.cni.call import Call

#: Module and function of each command; a module is loaded when its command is asked for.
VERBS = {
    "ADD": ("netkit.cni.add", "add"),
    "DEL": ("netkit.cni.delete", "delete"),
    "CHECK": ("netkit.cni.check", "check"),
    "GC": ("netkit.cni.gc", "collect"),
    "STATUS": ("netkit.cni.status", "status"),
}
_ABOUT = "netkit {version}: the CNI plugin {role}; protocol versions supported: {versions}"


class Streams:
    """Where the input comes from and the output goes to: a process's descriptors, or a test's lists.

    `read` takes the most bytes that are wanted; `write` and `say` raise OSError when nobody takes the text.
    """

    def __init__(
        self, read: Callable[[int], bytes], write: Callable[[bytes], object], say: Callable[[str], object]
    ) -> None:
        self.read = read
        self.write = write
        self.say = say


def dispatch(role: str, environ: Mapping[str, str], streams: Streams, root: str = "") -> int:
    """Carry out one call; returns the exit code."""
    if not environ.get("CNI_COMMAND"):
        supported = ", ".join(versions.SUPPORTED)
        streams.say(_ABOUT.format(version=__version__, role=role, versions=supported))
        return 0
    seen = [versions.NEWEST]
    try:
        _carry_out(role, environ, streams, root, seen)
    except SystemExit:
        raise
    except BaseException as error:  # the runtime needs a document, even for a bug
        if not isinstance(error, NetkitError):
            streams.say(_trace(error))
        return _fail(document(error, seen[0]), streams)
    return 0


def _carry_out(role: str, environ: Mapping[str, str], streams: Streams, root: str, seen: list[str]) -> None:
    invocation = env.read(environ, loopback=role == "loopback")
    if invocation.command == "VERSION":
        _write(versions.answer(), streams)
        return
    call = make(role, invocation, parse(_input(streams)), root)
    seen[0] = call.version
    answer = _verb(invocation.command)(call)
    if invocation.command != "ADD":
        return
    try:
        _write(answer, streams)
    except OSError as error:
        # Nobody learns of what was made, so nobody would ever take it back.
        _verb("DEL")(call)
        raise CniError(INPUT, f"the result could not be written, the attachment was taken back: {error}") from error


def _verb(command: str) -> Callable[[Call], Any]:
    module, function = VERBS[command]
    found: Callable[[Call], Any] = getattr(__import__(module, fromlist=[function]), function)
    return found


def _input(streams: Streams) -> bytes:
    try:
        return streams.read(LARGEST + 1)
    except OSError as error:
        raise CniError(INPUT, f"error reading from stdin: {error}") from error


def _write(answer: object, streams: Streams) -> None:
    streams.write(dumps(answer).encode("ascii") + b"\n")


def _fail(told: dict[str, object], streams: Streams) -> int:
    try:
        _write(told, streams)
    except OSError:
        streams.say(f"netkit: {told['msg']}")
    return 1


def _trace(error: BaseException) -> str:
    import traceback

    return "".join(traceback.format_exception(error))
