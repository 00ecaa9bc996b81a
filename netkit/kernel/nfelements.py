"""Elements of our sets and maps, one by one: written, deleted, and looked for, without a listing of anything."""

from __future__ import annotations

import _socket
import struct

from netkit.kernel.nfnetlink import ask, name, pack, text, unpack
from netkit.plan.nft_base import GUARD_SETS, MAPS, SETS

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from netkit.kernel.nfnetlink import Attribute, Writer
    from netkit.plan.nftables import Element

_NEWSETELEM, _GETSETELEM, _DELSETELEM = 12, 13, 14
#: More elements than this in one transaction are libnftables' work: it splits what a socket does not take at once.
MOST = 100
#: As many are asked for at once: each answer takes 4 KiB of a socket's buffer of 208.
_AT_ONCE = 32
_TABLE, _SET, _ELEMENTS = 1, 2, 3
_ELEMENT = 1
_KEY, _DATA, _USERDATA, _KEY_END = 1, 2, 6, 10
_VALUE, _VERDICT = 1, 2
_CODE, _CHAIN = 1, 2
_VERDICTS = {"drop": 0, "accept": 1, "goto": -4}
_PROTOCOLS = {"tcp": 6, "udp": 17, "sctp": 132}
_NF_PROTOCOLS = {"ipv4": 2, "ipv6": 10}
_declared: dict[str, tuple[list[str], list[str]]] = {}


class Search:
    """Elements that are looked for, perhaps again and again: how to ask is worked out once, and so is the same answer.

    Some at once, and one by one where one of them is not there: the kernel answers with the first that it misses.
    """

    def __init__(self, elements: Sequence[Element]) -> None:
        sets: dict[tuple[str, str], list[Element]] = {}
        for element in elements:
            sets.setdefault((element.family, element.set), []).append(element)
        parts = [alike[at : at + _AT_ONCE] for alike in sets.values() for at in range(0, len(alike), _AT_ONCE)]
        self._parts = [_Part(some) for some in parts]
        self._held: frozenset[Element] = frozenset()

    def held(self) -> frozenset[Element]:
        """Those that the kernel has, with their values; their comments do not matter. One object while they stay."""
        nothing: frozenset[Element] = frozenset()
        found = nothing.union(*(part.held() or part.held_singly() for part in self._parts))
        if found != self._held:
            self._held = found
        return self._held


class _Part:
    """Elements of one set that are asked for at once."""

    def __init__(self, some: Sequence[Element]) -> None:
        self._some = some
        self._family, of = some[0].family, some[0].set
        kinds, self._value_kinds = _kinds(of)
        self._spans = [_encode(kinds, element.key) for element in some]
        keys = [(_ELEMENT, [(_KEY, [(_VALUE, start)])]) for start, _ in self._spans]
        self._question = pack([(_TABLE, name("netkit")), (_SET, name(of)), (_ELEMENTS, keys)])
        self._answer: list[tuple[int, bytes]] = []
        self._held: set[Element] = set()

    def held(self) -> set[Element]:
        """Those that are there with their values; none when one of them is not there."""
        try:
            found = ask(_GETSETELEM, self._family, self._question)
        except OSError:
            return set()
        if found != self._answer:
            self._answer, self._held = found, self._shown(found)
        return self._held

    def held_singly(self) -> set[Element]:
        """The same, one by one."""
        return {one for each in self._some for one in _Part([each]).held()} if len(self._some) > 1 else set()

    def _shown(self, found: list[tuple[int, bytes]]) -> set[Element]:
        shown = [unpack(unpack(unpack(answer)[_ELEMENTS])[_ELEMENT]) for _, answer in found]
        return {
            element
            for element, span, one in zip(self._some, self._spans, shown, strict=True)
            if _covers(one, span) and (not element.value or self._leads_to(one, element.value))
        }

    def _leads_to(self, shown: dict[int, bytes], value: str) -> bool:
        return _leads_to(unpack(shown[_DATA]), self._value_kinds, value)


def _covers(shown: dict[int, bytes], span: tuple[bytes, bytes]) -> bool:
    """Whether an element that the kernel shows is just that span."""
    start, end = span
    return unpack(shown[_KEY])[_VALUE] == start and (_KEY_END not in shown or unpack(shown[_KEY_END])[_VALUE] == end)


def plain(elements: Sequence[Element]) -> bool:
    """Whether `add` and `delete` take these: few, and of sets without intervals and maps without verdicts."""
    declared = {**SETS, **MAPS, **GUARD_SETS}
    return len(elements) <= MOST and not any(
        "interval" in declared[each.set] or declared[each.set].endswith("verdict") for each in elements
    )


def add(writer: Writer, elements: Sequence[Element]) -> None:
    """Add elements in one transaction; an equal one that is there is no error, EBUSY when a key leads elsewhere."""
    writer.transact([(_NEWSETELEM, each.family, _written(each)) for each in elements])


def delete(writer: Writer, elements: Sequence[Element]) -> None:
    """Delete elements in one transaction, whether or not they are there. OSError EBUSY when a key leads elsewhere."""
    new = [(_NEWSETELEM, each.family, _written(each)) for each in elements]
    writer.transact(new + [(_DELSETELEM, each.family, _named(each, [_key(each)])) for each in elements])


def _written(element: Element) -> list[Attribute]:
    parts = [_key(element)]
    if element.value:
        parts.append((_DATA, [(_VALUE, _encode(_kinds(element.set)[1], element.value)[0])]))
    if element.comment:
        comment = name(element.comment)
        parts.append((_USERDATA, bytes([0, len(comment)]) + comment))
    return _named(element, parts)


def _named(element: Element, parts: Sequence[Attribute]) -> list[Attribute]:
    return [(_TABLE, name("netkit")), (_SET, name(element.set)), (_ELEMENTS, [(_ELEMENT, parts)])]


def _key(element: Element) -> Attribute:
    return _KEY, [(_VALUE, _encode(_kinds(element.set)[0], element.key)[0])]


def _leads_to(data: dict[int, bytes], kinds: list[str], value: str) -> bool:
    if kinds != ["verdict"]:
        return data.get(_VALUE) == _encode(kinds, value)[0]
    verdict = unpack(data[_VERDICT])
    word, _, chain = value.partition(" ")
    code: int = struct.unpack(">i", verdict[_CODE])[0]
    return code == _VERDICTS[word] and text(verdict.get(_CHAIN, b"")) == chain


def _kinds(set_name: str) -> tuple[list[str], list[str]]:
    """The types of a set's key and value, as it was declared."""
    if set_name not in _declared:
        declared = ({**SETS, **MAPS, **GUARD_SETS})[set_name].partition(";")[0]
        key, _, value = declared.partition(" ")[2].partition(" : ")
        _declared[set_name] = key.split(" . "), value.split(" . ")
    return _declared[set_name]


def _encode(kinds: list[str], words: str) -> tuple[bytes, bytes]:
    """Words of a key or value in the kernel's form: its start, and its end where one is an interval.

    Fields of a concatenation are padded to four bytes each, a field alone is not.
    """
    pairs = [_ends(_ENCODERS[kind], word) for kind, word in zip(kinds, words.split(" . "), strict=True)]
    if len(pairs) == 1:
        return pairs[0]
    start, end = (b"".join(field + bytes(-len(field) % 4) for field in fields) for fields in zip(*pairs, strict=True))
    return start, end


def _ends(encode: Callable[[str], bytes], word: str) -> tuple[bytes, bytes]:
    if "/" in word:
        address, length = word.split("/")
        first = encode(address)
        rest = (1 << (8 * len(first) - int(length))) - 1
        return first, (int.from_bytes(first, "big") | rest).to_bytes(len(first), "big")
    if word.endswith('*"'):
        beginning = word[1:-2].encode()
        return beginning.ljust(16, b"\0"), beginning.ljust(16, b"\xff")
    first_word, dash, last_word = word.partition("-")
    if dash and not word.startswith('"'):
        return encode(first_word), encode(last_word)
    return encode(word), encode(word)


_ENCODERS: dict[str, Callable[[str], bytes]] = {
    "ifname": lambda word: word.strip('"').encode().ljust(16, b"\0"),
    "iifname": lambda word: word.strip('"').encode().ljust(16, b"\0"),
    "ipv4_addr": lambda word: _socket.inet_pton(_socket.AF_INET, word),
    "ipv6_addr": lambda word: _socket.inet_pton(_socket.AF_INET6, word),
    "ether_addr": lambda word: bytes.fromhex(word.replace(":", "")),
    "inet_proto": lambda word: bytes([_PROTOCOLS[word]]),
    "inet_service": lambda word: int(word).to_bytes(2, "big"),
    "nf_proto": lambda word: bytes([_NF_PROTOCOLS[word]]),
    "@th,96,24": lambda word: int(word, 16).to_bytes(3, "big"),
    "udp dport": lambda word: int(word).to_bytes(2, "big"),
    "ip saddr": lambda word: _socket.inet_pton(_socket.AF_INET, word),
    "ip6 saddr": lambda word: _socket.inet_pton(_socket.AF_INET6, word),
    "@th,64,128": lambda word: int(word, 16).to_bytes(16, "big"),
}
