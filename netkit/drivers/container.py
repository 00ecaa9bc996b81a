"""The container mode: a command is started in the namespace that another process has already.

command ==[ lo, eth0 of the other ]==> wherever that leads; one address, one set of ports for both
"""

from __future__ import annotations

from netkit.drivers.host import SharedWithHost
from netkit.errors import UsageError


class SharedWithContainer(SharedWithHost):
    """Processes share the network of `whose`: a PID, an attachment, or a container's id."""

    name = "container"

    def __init__(self, whose: str) -> None:
        if not whose:
            raise UsageError("mode container: whose network?", "name a PID or an ID: --mode container:1234")
        self.whose = whose
