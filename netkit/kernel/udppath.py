"""The fast path of backend `udp`: its two programs, and the map by which they know whose a subnet is.

    nku_peers    prefix -> address and port of the peer that has it, whether it takes what a kernel sends, and what has
                 passed: packets and bytes out, packets and bytes in

Both programs share the map, which is found again through the program at the device.
"""

from __future__ import annotations

import errno
import ipaddress
from _socket import AF_INET, inet_ntop, inet_pton

from netkit.errors import KernelError, NotFoundError
from netkit.kernel import bpf
from netkit.kernel.outcomes import one_by_one
from netkit.kernel.udpcode import KEY, PEER, receiving, sending
from netkit.plan.rare.udppath import OURS, UdpPath, UdpPathAdd, UdpPathDel, UdpPeerAdd, UdpPeerDel
from netkit.value import Value

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from netkit.kernel.bpf import Map, Program
    from netkit.kernel.outcomes import Outcome
    from netkit.plan.ops import Op

_PEERS, _MOST = "nku_peers", 1 << 16


class Passed(Value):
    """What has gone to a subnet, and come from it, past the proxy; whether anything may go so."""

    takes: bool
    packets_out: int
    bytes_out: int
    packets_in: int
    bytes_in: int


def known() -> bool:
    """Whether this kernel takes such programs."""
    return bpf.takes(_try)


def _try() -> None:
    some, subnet = "192.0.2.1", ("192.0.2.0/24",)
    list(bpf.attached(bpf.LOOPBACK, bpf.LEAVING))
    with (
        _new_peers() as peers,
        bpf.load(OURS, sending(peers.fd, bpf.LOOPBACK, some, 1)),
        bpf.load(OURS, receiving(peers.fd, bpf.LOOPBACK, some, 1, subnet)),
    ):
        pass


def carry_out(ops: Sequence[Op], tolerant: bool) -> list[Outcome]:
    """What became of each op, in the namespace that the thread is in."""
    return one_by_one(ops, _carry_out, tolerant)


def seen(dev: str) -> UdpPath:
    """What our program at a link is and knows; nothing of it when there is none, or when the link went meanwhile."""
    try:
        return _seen(bpf.index_of(dev))
    except KernelError as error:
        if error.errno == errno.ENODEV:
            return UdpPath()
        raise


def _seen(index: int) -> UdpPath:
    for program in _ours(index, bpf.LEAVING):
        memory = program.maps()[_PEERS]
        return UdpPath(program.name, memory, frozenset((subnet, *_told(value)) for subnet, value in _entries(memory)))
    for program in _ours(index, bpf.ARRIVING):
        return UdpPath(program.name, program.maps()[_PEERS])
    return UdpPath()


def passed(dev: str) -> dict[str, Passed]:
    """By subnet, what the programs have carried; {} where there are none."""
    memory = seen(dev).memory
    found = {}
    for subnet, value in _entries(memory) if memory else ():
        takes, *counted = PEER.unpack(value)[2:]
        found[subnet] = Passed(bool(takes), *counted)
    return found


def _carry_out(op: Op) -> None:
    if isinstance(op, UdpPathAdd):
        _add(op)
    elif isinstance(op, UdpPathDel):
        for dev, where in ((op.dev, bpf.LEAVING), (op.link, bpf.ARRIVING)):
            _take_away(dev, where)
    elif isinstance(op, UdpPeerAdd):
        with _peers(op.dev) as peers:
            address = inet_pton(AF_INET, op.address)
            peers.set(_key(op.subnet), PEER.pack(address, op.port.to_bytes(2, "big"), op.takes, 0, 0, 0, 0))
    elif isinstance(op, UdpPeerDel):
        with _peers(op.dev) as peers:
            peers.delete(_key(op.subnet))
    else:
        raise TypeError(f"{type(op).__name__} is not for the fast path")


def _add(op: UdpPathAdd) -> None:
    """What peers send is taken before anything is sent, as they may answer the same way."""
    device, link = bpf.index_of(op.dev), bpf.index_of(op.link)
    for dev, where in ((op.dev, bpf.LEAVING), (op.link, bpf.ARRIVING)):
        _take_away(dev, where)
    with (
        _new_peers() as peers,
        bpf.load(op.program, receiving(peers.fd, device, op.local, op.port, op.leased)) as takes,
        bpf.load(op.program, sending(peers.fd, device, op.local, op.port)) as sends,
    ):
        bpf.attach(takes, link, bpf.ARRIVING)
        bpf.attach(sends, device, bpf.LEAVING)


def _take_away(dev: str, where: int) -> None:
    """Our programs go from a link, if they did not go with it."""
    try:
        index = bpf.index_of(dev)
        for program in _ours(index, where):
            bpf.detach(program, index, where)
    except KernelError as error:
        if error.errno not in (errno.ENODEV, errno.ENOENT):
            raise


def _ours(index: int, where: int) -> Iterator[Program]:
    return (program for program in bpf.attached(index, where) if program.name.startswith(OURS))


def _peers(dev: str) -> Map:
    for program in _ours(bpf.index_of(dev), bpf.LEAVING):
        return bpf.open_map(program.maps()[_PEERS], KEY.size, PEER.size)
    raise NotFoundError(f"{dev} has no fast path", "the agent makes it anew with its next round")


def _entries(memory: int) -> Iterator[tuple[str, bytes]]:
    with bpf.open_map(memory, KEY.size, PEER.size) as peers:
        for key, value in peers.items():
            length, address = KEY.unpack(key)
            yield f"{inet_ntop(AF_INET, address)}/{length}", value


def _told(value: bytes) -> tuple[str, int, bool]:
    address, port, takes = PEER.unpack(value)[:3]
    return inet_ntop(AF_INET, address), int.from_bytes(port, "big"), bool(takes)


def _new_peers() -> Map:
    return bpf.new_map(bpf.PREFIXES, _PEERS, KEY.size, PEER.size, _MOST)


def _key(subnet: str) -> bytes:
    net = ipaddress.IPv4Network(subnet)
    return KEY.pack(net.prefixlen, net.network_address.packed)
