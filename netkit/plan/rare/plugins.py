"""CNI plugins as ops: one that lays a cable, and one that takes it up again."""

from __future__ import annotations

from netkit.plan.ops import Errand, Op

TYPE_CHECKING = False
if TYPE_CHECKING:
    from netkit.model import NsRef
    from netkit.plan.host import Host


#: Where plugins are looked for.
PLACES = ("/opt/cni/bin", "/usr/lib/cni", "/usr/libexec/cni", "/usr/local/lib/cni")


class Plugin(Errand):
    """A CNI plugin and what it is told: its whole configuration as JSON, the container, and where plugins are."""

    type: str
    configuration: str
    container: str
    ifname: str
    ns: NsRef
    directories: tuple[str, ...] = PLACES


class PluginAdd(Plugin):
    """ADD; answers with the plugin's result, a document of CNI. When that fails, DEL has been sent after it."""

    def reverse(self) -> tuple[Op, ...]:
        return (PluginDel(**self.__dict__),)

    def holds(self, host: Host) -> bool:
        return host.link(self.ifname, self.ns) is not None


class PluginDel(Plugin):
    """DEL; a namespace that is gone is told as an empty one, so that the plugin frees what it holds elsewhere."""

    def holds(self, host: Host) -> bool:
        return host.link(self.ifname, self.ns) is None
