"""Pictures are readable: no box covers another, everything is in its frame and on the paper, cables end at boxes."""

from __future__ import annotations

from itertools import combinations

from hypothesis import given
from hypothesis import strategies as st

from netkit.lab.drawing import drawing
from netkit.lab.layout import layout
from netkit.lab.survey import Link, Space

TYPE_CHECKING = False
if TYPE_CHECKING:
    from netkit.lab.drawing import Drawing
    from netkit.lab.layout import Placed

_SMALL = st.integers(0, 3)


@st.composite
def surveys(draw: st.DrawFn) -> Drawing:
    """Some hosts with wires to a switch, tunnels, bridges and containers; and a container that hangs on nothing."""
    spaces: list[Space] = []
    ports: list[Link] = []
    for number in range(draw(_SMALL)):
        host = f"host{number}"
        wires, bridges = draw(_SMALL), draw(_SMALL)
        ports += [Link(f"{host}-{n}", "veth", peer=(host, f"eth{n}"), master="br0") for n in range(wires)]
        links = [Link(f"eth{n}", "veth", (f"10.{number}.{n}.1/24",), peer=("sw", f"{host}-{n}")) for n in range(wires)]
        links += [Link(f"br{n}", "bridge", (f"172.16.{n}.1/24",)) for n in range(bridges)]
        if draw(st.booleans()):
            links.append(Link("vx", "vxlan", over="eth0", master="br0" if bridges else "", about=("VNI 7",)))
        for inner in range(draw(_SMALL)):
            name = f"{host}-c{inner}"
            spaces.append(Space(name, "container", (Link("eth0", "veth", ("fd00::2/64",), peer=(host, f"v{inner}")),)))
            links.append(
                Link(f"v{inner}", "veth", peer=(name, "eth0"), master=f"br{inner % bridges}" if bridges else "")
            )
        spaces.append(Space(host, "host", tuple(links), forwards=draw(st.booleans())))
    switch = Space("sw", "switch", (Link("br0", "bridge"), *ports))
    return drawing([*spaces, switch, Space("loose", "container")])


def apart(one: Placed, other: Placed) -> bool:
    beside = one.right <= other.x or other.right <= one.x
    return beside or one.bottom <= other.y or other.bottom <= one.y


@given(surveys())
def test_no_box_covers_another(drawn: Drawing) -> None:
    placed = layout(drawn).placed
    assert {one.box for one in placed} == {*drawn.boxes}
    for one, other in combinations(placed, 2):
        assert apart(one, other) or "host" in (one.box.kind, other.box.kind), (one, other)


@given(surveys())
def test_frames_hold_what_is_theirs_and_nothing_else(drawn: Drawing) -> None:
    placed = layout(drawn).placed
    for frame in (one for one in placed if one.box.kind == "host"):
        for one in placed:
            inside = frame.x <= one.x and one.right <= frame.right and frame.y <= one.y and one.bottom <= frame.bottom
            assert inside == (one.box.inside == frame.box.ident or one is frame), (frame, one)


@given(surveys())
def test_everything_is_on_the_paper(drawn: Drawing) -> None:
    found = layout(drawn)
    points = [point for line in found.lines for point in line.points]
    points += [point for one in found.placed for point in ((one.x, one.y), (one.right, one.bottom))]
    assert all(0 <= x <= found.width and 0 <= y <= found.height for x, y in points)


@given(surveys())
def test_cables_end_at_the_edges_of_their_boxes(drawn: Drawing) -> None:
    found = layout(drawn)
    places = {one.box.ident: one for one in found.placed}
    for cable, line in zip(drawn.cables, found.lines, strict=True):
        ends = {cable.a: places[cable.a], cable.b: places[cable.b]}
        for x, y in (line.points[0], line.points[-1]):
            assert any(one.x < x < one.right and y in (one.y, one.bottom) for one in ends.values()), (cable, line)
