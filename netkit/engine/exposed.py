"""The ports that a container's image exposes, as its engine tells them."""

from __future__ import annotations

import json

from netkit.engine.containers import CLIENTS
from netkit.kernel import spawn


def exposed(container: str) -> list[str]:
    """Ports as `80/tcp`, lowest first; [] where no engine knows the container or it exposes none.

    containerd keeps no such list of a container; docker and podman do. podman tells before version 5 only those of the
    image.
    """
    for client in CLIENTS:
        path = spawn.find(client)
        found = _config(path, "container", container) if path else None
        if path and found is None and (image := _ask(path, "container", "{{.Image}}", container)):
            found = _config(path, "image", image)
        if found:
            return sorted(found, key=lambda port: (int(port.partition("/")[0].partition("-")[0]), port))
    return []


def _config(path: str, kind: str, ident: str) -> list[str] | None:
    """The ports in an object's configuration; None where it has no such key."""
    try:
        ports = json.loads(_ask(path, kind, "{{json .Config.ExposedPorts}}", ident))
        return [port for port in ports if port[:1].isdigit()]
    except (ValueError, TypeError):
        return None


def _ask(path: str, kind: str, template: str, ident: str) -> str:
    return spawn.run([path, "inspect", "--type", kind, "--format", template, ident], timeout=10.0).text.strip()
