"""The fast path of overlays: its two programs, and the maps by which they know where frames go.

    ports    MAC of this host -> index of the port that leads to it, 0 where the bridge is to have its frames
    heard    MAC behind the tunnel -> when it was last heard from, in seconds (of 2^30 ns) since boot

Both programs share the two maps, which are found again through the tunnel's program. What is for one who was silent
for a while goes by way of the bridge, which knows best; so an interface that moves is never lost for longer than that.
"""

from __future__ import annotations

import errno
from _socket import if_nametoindex
from sys import byteorder

from netkit.errors import KernelError, NotFoundError, UnsupportedError
from netkit.kernel import bpf
from netkit.kernel.fastcode import INDEX, KEY, TIME, from_port, from_tunnel
from netkit.kernel.outcomes import one_by_one
from netkit.plan.rare.fastpath import PORTS, TUNNEL, FastPath, FastPathAdd, FastPathDel, FastPortAdd, FastPortDel

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Sequence

    from netkit.kernel.bpf import Map
    from netkit.kernel.outcomes import Outcome
    from netkit.plan.ops import Op

_PORTS, _HEARD = "nk_ports", "nk_heard"
_MOST_PORTS, _MOST_HEARD = 4096, 16384
_LOOPBACK = 1
#: How a kernel answers that knows no such call, place or helper; anything else is another matter.
_UNKNOWN = (errno.EINVAL, errno.EOPNOTSUPP)


def known() -> bool:
    """Whether this kernel takes such programs; asking leaves nothing behind."""
    try:
        list(bpf.attached(_LOOPBACK))
        with _new_ports() as ports, _new_heard() as heard, bpf.load(TUNNEL, from_tunnel(ports.fd, heard.fd)):
            return True
    except UnsupportedError:
        return False
    except KernelError as error:
        if error.errno not in _UNKNOWN:
            raise
        return False


def carry_out(ops: Sequence[Op], tolerant: bool) -> list[Outcome]:
    """What became of each op, in the namespace that the thread is in."""
    return one_by_one(ops, _carry_out, tolerant)


def seen(dev: str) -> FastPath:
    """What our program at a link is and knows; nothing of it when there is none, or when the link went meanwhile."""
    try:
        return _seen(_index(dev))
    except KernelError as error:
        if error.errno == errno.ENODEV:
            return FastPath()
        raise


def _seen(index: int) -> FastPath:
    for program in bpf.attached(index):
        name = program.name
        if not name.startswith(PORTS):
            continue
        maps = program.maps()
        if name != TUNNEL:
            return FastPath(name, maps.get(_HEARD, 0))
        with bpf.open_map(maps[_PORTS], KEY, INDEX) as ports:
            found = frozenset((key[:6].hex(":"), int.from_bytes(value, byteorder)) for key, value in ports.items())
        return FastPath(name, maps[_HEARD], found)
    return FastPath()


def _carry_out(op: Op) -> None:
    if isinstance(op, FastPathAdd):
        _add_path(op)
    elif isinstance(op, FastPathDel):
        _take_away(_index(op.dev))
    elif isinstance(op, FastPortAdd):
        _add_port(op)
    elif isinstance(op, FastPortDel):
        _delete_port(op)
    else:
        raise TypeError(f"{type(op).__name__} is not for the fast path")


def _add_path(op: FastPathAdd) -> None:
    index = _index(op.dev)
    _take_away(index)
    with _new_ports() as ports, _new_heard() as heard:
        ports.set(_key(op.mac), _as_index(0))
        with bpf.load(TUNNEL, from_tunnel(ports.fd, heard.fd)) as program:
            bpf.attach(program, index)


def _add_port(op: FastPortAdd) -> None:
    index = _index(op.dev)
    _take_away(index)
    maps = _maps(op.tunnel)
    with bpf.open_map(maps[_PORTS], KEY, INDEX) as ports, bpf.open_map(maps[_HEARD], KEY, TIME) as heard:
        ports.set(_key(op.mac), _as_index(index if op.addresses else 0))
        _forget(heard, op.mac)
        if op.addresses:
            code = from_port(heard.fd, _index(op.tunnel), op.mac, op.addresses)
            with bpf.load(op.program, code) as program:
                bpf.attach(program, index)


def _delete_port(op: FastPortDel) -> None:
    try:
        _take_away(_index(op.dev))
    except KernelError as error:
        if error.errno != errno.ENODEV:
            raise
    with bpf.open_map(_maps(op.tunnel)[_PORTS], KEY, INDEX) as ports:
        ports.delete(_key(op.mac))


def _forget(among: Map, mac: str) -> None:
    try:
        among.delete(_key(mac))
    except KernelError as error:
        if error.errno != errno.ENOENT:
            raise


def _maps(tunnel: str) -> dict[str, int]:
    for program in bpf.attached(_index(tunnel)):
        if program.name == TUNNEL:
            return program.maps()
    raise NotFoundError(f"{tunnel} has no fast path", "netkit reload makes it anew")


def _take_away(index: int) -> None:
    """Our programs go from a link."""
    for program in bpf.attached(index):
        if program.name.startswith(PORTS):
            bpf.detach(program, index)


def _new_ports() -> Map:
    return bpf.new_map(bpf.HASH, _PORTS, KEY, INDEX, _MOST_PORTS)


def _new_heard() -> Map:
    return bpf.new_map(bpf.FORGETFUL, _HEARD, KEY, TIME, _MOST_HEARD)


def _index(dev: str) -> int:
    try:
        return if_nametoindex(dev)
    except OSError as error:
        raise KernelError(f"there is no link {dev}", errno.ENODEV) from error


def _key(mac: str) -> bytes:
    return bytes.fromhex(mac.replace(":", "")) + bytes(KEY - 6)


def _as_index(index: int) -> bytes:
    return index.to_bytes(INDEX, byteorder)
