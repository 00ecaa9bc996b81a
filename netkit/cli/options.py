"""ATTACH OPTIONS, shared by attach and run: what an attachment should be like."""

from __future__ import annotations

import click

from netkit.cli import complete
from netkit.cli.besides import Besides, besides, besides_options
from netkit.cli.command import options
from netkit.errors import UsageError
from netkit.model import AttachRequest, PortMap, family
from netkit.naming import check_ifname, check_name
from netkit.value import Value

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Collection
    from typing import Any

    from netkit.cli.target import Found
    from netkit.engine.service import Engine

attach_options = options(
    click.option(
        "--mode", metavar="MODE", shell_complete=complete.modes,
        help="null, bridge, ptp, macvlan, ipvlan, underlay, cni:TYPE [bridge]; `run` also host, container:PID|ID.",
    ),
    click.option("--parent", metavar="IF", help="The host's link that the mode builds on [the one of the way out]."),
    click.option("--network", metavar="NAME", shell_complete=complete.networks, help="A network, instead of a mode."),
    click.option(
        "-p", "--publish", multiple=True, metavar="PORTS",
        help="[IP:][HOST[-END]:]CTR[-END][/tcp|udp|sctp]; may be repeated. HOST left out: a free port.",
    ),
    click.option(
        "-P", "--publish-all", is_flag=True,
        help="Publish every exposed port on a free one: those of --expose, and of the image with --container.",
    ),
    click.option(
        "--expose", multiple=True, metavar="PORTS", help="CTR[-END][/tcp|udp|sctp], for --publish-all; may be repeated."
    ),
    click.option("--ip", multiple=True, metavar="ADDR[/LEN]", help="This address [the next free one]; once a subnet."),
    click.option("--mac", metavar="MAC", help="This MAC address [made from the id]."),
    click.option("--ifname", default="eth0", metavar="IF", help="The interface's name in the namespace [eth0]."),
    click.option("--mtu", metavar="BYTES", help="At most what the network carries [as the network]."),
    click.option("--name", metavar="NAME", help="A name to call the attachment by, besides its id."),
    besides_options,
)  # fmt: skip


class Wish(Value):
    """The attach options of one command, checked as far as they can be without a look at the host."""

    mode: str = "bridge"
    network: str = ""
    ips: tuple[str, ...] = ()
    mac: str = ""
    ifname: str = "eth0"
    mtu: int = 0
    name: str = ""
    publish: tuple[tuple[PortMap, ...], ...] = ()
    publish_all: bool = False
    parent: str = ""
    besides: Besides = Besides()

    def with_exposed(self, container: str = "") -> Wish:
        """The same, with the ports that a container's image exposes; UsageError when there is nothing to publish."""
        if not self.publish_all:
            return self
        from netkit import parse

        found: list[str] = []
        if container:
            from netkit.engine.exposed import exposed

            found = exposed(container)
        ports = _without_twins((*self.publish, *(parse.expose(port, "--publish-all") for port in found)))
        if not ports:
            raise UsageError("--publish-all: nothing is exposed", "name the ports: --expose 80, or --publish 8080:80")
        return self.replace(publish=ports)

    def request(self, engine: Engine, found: Found) -> AttachRequest:
        """The request for a namespace that was found."""
        ports: tuple[PortMap, ...] = ()
        if self.publish:
            ports = _of_families(self.publish, engine.families(self.network, self.mode, self.parent))
        return AttachRequest(
            found.container,
            found.netns,
            self.ifname,
            self.name,
            found.pid,
            self.ips,
            self.mac,
            self.mtu,
            ports,
        ).replace(**self.besides.__dict__)


def wish(
    mode: str | None,
    network: str | None,
    publish: tuple[str, ...],
    ip: tuple[str, ...],
    mac: str | None,
    ifname: str,
    mtu: str | None,
    name: str | None,
    publish_all: bool = False,
    expose: tuple[str, ...] = (),
    parent: str | None = None,
    **more: Any,
) -> Wish:
    """What the attach options say; UsageError or ConfigError with the option's name."""
    from netkit import parse

    if mode is not None and network is not None:
        raise UsageError("--mode and --network exclude each other", "a network has a mode already")
    if parent is not None and network is not None:
        raise UsageError("--parent and --network exclude each other", "a network has its parent already")
    if expose and not publish_all:
        raise UsageError("--expose alone publishes nothing", "add --publish-all, or name a host port with --publish")
    exposed = tuple(parse.expose(one, "--expose") for one in expose)
    return Wish(
        mode if mode is not None else "bridge",
        check_name(network, "--network", "network name") if network is not None else "",
        tuple((parse.interface if "/" in one else parse.address)(one, "--ip") for one in ip),
        parse.mac(mac, "--mac") if mac is not None else "",
        check_ifname(ifname, "--ifname"),
        parse.mtu(mtu, "--mtu") if mtu is not None else 0,
        check_name(name, "--name") if name is not None else "",
        tuple(parse.publish(one, "--publish", dual=True) for one in publish) + exposed,
        publish_all,
        check_ifname(parent, "--parent") if parent is not None else "",
        besides(**more),
    )


def _without_twins(publish: tuple[tuple[PortMap, ...], ...]) -> tuple[tuple[PortMap, ...], ...]:
    """The first map of each range of container ports that is published by hand, and one of each exposed one."""
    seen: set[tuple[str, int, int]] = set()
    kept: list[tuple[PortMap, ...]] = []
    for maps in publish:
        inside = (maps[0].protocol, maps[0].container_port, maps[0].count)
        if maps[0].host_port or inside not in seen:
            kept.append(maps)
        seen.add(inside)
    return tuple(kept)


def _of_families(publish: tuple[tuple[PortMap, ...], ...], families: Collection[int]) -> tuple[PortMap, ...]:
    """Ports without a host address are published on every address of the families that the container will have."""
    chosen: list[PortMap] = []
    for maps in publish:
        spoken = [port for port in maps if family(port.host_ip) in families]
        chosen += spoken if len(maps) > 1 and spoken else maps[:1]
    return tuple(chosen)
