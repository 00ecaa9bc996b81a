"""A netlink socket: requests out, each answer matched to its request; rtnetlink and conntrack both speak through this.

Several messages go to the kernel in one send, and it carries on with the later ones when one fails, so an outcome
belongs to a message, never to a batch.
"""

from __future__ import annotations

import _socket
import errno
import time

from netkit.errors import HostError, KernelError
from netkit.kernel.wire import (
    NLM_F_ACK,
    NLM_F_DUMP,
    NLM_F_DUMP_INTR,
    NLMSG_DONE,
    NLMSG_ERROR,
    answers,
    frame,
    refusal,
)

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from netkit.kernel.wire import Message

#: Messages in one send: their acknowledgements must fit the receive buffer all at once.
BATCH = 64
#: How often an interrupted dump is asked for again.
DUMP_TRIES = 50

_LAST = (NLMSG_DONE, NLMSG_ERROR)
_RECEIVE = 1 << 16
_BUFFER = 1 << 20
_SOL_NETLINK = 270
_NETLINK_CAP_ACK, _NETLINK_EXT_ACK, _NETLINK_GET_STRICT_CHK = 10, 11, 12
_SO_RCVBUFFORCE = 33


class Netlink:
    """One netlink socket, in the network namespace that the creating thread is in."""

    def __init__(self, protocol: int) -> None:
        try:
            self._socket = _socket.socket(_socket.AF_NETLINK, _socket.SOCK_RAW | _socket.SOCK_CLOEXEC, protocol)
        except OSError as error:
            raise HostError(
                f"cannot open a netlink socket: {error.strerror}", "the kernel must offer netlink"
            ) from error
        self._sequence = 0
        for option in (_NETLINK_CAP_ACK, _NETLINK_EXT_ACK, _NETLINK_GET_STRICT_CHK):
            self._try_option(_SOL_NETLINK, option, 1)
        if not self._try_option(_socket.SOL_SOCKET, _SO_RCVBUFFORCE, _BUFFER):
            self._try_option(_socket.SOL_SOCKET, _socket.SO_RCVBUF, _BUFFER)

    def _try_option(self, level: int, option: int, value: int) -> bool:
        """False on an older kernel: then errors hold less text, and answers are filtered here alone."""
        try:
            self._socket.setsockopt(level, option, value)
        except OSError:
            return False
        return True

    def close(self) -> None:
        """Close the socket; a second time is no error."""
        self._socket.close()

    def getsockopt(self, level: int, option: int, size: int) -> bytes:
        """A socket option's raw bytes; OSError when the kernel does not know it."""
        return self._socket.getsockopt(level, option, size)

    def batch(self, messages: Sequence[Message]) -> list[KernelError | None]:
        """Send all, and return what became of each: None is done."""
        outcomes: list[KernelError | None] = []
        for start in range(0, len(messages), BATCH):
            part = messages[start : start + BATCH]
            outcomes += self._acknowledgements(self._send(part, NLM_F_ACK), len(part))
        return outcomes

    def get(self, message: Message) -> bytes:
        """The payload of the one object that the request asks for; KernelError when there is none."""
        sequence = self._send((message,), 0)
        while True:
            for kind, flags, _, payload in self._receive(sequence, sequence):
                if kind != NLMSG_ERROR:
                    return payload
                raise refusal(kind, flags, payload) or KernelError("the kernel gave no answer", errno.ENODATA)

    def dump(self, message: Message, agree: Callable[[list[bytes]], object] | None = None) -> list[bytes]:
        """The payloads of every object that the request asks for, consistent among themselves.

        The kernel flags a dump that a change has cut through (NLM_F_DUMP_INTR); such a dump is thrown away whole and
        asked for again. Where the flag cannot be relied on, `agree` says what two dumps in a row must have in common
        if they come in several pieces. KernelError when no undisturbed one is had in DUMP_TRIES.
        """
        before: object = None
        for attempt in range(DUMP_TRIES):
            pieces = self._dump_once(message)
            payloads = [payload for piece in pieces or () for payload in piece]
            if pieces is not None and (agree is None or len(pieces) < 2):
                return payloads
            seen = agree(payloads) if agree and pieces is not None else None
            if seen is not None and seen == before:
                return payloads
            before = seen
            time.sleep(min(attempt, 10) / 1000)
        raise KernelError(
            f"{DUMP_TRIES} times in a row the kernel's answer changed while it was being read",
            errno.EINTR,
            "something is changing links, addresses or routes without pause; stop it or try again",
        )

    def _send(self, messages: Sequence[Message], flags: int) -> int:
        """Send them in one datagram; returns the first one's sequence number."""
        first = self._sequence + 1 if self._sequence < 0xFFFF0000 else 1
        self._sequence = first + len(messages) - 1
        data = b"".join([frame(message, flags, first + place) for place, message in enumerate(messages)])
        try:
            self._socket.send(data)
        except OSError as error:
            raise KernelError(f"netlink send: {error.strerror}", error.errno or 0) from error
        return first

    def _receive(self, first: int, last: int) -> list[tuple[int, int, int, bytes]]:
        """The answers in the next datagram to the requests `first` to `last`.

        Answers to an earlier request, left over when a signal interrupted it, are dropped; an answer to no request is
        an error.
        """
        try:
            data, _, received, sender = self._socket.recvmsg(_RECEIVE)
        except OSError as error:
            raise KernelError(f"netlink receive: {error.strerror}", error.errno or 0) from error
        if sender[0] != 0:
            return []  # another process, not the kernel
        if received & _socket.MSG_TRUNC:
            raise KernelError("a netlink answer is larger than the buffer for it", errno.EMSGSIZE)
        found = [answer for answer in answers(data) if answer[2] >= first]
        if any(answer[2] > last for answer in found):
            raise KernelError("the kernel sent a netlink answer that nobody asked for", errno.EBADMSG)
        return found

    def _acknowledgements(self, first: int, count: int) -> list[KernelError | None]:
        lost = KernelError("the kernel's answer was lost", errno.ENOBUFS)
        outcomes: list[KernelError | None] = [lost] * count
        missing = set(range(count))
        while missing:
            try:
                received = self._receive(first, first + count - 1)
            except KernelError as error:
                if error.errno == errno.ENOBUFS:
                    break
                raise
            for kind, flags, sequence, payload in received:
                if kind == NLMSG_ERROR:
                    outcomes[sequence - first] = refusal(kind, flags, payload)
                    missing.discard(sequence - first)
        return outcomes

    def _dump_once(self, message: Message) -> list[list[bytes]] | None:
        """The payloads, a list for each datagram; None when it was cut through (but read to its end)."""
        sequence = self._send((message,), NLM_F_DUMP)
        pieces: list[list[bytes]] = []
        whole = True
        while True:
            try:
                received = self._receive(sequence, sequence)
            except KernelError as error:
                if error.errno != errno.ENOBUFS:
                    raise
                whole = False
                continue
            whole = whole and not any(flags & NLM_F_DUMP_INTR for _, flags, _, _ in received)
            if piece := [payload for kind, _, _, payload in received if kind not in _LAST]:
                pieces.append(piece)
            for kind, flags, _, payload in received:
                if kind in _LAST:
                    if failure := refusal(kind, flags, payload):
                        raise failure
                    return pieces if whole else None
