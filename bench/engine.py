"""netkit's engine in this process: what an attachment costs without the start of an interpreter."""

from __future__ import annotations

from bench.place import name_of, timed
from netkit.engine.service import Engine
from netkit.kernel.netns import resolve_path
from netkit.model import AttachRequest, PortMap


class Attachments:
    """Attachments of named namespaces, each with one published port."""

    def __init__(self) -> None:
        self.engine = Engine("/run/bench")
        self._ids: dict[str, str] = {}

    def __len__(self) -> int:
        return len(self._ids)

    def attach(self, path: str, host_port: int) -> float:
        """Attach a namespace; milliseconds."""
        request = _request(path, host_port)
        return timed(lambda: self._ids.__setitem__(path, self.engine.attach(request).id))

    def detach(self, path: str) -> float:
        """Detach it; milliseconds."""
        ident = self._ids.pop(path)
        return timed(lambda: self.engine.detach(ident))


def _request(path: str, host_port: int) -> AttachRequest:
    port = PortMap("tcp", "0.0.0.0", host_port, 80)
    return AttachRequest(name_of(path), resolve_path(path), ports=(port,))
