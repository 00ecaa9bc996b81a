"""A filter as a program for the kernel (classic BPF), so that what nobody wants never costs us a copy. Pure.

It sees plain frames: an Ethernet header, IPv4 without options, IPv6 without extensions, or ARP. Whatever else there is
(tags, options, very short frames, links without Ethernet) it lets through, and `filter.matcher` decides; that looks at
everything again in any case.
"""

from __future__ import annotations

import ipaddress
import struct

from netkit.probe.filter import KINDS, PROTOCOLS, Every, Not, Primitive, Some
from netkit.probe.packet import ARP, IPV4, IPV6, TCP, UDP
from netkit.value import Value

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from netkit.probe.filter import Node

    Network = ipaddress.IPv4Network | ipaddress.IPv6Network

_LOAD_BYTE, _LOAD_HALF, _LOAD_WORD, _LOAD_LENGTH, _AND = 0x30, 0x28, 0x20, 0x80, 0x54
_IF_EQUAL, _IF_AT_LEAST, _IF_BITS, _RETURN = 0x15, 0x35, 0x45, 0x06
#: SKF_AD_OFF + SKF_AD_HATYPE: the type of the link that the frame passed.
_LINK_TYPE = 0xFFFFF000 + 28
_INSTRUCTION = struct.Struct("=HBBI")
_EVERYTHING = 1 << 18
#: Where fields are in a plain frame.
_TYPE, _VERSION4, _FRAGMENT4, _PROTOCOL4, _PROTOCOL6 = 12, 14, 20, 23, 20
_ENDS = {IPV4: (26, 30), ARP: (28, 38), IPV6: (22, 38)}
_PORTS = {IPV4: (34, 36), IPV6: (54, 56)}
#: All of these fields are in a frame of this length.
_PLAIN = 58
_TAGGED = (0x8100, 0x88A8)
_EXTENDED = (0, 43, 44, 60)
_ETHERNETS = (1, 772)
_FARTHEST, _LONGEST = 255, 4096


class Label:
    """A place in the program that jumps lead to, set when the program comes there."""


class Step(Value):
    """One instruction; a jump goes to `yes` or `no`, None being the next one."""

    code: int
    number: int
    yes: Label | None = None
    no: Label | None = None


def program(node: Node, on_links: bool = True) -> bytes:
    """The instructions, b"" where the filter is too long for one.

    Without `on_links` the link's type is not asked for: for frames that come from no link.
    """
    made = _Program()
    _let_odd_ones_through(made, on_links)
    made.test(node, made.accept, made.reject)
    return made.assembled()


class _Program:
    """Steps and labels in order."""

    def __init__(self) -> None:
        self.accept, self.reject = Label(), Label()
        self._lines: list[Step | Label] = []

    def load(self, code: int, at: int) -> None:
        self._lines.append(Step(code, at))

    def jump(self, code: int, number: int, yes: Label | None = None, no: Label | None = None) -> None:
        self._lines.append(Step(code, number, yes, no))

    def here(self, label: Label) -> None:
        self._lines.append(label)

    def any_equal(self, numbers: Iterable[int], yes: Label) -> None:
        """Go to `yes` when what is loaded is one of these."""
        for number in numbers:
            self.jump(_IF_EQUAL, number, yes)

    def test(self, node: Node, yes: Label, no: Label) -> None:
        """Go to `yes` or `no`, as the frame is."""
        if isinstance(node, Not):
            self.test(node.inner, no, yes)
        elif isinstance(node, Primitive):
            _primitive(self, node, yes, no)
        else:
            self._several(node, yes, no)

    def _several(self, node: Every | Some, yes: Label, no: Label) -> None:
        for part in node.parts[:-1]:
            following = Label()
            self.test(part, *((following, no) if isinstance(node, Every) else (yes, following)))
            self.here(following)
        self.test(node.parts[-1], yes, no)

    def assembled(self) -> bytes:
        lines = [*self._lines, self.reject, Step(_RETURN, 0), self.accept, Step(_RETURN, _EVERYTHING)]
        places: dict[Label, int] = {}
        steps: list[Step] = []
        for line in lines:
            if isinstance(line, Label):
                places[line] = len(steps)
            else:
                steps.append(line)
        return _encoded(steps, places)


def _encoded(steps: Sequence[Step], places: dict[Label, int]) -> bytes:
    """Every jump leads forward, and not farther than a byte can say."""
    data = b""
    for at, step in enumerate(steps):
        far = [places[to] - at - 1 if to else 0 for to in (step.yes, step.no)]
        if max(far) > _FARTHEST:
            return b""
        data += _INSTRUCTION.pack(step.code, *far, step.number)
    return data if len(steps) <= _LONGEST else b""


def _let_odd_ones_through(made: _Program, on_links: bool) -> None:
    ethernet, long, not4, plain = Label(), Label(), Label(), Label()
    if on_links:
        made.load(_LOAD_WORD, _LINK_TYPE)
        made.any_equal(_ETHERNETS, ethernet)
        made.load(_RETURN, _EVERYTHING)
        made.here(ethernet)
    made.load(_LOAD_LENGTH, 0)
    made.jump(_IF_AT_LEAST, _PLAIN, long, made.accept)
    made.here(long)
    made.load(_LOAD_HALF, _TYPE)
    made.any_equal(_TAGGED, made.accept)
    made.jump(_IF_EQUAL, IPV4, None, not4)
    made.load(_LOAD_BYTE, _VERSION4)
    made.jump(_IF_EQUAL, 0x45, plain, made.accept)
    made.here(not4)
    made.jump(_IF_EQUAL, IPV6, None, plain)
    made.load(_LOAD_BYTE, _PROTOCOL6)
    made.any_equal(_EXTENDED, made.accept)
    made.here(plain)


def _primitive(made: _Program, node: Primitive, yes: Label, no: Label) -> None:
    made.load(_LOAD_HALF, _TYPE)
    if node.word in KINDS:
        made.jump(_IF_EQUAL, KINDS[node.word], yes, no)
    elif node.word in PROTOCOLS:
        _protocol(made, (PROTOCOLS[node.word],), yes, no)
    elif node.word == "port":
        _port(made, int(node.value), yes, no)
    else:
        _net(made, ipaddress.ip_network(node.value), yes, no)


def _protocol(made: _Program, numbers: Sequence[int], yes: Label, no: Label) -> None:
    six = Label()
    made.jump(_IF_EQUAL, IPV4, None, six)
    made.load(_LOAD_BYTE, _PROTOCOL4)
    made.any_equal(numbers[:-1], yes)
    made.jump(_IF_EQUAL, numbers[-1], yes, no)
    made.here(six)
    made.jump(_IF_EQUAL, IPV6, None, no)
    made.load(_LOAD_BYTE, _PROTOCOL6)
    made.any_equal(numbers[:-1], yes)
    made.jump(_IF_EQUAL, numbers[-1], yes, no)


def _port(made: _Program, number: int, yes: Label, no: Label) -> None:
    """A later fragment has no ports."""
    has_ports, six = Label(), Label()
    _protocol(made, (TCP, UDP), has_ports, no)
    made.here(has_ports)
    made.load(_LOAD_HALF, _TYPE)
    made.jump(_IF_EQUAL, IPV4, None, six)
    made.load(_LOAD_HALF, _FRAGMENT4)
    made.jump(_IF_BITS, 0x1FFF, no)
    _either_end(made, _PORTS[IPV4], number, yes, no)
    made.here(six)
    _either_end(made, _PORTS[IPV6], number, yes, no)


def _either_end(made: _Program, ends: Sequence[int], number: int, yes: Label, no: Label) -> None:
    first, second = ends
    made.load(_LOAD_HALF, first)
    made.jump(_IF_EQUAL, number, yes)
    made.load(_LOAD_HALF, second)
    made.jump(_IF_EQUAL, number, yes, no)


def _net(made: _Program, network: Network, yes: Label, no: Label) -> None:
    if network.version == 6:
        made.jump(_IF_EQUAL, IPV6, None, no)
        _ends_in(made, _ENDS[IPV6], network, yes, no)
        return
    not_ip = Label()
    made.jump(_IF_EQUAL, IPV4, None, not_ip)
    _ends_in(made, _ENDS[IPV4], network, yes, no)
    made.here(not_ip)
    made.jump(_IF_EQUAL, ARP, None, no)
    _ends_in(made, _ENDS[ARP], network, yes, no)


def _ends_in(made: _Program, ends: Sequence[int], network: Network, yes: Label, no: Label) -> None:
    """One end or the other; an address is compared word by word, as far as the prefix goes."""
    second = Label()
    for at, otherwise in zip(ends, (second, no), strict=True):
        for word, (wanted, bits) in enumerate(_words(network)):
            made.load(_LOAD_WORD, at + word * 4)
            made.load(_AND, bits)
            made.jump(_IF_EQUAL, wanted, None, otherwise)
        made.jump(_IF_AT_LEAST, 0, yes)  # always so
        if otherwise is second:
            made.here(second)


def _words(network: Network) -> list[tuple[int, int]]:
    """The words of an address that matter, each with its mask."""
    address, mask = network.network_address.packed, network.netmask.packed
    pairs = [
        (int.from_bytes(address[at : at + 4], "big"), int.from_bytes(mask[at : at + 4], "big"))
        for at in range(0, len(mask), 4)
    ]
    return [pair for pair in pairs if pair[1]]
