"""Programs and maps of the kernel (eBPF) through bpf(2), which no other call stands for; numbers are from linux/bpf.h.

A program that is attached to a link lives as long as the link does; a map as long as a program that uses it. So nothing
is pinned anywhere, and what is there is found by asking a link for its programs, and these for their maps.
"""

from __future__ import annotations

import ctypes
import errno
import os
from _socket import if_nametoindex
from struct import Struct

from netkit.errors import KernelError, UnsupportedError
from netkit.plan.rare.fastpath import HINT

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from types import TracebackType
    from typing import Self

#: Kinds of maps: one that keeps all, one that forgets what was not used for longest, one that is asked by prefixes.
HASH, FORGETFUL, PREFIXES = 1, 9, 11
#: Where a program is shown the packets of a link: BPF_TCX_INGRESS, BPF_TCX_EGRESS.
ARRIVING, LEAVING = 46, 47
#: BPF_F_NO_PREALLOC, which maps of prefixes are to be made with.
_AS_NEEDED = 1
#: The call's number, where it is not that of most (asm-generic).
_NUMBERS = {"x86_64": 321, "ppc64le": 361, "s390x": 351, "armv7l": 386, "i686": 357}
_NUMBER = _NUMBERS.get(os.uname().machine, 280)
_LIBC = ctypes.CDLL(None, use_errno=True)
_MAP_CREATE, _LOOK_UP, _UPDATE, _DELETE, _NEXT_KEY, _LOAD, _ATTACH, _DETACH = 0, 1, 2, 3, 4, 5, 8, 9
_PROGRAM_BY_ID, _MAP_BY_ID, _INFO, _QUERY = 13, 14, 15, 16
#: BPF_PROG_TYPE_SCHED_CLS.
_OF_PACKETS = 3
_LICENSE = ctypes.create_string_buffer(b"GPL")  # the kernel's helpers are for such programs alone
#: The beginnings of the call's union, by command, and of struct bpf_prog_info and bpf_map_info.
_NEW_MAP, _ELEMENT, _PROGRAM = Struct("=IIIIIII16s20x"), Struct("=IxxxxQQQ"), Struct("=IIQQIIQII16s36x")
_TO_LINK, _ASKED, _BY_ID, _ABOUT = Struct("=IIII16x"), Struct("=IIIIQI36x"), Struct("=I12x"), Struct("=IIQ")
_PROGRAM_INFO, _MAP_INFO = Struct("=52xIQ16s"), Struct("=24x16s")
_MANY = 64
#: A link that each namespace has.
LOOPBACK = 1
#: How a kernel answers that knows no such call, place or helper; anything else is another matter.
_UNKNOWN = (errno.EINVAL, errno.EOPNOTSUPP)


class Held:
    """An object of the kernel while a descriptor holds it."""

    def __init__(self, fd: int) -> None:
        self.fd = fd

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        os.close(self.fd)


class Map(Held):
    """A map; a key or value is as many bytes as it was made with."""

    def __init__(self, fd: int, key: int, value: int) -> None:
        super().__init__(fd)
        self._key, self._value = key, value

    def set(self, key: bytes, value: bytes) -> None:
        """Write one."""
        self._call(_UPDATE, key, ctypes.create_string_buffer(value, self._value))

    def delete(self, key: bytes) -> None:
        """Forget one; KernelError (ENOENT) when there is none."""
        self._call(_DELETE, key)

    def items(self) -> Iterator[tuple[bytes, bytes]]:
        """All of them; one that goes meanwhile is left out."""
        key: bytes | None = None
        while (key := self._after(key)) is not None:
            value = ctypes.create_string_buffer(self._value)
            try:
                self._call(_LOOK_UP, key, value)
            except KernelError as error:
                if error.errno != errno.ENOENT:
                    raise
                continue
            yield key, value.raw

    def _after(self, key: bytes | None) -> bytes | None:
        found = ctypes.create_string_buffer(self._key)
        try:
            self._call(_NEXT_KEY, key, found)
        except KernelError as error:
            if error.errno == errno.ENOENT:
                return None
            raise
        return found.raw

    def _call(self, command: int, key: bytes | None, value: ctypes.Array[ctypes.c_char] | None = None) -> None:
        held = None if key is None else ctypes.create_string_buffer(key, self._key)
        _bpf(command, _ELEMENT.pack(self.fd, _at(held), _at(value), 0), "its maps")


class Program(Held):
    """A program."""

    @property
    def name(self) -> str:
        """What it was called when it was made."""
        return self._info()[1]

    def maps(self) -> dict[str, int]:
        """The numbers of the maps that it uses, by their names."""
        numbers = (ctypes.c_uint32 * _MANY)()
        count = self._info(_PROGRAM_INFO.pack(_MANY, ctypes.addressof(numbers), b""))[0]
        found = {}
        for number in numbers[: min(count, _MANY)]:
            with Held(_bpf(_MAP_BY_ID, _BY_ID.pack(number), "a map")) as it:
                (name,) = _MAP_INFO.unpack(_info(it.fd, bytes(_MAP_INFO.size)))
                found[_text(name)] = number
        return found

    def _info(self, asked: bytes = bytes(_PROGRAM_INFO.size)) -> tuple[int, str]:
        """How many maps it uses, and its name."""
        count, _, name = _PROGRAM_INFO.unpack(_info(self.fd, asked))
        return count, _text(name)


def takes(trial: Callable[[], object]) -> bool:
    """Whether this kernel takes what a trial loads and lets go; KernelError when that fails for another reason."""
    try:
        trial()
    except UnsupportedError:
        return False
    except KernelError as error:
        if error.errno not in _UNKNOWN:
            raise
        return False
    return True


def index_of(dev: str) -> int:
    """The index of a link in the thread's namespace; KernelError (ENODEV) when there is none."""
    try:
        return if_nametoindex(dev)
    except OSError as error:
        raise KernelError(f"there is no link {dev}", errno.ENODEV) from error


def new_map(kind: int, name: str, key: int, value: int, entries: int) -> Map:
    """A map of so many entries at most."""
    flags = _AS_NEEDED if kind == PREFIXES else 0
    asked = _NEW_MAP.pack(kind, key, value, entries, flags, 0, 0, name.encode())
    return Map(_bpf(_MAP_CREATE, asked, "a map"), key, value)


def open_map(number: int, key: int, value: int) -> Map:
    """The map of that number."""
    return Map(_bpf(_MAP_BY_ID, _BY_ID.pack(number), "a map"), key, value)


def load(name: str, code: bytes) -> Program:
    """Have the kernel take a program for packets of links; KernelError when it finds fault with it."""
    held = ctypes.create_string_buffer(code, len(code))
    asked = _PROGRAM.pack(_OF_PACKETS, len(code) // 8, _at(held), _at(_LICENSE), 0, 0, 0, 0, 0, name.encode())
    return Program(_bpf(_LOAD, asked, f"the program {name}"))


def attach(program: Program, index: int, where: int = ARRIVING) -> None:
    """Show a program each packet that arrives at a link of the thread's namespace, after those that are there."""
    _bpf(_ATTACH, _TO_LINK.pack(index, program.fd, where, 0), "a program at that link")


def detach(program: Program, index: int, where: int = ARRIVING) -> None:
    """Show it none any more."""
    _bpf(_DETACH, _TO_LINK.pack(index, program.fd, where, 0), "to take a program away")


def attached(index: int, where: int = ARRIVING) -> Iterator[Program]:
    """The programs that are shown what arrives at a link (or leaves it), each held until the next is asked for."""
    numbers = (ctypes.c_uint32 * _MANY)()
    held = ctypes.create_string_buffer(_ASKED.pack(index, where, 0, 0, ctypes.addressof(numbers), _MANY))
    _bpf_into(_QUERY, held, "which programs a link has")
    count = _ASKED.unpack(held.raw[: _ASKED.size])[5]
    for number in numbers[:count]:
        try:
            program = Program(_bpf(_PROGRAM_BY_ID, _BY_ID.pack(number), "a program"))
        except KernelError as error:
            if error.errno != errno.ENOENT:
                raise
            continue
        with program:
            yield program


def _info(fd: int, asked: bytes) -> bytes:
    held = ctypes.create_string_buffer(asked, len(asked))
    _bpf(_INFO, _ABOUT.pack(fd, len(asked), ctypes.addressof(held)), "what it is")
    return held.raw


def _text(name: bytes) -> str:
    return name.partition(b"\0")[0].decode("ascii", "replace")


def _at(held: ctypes.Array[ctypes.c_char] | None) -> int:
    return 0 if held is None else ctypes.addressof(held)


def _bpf(command: int, asked: bytes, what: str) -> int:
    return _bpf_into(command, ctypes.create_string_buffer(asked, len(asked)), what)


def _bpf_into(command: int, held: ctypes.Array[ctypes.c_char], what: str) -> int:
    """What the kernel answers, in place of what it is asked where it says more."""
    answer: int = _LIBC.syscall(ctypes.c_long(_NUMBER), command, ctypes.byref(held), ctypes.sizeof(held))
    if answer >= 0:
        return answer
    code = ctypes.get_errno()
    if code in (errno.ENOSYS, errno.EPERM):
        raise UnsupportedError(f"this kernel does not let us use eBPF ({os.strerror(code)})", HINT)
    raise KernelError(f"eBPF: the kernel refuses {what}: {os.strerror(code)}", code)
