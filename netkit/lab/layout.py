"""Where the boxes of a drawing stand, and which way its cables run.

switches          one row on top
buses             a lane for each segment: what leads out of its host goes up into its lane, along it, and down again
hosts             frames side by side; in each, from above: links, the router, bridges, containers
containers        that hang on nothing: one row below
"""

from __future__ import annotations

from netkit.lab.drawing import neighbours
from netkit.value import Value

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from netkit.lab.drawing import Box, Cable, Drawing

CHARACTER, LINE, PAD = 7.3, 16, 10
_GAP, _ROW_GAP, _LANE, _MARGIN, _CAPTION = 26, 40, 16, 20, 24
#: The row of each kind in its host, from above; a tunnel stands among the links unless it is plugged into a bridge.
_ROWS = {"link": 0, "tunnel": 0, "router": 1, "bridge": 2, "port": 2, "container": 3}
_PLUGGED = 1


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
    def right(self) -> float:
        """The x of its right edge."""
        return self.x + self.width

    @property
    def bottom(self) -> float:
        """The y of its lower edge."""
        return self.y + self.height


class Line(Value):
    """A cable's way, from point to point."""

    kind: str
    points: tuple[tuple[float, float], ...]


class Layout(Value):
    """Everything with its place, and the size of the whole."""

    placed: tuple[Placed, ...]
    lines: tuple[Line, ...]
    width: float
    height: float


def layout(drawing: Drawing) -> Layout:
    """Place everything."""
    buses = _buses(drawing)
    free = drawing.within("")
    switches = [_sized(box) for box in free if box.kind == "switch"]
    over = _MARGIN + max((one.height + _LANE for one in switches), default=0)
    top = over + len(buses) * _LANE
    placed: list[Placed] = []
    x = float(_MARGIN)
    for frame in drawing.frames():
        placed += _frame(frame, drawing, x, top)
        x = placed[-1].right + _GAP
    below = max((one.bottom for one in placed), default=top) + _ROW_GAP / 2
    placed += _row([_sized(box) for box in free if box.kind != "switch"], _MARGIN, below, 0)
    placed += _above(switches, placed, drawing)
    lines = _Lines(placed, drawing, buses).all(top)
    width = max((one.right for one in placed), default=0) + _MARGIN
    return Layout(tuple(placed), tuple(lines), width, max((one.bottom for one in placed), default=0) + _MARGIN)


def _buses(drawing: Drawing) -> list[list[Cable]]:
    """The cables that leave their host, those of one switch together."""
    boxes = {box.ident: box for box in drawing.boxes}
    found: dict[str, list[Cable]] = {}
    for cable in drawing.cables:
        ends = boxes[cable.a], boxes[cable.b]
        if ends[0].inside != ends[1].inside or ends[0].inside == "":
            name = next((end.ident for end in ends if end.kind == "switch"), f"{cable.a} {cable.b}")
            found.setdefault(name, []).append(cable)
    return list(found.values())


def _sized(box: Box) -> Placed:
    longest = max(len(line) for line in (box.title, *box.lines))
    return Placed(box, 0, 0, longest * CHARACTER + 2 * PAD, (len(box.lines) + 1) * LINE + PAD)


def _frame(frame: Box, drawing: Drawing, x: float, y: float) -> list[Placed]:
    """The boxes of a host in rows, then its frame, whose caption is at the bottom, where no cable passes."""
    near = neighbours(drawing.cables)
    inner = drawing.within(frame.ident)
    bridges = {box.ident for box in inner if box.kind == "bridge"}
    by_row: dict[int, list[Placed]] = {}
    for box in inner:
        plugged = box.kind == "tunnel" and bridges & {*near.get(box.ident, ())}
        by_row.setdefault(_PLUGGED if plugged else _ROWS[box.kind], []).append(_sized(box))
    rows = [row for _, row in sorted(by_row.items())]
    caption = len(frame.title) * CHARACTER + 2 * PAD
    width = max([caption, *(sum(one.width for one in row) + _GAP * (len(row) - 1) for row in rows)])
    placed: list[Placed] = []
    down = y + PAD
    for row in rows:
        placed += _row(_ordered(row, placed, near), x + PAD, down, width)
        down += max(one.height for one in row) + _ROW_GAP
    height = down - y - (_ROW_GAP if rows else 0) + _CAPTION
    return [*placed, Placed(frame, x, y, width + 2 * PAD, height)]


def _ordered(row: list[Placed], above: Sequence[Placed], near: dict[str, list[str]]) -> list[Placed]:
    """Below what they hang on, so that few cables cross; where they hang on nothing yet, as they are."""
    middles = {one.box.ident: one.middle for one in above}

    def weight(one: Placed) -> float:
        found = [middles[other] for other in near.get(one.box.ident, ()) if other in middles]
        return sum(found) / len(found) if found else 0

    return sorted(row, key=weight)


def _row(row: Sequence[Placed], x: float, y: float, width: float) -> list[Placed]:
    """Side by side, in the middle of a width."""
    free = width - sum(one.width for one in row) - _GAP * (len(row) - 1)
    x += max(free, 0) / 2
    placed = []
    for one in row:
        placed.append(one.replace(x=x, y=y))
        x += one.width + _GAP
    return placed


def _above(switches: Iterable[Placed], placed: Iterable[Placed], drawing: Drawing) -> list[Placed]:
    """Switches over the middle of what they join, without touching each other."""
    near, middles = neighbours(drawing.cables), {one.box.ident: one.middle for one in placed}

    def wanted(one: Placed) -> float:
        found = [middles[other] for other in near.get(one.box.ident, ()) if other in middles]
        return (min(found) + max(found) - one.width) / 2 if found else _MARGIN

    found: list[Placed] = []
    x = float(_MARGIN)
    for one in sorted(switches, key=wanted):
        found.append(one.replace(x=max(x, wanted(one)), y=_MARGIN))
        x = found[-1].right + _GAP
    return found


class _Lines:
    """The ways of all cables; where several end at one edge, each has its own point."""

    def __init__(self, placed: Iterable[Placed], drawing: Drawing, buses: list[list[Cable]]) -> None:
        self.places = {one.box.ident: one for one in placed}
        self.drawing = drawing
        self.buses = sorted(buses, key=self._span)
        self.edges: dict[tuple[str, bool], list[tuple[float, Cable]]] = {}
        for cable in drawing.cables:
            self._note(cable)

    def all(self, top: float) -> list[Line]:
        """The ways, `top` is where frames begin."""
        lanes = {cable: top - (lane + 1) * _LANE for lane, bus in enumerate(self.buses) for cable in bus}
        turns: dict[tuple[str, float], int] = {}
        lines = []
        for cable in self.drawing.cables:
            one, other = self._ends(cable)
            if cable in lanes:
                points = self._through(cable, lanes[cable])
            elif one.y == other.y:
                row = (one.box.inside, one.y)
                turns[row] = turns.get(row, 0) + 1
                points = self._through(cable, max(one.bottom, other.bottom) + turns[row] * 8)
            else:
                points = ((self._x(cable, one), one.bottom), (self._x(cable, other), other.y))
            lines.append(Line(cable.kind, points))
        return lines

    def _span(self, bus: list[Cable]) -> float:
        middles = [self.places[end].middle for cable in bus for end in (cable.a, cable.b)]
        return max(middles) - min(middles)

    def _ends(self, cable: Cable) -> tuple[Placed, Placed]:
        """Both ends, the upper one first."""
        one, other = sorted((self.places[cable.a], self.places[cable.b]), key=lambda end: end.y)
        return one, other

    def _note(self, cable: Cable) -> None:
        one, other = self._ends(cable)
        for end, far in ((one, other), (other, one)):
            if end.box.kind != "switch":
                self.edges.setdefault((end.box.ident, self._below(cable, end)), []).append((far.middle, cable))

    def _below(self, cable: Cable, end: Placed) -> bool:
        """Whether a cable leaves a box by its lower edge."""
        if any(cable in bus for bus in self.buses):
            return end.box.kind == "switch"
        one, other = self._ends(cable)
        return end == one or one.y == other.y

    def _x(self, cable: Cable, end: Placed) -> float:
        if end.box.kind == "switch":
            return end.middle
        here = sorted(self.edges[end.box.ident, self._below(cable, end)], key=lambda found: found[0])
        at = next(number for number, (_, found) in enumerate(here, 1) if found == cable)
        return end.x + end.width * at / (len(here) + 1)

    def _through(self, cable: Cable, y: float) -> tuple[tuple[float, float], ...]:
        """Into a lane, along it, and out of it."""
        one, other = self._ends(cable)
        (a, start), (b, stop) = (
            (self._x(cable, end), end.bottom if self._below(cable, end) else end.y) for end in (one, other)
        )
        return (a, start), (a, y), (b, y), (b, stop)
