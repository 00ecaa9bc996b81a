"""A drawing as Mermaid, which Markdown pages and most forges show, and as DOT for Graphviz."""

from __future__ import annotations

TYPE_CHECKING = False
if TYPE_CHECKING:
    from netkit.lab.drawing import Box, Drawing

_SHAPES = {"bridge": ("[[", "]]"), "switch": ("[[", "]]"), "container": ("(", ")"), "router": ("([", "])")}
_STYLES = {"bridge": "box3d", "switch": "box3d", "container": "box", "router": "oval"}
_CABLES = {"cable": ("---", ""), "route": ("-.-", " [style=dotted]"), "tunnel": ("===", " [style=dashed]")}


def mermaid(drawing: Drawing) -> str:
    """The drawing in Mermaid's words."""
    names = _names(drawing)
    lines = ["flowchart TB"]
    for frame in drawing.frames():
        inner = [f"    {_node(box, names)}" for box in drawing.within(frame.ident)]
        lines += [f"  subgraph {names[frame.ident]}[{_text(frame.title)}]", *inner, "  end"]
    lines += [f"  {_node(box, names)}" for box in drawing.within("")]
    for cable in drawing.cables:
        lines.append(f"  {names[cable.a]} {_CABLES[cable.kind][0]} {names[cable.b]}")
    return "\n".join(lines) + "\n"


def dot(drawing: Drawing) -> str:
    """The drawing in Graphviz's words."""
    names = _names(drawing)
    lines = ["graph netkit {", "  node [fontname=sans fontsize=11];"]
    for frame in drawing.frames():
        inner = [f"    {_dot_node(box, names)}" for box in drawing.within(frame.ident)]
        head = [f"  subgraph cluster_{names[frame.ident]} {{", f"    label={_quoted(frame.title)};"]
        lines += [*head, *inner, "  }"]
    lines += [f"  {_dot_node(box, names)}" for box in drawing.within("")]
    for cable in drawing.cables:
        lines.append(f"  {names[cable.a]} -- {names[cable.b]}{_CABLES[cable.kind][1]};")
    return "\n".join([*lines, "}"]) + "\n"


def _names(drawing: Drawing) -> dict[str, str]:
    """Words that both languages take as names."""
    return {box.ident: f"n{number}" for number, box in enumerate(drawing.boxes)}


def _node(box: Box, names: dict[str, str]) -> str:
    start, end = _SHAPES.get(box.kind, ("[", "]"))
    return f"{names[box.ident]}{start}{_text(box.title, *box.lines)}{end}"


def _text(*lines: str) -> str:
    safe = [line.replace("&", "&amp;").replace('"', "&quot;").replace("<", "&lt;") for line in lines]
    return '"' + "<br/>".join(safe).replace("->", "&rarr;") + '"'


def _dot_node(box: Box, names: dict[str, str]) -> str:
    shape, label = _STYLES.get(box.kind, "component"), _quoted("\n".join((box.title, *box.lines)))
    return f"{names[box.ident]} [shape={shape} label={label}];"


def _quoted(text: str) -> str:
    return '"' + text.replace("\\", "\\\\").replace('"', '\\"').replace("\n", "\\n") + '"'
