"""A frame as the headers that it is made of, each with its fields: scapy knows the protocols.

Only the layers that netkit meets are loaded: scapy.all would take a second.
"""

from __future__ import annotations

from netkit.errors import HostError
from netkit.value import Value

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Collection, Iterator
    from typing import Any

#: Headers under names that people use.
_NAMES = {"IP": "IPv4", "Padding": "padding", "Raw": "data"}
#: Fields that are read as numbers: a port's name says what may be there, not what is.
_DECIMAL = frozenset({"sport", "dport", "vni"})


class Field(Value):
    """One field: its name, its width in bits and its value as text."""

    name: str
    bits: int
    value: str


class Header(Value):
    """One header; `offset` counts bytes from the start of the frame, `length` is in bytes."""

    name: str
    offset: int
    length: int
    fields: tuple[Field, ...] = ()


class Dissector:
    """scapy, loaded once. HostError when it is not installed."""

    def __init__(self, vxlan_ports: Collection[int] = (), overlay_ports: Collection[int] = ()) -> None:
        try:
            from scapy.config import conf
            from scapy.layers import dhcp, dns, inet, inet6, l2, vxlan  # noqa: F401 - they register themselves
            from scapy.packet import bind_layers
        except ImportError as error:
            raise HostError(
                "showing packets takes scapy, which is not installed",
                "pip install 'netkit-containers[capture]'; `-w -` does without",
            ) from error
        self._ether: Any = l2.Ether
        for layer in (inet.TCP, inet.UDP):
            conf.noenum.add(layer.sport, layer.dport)
        for port in vxlan_ports:
            bind_layers(inet.UDP, vxlan.VXLAN, dport=port)
        for port in overlay_ports:
            bind_layers(inet.UDP, inet.IP, dport=port)

    def summary(self, frame: bytes) -> str:
        """A frame in a line."""
        text: str = self._ether(frame).summary()
        return text.removeprefix("Ether / ").replace(" / Padding", "")

    def headers(self, frame: bytes) -> list[Header]:
        """Every header of a frame, from the outside in, what is carried at last."""
        return list(_headers(self._ether(frame)))


def _headers(layer: Any) -> Iterator[Header]:
    """scapy keeps a packet as a chain: each layer's payload is the next one."""
    offset = 0
    while layer.name != "NoPayload":
        kind = type(layer).__name__
        if kind in ("Raw", "Padding"):
            yield _data(kind, offset, layer.load)
            return
        length = len(layer.self_build())
        yield Header(_name(layer), offset, length, _filled(tuple(_fields(layer)), length * 8))
        offset += length
        layer = layer.payload


def _name(layer: Any) -> str:
    name: str = _NAMES.get(type(layer).__name__, layer.name)
    return f"{name} {layer.get_field('type').i2repr(layer, layer.type)}" if name == "ICMP" else name


def _filled(fields: tuple[Field, ...], bits: int) -> tuple[Field, ...]:
    """The last field takes what is left: scapy counts no padding of options."""
    rest = bits - sum(field.bits for field in fields)
    return (*fields[:-1], fields[-1].replace(bits=fields[-1].bits + rest)) if fields and rest > 0 else fields


def _data(kind: str, offset: int, content: bytes) -> Header:
    shown = content[:12].hex(" ") + (" ..." if len(content) > 12 else "")
    return Header(_NAMES[kind], offset, len(content), (Field("", len(content) * 8, shown),) if content else ())


def _fields(layer: Any) -> Iterator[Field]:
    for field in layer.fields_desc:
        value = layer.getfieldval(field.name)
        bits = _bits(layer, field, value) if field.name in layer.fields else 0
        if bits:
            yield Field(field.name, bits, _text(layer, field, value))


def _bits(layer: Any, field: Any, value: Any) -> int:
    """A field's width; of one that may be longer or missing, as long as it is here."""
    size = getattr(field, "size", None)
    return size if isinstance(size, int) else int(field.i2len(layer, value)) * 8


def _text(layer: Any, field: Any, value: Any) -> str:
    if field.name in _DECIMAL or (field.name == "type" and layer.name.startswith("ICMP")):
        return str(int(value))
    if type(layer).__name__ == "VXLAN" and field.name == "flags":
        return f"0x{int(value):02x}"
    return value.hex() if isinstance(value, bytes) else str(field.i2repr(layer, value)).strip("'")
