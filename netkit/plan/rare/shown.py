"""How rare ops read as commands."""

from __future__ import annotations

from netkit.plan.rare.dhcp import Dhcp, DhcpBind, DhcpRelease
from netkit.plan.rare.plugins import Plugin, PluginAdd, PluginDel
from netkit.plan.render import Command

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import Any

    from netkit.plan.ops import Op


def _plugin(verb: str) -> Callable[[Any], tuple[Command, ...]]:
    def render_plugin(op: Plugin) -> tuple[Command, ...]:
        where = ":".join(op.directories)
        told = {
            "CNI_COMMAND": verb,
            "CNI_CONTAINERID": op.container,
            "CNI_NETNS": op.ns.path,
            "CNI_IFNAME": op.ifname,
            "CNI_PATH": where,
            "PATH": f"{where}:/usr/sbin:/usr/bin:/sbin:/bin",
        }
        return (Command(("env", *(f"{key}={value}" for key, value in told.items()), op.type), op.configuration),)

    return render_plugin


def _dhcp(*words: str) -> Callable[[Any], tuple[Command, ...]]:
    def render_dhcp(op: Dhcp) -> tuple[Command, ...]:
        name = ("-x", f"hostname:{op.hostname}") if op.hostname else ()
        return (Command(("nsenter", f"--net={op.ns.path}", "busybox", "udhcpc", "-i", op.ifname, *name, *words)),)

    return render_dhcp


def _dhcp_release(op: Dhcp) -> tuple[Command, ...]:
    return (Command(("pkill", "-USR2", "-f", f"udhcpc -i {op.ifname}"), may_fail=True),)


RENDERERS: dict[type[Op], Callable[[Any], tuple[Command, ...]]] = {
    PluginAdd: _plugin("ADD"),
    PluginDel: _plugin("DEL"),
    DhcpBind: _dhcp("-n", "-b"),
    DhcpRelease: _dhcp_release,
}
