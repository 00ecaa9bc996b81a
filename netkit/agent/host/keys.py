"""The keys of the backend wireguard: a pair of this host's own, made once, and a preshared one, where there is one.

    lib/wireguard/flannel.key       the private key in base64, as `wg genkey` prints it: for root alone
    lib/wireguard/flannel.psk       the preshared key, as the configuration has it

Secrets stay in these files: all else says where they are. The others are told the public key.
"""

from __future__ import annotations

from netkit.engine.keys import draw, line, public_of, read
from netkit.engine.keys import ready as ready
from netkit.kernel import wireguard
from netkit.parts.backends import Keys

TYPE_CHECKING = False
if TYPE_CHECKING:
    from netkit.agent.config import Config
    from netkit.state.files import Directory
    from netkit.state.root import Root


def own(root: Root, network: str, config: Config) -> Keys:
    """This host's keys in a network: made and written down, where they are not there yet."""
    where, name = root.wireguard, f"{network}.key"
    if not where.exists(name):
        where.create(name, line(draw()))
    public = public_of(read(where, name))
    psk, mark = _preshared(where, f"{network}.psk", config)
    file = where.where(name)
    return Keys(file, public, psk, mark, config.port6, config.keepalive, config.mode)


def forget(root: Root, network: str) -> None:
    """Leave no key of this network on this host."""
    for kind in ("key", "psk"):
        root.wireguard.unlink(f"{network}.{kind}")


def _preshared(where: Directory, name: str, config: Config) -> tuple[str, str]:
    """The file of the preshared key, and what that is known by; "" for none, and then there is no file."""
    if not config.psk:
        where.unlink(name)
        return "", ""
    text = f"{config.psk}\n".encode("ascii")
    if where.read(name) != text:
        where.write(name, text)
    return where.where(name), wireguard.mark(wireguard.key_bytes(config.psk))
