"""What is in the kernel, drawn: of a lab that stands, or of this host and what netkit has attached to it."""

from __future__ import annotations

from netkit.engine.service import Engine
from netkit.errors import NotFoundError
from netkit.kernel.namespaces import Namespaces
from netkit.lab.drawing import drawing
from netkit.lab.mermaid import dot, mermaid
from netkit.lab.survey import noted, survey
from netkit.lab.svg import svg

TYPE_CHECKING = False
if TYPE_CHECKING:
    from netkit.kernel.namespaces import Handle
    from netkit.lab.drawing import Drawing
    from netkit.lab.running import Labs, Running

FORMATS = {"mermaid": mermaid, "dot": dot, "svg": svg}


def of_lab(labs: Labs, running: Running) -> Drawing:
    """The members of a lab; one whose namespace has died is left out."""
    with Namespaces() as namespaces:
        places: dict[str, tuple[str, Handle]] = {}
        for held in running.members:
            try:
                places[held.name] = held.kind, namespaces.enter(held.netns)
            except NotFoundError:
                continue
        homes = {name: labs.home(running.name, name) for name, (kind, _) in places.items() if kind == "host"}
        spaces = survey(places)
        return drawing(noted(spaces, {name: Engine(home) for name, home in homes.items()}, places))


def of_host(engine: Engine, name: str) -> Drawing:
    """This host, and the namespaces that are attached to it."""
    with Namespaces() as namespaces:
        places: dict[str, tuple[str, Handle]] = {name: ("host", namespaces.enter(None))}
        drawn = set()
        for record, alive in engine.attachments():
            ep = record.endpoint
            if alive and ep.netns.cookie not in drawn:  # one box, however many networks it is on
                drawn.add(ep.netns.cookie)
                places.setdefault(ep.name or ep.container, ("container", namespaces.enter(ep.netns)))
        return drawing(noted(survey(places), {name: engine}, places))
