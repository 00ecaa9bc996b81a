"""Reading JSON objects: typed access by key, and errors that say the path of the value that is off.

A key that is absent or null has its default. A bool is no number.
"""

from __future__ import annotations

from netkit.errors import ConfigError

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Mapping
    from typing import Any


class Fields:
    """One JSON object, and the path at which it stands ("" at the top)."""

    def __init__(self, data: Mapping[str, Any], at: str = "") -> None:
        self.data = data
        self.at = at

    def __contains__(self, key: str) -> bool:
        return self.data.get(key) is not None

    def path(self, key: str) -> str:
        """Where the value of a key stands."""
        return f"{self.at}.{key}" if self.at else key

    def text(self, key: str, default: str = "") -> str:
        """A text."""
        found: str = self._typed(key, default, str, "a text is needed")
        return found

    def flag(self, key: str, default: bool) -> bool:
        """true or false."""
        found: bool = self._typed(key, default, bool, "say true or false, without quotes")
        return found

    def number(self, key: str, default: int, least: int, most: int) -> int:
        """A whole number within bounds."""
        hint = f"a whole number from {least} to {most} is needed"
        found: int = self._typed(key, default, int, hint)
        if key in self and (isinstance(found, bool) or not least <= found <= most):
            raise ConfigError(self.path(key), f"{shown(self.data[key])} is not allowed", hint)
        return found

    def choice(self, key: str, default: str, words: tuple[str, ...]) -> str:
        """One of a few words."""
        found = self.text(key, default)
        if found not in (default, *words):
            raise ConfigError(self.path(key), f"{shown(found)} is not known", f"known: {', '.join(words)}")
        return found

    def section(self, key: str) -> Fields:
        """An object, empty when there is none."""
        return Fields(self._typed(key, {}, dict, "an object is needed"), self.path(key))

    def sections(self, key: str) -> list[Fields]:
        """A list of objects."""
        return [self._member(key, i, item) for i, item in enumerate(self.items(key))]

    def items(self, key: str) -> list[Any]:
        """A list of anything."""
        found: list[Any] = self._typed(key, [], list, "a list is needed")
        return found

    def texts(self, key: str) -> tuple[str, ...]:
        """A list of texts."""
        for i, item in enumerate(found := self.items(key)):
            if not isinstance(item, str):
                raise ConfigError(f"{self.path(key)}[{i}]", f"{shown(item)} is no text", "put it in quotes")
        return tuple(found)

    def _member(self, key: str, index: int, item: object) -> Fields:
        at = f"{self.path(key)}[{index}]"
        if not isinstance(item, dict):
            raise ConfigError(at, f"{shown(item)} is no object", "an object in braces is needed")
        return Fields(item, at)

    def _typed(self, key: str, default: Any, kind: type, hint: str) -> Any:
        found = self.data.get(key)
        if found is None:
            return default
        if not isinstance(found, kind) or (kind is int and isinstance(found, bool)):
            raise ConfigError(self.path(key), f"{shown(found)} is not allowed", hint)
        return found


def shown(value: object) -> str:
    """A value from outside, short and printable."""
    text = ascii(value)
    return text if len(text) <= 80 else f"{text[:77]}..."
