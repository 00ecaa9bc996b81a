"""`netkit run --mode host|container:PID|ID`: a command in a network that is there already."""

from __future__ import annotations

from netkit.cli.besides import Besides
from netkit.cli.target import Target, find
from netkit.cli.words import become_in
from netkit.errors import NotFoundError, UsageError

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import NoReturn

    from netkit.cli.options import Wish
    from netkit.engine.service import Engine
    from netkit.model import NsRef

#: Attach options that say what a new interface is like; here there is none.
_OF_AN_INTERFACE = {"publish": "publish", "publish_all": "publish-all", "ips": "ip", "mac": "mac", "mtu": "mtu"}
#: Ids of netkit and of containers are as long at least, and may be all digits; no PID is.
_ID = 12


def whose_network(wished: Wish) -> str | None:
    """The owner of the network that a mode shares, "" for the host; None for a mode with networks of its own."""
    from netkit.drivers.registry import driver

    return None if wished.network else getattr(driver(wished.mode), "whose", None)


def share(engine: Engine, wished: Wish, whose: str, words: tuple[str, ...]) -> NoReturn:
    """Become the command, in the network of `whose`; there is nothing to take back when it ends."""
    for field, option in _OF_AN_INTERFACE.items():
        if getattr(wished, field):
            raise UsageError(
                f"--{option} and --mode {wished.mode} exclude each other: the network is not the command's own",
                "give it to the one that the network belongs to" if whose else "on the host it can listen by itself",
            )
    if wished.besides != Besides():
        told = "--rate-in, --rate-out, --sysctl and --dns"
        raise UsageError(f"{told} are of a network of one's own, which --mode {wished.mode} has not", "leave them out")
    if wished.ifname != "eth0" or wished.name:
        raise UsageError(f"--mode {wished.mode} makes no attachment to name", "leave --ifname and --name out")
    become_in(_namespace(engine, whose) if whose else None, words)


def _namespace(engine: Engine, whose: str) -> NsRef:
    if whose.isascii() and whose.isdigit() and len(whose) < _ID:
        return find(Target(pid=int(whose)), engine.root.boot_id()).netns
    try:
        return engine.attachment(whose)[0].endpoint.netns
    except NotFoundError:
        return find(Target(container=whose), engine.root.boot_id()).netns
