"""Figures as a table that also reads as Markdown."""

from __future__ import annotations

from typing import NamedTuple

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Sequence


class Row(NamedTuple):
    """One way of doing the work: median milliseconds of doing it and of undoing it."""

    what: str
    do: float
    undo: float


def table(title: str, verbs: tuple[str, str], rows: Sequence[Row], note: str = "") -> str:
    """Rows, each with its ratio to the first."""
    base = rows[0]
    lines = [["", f"{verbs[0]}, ms", f"{verbs[1]}, ms", f"{verbs[0]}, ratio", f"{verbs[1]}, ratio"]]
    lines += [
        [row.what, _ms(row.do), _ms(row.undo), _ratio(row.do, base.do), _ratio(row.undo, base.undo)] for row in rows
    ]
    widths = [max(len(line[column]) for line in lines) for column in range(5)]
    lines.insert(1, ["-" * widths[0], *("-" * (width - 1) + ":" for width in widths[1:])])
    body = "\n".join(
        "| " + " | ".join(_cell(*pair) for pair in zip(line, widths, strict=True)) + " |" for line in lines
    )
    return f"{title}\n\n{body}\n" + (f"\n{note}\n" if note else "")


def _cell(text: str, width: int) -> str:
    return text.rjust(width) if text[:1].isdigit() else text.ljust(width)


def _ms(value: float) -> str:
    return f"{value:.2f}" if value < 10 else f"{value:.0f}"


def _ratio(value: float, base: float) -> str:
    return f"{value / base:.2f}"
