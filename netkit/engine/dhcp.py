"""Leases of DHCP for attachments: asked of the helper process that keeps them, and is started when it is not there."""

from __future__ import annotations

import _socket
import os
import sys
from time import monotonic, sleep

from netkit.errors import HostError, NetkitError, NotFoundError
from netkit.ipam.dhcp import SOCKET, DhcpLink
from netkit.jsontext import dumps, loads
from netkit.kernel import spawn
from netkit.plan.render import quote
from netkit.value import from_json, to_json

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

    from netkit.engine.session import Session
    from netkit.ipam.dhcp import DhcpLease
    from netkit.plan.rare.dhcp import Dhcp

#: How long a helper may take to begin (it loads scapy), and to answer, in seconds.
BEGIN, ANSWER = 20.0, 60.0
#: What of our environment is the helper's, too: a lab knows its processes by its mark, and ends them.
_KEPT = ("NETKIT_LAB", "NETKIT_BOOT_ID")
_AF_UNIX, _SOCK_STREAM, _CLOEXEC = _socket.AF_UNIX, _socket.SOCK_STREAM, _socket.SOCK_CLOEXEC


def bind(session: Session, op: Dhcp) -> DhcpLease:
    """A lease for the interface, which must be up."""
    link = session.namespaces.enter(op.ns).socket().link(op.ifname)
    if link is None:
        raise NotFoundError(f"there is no {op.ifname} in the namespace to ask for a lease", "is the link made by now?")
    asked = DhcpLink(op.id, op.ns, op.ifname, link.mac, op.hostname)
    try:
        found: DhcpLease = from_json(_ask(session, {"do": "bind", "link": to_json(asked)})["lease"])
        return found
    except NetkitError:
        release(session, op)
        raise


def release(session: Session, op: Dhcp) -> None:
    """Give the lease back; nothing to do when there is none."""
    if session.root.dhcp.exists(op.id):
        _ask(session, {"do": "release", "id": op.id, "path": _way_in(session, op)})


def _way_in(session: Session, op: Dhcp) -> str:
    """How the helper gets into the namespace, also when only we still hold it; "" when it is gone."""
    try:
        return f"/proc/{os.getpid()}/fd/{session.namespaces.enter(op.ns).fd}"
    except NotFoundError:
        return ""


def _ask(session: Session, request: dict[str, Any]) -> dict[str, Any]:
    with _Line(session) as line:
        line.send(dumps(request).encode() + b"\n")
        answer: dict[str, Any] = loads(line.receive().decode())
    if "error" in answer:
        raise NetkitError(answer["error"]["message"], answer["error"]["hint"])
    return answer


class _Line:
    """A connection to the helper."""

    def __init__(self, session: Session) -> None:
        self._socket = _connect(session) or _started(session)
        self._socket.settimeout(ANSWER)

    def __enter__(self) -> _Line:
        return self

    def __exit__(self, *_: object) -> None:
        self._socket.close()

    def send(self, data: bytes) -> None:
        self._socket.sendall(data)

    def receive(self) -> bytes:
        """One line; NetkitError when the helper dies or says nothing."""
        data = b""
        try:
            while not data.endswith(b"\n") and (part := self._socket.recv(1 << 16)):
                data += part
        except OSError as error:
            raise NetkitError(f"the DHCP helper does not answer: {error}", "try again") from error
        if not data:
            raise NetkitError("the DHCP helper died while it was asked", "try again")
        return data


def _connect(session: Session) -> _socket.socket | None:
    line = _socket.socket(_AF_UNIX, _SOCK_STREAM | _CLOEXEC)
    try:
        line.connect(f"/proc/self/fd/{session.root.dhcp.fd}/{SOCKET}")
    except OSError:
        line.close()
        return None
    return line


def _started(session: Session) -> _socket.socket:
    """A connection to a helper that is started for it; it outlives us."""
    pid, end = _start(session.root.path), monotonic() + BEGIN
    while monotonic() < end:
        sleep(0.02)
        if line := _connect(session):
            return line
        if pid and os.waitpid(pid, os.WNOHANG)[0]:  # it failed, or another's is just beginning
            pid, end = 0, min(end, monotonic() + BEGIN / 4)
    by_hand = " ".join(quote(word) for word in _command(session.root.path))
    raise HostError(
        "the DHCP helper does not begin",
        f"it needs scapy (pip install netkit-containers[dhcp]); to see why, run: {by_hand}",
    )


def _command(root: str) -> list[str]:
    """The helper's command line; modules are found where we find ours, also where Python was told to look nowhere."""
    code = f"import sys; sys.path[:0] = {sys.path!r}; from netkit.agent.dhcp.helper import main; main()"
    return [sys.executable, "-c", code, *([root] if root else [])]


def _start(root: str) -> int:
    """Begin a session of its own, which signals of our terminal do not reach, with nothing of ours open."""
    nothing = os.open(os.devnull, os.O_RDWR | os.O_CLOEXEC)
    try:
        actions = [(os.POSIX_SPAWN_DUP2, nothing, number) for number in (0, 1, 2)]
        environment = {"PATH": ":".join(spawn.DIRECTORIES), "LC_ALL": "C.UTF-8"}
        environment |= {name: value for name, value in os.environ.items() if name in _KEPT}
        words = _command(root)
        return os.posix_spawn(words[0], words, environment, file_actions=actions, setsid=True, setsigmask=())
    except OSError as error:
        raise HostError(f"cannot start the DHCP helper: {error.strerror}", "is there memory left?") from error
    finally:
        os.close(nothing)
