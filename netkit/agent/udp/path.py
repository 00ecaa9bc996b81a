"""The way of packets: from the TUN device to peers, and from peers to the TUN device."""

from __future__ import annotations

import errno
import os
import select

from netkit.agent.udp.batch import BYTES, Slots, runs
from netkit.agent.udp.merge import alike, dissect, merged
from netkit.agent.udp.received import Received
from netkit.agent.udp.sockets import datagram_size, segments
from netkit.agent.udp.tun import GSO_UDP_L4, HEADER

TYPE_CHECKING = False
if TYPE_CHECKING:
    import socket
    from collections.abc import Sequence

    from netkit.agent.udp.merge import Shape
    from netkit.agent.udp.table import Endpoint, Peer, Table
    from netkit.agent.udp.tun import Tun

#: What is dropped is counted, by reason.
REASONS = {
    "no_route": "no peer has the destination",
    "multicast": "a packet for many, which no peer takes: the kernel's own discovery",
    "send_failed": "the kernel did not take a datagram, or has no route to the peer",
    "unknown_peer": "a datagram from an address that is no peer's",
    "malformed": "a datagram that is no IP packet",
    "spoofed": "the source is not in a subnet of the peer that sent it",
    "astray": "the destination is in no subnet of this host",
    "not_taken": "the TUN device did not take a packet: it is down",
    "unread": "a datagram that came and was not read: no room, a wrong checksum or none",
}
#: The first bytes of multicast addresses, by how many bytes an address has.
_MULTICAST = {4: (224, 255), 16: (255, 255)}
_PLAIN = bytes(HEADER.size)
_ANCILLARY = 64
#: How long a full send buffer is waited for, in milliseconds.
_PATIENCE = 20
#: Errors that say that datagrams cannot be sent together: one is too long for the way, or the device sums nothing.
_ONE_BY_ONE = (errno.EMSGSIZE, errno.EINVAL, errno.EIO)


class Path:
    """Both directions; each call carries on what one read gives."""

    def __init__(self, tun: Tun, udp: socket.socket, mtu: int, table: Table) -> None:
        self.table = table
        self.dropped = dict.fromkeys(REASONS, 0)
        self._tun, self._udp = tun, udp
        self._slots = Slots(mtu)
        self._received = Received()
        self._segments: dict[int, list[tuple[int, int, bytes]]] = {}

    def outward(self) -> None:
        """Send what containers have for peers."""
        slots = self._slots
        lengths = slots.fill(self._tun.file)
        destinations = slots.destinations(len(lengths))
        hops = self.table.hops(destinations)
        for start, stop in runs(lengths, hops, slots.most):
            peer = hops[start]
            if peer is None:
                self._drop(destinations[start:stop])
            else:
                self._send(peer, slots.views(start, stop, lengths), lengths[start])
                peer.packets_out += stop - start
                peer.bytes_out += sum(lengths[start:stop])

    def _drop(self, destinations: Sequence[bytes]) -> None:
        for destination in destinations:
            first, last = _MULTICAST[len(destination)]
            self.dropped["multicast" if first <= destination[0] <= last else "no_route"] += 1

    def _send(self, peer: Peer, packets: Sequence[memoryview], size: int) -> None:
        together = self._cut(size) if len(packets) > 1 else []
        try:
            if together:
                self._udp.sendmsg(packets, together, 0, peer.address)
            else:
                self._udp.sendto(packets[0], peer.address)
        except BlockingIOError:
            self._send_later(peer, packets, together)
        except OSError as error:
            if len(packets) > 1 and error.errno in _ONE_BY_ONE:
                for packet in packets:
                    self._send(peer, [packet], size)
            else:
                self.dropped["send_failed"] += len(packets)

    def _send_later(self, peer: Peer, packets: Sequence[memoryview], together: list[tuple[int, int, bytes]]) -> None:
        """The send buffer is full: wait a little, as a packet lost costs more."""
        room = select.poll()
        room.register(self._udp, select.POLLOUT)
        room.poll(_PATIENCE)
        try:
            self._udp.sendmsg(packets, together, 0, peer.address)
        except OSError:
            self.dropped["send_failed"] += len(packets)

    def _cut(self, size: int) -> list[tuple[int, int, bytes]]:
        if size not in self._segments:
            self._segments[size] = segments(size)
        return self._segments[size]

    def inward(self) -> None:
        """Give the kernel what a peer has sent; what does not fit one send is mostly followed by the rest."""
        first = self._receive(0)
        if first is None:
            return
        length, size, sender = first
        second = self._receive(length) if length + size > BYTES else None
        if second is None:
            self._carry(length, size, sender)
        elif second[2] == sender and length % size == 0 and (second[1] == size or 0 < second[0] < size):
            self._carry(length + second[0], size, sender)
        else:
            self._carry(length, size, sender)
            self._received.memory[: second[0]] = self._received.view[length : length + second[0]]
            self._carry(*second)

    def _receive(self, at: int) -> tuple[int, int, Endpoint] | None:
        """Length, size and sender of datagrams that are put into the memory there; None when there are none."""
        try:
            room = self._received.view[at:]
            length, ancillary, _, sender = self._udp.recvmsg_into([room], _ANCILLARY)
        except OSError:  # nothing there after all, or a datagram with a wrong checksum
            return None
        return length, datagram_size(ancillary, length), sender[:2]

    def _carry(self, length: int, size: int, sender: Endpoint) -> None:
        received = self._received
        received.filled(length, size)
        peer = self.table.peers.get(sender)
        if peer is None:
            self.dropped["unknown_peer"] += received.count
            return
        place = 0
        while place < received.count:
            place += self._accept(peer, place)

    def _accept(self, peer: Peer, place: int) -> int:
        """Carry on the packet at this place, and those that go with it; how many they are."""
        received = self._received
        packet = received.packet(place)
        shape = dissect(packet)
        if shape is None or (reason := self._refuses(peer, packet, shape)):
            self.dropped["malformed" if shape is None else reason] += 1
            return 1
        buffers: list[memoryview | bytes] = [_PLAIN, packet]
        count, pushed = 1, False
        if place + 1 < received.count and shape.kind and (shape.kind != GSO_UDP_L4 or self._tun.takes_udp):
            count, pushed = alike(received, place, shape)
            if count > 1:
                buffers = merged(received, place, count, shape, pushed)
        self._write(buffers, count)
        peer.packets_in += count
        peer.bytes_in += min(count * received.size, received.length - place * received.size)
        return count

    def _refuses(self, peer: Peer, packet: memoryview, shape: Shape) -> str:
        """Why this packet may not come from this peer, "" when it may."""
        if not self.table.is_from(peer, bytes(packet[shape.source])):
            return "spoofed"
        return "" if self.table.is_here(bytes(packet[shape.destination])) else "astray"

    def _write(self, buffers: Sequence[memoryview | bytes], count: int) -> None:
        try:
            os.writev(self._tun.fd, buffers)
        except OSError:
            self.dropped["not_taken"] += count
