"""JSON as it may come from anywhere: bounded, strict, and an error with code 6 for everything else.

Python's own parser takes NaN, keeps the last of two equal keys, recurses as deep as the text, and lets lone surrogates
through that no output can carry.
"""

from __future__ import annotations

from netkit.cni.failure import DECODING, CniError
from netkit.jsontext import Rules, decoder

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

#: Largest document in bytes, deepest nesting, and longest number in digits.
LARGEST, DEEPEST, LONGEST = 1 << 20, 64, 18


class _RefusedError(ValueError):
    """What the specification of JSON allows and we do not."""


def parse(data: bytes) -> dict[str, Any]:
    """The JSON object in these bytes, or CniError with code 6."""
    if len(data) > LARGEST:
        raise _error(f"it has more than {LARGEST} bytes")
    try:
        found = _decode(data.decode("utf-8"))
    except UnicodeDecodeError as error:
        raise _error(f"byte {error.start} is no UTF-8") from error
    except RecursionError as error:
        raise _error(f"it is nested deeper than {DEEPEST}") from error
    except ValueError as error:
        raise _error(str(error)) from error
    if not isinstance(found, dict):
        raise _error("it is no JSON object")
    if complaint := _look_through(found):
        raise _error(complaint)
    return found


def well_formed(text: str) -> bool:
    """Whether a text can be written as UTF-8: a lone surrogate cannot."""
    return text.isascii() or not any("\ud800" <= char <= "\udfff" for char in text)


def _error(why: str) -> CniError:
    return CniError(DECODING, f"the configuration on stdin cannot be decoded: {why}")


def _object(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    found = dict(pairs)
    if len(found) != len(pairs):
        names = [name for name, _ in pairs]
        twice = next(name for name in names if names.count(name) > 1)
        raise _RefusedError(f"the key {twice[:80]!a} stands twice in one object")
    return found


def _integer(digits: str) -> int:
    if len(digits) > LONGEST:
        raise _RefusedError(f"a number has {len(digits)} digits")
    return int(digits)


class _Strict(Rules):
    object_pairs_hook = staticmethod(_object)
    parse_int = staticmethod(_integer)


_decode = decoder(_Strict())


def _look_through(top: object) -> str:
    """What is wrong inside, "" when nothing is; level by level, so that depth costs no stack."""
    level: list[Any] = [top]
    for _ in range(DEEPEST):
        below: list[Any] = []
        for item in level:
            members = (*item, *item.values()) if isinstance(item, dict) else item
            for member in members:
                if isinstance(member, str):
                    if not well_formed(member):
                        return "a text holds half a surrogate pair"
                elif isinstance(member, (dict, list)):
                    below.append(member)
                elif isinstance(member, float) and member in (float("inf"), float("-inf")):
                    return "a number is too large"
        if not below:
            return ""
        level = below
    return f"it is nested deeper than {DEEPEST}"
