"""Small files and small functions, so that each fits on a screen and in a head.

A file counts with all its lines; a function from `def` to its end without its docstring, which is welcome to be long.
"""

from __future__ import annotations

import ast

import pytest

from tests.hosts import REPOSITORY
from tests.meta.source import files, functions, length

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Mapping

HOUSE = ("netkit", "plugins")
#: (median, 90th percentile, cap) in lines
FILE, FUNCTION = (150, 300, 450), (10, 30, 60)


def too_long(sizes: Mapping[str, int], limits: tuple[int, int, int]) -> list[str]:
    """What breaks the limits; [] when nothing does."""
    median, most, cap = limits
    ranked = sorted(sizes.values())
    found = [f"{name}: {size} lines, the cap is {cap}" for name, size in sizes.items() if size > cap]
    if (middle := ranked[(len(ranked) - 1) // 2]) > median:
        found.append(f"the median is {middle} lines, at most {median}")
    if (high := ranked[(len(ranked) * 9 - 1) // 10]) > most:
        found.append(f"nine in ten have up to {high} lines, at most {most}")
    return found


def file_sizes() -> dict[str, int]:
    return {str(path.relative_to(REPOSITORY)): len(path.read_text().splitlines()) for path in files(*HOUSE)}


def function_sizes() -> dict[str, int]:
    return {
        f"{path.relative_to(REPOSITORY)}:{function.lineno} {function.name}": length(function)
        for path in files(*HOUSE)
        for function in functions(ast.parse(path.read_text()))
    }


def test_files_are_small() -> None:
    written = {name: size for name, size in file_sizes().items() if size > 1}  # a folder's docstring is no file
    assert too_long(written, FILE) == []


def test_functions_are_small() -> None:
    assert too_long(function_sizes(), FUNCTION) == []


@pytest.mark.parametrize(
    ("sizes", "says"),
    [
        ([61], "the cap is 60"),
        ([5] * 9 + [61], "the cap is 60"),
        ([5] * 4 + [11] * 5, "the median is 11"),
        ([5] * 8 + [31] * 2, "nine in ten have up to 31"),
    ],
)
def test_a_planted_giant_is_found(sizes: list[int], says: str) -> None:
    assert says in " ".join(too_long({str(number): size for number, size in enumerate(sizes)}, FUNCTION))


def test_limits_may_be_reached() -> None:
    assert too_long({str(number): size for number, size in enumerate([10] * 5 + [30] * 4 + [60])}, FUNCTION) == []


def test_a_docstring_does_not_count() -> None:
    (function,) = functions(ast.parse('def f():\n    """One.\n\n    Two.\n    """\n    return 1\n'))
    assert length(function) == 2
