"""The firewall's own account of a packet: which rules it met, and what each of them said.

A table of ours, in front of all others, marks the probe and its answer, also inside a tunnel; for marked packets the
kernel tells every rule that matched to whoever listens. The table belongs to our netlink socket (flag `owner`), so it
goes when we do, however we go; where there are no owners, the next trace takes away what a dead one has left.
iptables-nft rules are nf_tables rules and are told too; those of iptables-legacy are not.
"""

from __future__ import annotations

import _socket
import os
import struct

from netkit.errors import HostError
from netkit.kernel.libnft import open_nft
from netkit.kernel.nfnetlink import FAMILIES, text, unpack
from netkit.probe.packet import of_ip, parse
from netkit.probe.tunnel import OVERLAY_PORTS, VXLAN_PORTS
from netkit.value import Value

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator

    from netkit.kernel.libnft import Nft
    from netkit.kernel.namespaces import Handle
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
_NAME = "netkit_trace_"
_FAMILIES = ("inet", "bridge")
#: For the ports of each tunnel, how many bytes stand between its UDP header and the IP header inside.
_TUNNELS = {VXLAN_PORTS: 8 + _ETHERNET, OVERLAY_PORTS: 0}
_UDP_HEADER, _IP_HEADER, _ECHO_ID = 8, {4: 20, 6: 40}, 4


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
    """The account of one probe in one namespace. Close it.

    HostError where the kernel or the host's nftables cannot do it.
    """

    def __init__(self, handle: Handle, probe: Probe, guarded: str = "") -> None:
        self._name = f"{_NAME}{os.getpid()}"
        self._packets: dict[int, Packet] = {}
        self._handle = handle
        self._nft = handle.call(open_nft)
        self._socket = handle.call(_listen)
        try:
            handle.call(lambda: _reclaim(self._nft))
            handle.call(lambda: self._write(script(self._name, probe, guarded)))
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
        gone = "".join(f"delete table {family} {self._name}\n" for family in _FAMILIES)
        self._handle.call(lambda: self._nft.run(gone))
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
    ours = _matches(probe)
    hooks = {"inet": ("prerouting", "output"), "bridge": ("prerouting",)}
    lines = []
    for family, names in hooks.items():
        lines.append(f"add table {family} {name} {{ }}")
        for hook in names:
            chain = f"{family} {name} {hook}_"
            lines.append(f"add chain {chain} {{ type filter hook {hook} priority {_PRIORITY}; }}")
            wanted = (*ours, *_carried(probe)) if family == "inet" else ours
            lines += [f"add rule {chain} {match} meta nftrace set 1" for match in wanted]
    if guarded:
        lines.append(f'add rule bridge {name} prerouting_ iifname "{guarded}" ether type arp meta nftrace set 1')
    return "\n".join(lines) + "\n"


def _matches(probe: Probe) -> tuple[str, ...]:
    """What tells the probe and its answer from all else: an echo's identifier, the port that it was sent from."""
    if probe.protocol == "icmp":
        kind = "icmp" if probe.family == 4 else "icmpv6"
        return (f"{kind} id {probe.sport}",)
    return tuple(f"meta l4proto {probe.number} th {end} {probe.sport}" for end in ("sport", "dport"))


def _carried(probe: Probe) -> Iterator[str]:
    """The same number where it stands in a tunnel's packet, an IP header without options before it."""
    fields = (_ECHO_ID,) if probe.protocol == "icmp" else (0, 2)
    for ports, between in _TUNNELS.items():
        start = _UDP_HEADER + between + _IP_HEADER[probe.family]
        for field in fields:
            number = f"@th,{(start + field) * 8},16 {probe.sport}"
            yield f"udp dport {{ {', '.join(map(str, ports))} }} {number}"


def _reclaim(nft: Nft) -> None:
    """Take away what a killed trace left where tables have no owner."""
    for found in nft.list("tables") or ():
        table = found.get("table", {})
        pid = table.get("name", "").removeprefix(_NAME)
        if pid.isdigit() and not os.path.exists(f"/proc/{pid}"):
            nft.run(f"delete table {table['family']} {table['name']}")


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
