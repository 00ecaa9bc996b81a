"""The firewall's own account of a packet: which rules it met, and what each of them said.

A table of ours, in front of all others, marks the probe and its answer; for marked packets the kernel tells every rule
that matched to whoever listens. The table belongs to our netlink socket (flag `owner`), so it goes when we do, however
we go. iptables-nft rules are nf_tables rules and are told too; those of iptables-legacy are not.
"""

from __future__ import annotations

import _socket
import os
import struct

from netkit.errors import HostError
from netkit.kernel.libnft import open_nft
from netkit.kernel.nfnetlink import FAMILIES, text, unpack
from netkit.probe.packet import of_ip, parse
from netkit.value import Value

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator

    from netkit.probe.packet import Packet
    from netkit.probe.probe import Probe

_NETLINK_NETFILTER, _SOL_NETLINK, _ADD_MEMBERSHIP, _GROUP_NFTRACE = 12, 270, 1, 9
_NFT_MSG_TRACE = 10 << 8 | 17
_TABLE, _CHAIN, _HANDLE, _TYPE, _VERDICT, _ID = 1, 2, 3, 4, 5, 6
_LL_HEADER, _NETWORK_HEADER, _TRANSPORT_HEADER, _FAMILY, _POLICY = 7, 8, 9, 15, 16
_ETHERNET = 14
_KINDS = {1: "policy", 2: "return", 3: "rule"}
_VERDICTS = {0: "drop", 1: "accept", 2: "stolen", 3: "queue", -1: "continue", -2: "break", -5: "return"}
_JUMPS = {-3: "jump", -4: "goto"}
_FAMILY_NAMES = {number: name for name, number in FAMILIES.items()}
#: In front of everything: conntrack's defragmentation is at -400, raw at -300.
_PRIORITY = -450


class Event(Value):
    """One word of the firewall about a packet: a rule that matched, a chain's policy, a return to the caller.

    The kernel tells the packet's family: of a rule in an `inet` table, `ip` or `ip6`. `handle` 0 is a chain's end.
    """

    family: str
    table: str
    chain: str
    kind: str
    verdict: str
    handle: int = 0
    ident: int = 0
    packet: Packet | None = None


class NfTrace:
    """The account of one probe, in the namespace that we are in. Close it.

    HostError where the kernel or the host's nftables cannot do it.
    """

    def __init__(self, probe: Probe, guarded: str = "") -> None:
        self._name = f"netkit_trace_{os.getpid()}"
        self._packets: dict[int, Packet] = {}
        self._nft = open_nft()
        self._socket = _listen()
        try:
            self._write(script(self._name, probe, guarded))
        except BaseException:
            self._socket.close()
            raise

    def fileno(self) -> int:
        """The descriptor to wait on."""
        return self._socket.fileno()

    def read(self) -> Iterator[Event]:
        """What was told since the last time, our own table's words left out."""
        while True:
            try:
                data = self._socket.recv(1 << 16, _socket.MSG_DONTWAIT)
            except OSError:
                return  # nothing more, or ENOBUFS: some is lost, the rest is worth telling
            for attributes in _messages(data):
                event = self._event(attributes)
                if event.table != self._name:
                    yield event

    def close(self) -> None:
        """Take the table away."""
        self._nft.run("".join(f"delete table {family} {self._name}\n" for family in ("inet", "bridge")))
        self._socket.close()

    def _write(self, wanted: str) -> None:
        """With an owner where kernel and nft know such a thing, else without."""
        if self._nft.run(wanted.replace("{ }", "{ flags owner; }")) and (failed := self._nft.run(wanted)):
            raise HostError(f"the firewall cannot be traced: {failed.splitlines()[0]}", "it takes nf_tables")

    def _event(self, told: dict[int, bytes]) -> Event:
        """The packet itself is told once for each hook that it meets, and then known by its id."""
        ident = _number(told.get(_ID, b""))
        if _NETWORK_HEADER in told:
            self._packets[ident] = _packet(told)
        return Event(
            _FAMILY_NAMES.get(_number(told.get(_FAMILY, b"")), ""),
            text(told.get(_TABLE, b"")),
            text(told.get(_CHAIN, b"")),
            _KINDS.get(_number(told.get(_TYPE, b"")), ""),
            _verdict(told),
            _number(told.get(_HANDLE, b"")),
            ident,
            self._packets.get(ident),
        )


def script(name: str, probe: Probe, guarded: str) -> str:
    """The table that marks the probe, its answer, and what a guarded port asks by ARP before it can send."""
    number = probe.number
    if probe.protocol == "icmp":
        kind = "icmp" if probe.family == 4 else "icmpv6"
        ours = [f"{kind} id {probe.sport}"]
    else:
        ours = [f"meta l4proto {number} th {end} {probe.sport}" for end in ("sport", "dport")]
    hooks = {"inet": ("prerouting", "output"), "bridge": ("prerouting",)}
    lines = []
    for family, names in hooks.items():
        lines.append(f"add table {family} {name} {{ }}")
        for hook in names:
            chain = f"{family} {name} {hook}_"
            lines.append(f"add chain {chain} {{ type filter hook {hook} priority {_PRIORITY}; }}")
            lines += [f"add rule {chain} {match} meta nftrace set 1" for match in ours]
    if guarded:
        lines.append(f'add rule bridge {name} prerouting_ iifname "{guarded}" ether type arp meta nftrace set 1')
    return "\n".join(lines) + "\n"


def _listen() -> _socket.socket:
    try:
        sock = _socket.socket(_socket.AF_NETLINK, _socket.SOCK_RAW | _socket.SOCK_CLOEXEC, _NETLINK_NETFILTER)
        sock.bind((0, 0))  # one without a number of its own is taken for the kernel, and hears nothing
        sock.setsockopt(_SOL_NETLINK, _ADD_MEMBERSHIP, _GROUP_NFTRACE)
    except OSError as error:
        raise HostError(f"the firewall cannot be traced: {error.strerror}", "it takes nf_tables") from error
    return sock


def _packet(told: dict[int, bytes]) -> Packet:
    """Link headers are told where there are any, with a tag's room but without tags."""
    rest = told[_NETWORK_HEADER] + told.get(_TRANSPORT_HEADER, b"")
    link = told.get(_LL_HEADER, b"")
    return parse(link + rest) if len(link) == _ETHERNET else of_ip(rest)


def _messages(data: bytes) -> Iterator[dict[int, bytes]]:
    while len(data) >= 20:
        length, kind = struct.unpack_from("=IH", data)
        if kind == _NFT_MSG_TRACE:
            yield unpack(data[20:length])
        data = data[max(length + 3 & ~3, 16) :]


def _verdict(told: dict[int, bytes]) -> str:
    if _VERDICT in told:
        inside = unpack(told[_VERDICT])
        code = struct.unpack(">i", inside[1])[0]
        if code in _JUMPS:
            return f"{_JUMPS[code]} {text(inside[2])}"
        return _VERDICTS.get(code & 0xFF if code > 0 else code, str(code))
    return _VERDICTS.get(_number(told[_POLICY]), "") if _POLICY in told else ""


def _number(data: bytes) -> int:
    return int.from_bytes(data, "big")
