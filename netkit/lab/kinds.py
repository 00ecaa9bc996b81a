"""Kinds of things that a topology file holds: how each is read, and what a JSON Schema says of it.

A `Shape` is a mapping with known keys; one table of fields gives both the reader and the schema that editors use, so
the two cannot drift apart.
"""

from __future__ import annotations

from netkit.errors import ConfigError
from netkit.lab.document import nearest
from netkit.value import Value

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import Any, Protocol

    from netkit.lab.document import Node

    class Kind(Protocol):
        """What can be read at a node."""

        def read(self, node: Node) -> Any:
            """The value at a node; ConfigError when it is no such thing."""

        def schema(self) -> dict[str, Any]:
            """The same in JSON Schema."""


class Text(Value):
    """One word or text; `parse` makes a value of it, and raises ConfigError when it is off."""

    parse: Callable[[str], Any] | None = None
    pattern: str = ""

    def read(self, node: Node) -> Any:
        """The text, or what `parse` makes of it."""
        text = node.text()
        return text if self.parse is None else _parsed(node, self.parse, text)

    def schema(self) -> dict[str, Any]:
        """A string; numbers are taken as they are written."""
        return {"type": ["string", "number"], **({"pattern": self.pattern} if self.pattern else {})}


class Number(Value):
    """A whole number between two bounds."""

    least: int
    most: int

    def read(self, node: Node) -> int:
        """The number."""
        text = node.text()
        if not (text.isascii() and text.isdigit() and len(text) < 12 and self.least <= int(text) <= self.most):
            raise node.fail(f"{text!r} is no number from {self.least} to {self.most}")
        return int(text)

    def schema(self) -> dict[str, Any]:
        """An integer within its bounds."""
        return {"type": "integer", "minimum": self.least, "maximum": self.most}


class Flag(Value):
    """True or false."""

    def read(self, node: Node) -> bool:
        """The bool; also yes and no."""
        text = node.text().lower()
        if text not in ("true", "false", "yes", "no"):
            raise node.fail(f"{text!r} is neither true nor false")
        return text in ("true", "yes")

    def schema(self) -> dict[str, Any]:
        """A boolean."""
        return {"type": "boolean"}


class OneOf(Value):
    """One of some words."""

    words: tuple[str, ...]

    def read(self, node: Node) -> str:
        """The word."""
        text = node.text()
        if text not in self.words:
            raise node.fail(f"{text!r} is not known here", nearest(text, self.words))
        return text

    def schema(self) -> dict[str, Any]:
        """An enumeration."""
        return {"enum": [*self.words, *(int(word) for word in self.words if word.isdigit())]}


class ListOf(Value):
    """Any number of one kind; one alone needs no list."""

    kind: Kind

    def read(self, node: Node) -> tuple[Any, ...]:
        """All of them."""
        if node.is_null():
            return ()
        return tuple(self.kind.read(one) for one in (node.elements() if node.is_list() else [node]))

    def schema(self) -> dict[str, Any]:
        """One, a list, or nothing."""
        one = self.kind.schema()
        return {"anyOf": [one, {"type": "array", "items": one}, {"type": "null"}]}


class MapOf(Value):
    """Names that the file chooses, each with one kind; read as pairs."""

    kind: Kind
    check: Callable[[str], Any] | None = None

    def read(self, node: Node) -> tuple[tuple[str, Any], ...]:
        """Pairs of name and value."""
        found = []
        for word, key, value in node.items():
            name = word if self.check is None else _parsed(key, self.check, word)
            found.append((name, self.kind.read(value)))
        return tuple(found)

    def schema(self) -> dict[str, Any]:
        """An object with any keys."""
        return {"anyOf": [{"type": "object", "additionalProperties": self.kind.schema()}, {"type": "null"}]}


class Field(Value):
    """A known key of a mapping: what stands there, and what it is for."""

    kind: Kind
    says: str
    needed: bool = False


class Shape(Value):
    """A mapping with known keys, read into a value; its line is the value's field `line`."""

    make: Callable[..., Any]
    fields: dict[str, Field]

    def read(self, node: Node) -> Any:
        """The value, which has a field for each key that is written (`-` as `_`)."""
        given: dict[str, Any] = {"line": node.line}
        for word, key, value in node.items():
            field = self.fields.get(word)
            if field is None:
                raise key.fail("this key is not known here", nearest(word, self.fields))
            given[_field_name(word)] = field.kind.read(value)
        for word, field in self.fields.items():
            if field.needed and _field_name(word) not in given:
                raise node.fail(f"{word} is missing here", field.says)
        return _placed(node, lambda: self.make(**given))

    def schema(self) -> dict[str, Any]:
        """An object with these keys and no other."""
        keys = {word: {**field.kind.schema(), "description": field.says} for word, field in self.fields.items()}
        needed = [word for word, field in self.fields.items() if field.needed]
        found: dict[str, Any] = {"type": "object", "properties": keys, "additionalProperties": False}
        if needed:
            return {**found, "required": needed}
        return {**found, "type": ["object", "null"]}


def _field_name(word: str) -> str:
    return word.replace("-", "_")


def _parsed(node: Node, parse: Callable[[str], Any], text: str) -> Any:
    return _placed(node, lambda: parse(text))


def _placed(node: Node, make: Callable[[], Any]) -> Any:
    """What `make` makes; its ConfigError gets the node's place."""
    try:
        return make()
    except ConfigError as error:
        if error.at.startswith(f"{node.file}:"):
            raise
        raise node.fail(error.message.removeprefix(f"{error.at}: "), error.hint) from error
