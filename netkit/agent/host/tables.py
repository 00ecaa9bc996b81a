"""When a whole table of rules goes away: `nft flush ruleset`, or a firewall that is loaded anew."""

from __future__ import annotations

import errno
import socket

from netkit.errors import HostError
from netkit.kernel.wire import answers

_NETLINK_NETFILTER = 12
_SOL_NETLINK, _ADD_MEMBERSHIP = 270, 1
_GROUP_NFTABLES = 7
#: NFNL_SUBSYS_NFTABLES and NFT_MSG_DELTABLE.
_DELTABLE = 10 << 8 | 2


class Tables:
    """A socket that hears what nftables tells in this process's network namespace."""

    def __init__(self) -> None:
        kind = socket.SOCK_RAW | socket.SOCK_CLOEXEC | socket.SOCK_NONBLOCK
        try:
            self._socket = socket.socket(socket.AF_NETLINK, kind, _NETLINK_NETFILTER)
            self._socket.bind((0, 0))
            self._socket.setsockopt(_SOL_NETLINK, _ADD_MEMBERSHIP, _GROUP_NFTABLES)
        except OSError as error:
            raise HostError(f"cannot hear of the firewall: {error.strerror}", "is nftables there?") from error

    def fileno(self) -> int:
        return self._socket.fileno()

    def close(self) -> None:
        """Hear no more."""
        self._socket.close()

    def gone(self) -> bool:
        """Whether a table has gone since the last call, or so much happened that one may have."""
        found = False
        while True:
            try:
                data = self._socket.recv(1 << 16)
            except BlockingIOError:
                return found
            except OSError as error:
                if error.errno != errno.ENOBUFS:
                    raise
                found = True
                continue
            found = found or any(kind == _DELTABLE for kind, *_ in answers(data))
