"""The ledger of host ports: who has published what, in one file, one line a port or range.

    netkit ports 1 9d3f0c11
    tcp 0.0.0.0 8080 1 3f9c1a2b7d10

Lines, not JSON: a thousand of them are read, searched and written in less than a millisecond. The number after the
version is a checksum. The records know the same: a ledger that is lost or damaged is made again from them. All calls
need the host's lock.
"""

from __future__ import annotations

import binascii

from netkit.errors import ConflictError, StateError
from netkit.model import ANY, PortMap, family
from netkit.state.files import is_full
from netkit.state.records import Records

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from netkit.state.root import Root

_FILE = "ports"
_HEAD = "netkit ports 1 "


class Ledger:
    """The host ports of one root; an owner is an attachment's id."""

    def __init__(self, root: Root) -> None:
        self.root = root

    def claim(self, owner: str, ports: tuple[PortMap, ...], alive: Callable[[str], bool] = lambda owner: True) -> None:
        """Take ports for an owner, in place of what it had; all or none.

        ConflictError names the port and who has it. An owner in the way for which `alive` is false loses its ports.
        """
        if not ports:
            return self.release(owner)
        lines = [line for line in self._lines() if not line.endswith(f" {owner}")]
        for port in ports:
            lines = _make_room(lines, port, owner, alive)
            lines.append(_line(port, owner))
        return self._write(lines)

    def release(self, owner: str) -> None:
        """Give back all that an owner has; nothing is written when it has nothing. Works on a full disk."""
        lines = self.root.host.parse(_FILE, _parse) or []
        left = [line for line in lines if not line.endswith(f" {owner}")]
        if len(left) == len(lines):
            return
        try:
            self._write(left)
        except StateError as error:
            if not is_full(error):
                raise
            # No room for the shorter ledger. Without any, the next reader makes it anew from the records.
            self.root.host.unlink(_FILE)

    def taken(self, protocol: str, host_ip: str, first: int, last: int) -> str | None:
        """The owner of any of these ports at an address that gets in each other's way, None when they are free."""
        port = PortMap(protocol, host_ip, first, first, last - first + 1)
        found = _in_the_way(self._lines(), port)
        return found and found.rpartition(" ")[2]

    def entries(self) -> tuple[tuple[str, PortMap], ...]:
        """All (owner, port) pairs; what a port leads to is not kept here: its container port reads 0."""
        return tuple(_entry(line) for line in self._lines())

    def _lines(self) -> list[str]:
        lines = self.root.host.parse(_FILE, _parse)
        return self._remembered() if lines is None else lines

    def _remembered(self) -> list[str]:
        """The ledger as the records have it."""
        records = Records(self.root)
        owners = {r.id: r.endpoint.ports for r in (*records.attaching(), *records.all(), *records.detaching())}
        return [_line(port, owner) for owner, ports in owners.items() for port in ports]

    def _write(self, lines: Sequence[str]) -> None:
        body = "".join(f"{line}\n" for line in lines).encode("ascii")
        self.root.host.write(_FILE, f"{_HEAD}{binascii.crc32(body):08x}\n".encode("ascii") + body)


def _parse(data: bytes) -> list[str]:
    """A ledger's lines; ValueError unless it is whole."""
    head, _, body = data.partition(b"\n")
    if head != f"{_HEAD}{binascii.crc32(body):08x}".encode("ascii"):
        raise ValueError("its checksum does not match")
    return body.decode("ascii").splitlines()


def _line(port: PortMap, owner: str) -> str:
    return f"{port.protocol} {port.host_ip} {port.host_port} {port.count} {owner}"


def _entry(line: str) -> tuple[str, PortMap]:
    protocol, host_ip, first, count, owner = line.split(" ")
    return owner, PortMap(protocol, host_ip, int(first), 0, int(count))


def _in_the_way(lines: Sequence[str], port: PortMap) -> str | None:
    """The first line that has a port in common: the addresses are the same, or one stands for all of its family."""
    first, last = port.host_port, port.host_port + port.count - 1
    wildcard = ANY[family(port.host_ip)]
    everywhere = port.host_ip == wildcard
    v6 = ":" in port.host_ip
    for line in _possible(lines, port):
        protocol, host_ip, start, count, _ = line.split(" ")
        begin = int(start)
        if begin > last or begin + int(count) <= first or protocol != port.protocol:
            continue
        if host_ip in (port.host_ip, wildcard) or (everywhere and (":" in host_ip) == v6):
            return line
    return None


def _possible(lines: Sequence[str], port: PortMap) -> Sequence[str]:
    """The lines that are worth a closer look: for a single port the ranges, and those that bear its number."""
    if port.count > 1:
        return lines
    single = f" {port.host_port} 1 "
    return [line for line in lines if single in line or not line.rpartition(" ")[0].endswith(" 1")]


def _make_room(lines: list[str], port: PortMap, owner: str, alive: Callable[[str], bool]) -> list[str]:
    while line := _in_the_way(lines, port):
        holder = line.rpartition(" ")[2]
        if holder == owner:
            raise ConflictError(f"port {_words(port)} is published twice", "give each host port once")
        if alive(holder):
            hint = f"choose another host port, or: netkit detach {holder}"
            raise ConflictError(f"port {_words(port)} is taken: {holder} has {_words(_entry(line)[1])}", hint)
        lines = [other for other in lines if not other.endswith(f" {holder}")]
    return lines


def _words(port: PortMap) -> str:
    """A host port as people write it."""
    host = f"[{port.host_ip}]" if ":" in port.host_ip else port.host_ip
    last = f"-{port.host_port + port.count - 1}" if port.count > 1 else ""
    return f"{host}:{port.host_port}{last}/{port.protocol}"
