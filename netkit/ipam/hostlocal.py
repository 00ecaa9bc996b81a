"""Reading a store of the CNI plugin host-local: one file an address, in it the container's id and its interface.

dataDir/NETWORK/10.22.0.5      0123abcd\r\neth0
dataDir/NETWORK/last_reserved_ip.0, lock
"""

from __future__ import annotations

import os

from netkit.errors import NotFoundError
from netkit.ipam.pool import number, text
from netkit.model import family
from netkit.value import Value

_LARGEST = 4096


class Holding(Value):
    """An address, and who has it."""

    address: str
    container: str
    ifname: str


def read(directory: str) -> list[Holding]:
    """Every address that is held in a network's directory; old files name no interface, then it is eth0.

    Empty files, which a crash leaves there, hold nothing.
    """
    try:
        names = sorted(os.listdir(directory))
    except OSError as error:
        raise NotFoundError(f"cannot read {directory}: {error.strerror}", "give dataDir/NETWORK") from error
    found = []
    for name in names:
        address = _address(name)
        words = _content(f"{directory}/{name}").split() if address else []
        if address and words:
            found.append(Holding(address, words[0], words[1] if len(words) > 1 else "eth0"))
    return found


def _address(name: str) -> str:
    """The address that a file is named by, "" for other files."""
    try:
        return text(number(name), family(name))
    except ValueError:
        return ""


def _content(path: str) -> str:
    try:
        descriptor = os.open(path, os.O_RDONLY | os.O_NOFOLLOW | os.O_CLOEXEC | os.O_NONBLOCK)
    except OSError:
        return ""
    try:
        return os.read(descriptor, _LARGEST).decode("utf-8", "replace")
    finally:
        os.close(descriptor)
