"""A drawing as one SVG document, laid out by ourselves."""

from __future__ import annotations

from netkit.lab.layout import LINE, PAD, layout

TYPE_CHECKING = False
if TYPE_CHECKING:
    from netkit.lab.drawing import Drawing
    from netkit.lab.layout import Line, Placed

#: Fill and stroke of each kind of box.
_COLOURS = {
    "link": ("#e8f0fe", "#4a78c2"),
    "port": ("#e8f0fe", "#4a78c2"),
    "tunnel": ("#f3e8fd", "#8a4fc0"),
    "router": ("#ffffff", "#999999"),
    "bridge": ("#fff3d6", "#c98a00"),
    "switch": ("#fff3d6", "#c98a00"),
    "container": ("#e6f4ea", "#3c8d53"),
}
_STROKES = {
    "cable": 'stroke="#444" stroke-width="2"',
    "route": 'stroke="#888" stroke-width="1.2" stroke-dasharray="2 3"',
    "tunnel": 'stroke="#8a4fc0" stroke-width="1.5" stroke-dasharray="6 3"',
}


def svg(drawing: Drawing) -> str:
    """The drawing as one SVG document."""
    found = layout(drawing)
    width, height = f"{found.width:.0f}", f"{found.height:.0f}"
    size = f'width="{width}" height="{height}" viewBox="0 0 {width} {height}"'
    font = 'font-size="12" font-family="DejaVu Sans Mono, monospace"'
    head = f'<svg xmlns="http://www.w3.org/2000/svg" {size} {font}>'
    frames = [_frame(one) for one in found.placed if one.box.kind == "host"]
    boxes = [_box(one) for one in found.placed if one.box.kind != "host"]
    back = '<rect width="100%" height="100%" fill="white"/>'
    return "\n".join([head, back, *frames, *map(_line, found.lines), *boxes, "</svg>"]) + "\n"


def _line(line: Line) -> str:
    way = " L".join(f"{x:.0f} {y:.0f}" for x, y in line.points)
    return f'<path d="M{way}" fill="none" stroke-linejoin="round" {_STROKES[line.kind]}/>'


def _frame(one: Placed) -> str:
    shape = f'<rect {_place(one)} rx="6" fill="#fafafa" stroke="#777"/>'
    return shape + _text(one.box.title, one.x + PAD, one.bottom - 8, "start", bold=True)


def _box(one: Placed) -> str:
    box = one.box
    fill, stroke = _COLOURS[box.kind]
    corner = {"container": 8, "router": 12}.get(box.kind, 2)
    shape = f'<rect {_place(one)} rx="{corner}" fill="{fill}" stroke="{stroke}" stroke-width="1.5"/>'
    lines = (box.title, *box.lines)
    texts = [
        _text(line, one.middle, one.y + LINE * number, "middle", bold=number == 1 and box.kind != "router")
        for number, line in enumerate(lines, 1)
    ]
    return shape + "".join(texts)


def _place(one: Placed) -> str:
    return f'x="{one.x:.0f}" y="{one.y:.0f}" width="{one.width:.0f}" height="{one.height:.0f}"'


def _text(text: str, x: float, y: float, anchor: str, bold: bool) -> str:
    safe = text.replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;")
    weight = ' font-weight="bold"' if bold else ""
    return f'<text x="{x:.0f}" y="{y:.0f}" text-anchor="{anchor}"{weight}>{safe}</text>'
