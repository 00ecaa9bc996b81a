"""A drawing as SVG, laid out by ourselves.

switches          one row, above the hosts that they join
hosts             frames side by side; in each, from above: its links, its bridges, its containers
cables            from a box's lower edge to a lower box's upper edge; between hosts, over the frames
"""

from __future__ import annotations

from netkit.value import Value

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from netkit.lab.drawing import Box, Cable, Drawing

_CHARACTER, _LINE, _PAD, _GAP = 7.3, 16, 10, 26
_TITLE, _ROW_GAP, _LANE, _MARGIN = 26, 44, 16, 20
_ROWS = ("link", "bridge", "container")
_FILLS = {"link": "#e8f0fe", "bridge": "#fff3d6", "switch": "#fff3d6", "container": "#e6f4ea"}
_STROKES = {"link": "#4a78c2", "bridge": "#c98a00", "switch": "#c98a00", "container": "#3c8d53"}


class Placed(Value):
    """A box with its place: the upper left corner, and its size."""

    box: Box
    x: float
    y: float
    width: float
    height: float

    @property
    def middle(self) -> float:
        """The x of its middle."""
        return self.x + self.width / 2

    @property
    def bottom(self) -> float:
        """The y of its lower edge."""
        return self.y + self.height


def svg(drawing: Drawing) -> str:
    """The drawing as one SVG document."""
    over = [cable for cable in drawing.cables if not cable.routed and _crosses(cable, drawing)]
    free = [_sized(box) for box in drawing.within("")]
    top = _MARGIN + len(over) * _LANE + (max((one.height for one in free), default=0) + _ROW_GAP if free else 0)
    placed: list[Placed] = []
    x = float(_MARGIN)
    for frame in drawing.frames():
        placed += _frame(frame, _ordered(frame, drawing), x, top)
        x = placed[-1].x + placed[-1].width + _GAP
    placed += _row(free, _MARGIN, _MARGIN, max(x - _GAP - _MARGIN, 0))
    return _document(placed, drawing.cables, top)


def _crosses(cable: Cable, drawing: Drawing) -> bool:
    """Whether a cable joins two links of hosts."""
    kinds = {box.ident: (box.kind, box.inside) for box in drawing.boxes}
    (one, host), (other, other_host) = kinds[cable.a], kinds[cable.b]
    return one == other == "link" or (host != other_host and "switch" not in (one, other))


def _ordered(frame: Box, drawing: Drawing) -> list[Box]:
    """What is in a frame; containers stand below the bridges that they hang on."""
    boxes = drawing.within(frame.ident)
    order = {box.ident: at for at, box in enumerate(boxes)}
    above: dict[str, list[int]] = {}
    for cable in drawing.cables:
        for one, other in ((cable.a, cable.b), (cable.b, cable.a)):
            if not cable.routed and other in order:
                above.setdefault(one, []).append(order[other])

    def weight(box: Box) -> float:
        found = above.get(box.ident, ())
        return sum(found) / len(found) if box.kind == "container" and found else order[box.ident]

    return sorted(boxes, key=weight)


def _sized(box: Box) -> Placed:
    longest = max(len(line) for line in (box.title, *box.lines))
    return Placed(box, 0, 0, longest * _CHARACTER + 2 * _PAD, (len(box.lines) + 1) * _LINE + _PAD)


def _frame(frame: Box, inner: Sequence[Box], x: float, y: float) -> list[Placed]:
    """The boxes of a host in rows, then its frame."""
    rows = [[_sized(box) for box in inner if box.kind == kind] for kind in _ROWS]
    rows = [row for row in rows if row]
    title = len(frame.title) * _CHARACTER + 2 * _PAD
    width = max([title, *(sum(one.width for one in row) + _GAP * (len(row) - 1) for row in rows)])
    placed: list[Placed] = []
    down = y + _TITLE
    for row in rows:
        placed += _row(row, x + _PAD, down, width)
        down += max(one.height for one in row) + _ROW_GAP
    height = down - y - (_ROW_GAP - _PAD if rows else 0)
    return [*placed, Placed(frame, x, y, width + 2 * _PAD, height)]


def _row(row: Sequence[Placed], x: float, y: float, width: float) -> list[Placed]:
    """Side by side, in the middle of a width."""
    free = width - sum(one.width for one in row) - _GAP * (len(row) - 1)
    x += max(free, 0) / 2
    placed = []
    for one in row:
        placed.append(one.replace(x=x, y=y))
        x += one.width + _GAP
    return placed


def _document(placed: Sequence[Placed], cables: Iterable[Cable], top: float) -> str:
    by_name = {one.box.ident: one for one in placed}
    width = max((one.x + one.width for one in placed), default=0) + _MARGIN
    height = max((one.bottom for one in placed), default=0) + _MARGIN
    frames = [_shape(one) for one in placed if one.box.kind == "host"]
    boxes = [_shape(one) for one in placed if one.box.kind != "host"]
    lines, lane = [], 0
    for cable in cables:
        one, other = sorted((by_name[cable.a], by_name[cable.b]), key=lambda end: end.y)
        level = one.y == other.y
        lines.append(_over(one, other, top - (lane + 1) * _LANE) if level else _straight(one, other, cable.routed))
        lane += level
    head = f'<svg xmlns="http://www.w3.org/2000/svg" width="{width:.0f}" height="{height:.0f}" font-size="12"'
    back = '<rect width="100%" height="100%" fill="white"/>'
    parts = [f'{head} font-family="DejaVu Sans Mono, monospace">', back, *frames, *lines, *boxes, "</svg>"]
    return "\n".join(parts) + "\n"


def _straight(one: Placed, other: Placed, routed: bool) -> str:
    style = 'stroke="#999" stroke-dasharray="2 4"' if routed else 'stroke="#444" stroke-width="2"'
    return f'<path d="M{one.middle:.0f} {one.bottom:.0f} L{other.middle:.0f} {other.y:.0f}" fill="none" {style}/>'


def _over(one: Placed, other: Placed, y: float) -> str:
    """Up, along a lane of its own above the frames, and down again."""
    path = f"M{one.middle:.0f} {one.y:.0f} V{y:.0f} H{other.middle:.0f} V{other.y:.0f}"
    return f'<path d="{path}" fill="none" stroke="#444" stroke-width="2"/>'


def _shape(one: Placed) -> str:
    box = one.box
    place = f'x="{one.x:.0f}" y="{one.y:.0f}" width="{one.width:.0f}" height="{one.height:.0f}"'
    if box.kind == "host":
        frame = f'<rect {place} rx="6" fill="#fafafa" stroke="#777"/>'
        return frame + _text(box.title, one.x + _PAD, one.y + 18, "start", bold=True)
    round_ = "8" if box.kind == "container" else "2"
    shape = f'<rect {place} rx="{round_}" fill="{_FILLS[box.kind]}" stroke="{_STROKES[box.kind]}" stroke-width="1.5"/>'
    texts = [
        _text(line, one.middle, one.y + _LINE * (number + 1), "middle", bold=number == 0)
        for number, line in enumerate((box.title, *box.lines))
    ]
    return shape + "".join(texts)


def _text(text: str, x: float, y: float, anchor: str, bold: bool) -> str:
    safe = text.replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;")
    weight = ' font-weight="bold"' if bold else ""
    return f'<text x="{x:.0f}" y="{y:.0f}" text-anchor="{anchor}"{weight}>{safe}</text>'
