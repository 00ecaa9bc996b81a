"""The fast path of overlays: its three programs, and the maps by which they know where frames go.

    ports    MAC of this host -> index of the port that leads to it, 0 where the bridge is to have its frames
    heard    MAC behind the tunnel -> when the tunnel last heard from it, in seconds (of 2^30 ns) since boot
    peers    the address of a peer, whose packets may be opened at the underlay -> its family

All programs share the first two, which are found again through the tunnel's program. What is for one who was silent
for a while goes by way of the bridge, which knows best; so an interface that moves is never lost for longer than that.
Only the tunnel's program writes down who was heard, and sees a frame in some seconds of those that may go past it: so
who is not let in by its guard any more, or has moved, does not get in past it for longer than that either.
"""

from __future__ import annotations

import errno
from _socket import AF_INET, AF_INET6, inet_ntop, inet_pton
from sys import byteorder

from netkit.errors import KernelError, NotFoundError
from netkit.kernel import bpf
from netkit.kernel.fastcode import INDEX, KEY, TIME, from_port, from_tunnel
from netkit.kernel.outcomes import one_by_one
from netkit.kernel.underlaycode import PEER, from_underlay
from netkit.model import family
from netkit.plan.rare.fastpath import (
    PORTS,
    TUNNEL,
    FastPath,
    FastPathAdd,
    FastPathDel,
    FastPeerAdd,
    FastPeerDel,
    FastPortAdd,
    FastPortDel,
    FastUnderlayAdd,
    FastUnderlayDel,
)

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence
    from typing import Any

    from netkit.kernel.bpf import Map, Program
    from netkit.kernel.outcomes import Outcome
    from netkit.plan.ops import Op

_PORTS, _HEARD, _PEERS = "nk_ports", "nk_heard", "nk_peers"
_MOST_PORTS, _MOST_HEARD, _MOST_PEERS = 4096, 16384, 16384


def known() -> bool:
    """Whether this kernel takes such programs."""
    return bpf.takes(_try)


def _try() -> None:
    some = "192.0.2.1"
    list(bpf.attached(bpf.LOOPBACK))
    with (
        _new_ports() as ports,
        _new_heard() as heard,
        _new_peers() as peers,
        bpf.load(TUNNEL, from_tunnel(ports.fd, heard.fd)),
        bpf.load(TUNNEL, from_underlay(ports.fd, heard.fd, peers.fd, some, 1, 1)),
    ):
        pass


def carry_out(ops: Sequence[Op], tolerant: bool) -> list[Outcome]:
    """What became of each op, in the namespace that the thread is in."""
    return one_by_one(ops, _carry_out, tolerant)


def seen(dev: str, name: str = "") -> FastPath:
    """What our program at a link is and knows, or the one of that name; nothing of it when there is none.

    The link may go meanwhile.
    """
    try:
        return next((_seen(program) for program in _ours(bpf.index_of(dev), name)), FastPath())
    except KernelError as error:
        if error.errno == errno.ENODEV:
            return FastPath()
        raise


def _seen(program: Program) -> FastPath:
    name, maps = program.name, program.maps()
    found = FastPath(name, maps.get(_HEARD, 0))
    if _PEERS in maps:
        with bpf.open_map(maps[_PEERS], PEER, INDEX) as peers:
            return found.replace(peers=frozenset(_address(key, _number(value)) for key, value in peers.items()))
    if name == TUNNEL:
        with bpf.open_map(maps[_PORTS], KEY, INDEX) as ports:
            return found.replace(ports=frozenset((key[:6].hex(":"), _number(value)) for key, value in ports.items()))
    return found


def _ours(index: int, name: str = "") -> Iterator[Program]:
    """Our programs at a link, or the one of that name, each held until the next is asked for."""
    for program in bpf.attached(index):
        if program.name == name or (not name and program.name.startswith(PORTS)):
            yield program


def _carry_out(op: Op) -> None:
    if type(op) not in _CARRIERS:
        raise TypeError(f"{type(op).__name__} is not for the fast path")
    _CARRIERS[type(op)](op)


def _add_path(op: FastPathAdd) -> None:
    index = bpf.index_of(op.dev)
    _take_away(index)
    with _new_ports() as ports, _new_heard() as heard:
        ports.set(_key(op.mac), _packed_number(0))
        with bpf.load(TUNNEL, from_tunnel(ports.fd, heard.fd)) as program:
            bpf.attach(program, index)


def _add_port(op: FastPortAdd) -> None:
    index = bpf.index_of(op.dev)
    _take_away(index)
    maps = _maps(op.tunnel)
    with bpf.open_map(maps[_PORTS], KEY, INDEX) as ports, bpf.open_map(maps[_HEARD], KEY, TIME) as heard:
        ports.set(_key(op.mac), _packed_number(index if op.addresses else 0))
        _forget(heard, op.mac)
        if op.addresses:
            code = from_port(heard.fd, bpf.index_of(op.tunnel), op.mac, op.addresses)
            with bpf.load(op.program, code) as program:
                bpf.attach(program, index)


def _delete_path(op: FastPathDel) -> None:
    _take_away(bpf.index_of(op.dev))


def _delete_port(op: FastPortDel) -> None:
    try:
        _take_away(bpf.index_of(op.dev))
    except KernelError as error:
        if error.errno != errno.ENODEV:
            raise
    with bpf.open_map(_maps(op.tunnel)[_PORTS], KEY, INDEX) as ports:
        ports.delete(_key(op.mac))


def _add_underlay(op: FastUnderlayAdd) -> None:
    """In place of one that was there, whose peers are known still."""
    index, maps = bpf.index_of(op.dev), _maps(op.tunnel)
    before = next((program.maps()[_PEERS] for program in _ours(index, op.program)), None)
    with (
        bpf.open_map(maps[_PORTS], KEY, INDEX) as ports,
        bpf.open_map(maps[_HEARD], KEY, TIME) as heard,
        bpf.open_map(before, PEER, INDEX) if before else _new_peers() as peers,
        bpf.load(op.program, from_underlay(ports.fd, heard.fd, peers.fd, op.local, op.port, op.vni)) as program,
    ):
        _take_away(index, op.program)
        bpf.attach(program, index)


def _delete_underlay(op: FastUnderlayDel) -> None:
    _take_away(bpf.index_of(op.dev), op.program)


def _add_peer(op: FastPeerAdd) -> None:
    with bpf.open_map(_maps(op.dev, op.program)[_PEERS], PEER, INDEX) as peers:
        peers.set(_packed(op.peer), _packed_number(family(op.peer)))


def _delete_peer(op: FastPeerDel) -> None:
    with bpf.open_map(_maps(op.dev, op.program)[_PEERS], PEER, INDEX) as peers:
        peers.delete(_packed(op.peer))


def _forget(among: Map, mac: str) -> None:
    try:
        among.delete(_key(mac))
    except KernelError as error:
        if error.errno != errno.ENOENT:
            raise


def _maps(dev: str, name: str = TUNNEL) -> dict[str, int]:
    for program in _ours(bpf.index_of(dev), name):
        return program.maps()
    raise NotFoundError(f"{dev} has no fast path", "netkit reload makes it anew")


def _take_away(index: int, name: str = "") -> None:
    """Our programs go from a link, or the one of that name."""
    for program in _ours(index, name):
        bpf.detach(program, index)


def _new_peers() -> Map:
    return bpf.new_map(bpf.HASH, _PEERS, PEER, INDEX, _MOST_PEERS)


def _new_ports() -> Map:
    return bpf.new_map(bpf.HASH, _PORTS, KEY, INDEX, _MOST_PORTS)


def _new_heard() -> Map:
    return bpf.new_map(bpf.FORGETFUL, _HEARD, KEY, TIME, _MOST_HEARD)


def _key(mac: str) -> bytes:
    return bytes.fromhex(mac.replace(":", "")) + bytes(KEY - 6)


def _packed(address: str) -> bytes:
    return inet_pton(AF_INET6 if family(address) == 6 else AF_INET, address).ljust(PEER, b"\0")


def _address(packed: bytes, version: int) -> str:
    return inet_ntop(AF_INET6, packed) if version == 6 else inet_ntop(AF_INET, packed[:4])


def _packed_number(number: int) -> bytes:
    return number.to_bytes(INDEX, byteorder)


def _number(packed: bytes) -> int:
    return int.from_bytes(packed, byteorder)


_CARRIERS: dict[type[Op], Callable[[Any], None]] = {
    FastPathAdd: _add_path,
    FastPathDel: _delete_path,
    FastPortAdd: _add_port,
    FastPortDel: _delete_port,
    FastUnderlayAdd: _add_underlay,
    FastUnderlayDel: _delete_underlay,
    FastPeerAdd: _add_peer,
    FastPeerDel: _delete_peer,
}
