"""`netkit ipam`: which addresses are taken, and which are never to be given out."""

from __future__ import annotations

import click

from netkit.cli import complete
from netkit.cli.command import Group, settings_of
from netkit.cli.output import show, table


@click.group("ipam", cls=Group)
def command() -> None:
    """List, reserve and release addresses.

    Addresses are claimed by attachments and given back with them. A reserved one is never given out, until it is
    released here; that lasts over reboots.

    \b
    Examples:
      netkit ipam ls
      netkit ipam reserve backend 10.7.0.53
    """


@command.command("ls")
@click.argument("network", metavar="[NETWORK]", required=False, shell_complete=complete.networks)
@click.pass_context
def ls(ctx: click.Context, network: str | None) -> None:
    """List the addresses that are taken or reserved.

    \b
    Examples:
      netkit ipam ls
      netkit ipam ls backend --json | jq -r '.[].address'
    """
    settings = settings_of(ctx)
    engine = settings.open()
    found: list[dict[str, str | None]] = [
        {
            "network": name,
            "address": claim.address,
            "state": "claimed",
            "container": claim.container,
            "ifname": claim.ifname,
        }
        for name, claim in engine.claims(network or "")
    ]
    names = [network] if network else [net.name for net in engine.all_networks()]
    found += [
        {"network": name, "address": address, "state": "reserved", "container": None, "ifname": None}
        for name in names
        for address in engine.reservations(name)
    ]
    rows = [[str(value or "") for value in one.values()] for one in found]
    show(settings, found, table(("NETWORK", "ADDRESS", "STATE", "CONTAINER", "IFNAME"), rows))


@command.command("reserve")
@click.argument("network", shell_complete=complete.networks)
@click.argument("ip")
@click.pass_context
def reserve(ctx: click.Context, network: str, ip: str) -> None:
    """Never give an address out, until it is released.

    \b
    Examples:
      netkit ipam reserve backend 10.7.0.53
    """
    from netkit import parse

    settings = settings_of(ctx)
    address = parse.address(ip, "IP")
    settings.open().reserve(network, address)
    show(settings, {"network": network, "reserved": address}, f"{address}  reserved on {network}")


@command.command("release")
@click.argument("network", shell_complete=complete.networks)
@click.argument("ip")
@click.pass_context
def release(ctx: click.Context, network: str, ip: str) -> None:
    """Give a reserved address back to the pool.

    The address of an attachment is not released here but with it (netkit detach). That nothing was reserved is no
    error.

    \b
    Examples:
      netkit ipam release backend 10.7.0.53
    """
    from netkit import parse

    settings = settings_of(ctx)
    address = parse.address(ip, "IP")
    done = settings.open().release(network, address)
    text = (
        f"{address}  released on {network}" if done else f"nothing to release: {address} was not reserved on {network}"
    )
    show(settings, {"network": network, "released": [address] if done else []}, text)


@command.command("import")
@click.argument("directory", type=click.Path(file_okay=False))
@click.option("--network", default="", metavar="NAME", help="Into this network [the directory's name].")
@click.pass_context
def import_(ctx: click.Context, directory: str, network: str) -> None:
    """Take over the addresses of a host-local store, so that nobody gets them twice.

    DIRECTORY is dataDir/NETWORK of the CNI plugin host-local. The network must be known to netkit, with these subnets.
    Its containers keep their addresses until they are deleted by their runtime or detached here.

    \b
    Examples:
      netkit ipam import /var/lib/cni/networks/backend
      netkit ipam import /var/lib/cni/networks/dbnet --network backend
    """
    import os

    from netkit.ipam.hostlocal import read

    settings = settings_of(ctx)
    name = network or os.path.basename(os.path.abspath(directory))
    done, refused = settings.open().adopt(name, read(directory))
    lines = [*(f"{line}  adopted" for line in done), *(f"{line}  refused" for line in refused)]
    show(settings, {"network": name, "adopted": done, "refused": refused}, "\n".join(lines) or "nothing to adopt")
    if refused:
        ctx.exit(1)
