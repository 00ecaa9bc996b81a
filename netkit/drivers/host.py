"""The host mode: no namespace of its own, so nothing to attach; a command is started in the host's network.

command ==[ all links of the host ]==> the world      no cable, no address, no isolation
"""

from __future__ import annotations

from netkit.drivers.options import only
from netkit.drivers.protocols import Attachment, Options
from netkit.errors import UsageError

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from netkit.model import AttachRequest, Lease, Network
    from netkit.plan.host import Host
    from netkit.plan.steps import Plan


class SharedWithHost:
    """Processes share the host's own network; `whose` is "", the host's."""

    name = "host"
    whose = ""

    def parse_options(self, raw: Mapping[str, object], at: str) -> Options:
        only(raw, (), self.name, at)
        return Options()

    def network_up(self, net: Network, host: Host) -> Plan:
        raise self.immovable()

    def attach(self, net: Network, req: AttachRequest, leases: Sequence[Lease], host: Host) -> Attachment:
        raise self.immovable()

    def immovable(self) -> UsageError:
        """Why neither `attach` nor `network create` knows this mode."""
        mode = f"{self.name}:{self.whose}" if self.whose else self.name
        owner = f"of {self.whose}" if self.whose else "of the host"
        return UsageError(
            f"mode {self.name} attaches nothing: its processes are in the namespace {owner}, and a process that runs"
            " already cannot be moved there by another",
            f"start it there (netkit run --mode {mode} -- CMD), or join its own namespace to a network: --mode bridge",
        )
