"""Headers drawn as in a textbook: a box each, 32 bits a row, fields as wide as they are, offsets at the side. Pure.

          0           8           16          24
      34 |sport 48879            |dport 4789             |
         +-----------------------+-----------------------+
      38 |len 63                 |chksum 0x0             |
         +-----------------------+-----------------------+

Three characters stand for two bits, so that two boxes fit beside each other in 112 columns. A field that goes on over
several rows has no line between them; whole rows of it are left out, which the offsets tell.
"""

from __future__ import annotations

from netkit.value import Value

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence

    from netkit.probe.dissect import Field, Header

_ROW = 32
_MARGIN = 6
#: The columns that a diagram takes.
WIDTH = _MARGIN + _ROW * 3 // 2 + 1
_GAP = "  "
#: Names that are too long for the field that they name.
_SHORT = {"version": "ver", "dataofs": "ofs", "chksum": "sum", "cksum": "sum"}
_SCALE = " " * _MARGIN + "".join(f"{bit:<12}" for bit in range(0, _ROW, 8)).rstrip()


class Cell(Value):
    """The part of a field that lies in one row: its bits there, and whether the field's text stands in it."""

    field: int
    start: int
    end: int
    text: str = ""


def side_by_side(columns: Sequence[tuple[str, Sequence[Header]]], width: int = 0) -> str:
    """Titled lists of headers beside each other, below each other where `width` (0: any) is too small for it."""
    drawn = [[title, _SCALE, *_stack(headers)] for title, headers in columns]
    if width and len(drawn) * (WIDTH + len(_GAP)) - len(_GAP) > width:
        return "\n\n".join("\n".join(lines) for lines in drawn)
    height = max(len(lines) for lines in drawn)
    rows = zip(*(lines + [""] * (height - len(lines)) for lines in drawn), strict=True)
    return "\n".join(_GAP.join(cell.ljust(WIDTH) for cell in row).rstrip() for row in rows)


def _stack(headers: Iterable[Header]) -> Iterator[str]:
    for header in headers:
        last = header.offset + header.length - 1
        yield f"{'':{_MARGIN}}{header.name}, bytes {header.offset} to {last}"
        yield from draw(header)


def draw(header: Header) -> Iterator[str]:
    """One header as a box."""
    above: list[Cell] = []
    for number, row in _rows(header.fields):
        yield " " * _MARGIN + _line(above, row)
        yield f"{header.offset + number * 4:>{_MARGIN - 1}} " + _content(row)
        above = row
    yield " " * _MARGIN + _line(above, [])


def _rows(fields: Sequence[Field]) -> Iterator[tuple[int, list[Cell]]]:
    """The rows with their numbers, without those that a field fills which has begun before."""
    rows: dict[int, list[Cell]] = {}
    for index, cells in enumerate(_cells(fields)):
        labelled = max(cells, key=lambda cell: cell[2] - cell[1])  # the widest, and of those the first
        for row, start, end in cells:
            text = _label(fields[index], _at(end) - _at(start) - 1) if (row, start, end) == labelled else ""
            rows.setdefault(row, []).append(Cell(index, start, end, text))
    seen = -1
    for number, drawn in rows.items():
        if (len(drawn) > 1 or drawn[0].field != seen) or drawn[0].text:
            yield number, drawn
        seen = drawn[-1].field


def _cells(fields: Sequence[Field]) -> Iterator[list[tuple[int, int, int]]]:
    """For each field its parts: the row, and the bits from and to in it."""
    at = 0
    for field in fields:
        end, parts = at + field.bits, []
        while at < end:
            row = at // _ROW
            stop = min(end, (row + 1) * _ROW)
            parts.append((row, at - row * _ROW, stop - row * _ROW))
            at = stop
        yield parts


def _label(field: Field, width: int) -> str:
    named = f"{_SHORT.get(field.name, field.name)} {field.value}".strip()
    text = named if len(named) <= width else field.value
    return text if len(text) <= width else text[: max(width - 1, 0)] + "~"[: max(width, 0)]


def _content(row: Sequence[Cell]) -> str:
    return "|" + "|".join(f"{cell.text:<{_at(cell.end) - _at(cell.start) - 1}}" for cell in row) + "|"


def _line(above: Sequence[Cell], below: Sequence[Cell]) -> str:
    """The line between two rows: none where the same field goes on, a corner wherever a side meets it."""
    corners = {_at(edge) for row in (above, below) for cell in row for edge in (cell.start, cell.end)}
    marks = ""
    for column in range(max(corners, default=-1) + 1):
        up, down = _field_at(above, column), _field_at(below, column)
        goes_on = up == down and up is not None
        if column in corners:
            marks += "|" if goes_on and not marks.endswith("-") else "+"
        else:
            marks += " " if goes_on else "-"
    return marks


def _field_at(row: Sequence[Cell], column: int) -> int | None:
    """The field on whose ground a column is; a side belongs to the field at its right."""
    for cell in row:
        if _at(cell.start) <= column < _at(cell.end) or (cell is row[-1] and column == _at(cell.end)):
            return cell.field
    return None


def _at(bit: int) -> int:
    return bit * 3 // 2
