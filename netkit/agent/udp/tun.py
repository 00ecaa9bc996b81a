"""A TUN device: made, or taken over from a proxy that has gone."""

from __future__ import annotations

import errno
import fcntl
import os
import struct
from io import FileIO

from netkit.errors import ConflictError, HostError, NetkitError

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Final

DEVICE = "/dev/net/tun"
#: `struct virtio_net_hdr` stands before each packet: flags, gso_type, hdr_len, gso_size, csum_start, csum_offset.
HEADER: Final = struct.Struct("=BBHHHH")
NEEDS_CSUM = 1
GSO_TCPV4, GSO_TCPV6, GSO_UDP_L4 = 1, 4, 5
_TUNSETIFF, _TUNSETPERSIST, _TUNSETOFFLOAD = 0x400454CA, 0x400454CB, 0x400454D0
_TUN, _NO_PI, _VNET_HDR = 0x0001, 0x1000, 0x4000
_CSUM, _USO4, _USO6 = 0x01, 0x20, 0x40
_REASONS = {
    errno.EBUSY: (ConflictError, "another process uses it", "end it, or choose another name"),
    errno.EINVAL: (ConflictError, "a link of this name is no such TUN device", "remove it, or choose another name"),
    errno.EPERM: (HostError, "not permitted", "run as root"),
}


class Tun:
    """An open TUN device. Reads give one packet each, cut and summed by the kernel; writes may hold a flow's worth.

    `file` reads without waiting: None where there is nothing, and no exception, which costs as much as three reads.
    """

    def __init__(self, name: str) -> None:
        self.name = name
        try:
            self.file = FileIO(DEVICE, "r+", opener=_open)
        except OSError as error:
            raise HostError(f"cannot open {DEVICE}: {error.strerror}", "is the kernel's tun module there?") from error
        self.fd = self.file.fileno()
        try:
            fcntl.ioctl(self.fd, _TUNSETIFF, struct.pack("16sH22x", name.encode(), _TUN | _NO_PI | _VNET_HDR))
            self.takes_udp = self._probe_udp()
        except OSError as error:
            self.file.close()
            raise _refusal(name, error) from error

    def persist(self, stays: bool) -> None:
        """Whether the device stays when its last user goes, with its addresses and the routes to it."""
        fcntl.ioctl(self.fd, _TUNSETPERSIST, int(stays))

    def close(self) -> None:
        """Let go of the device."""
        self.file.close()

    def _probe_udp(self) -> bool:
        """Whether several UDP datagrams can be written at once, which kernels before 6.2 cannot.

        Reads get no offload: cutting and summing in Python costs more than reading packets that the kernel has cut.
        """
        try:
            fcntl.ioctl(self.fd, _TUNSETOFFLOAD, _CSUM | _USO4 | _USO6)
        except OSError:
            return False
        finally:
            fcntl.ioctl(self.fd, _TUNSETOFFLOAD, 0)
        return True


def _open(path: str, flags: int) -> int:
    return os.open(path, flags | os.O_NONBLOCK)


def _refusal(name: str, error: OSError) -> NetkitError:
    kind, why, hint = _REASONS.get(error.errno or 0, (HostError, error.strerror or "?", "see the kernel's log"))
    return kind(f"cannot have the TUN device {name}: {why}", hint)
