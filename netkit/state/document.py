"""Values in files: one JSON document with a checksum, that people and `jq` can read.

    {"netkit": 1, "crc": "5d41402a", "value": {
     "is": "Network",
     "name": "web",
     "mode": "bridge"}}

The checksum covers the version and the value, not the white space. A later netkit may add kinds and fields to the
value; this envelope stays.
"""

from __future__ import annotations

import binascii

from netkit.errors import StateError
from netkit.jsontext import dumps as _compact
from netkit.jsontext import loads
from netkit.value import Value, from_json, to_json

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any, TypeVar

    V = TypeVar("V", bound=Value)

VERSION = 1


def dump(value: Value) -> bytes:
    """The document of a value, one field a line."""
    fields = [f"{_compact(name)}: {_compact(field)}" for name, field in to_json(value).items()]
    lines = ",\n ".join(fields)
    crc = _checksum(f"[{VERSION}, {{{', '.join(fields)}}}]")
    head = f'{{"netkit": {VERSION}, "crc": "{crc}", "value": {{\n '
    return f"{head}{lines}}}}}\n".encode("ascii")


def load(data: bytes, kind: type[V], where: str = "a state file") -> V:
    """The value that `dump` wrote; ValueError when it is torn, changed, or of another kind.

    StateError when it is whole but beyond us: written by a newer netkit, or with kinds that this one lacks.
    """
    body = unseal(data, where)
    try:
        value = from_json(body)
    except ValueError as error:
        hint = "use the netkit that wrote it, or remove the file"
        raise StateError(f"{where} was written by another netkit: {error}", hint) from error
    if not isinstance(value, kind):
        raise ValueError(f"it holds no {kind.__name__}")
    return value


def unseal(data: bytes, where: str = "a state file") -> Any:
    """The JSON data in a document, for those who look at each field before they make a value of it.

    ValueError when it is torn or changed, StateError when a newer netkit wrote it.
    """
    try:
        version, crc, body = _envelope(loads(data.decode("utf-8")))
        if crc != _checksum(_compact([version, body])):
            raise ValueError("its checksum does not match")
    except RecursionError as error:
        raise ValueError("nested too deeply") from error
    if version > VERSION:
        raise StateError(f"{where} was written by a newer netkit", "upgrade netkit on this host, then try again")
    return body


def quoted(text: str) -> bytes:
    """How a text stands in a document, its quotes included."""
    return _compact(text).encode("ascii")


def _envelope(document: Any) -> tuple[int, str, Any]:
    if not isinstance(document, dict) or set(document) != {"netkit", "crc", "value"}:
        raise ValueError("not a netkit document")
    version = document["netkit"]
    if type(version) is not int or version < 1:
        raise ValueError("not a netkit version")
    return version, document["crc"], document["value"]


def _checksum(text: str) -> str:
    """Of the version and the value, as `[1, {...}]` on one line."""
    return f"{binascii.crc32(text.encode('ascii')):08x}"
