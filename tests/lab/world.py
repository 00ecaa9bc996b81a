"""Labs under test: commands on a private host, and what a lab leaves there."""

from __future__ import annotations

import json
import os

from tests.hosts import REPOSITORY

TYPE_CHECKING = False
if TYPE_CHECKING:
    from pathlib import Path
    from typing import Any

    from tests.hosts import HostNs

TOPOLOGIES = sorted(REPOSITORY.glob("topologies/*.yaml"))

#: A lab that takes half a second: two hosts and a container.
SMALL = """\
hosts:
  world: {serve: http 80}
  host: {networks: {front: {subnet: 10.7.0.0/24}}}
wires:
  - ends: {world: 192.0.2.9/24, host: 192.0.2.1/24}
containers:
  web: {network: front, publish: "8080:80", serve: http 80}
expect:
  - {from: world, http: "192.0.2.1:8080", sees: world}
  - {from: web, ping: world}
"""


def written(directory: Path, text: str = SMALL, name: str = "small") -> str:
    """The path of a topology file with this text."""
    path = directory / f"{name}.yaml"
    path.write_text(text)
    return str(path)


def processes(host: HostNs) -> list[int]:
    """The processes of all labs of a host's root: they have their member's root in their environment."""
    return having(f"NETKIT_ROOT={host.root}/run/lab-hosts/")


def having(mark: str) -> list[int]:
    """The processes whose environment holds a text."""
    return [int(pid) for pid in os.listdir("/proc") if pid.isdigit() and mark.encode() in _environment(pid)]


def files(host: HostNs) -> list[str]:
    """The files of all labs of a host's root, locks left out."""
    found = [path for place in ("lab", "lab-hosts") for path in (host.root / "run" / place).glob("*")]
    return [str(path) for path in found]


def left(host: HostNs) -> list[Any]:
    """What labs have left on a host: processes and files."""
    return [*processes(host), *files(host)]


def checked(host: HostNs, file: str) -> dict[str, str]:
    """The expectations of a lab that fail, each with its evidence."""
    told = json.loads(host.netkit("lab", "check", file, "--json").stdout)
    return {one["expected"]: one["seen"] for one in told["results"] if not one["ok"]}


def _environment(pid: str) -> bytes:
    try:
        with open(f"/proc/{pid}/environ", "rb") as file:
            return file.read()
    except OSError:
        return b""
