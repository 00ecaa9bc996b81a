"""A survey as boxes and cables, which the formats then draw: Mermaid, DOT, SVG."""

from __future__ import annotations

from netkit.value import Value

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence

    from netkit.lab.survey import Link, Space

#: Links that lead out of what we look at, or that nobody needs to see on a machine.
_IDLE = ("", "bridge", "veth")


class Box(Value):
    """A thing: a frame (`host`) with things in it, or one of `switch`, `bridge`, `link`, `container`."""

    ident: str
    kind: str
    title: str
    lines: tuple[str, ...] = ()
    inside: str = ""


class Cable(Value):
    """What joins two boxes; `routed` is no cable: the host forwards between the two."""

    a: str
    b: str
    label: str = ""
    routed: bool = False


class Drawing(Value):
    """All boxes, frames before what is in them, and all cables."""

    boxes: tuple[Box, ...]
    cables: tuple[Cable, ...]

    def frames(self) -> list[Box]:
        """The hosts."""
        return [box for box in self.boxes if box.kind == "host"]

    def within(self, frame: str) -> list[Box]:
        """What is in a frame; "" for what is in none."""
        return [box for box in self.boxes if box.inside == frame and box.kind != "host"]


def drawing(spaces: Sequence[Space]) -> Drawing:
    """What to draw of a survey."""
    boxes = [box for space in spaces for box in _boxes(space, spaces)]
    known = {box.ident for box in boxes}
    cables = [cable for space in spaces for cable in _cables(space, spaces) if {cable.a, cable.b} <= known]
    return Drawing(tuple(boxes), tuple(dict.fromkeys(cables)))


def _boxes(space: Space, spaces: Sequence[Space]) -> Iterator[Box]:
    if space.kind != "host":
        yield _whole(space)
        return
    yield Box(space.name, "host", space.name)
    names = dict(space.networks)
    for link in space.links:
        if link.kind == "bridge":
            network = (f"network {names[link.name]}",) if link.name in names else ()
            yield Box(_ident(space, link.name), "bridge", link.name, (*network, *link.addresses), space.name)
        elif not link.master and _worth_a_box(link):
            state = () if link.up else ("down",)
            lines = (*link.addresses, *_width(link.mtu), *state)
            yield Box(_ident(space, link.name), "link", _titled(link), lines, space.name)


def _whole(space: Space) -> Box:
    """A switch or container, drawn as one box."""
    if space.kind == "switch":
        return Box(space.name, "switch", space.name)
    lines = [f"{link.name} {address}" for link in space.links for address in link.addresses]
    lines += [f"{link.name} without address" for link in space.links if not link.addresses and link.kind == "veth"]
    return Box(space.name, "container", space.name, (*lines, *space.notes), space.host)


def _worth_a_box(link: Link) -> bool:
    """Links that the kernel makes unasked and that are down say nothing."""
    return bool(link.up or link.addresses or link.peer)


def _titled(link: Link) -> str:
    return link.name if link.kind in _IDLE else f"{link.name} ({link.kind})"


def _width(mtu: int) -> tuple[str, ...]:
    return (f"mtu {mtu}",) if mtu != 1500 else ()


def _cables(space: Space, spaces: Iterable[Space]) -> Iterator[Cable]:
    by_name = {one.name: one for one in spaces}
    for link in space.links:
        if link.peer is not None:
            other = by_name[link.peer[0]]
            far = next(one for one in other.links if one.name == link.peer[1])
            a, b = sorted((_end(space, link), _end(other, far)))
            yield Cable(a, b)
        elif link.master and space.kind == "host" and link.kind != "veth":
            yield Cable(_ident(space, link.master), _ident(space, link.name), link.name)
    if space.kind == "host" and space.forwards:
        yield from _routes(space)


def _routes(space: Space) -> Iterator[Cable]:
    bridges = [link for link in space.links if link.kind == "bridge" and link.addresses]
    others = [link for link in space.links if link.kind != "bridge" and not link.master and link.addresses]
    for bridge in bridges:
        for link in others:
            yield Cable(_ident(space, link.name), _ident(space, bridge.name), routed=True)


def _end(space: Space, link: Link) -> str:
    """The box that a cable ends at."""
    if space.kind != "host":
        return space.name
    return _ident(space, link.master or link.name)


def _ident(space: Space, name: str) -> str:
    return f"{space.name}/{name}"
