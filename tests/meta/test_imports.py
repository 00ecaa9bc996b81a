"""Who may import whom: the pyramid, the places of the libraries, and the purity of the pure layers.

Every ban carries its reason, which is what the failing test says.
"""

from __future__ import annotations

import pytest

from tests.meta.source import Import, imports, modules

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator

#: From the foundation up. A module may import its own layer and those below; the longest matching prefix decides.
PYRAMID: tuple[tuple[str, ...], ...] = (
    ("netkit.value", "netkit.jsontext"),
    ("netkit.errors",),
    ("netkit.naming", "netkit.model"),
    ("netkit.plan", "netkit.ipam.pool", "netkit.parse"),
    ("netkit.parts",),
    ("netkit.drivers", "netkit.kernel", "netkit.state"),
    ("netkit.ipam", "netkit.stores"),
    ("netkit.engine",),
    ("netkit.cni", "netkit.agent", "netkit.lab", "netkit.probe"),
    ("netkit.cli",),
    ("netkit.__main__",),
)
FRONT_ENDS = ("netkit.cni", "netkit.agent", "netkit.lab", "netkit.probe", "netkit.cli")

#: Layers that stand side by side and know nothing of each other.
APART = (
    ("netkit.drivers", ("netkit.kernel", "netkit.state"), "a driver is a pure function: it returns a plan"),
    ("netkit.kernel", ("netkit.drivers", "netkit.state"), "the kernel layer carries out ops, no more"),
    ("netkit.state", ("netkit.drivers", "netkit.kernel"), "files know nothing of what they hold"),
    *(
        (end, tuple(other for other in FRONT_ENDS if other != end), "front ends share the engine, not each other")
        for end in FRONT_ENDS
        if end != "netkit.cli"
    ),
)

#: A library, where alone it may be imported, and why.
PLACES = (
    ("pyroute2", ("netkit.kernel", "netkit.agent", "netkit.lab"), "150 ms to import: only where a process lives long"),
    ("iptc", ("netkit.kernel",), "270 ms to import, and binds only the legacy tables"),
    ("click", ("netkit.cli",), "words of a command line end where the command line ends"),
    ("rich", ("netkit.cli",), "only people look at colours"),
    ("etcd3gw", ("netkit.stores.etcd",), "an extra, and 200 ms to import: only where a store is in etcd"),
    ("requests", ("netkit.stores.etcd",), "what etcd3gw speaks through, and nobody else"),
    ("cryptography", ("netkit.engine.keys",), "an extra of 10 MB and compiled: only where a pair of keys is made"),
    ("scapy", ("netkit.probe", "netkit.agent"), "half a second to import: only where a process lives long"),
)

PURE = (
    "netkit.value",
    "netkit.errors",
    "netkit.naming",
    "netkit.model",
    "netkit.plan",
    "netkit.parts",
    "netkit.drivers",
)
PURE_REASON = "a pure layer: no I/O, no clock, no chance, so that a plan is known before anything is touched"
IMPURE = (
    "os",
    "socket",
    "_socket",
    "subprocess",
    "time",
    "random",
    "ctypes",
    "fcntl",
    "pathlib",
    "tempfile",
    "secrets",
)


def inside(module: str, package: str) -> bool:
    return module == package or module.startswith(package + ".")


def layer(module: str) -> int:
    """The height of a module in the pyramid; the package `netkit` itself (the version) is the ground."""
    found = [(len(name), height) for height, names in enumerate(PYRAMID) for name in names if inside(module, name)]
    return max(found)[1] if found else -1


def violations(module: str, found: Import) -> Iterator[str]:
    where = f"{module}:{found.line} imports {found.name}"
    if inside(found.name, "netkit"):
        yield from _upward(module, found, where)
    for library, places, reason in PLACES:
        if inside(found.name, library) and not any(inside(module, place) for place in places):
            yield f"{where}: {reason}"
    if found.name.partition(".")[0] in IMPURE and pure(module) and not found.for_types:
        yield f"{where}: {PURE_REASON}"


def _upward(module: str, found: Import, where: str) -> Iterator[str]:
    if layer(found.name) > layer(module):
        yield f"{where}: every arrow of the pyramid points down"
    for mine, others, reason in APART:
        if inside(module, mine) and any(inside(found.name, other) for other in others):
            yield f"{where}: {reason}"
    if module.startswith("netkit.cli.") and found.at_top and _front_end(found.name):
        yield f"{where}: cli imports another front end only inside the command that needs it"


def _front_end(name: str) -> bool:
    return any(inside(name, end) for end in FRONT_ENDS if end != "netkit.cli")


def pure(module: str) -> bool:
    return module == "netkit.ipam.pool" or any(inside(module, name) for name in PURE)


def test_every_arrow_points_down_and_every_library_is_in_its_place() -> None:
    found = [text for name, tree in modules() for one in imports(tree, name) for text in violations(name, one)]
    assert not found, "\n".join(found)


def test_every_module_has_a_place_in_the_pyramid() -> None:
    assert [name for name, _ in modules() if name != "netkit" and layer(name) < 0] == []


#: Planted violations: each must be found, or the test above proves nothing.
PLANTED = {
    "upward": ("netkit.plan.ops", "import netkit.drivers.bridge"),
    "upward, relative": ("netkit.plan.ops", "from ..engine import service"),
    "upward, from the package": ("netkit.model", "from netkit import plan"),
    "upward, inside a function": ("netkit.parts.veth", "def f():\n    from netkit.engine.service import Engine"),
    "pool knows files": ("netkit.ipam.pool", "from netkit.ipam.files import Claims"),
    "driver acts": ("netkit.drivers.bridge", "from netkit.kernel import rtnl"),
    "kernel keeps state": ("netkit.kernel.observe", "from netkit.state.files import write"),
    "front end to front end": ("netkit.agent.daemon", "from netkit.cni.result import result"),
    "cli at the top": ("netkit.cli.agent", "import netkit.agent.daemon"),
    "pyroute2 in the engine": ("netkit.engine.doctor", "from pyroute2.netns import popns"),
    "click in the engine": ("netkit.engine.service", "import click"),
    "rich in cni": ("netkit.cni.main", "def f():\n    import rich.table"),
    "iptc in the agent": ("netkit.agent.daemon", "import iptc"),
    "scapy in cli": ("netkit.cli.capture", "from scapy.all import sniff"),
    "a driver with a clock": ("netkit.drivers.bridge", "import time"),
    "a part with a shell": ("netkit.parts.veth", "from subprocess import run"),
    "a plan with files": ("netkit.plan.steps", "import os.path"),
    "a pool with chance": ("netkit.ipam.pool", "import random"),
}
FINE = {
    "down": ("netkit.engine.service", "from netkit.plan.steps import Plan"),
    "a sibling": ("netkit.plan.ops", "from netkit.plan import host"),
    "files know the pool": ("netkit.ipam.files", "from netkit.ipam.pool import usable"),
    "cli, lazily": ("netkit.cli.agent", "def f():\n    from netkit.agent.daemon import run"),
    "a type alone": ("netkit.plan.ops", "TYPE_CHECKING = False\nif TYPE_CHECKING:\n    from os import PathLike"),
    "pyroute2 in its place": ("netkit.kernel.monitor", "import pyroute2"),
    "the version": ("netkit.plan.ops", "from netkit import __version__"),
}


def judge(module: str, source: str) -> list[str]:
    return [text for one in imports(source, module) for text in violations(module, one)]


@pytest.mark.parametrize(("module", "source"), PLANTED.values(), ids=PLANTED)
def test_a_planted_violation_is_found(module: str, source: str) -> None:
    assert len(judge(module, source)) >= 1


@pytest.mark.parametrize(("module", "source"), FINE.values(), ids=FINE)
def test_what_is_fine_is_let_through(module: str, source: str) -> None:
    assert judge(module, source) == []
