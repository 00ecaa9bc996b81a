"""A survey as boxes and cables, which the formats then draw: Mermaid, DOT, SVG."""

from __future__ import annotations

from netkit.value import Value

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence

    from netkit.lab.survey import Link, Space

#: Kinds of boxes, from the outside in.
_ORDER = ("switch", "link", "tunnel", "router", "bridge", "port", "container")
#: Links that need no word on what they are.
_PLAIN = ("", "veth")
#: Links that are ends of something else than a tunnel.
_NO_TUNNEL = (*_PLAIN, "bridge", "macvlan", "ipvlan", "vlan")


class Box(Value):
    """A thing: a frame (`host`) with things in it, or one of these.

    switch  link (leads out of its host)  tunnel  router (the host forwards)  bridge  port (leads in)  container
    """

    ident: str
    kind: str
    title: str
    lines: tuple[str, ...] = ()
    inside: str = ""


class Cable(Value):
    """What joins two boxes: a `cable`, a `route` (the host forwards), or a `tunnel` (and the link that it uses)."""

    a: str
    b: str
    kind: str = "cable"


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
    return _Drawer([_housed(space, spaces) for space in spaces]).draw()


def _housed(space: Space, spaces: Sequence[Space]) -> Space:
    """A container that no record knows is where its first cable leads to."""
    hosts = {one.name for one in spaces if one.kind == "host"}
    ends = [link.peer[0] for link in space.links if link.peer and link.peer[0] in hosts]
    return space.replace(host=ends[0]) if space.kind == "container" and not space.host and ends else space


class _Drawer:
    """Boxes of every namespace, then what joins them."""

    def __init__(self, spaces: Sequence[Space]) -> None:
        self.spaces = {space.name: space for space in spaces}
        self.boxes: dict[str, Box] = {}
        self.routes: list[Cable] = []

    def draw(self) -> Drawing:
        """The drawing."""
        for space in self.spaces.values():
            self.boxes.update((box.ident, box) for box in self._boxes(space))
        found = [*(cable for space in self.spaces.values() for cable in self._cables(space)), *self.routes]
        cables = [self._downward(cable) for cable in found if {cable.a, cable.b} <= {*self.boxes}]
        return Drawing(
            tuple(self.boxes.values()), tuple(cable for cable in dict.fromkeys(cables) if cable.a != cable.b)
        )

    def _downward(self, cable: Cable) -> Cable:
        """The same from the outside in, which is from above to below, and the same from both of its ends."""
        one, other = sorted((cable.a, cable.b), key=lambda end: (_ORDER.index(self.boxes[end].kind), end))
        return cable.replace(a=one, b=other)

    def _boxes(self, space: Space) -> Iterator[Box]:
        if space.kind != "host":
            yield _whole(space)
            return
        yield Box(space.name, "host", space.name)
        links = [link for link in space.links if self._worth_a_box(space, link)]
        yield from (self._box(space, link) for link in links)
        routed = [_ident(space, link.name) for link in links if self._routed(space, link)]
        if space.forwards and len(routed) > 1:
            router = f"{space.name}//"
            yield Box(router, "router", "forwards", inside=space.name)
            self.routes += [Cable(ident, router, "route") for ident in routed]

    def _box(self, space: Space, link: Link) -> Box:
        kind = self._kind(space, link)
        title = link.name if kind == "bridge" or link.kind in _PLAIN else f"{link.name} ({link.kind})"
        names = [f"network {name}" for device, name in space.networks if device == link.name]
        more = _unseen(space, link) if kind == "bridge" else _width(link.mtu)
        lines = (*names, *link.addresses, *link.about, *more, *(() if link.up else ("down",)))
        return Box(_ident(space, link.name), kind, title, lines, space.name)

    def _kind(self, space: Space, link: Link) -> str:
        if link.kind == "bridge":
            return "bridge"
        if link.peer is not None and self._inward(space, link.peer[0]):
            return "port"
        return "link" if link.kind in _NO_TUNNEL else "tunnel"

    def _inward(self, space: Space, other: str) -> bool:
        return other == space.name or self.spaces[other].kind == "container"

    def _worth_a_box(self, space: Space, link: Link) -> bool:
        """Links that the kernel makes unasked and that are down say nothing; a bridge's cables are only lines."""
        if link.master and (self._kind(space, link) == "port" or (link.kind == "veth" and link.peer is None)):
            return False
        return bool(link.up or link.addresses or link.peer or link.kind == "bridge")

    def _routed(self, space: Space, link: Link) -> bool:
        """Whether packets are routed from and to a link; a container's cable needs no address for that."""
        to_container = link.peer is not None and self.spaces[link.peer[0]].kind == "container"
        return not link.master and link.up and bool(link.addresses or to_container)

    def _cables(self, space: Space) -> Iterator[Cable]:
        for link in space.links:
            here = self._end(space, link)
            if link.peer is not None:
                yield Cable(here, self._far_end(*link.peer))
            if link.master and here != _ident(space, link.master):
                yield Cable(_ident(space, link.master), here)
            if link.over:
                through = [
                    one for one in space.links if link.over == one.name or link.over in map(_bare, one.addresses)
                ]
                yield from (Cable(self._end(space, one), here, "tunnel") for one in through[:1])

    def _far_end(self, name: str, ifname: str) -> str:
        other = self.spaces[name]
        return self._end(other, next(link for link in other.links if link.name == ifname))

    def _end(self, space: Space, link: Link) -> str:
        """The box that a link's cable ends at."""
        if space.kind != "host":
            return space.name
        own = _ident(space, link.name)
        return own if own in self.boxes else _ident(space, link.master)


def _whole(space: Space) -> Box:
    """A switch or container, drawn as one box."""
    if space.kind == "switch":
        return Box(space.name, "switch", space.name)
    lines: list[str] = []
    for link in space.links:
        words = " ".join(_width(link.mtu))
        lines += [f"{link.name} {address} {words}".rstrip() for address in link.addresses]
        if not link.addresses and link.peer:
            lines.append(f"{link.name} without address")
    return Box(space.name, "container", space.name, (*lines, *space.notes), space.host)


def _width(mtu: int) -> tuple[str, ...]:
    return (f"mtu {mtu}",) if mtu != 1500 else ()


def _ident(space: Space, name: str) -> str:
    return f"{space.name}/{name}"


def _unseen(space: Space, bridge: Link) -> tuple[str, ...]:
    """A bridge's ports that lead to where we do not look."""
    ports = [link for link in space.links if link.master == bridge.name]
    count = sum(link.kind == "veth" and link.peer is None for link in ports)
    return (f"and {count} more port{'s' if count > 1 else ''}",) if count else ()


def _bare(address: str) -> str:
    return address.partition("/")[0]


def neighbours(cables: Iterable[Cable]) -> dict[str, list[str]]:
    """What each box is joined to."""
    found: dict[str, list[str]] = {}
    for cable in cables:
        found.setdefault(cable.a, []).append(cable.b)
        found.setdefault(cable.b, []).append(cable.a)
    return found
