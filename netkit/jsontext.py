"""JSON with the interpreter's own C scanner and encoder, without the package around them.

`import json` loads re and enum for its pure-Python twin: 8 ms of a CNI process, which the C half never uses. Where the
C half is missing, `json` it is. Errors are ValueErrors, as everywhere.
"""

from __future__ import annotations

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import Any

_SPACE = " \t\n\r"


class Rules:
    """What the scanner is told: the attributes are those that `json.JSONDecoder` has."""

    strict = True
    object_hook: Any = None
    object_pairs_hook: Any = None
    parse_float: Any = float
    parse_int: Any = int
    memo: dict[str, str] = {}

    @staticmethod
    def parse_constant(word: str) -> Any:
        """NaN and Infinity are no JSON."""
        raise ValueError(f"{word} is no JSON")


def decoder(rules: Rules) -> Callable[[str], Any]:
    """A function from text to what it says; ValueError for anything but one JSON value, RecursionError for depth."""
    try:
        from _json import make_scanner
    except ImportError:
        return _whole_decoder(rules)
    told: Any = rules
    scan: Any = make_scanner(told)

    def decode(text: str) -> Any:
        try:
            value, end = scan(text, len(text) - len(text.lstrip(_SPACE)))
        except (StopIteration, SystemError):
            # The C half finds its own error class only where json.decoder is loaded; now there is time to load it.
            return _whole_decoder(rules)(text)
        if text[end:].strip(_SPACE):
            raise ValueError(f"something follows the value at character {end}")
        return value

    return decode


def _whole_decoder(rules: Rules) -> Callable[[str], Any]:
    import json

    kept = ("object_hook", "object_pairs_hook", "parse_float", "parse_int", "parse_constant")
    return json.JSONDecoder(**{name: getattr(rules, name) for name in kept}).decode


def encoder() -> Callable[[Any], str]:
    """A function from a value to ASCII text, as `json.dumps` writes it."""
    try:
        from _json import encode_basestring_ascii, make_encoder
    except ImportError:
        import json

        return json.dumps
    pieces = make_encoder(None, _unknown, encode_basestring_ascii, None, ": ", ", ", False, False, False)
    return lambda value: "".join(pieces(value, 0))


def _unknown(value: object) -> Any:
    raise TypeError(f"{type(value).__name__} cannot be written as JSON")


loads = decoder(Rules())
dumps = encoder()
