"""Leases of DHCP for attachments: asked of the helper process that keeps them, and is started when it is not there."""

from __future__ import annotations

import _socket
import os
from time import monotonic, sleep

from netkit.engine import detached
from netkit.errors import HostError, NetkitError, NotFoundError
from netkit.ipam.dhcp import SOCKET, DhcpLink
from netkit.jsontext import dumps, loads
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
_HELPER = "netkit.agent.dhcp.helper"
_AF_UNIX, _SOCK_STREAM, _CLOEXEC = _socket.AF_UNIX, _socket.SOCK_STREAM, _socket.SOCK_CLOEXEC


def bind(session: Session, op: Dhcp) -> DhcpLease:
    """A lease for the interface, which must be up."""
    link = session.namespaces.enter(op.ns).socket().link(op.ifname)
    if link is None:
        raise NotFoundError(f"there is no {op.ifname} in the namespace to ask for a lease", "is the link made by now?")
    asked = DhcpLink(op.id, op.ns, op.ifname, link.mac, op.hostname, op.by)
    try:
        found: DhcpLease = from_json(_ask(session, {"do": "bind", "link": to_json(asked)})["lease"])
        return found
    except NetkitError:
        release(session, op)
        raise


def announce(session: Session, op: Dhcp) -> None:
    """Tell the neighbours of the address; one that was lost meanwhile is nobody's to tell of."""
    _ask(session, {"do": "announce", "id": op.id})


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
    pid, end = detached.start(_HELPER, session.root.path, "the DHCP helper"), monotonic() + BEGIN
    while monotonic() < end:
        sleep(0.02)
        if line := _connect(session):
            return line
        if pid and os.waitpid(pid, os.WNOHANG)[0]:  # it failed, or another's is just beginning
            pid, end = 0, min(end, monotonic() + BEGIN / 4)
    by_hand = " ".join(quote(word) for word in detached.command(_HELPER, session.root.path))
    raise HostError(
        "the DHCP helper does not begin",
        f"it needs scapy (pip install netkit-containers[dhcp]); to see why, run: {by_hand}",
    )
