"""One interface's talk with DHCP servers: get a lease, renew it, give it back. Each call takes a bounded time."""

from __future__ import annotations

import os
import select
import socket
import time

from netkit.agent.dhcp import messages
from netkit.agent.dhcp.messages import BROADCAST, Answer
from netkit.errors import HostError, NetkitError
from netkit.ipam.dhcp import DhcpLease, clock
from netkit.model import bare
from netkit.value import Value

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from types import TracebackType
    from typing import Any, Self

    from netkit.ipam.dhcp import DhcpLink
    from netkit.kernel.namespaces import Handle

#: After how many seconds of silence a message is sent again.
PATIENCE = (0.5, 1.0, 2.0, 4.0, 8.0)
#: How long we listen for somebody who has the address already, in seconds, and how often we ask.
PROBES, PROBE_WAIT = 2, 0.15
#: How many addresses that somebody has we decline, before we give up.
DECLINES = 2
_ETH_P_ALL = 3
_LARGEST = 2048


class Refused(Value):
    """The server's no: a lease cannot be kept."""

    why: str


class Wire:
    """A packet socket on the interface, in its namespace; close it."""

    def __init__(self, link: DhcpLink, handle: Handle) -> None:
        self.link = link
        self._socket = handle.call(lambda: _open(link.ifname))

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._socket.close()

    def send(self, frame: bytes) -> None:
        """Put a frame on the wire; one that is down takes none, which is an error."""
        try:
            self._socket.send(frame)
        except OSError as error:
            raise NetkitError(f"cannot send on {self.link.ifname}: {error.strerror}", "is the link up?") from error

    def frames(self, seconds: float) -> Iterator[bytes]:
        """What comes in within this time."""
        end = time.monotonic() + seconds
        while (left := end - time.monotonic()) > 0 and select.select([self._socket], [], [], left)[0]:
            try:
                yield self._socket.recv(_LARGEST)
            except OSError:
                return


def acquire(link: DhcpLink, handle: Handle, used: Callable[[str], str]) -> DhcpLease:
    """A new lease; NetkitError when no server gives one. `used` says who of ours has an address already, "" if nobody.

    An address that somebody has is declined, and another asked for.
    """
    with Wire(link, handle) as wire:
        for _ in range(DECLINES):
            lease = _ask(wire)
            holder = used(bare(lease.address)) or _holder(wire, bare(lease.address))
            if not holder:
                return lease
            _decline(wire, lease)
        raise NetkitError(
            f"the DHCP server at {lease.server} offers {bare(lease.address)}, which {holder} has",
            "look at the server's leases and at who else uses its range",
        )


def announce(lease: DhcpLease, handle: Handle) -> None:
    """Tell everybody on the wire whose the address is."""
    with Wire(lease.link, handle) as wire:
        wire.send(messages.announcement(lease.link, bare(lease.address)))


def extend(lease: DhcpLease, handle: Handle, rebinding: bool) -> DhcpLease | Refused | None:
    """The lease for another time, from its own server or, `rebinding`, from any; None when nobody answers."""
    link, number = lease.link, _number()
    to, server = (BROADCAST, messages.EVERYWHERE) if rebinding else (lease.server_mac, lease.server)
    fields = {"ciaddr": bare(lease.address), "server": server}
    with Wire(link, handle) as wire:
        now = clock()
        frame = messages.message(link, "request", number, to=to, **fields)
        answer, _ = _talk(wire, frame, number, ("ack", "nak"), PATIENCE[:3])
    if answer is None:
        return None
    if answer.kind == "nak" or answer.address != lease.address:
        return Refused("its server refused to renew it" if answer.kind == "nak" else "its server gave another address")
    return _lease(link, answer, now)


def release(lease: DhcpLease, handle: Handle) -> None:
    """Tell the server that the address is free; there is no answer to that."""
    fields = {"ciaddr": bare(lease.address), "server": lease.server}
    with Wire(lease.link, handle) as wire:
        option = ("server_id", lease.server)
        wire.send(messages.message(lease.link, "release", _number(), option, to=lease.server_mac, **fields))


def _ask(wire: Wire) -> DhcpLease:
    """Discover, request: the four messages of RFC 2131."""
    link, number = wire.link, _number()
    offer, nonsense = _talk(wire, messages.message(link, "discover", number), number, ("offer",), PATIENCE)
    if offer is None:
        raise _silent(link, "no DHCP server offers an address", nonsense)
    asked = (("requested_addr", bare(offer.address)), ("server_id", offer.server))
    now = clock()
    frame = messages.message(link, "request", number, *asked)
    answer, nonsense = _talk(wire, frame, number, ("ack", "nak"), PATIENCE[:3])
    if answer is None:
        raise _silent(link, f"the DHCP server at {offer.server} offered an address and then fell silent", nonsense)
    if answer.kind == "nak":
        raise NetkitError(f"the DHCP server at {offer.server} refused the address that it had offered", "try again")
    return _lease(link, answer, now)


def _talk(
    wire: Wire, frame: bytes, number: int, kinds: tuple[str, ...], patience: tuple[float, ...]
) -> tuple[Answer | None, str]:
    """The first answer of these kinds, and why the last one that made no sense did not."""
    nonsense = ""
    for seconds in patience:
        wire.send(frame)
        for received in wire.frames(seconds):
            found = messages.read(received, wire.link, number)
            if isinstance(found, Answer) and found.kind in kinds:
                return found, nonsense
            nonsense = found if isinstance(found, str) else nonsense
    return None, nonsense


def _silent(link: DhcpLink, what: str, nonsense: str) -> NetkitError:
    if nonsense:
        return NetkitError(f"a DHCP server answers on {link.ifname}, but with nonsense: {nonsense}", "mend the server")
    return NetkitError(f"{what} on the network of {link.ifname}", "is there a server, and is the parent link up?")


def _holder(wire: Wire, address: str) -> str:
    """The MAC of somebody else on the wire who has this address, "" when nobody says so."""
    for _ in range(PROBES):
        wire.send(messages.probe(wire.link, address))
        for received in wire.frames(PROBE_WAIT):
            if mac := messages.claimant(received, wire.link, address):
                return mac
    return ""


def _decline(wire: Wire, lease: DhcpLease) -> None:
    options = (("requested_addr", bare(lease.address)), ("server_id", lease.server))
    wire.send(messages.message(wire.link, "decline", _number(), *options))


def _lease(link: DhcpLink, answer: Answer, now: float) -> DhcpLease:
    told: dict[str, Any] = {key: value for key, value in vars(answer).items() if key not in ("kind", "server")}
    return DhcpLease(link=link, server=answer.server, granted=now, **told)


def _number() -> int:
    return int.from_bytes(os.urandom(4), "big")


def _open(ifname: str) -> socket.socket:
    opened = socket.socket(socket.AF_PACKET, socket.SOCK_RAW, socket.htons(_ETH_P_ALL))
    try:
        opened.bind((ifname, _ETH_P_ALL))
    except OSError as error:
        opened.close()
        raise HostError(f"cannot listen on {ifname}: {error.strerror}", "is the link still there?") from error
    return opened
