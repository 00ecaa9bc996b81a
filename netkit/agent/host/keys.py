"""The keys of the backend wireguard: a pair of this host's own, made once, and a preshared one, where there is one.

    lib/wireguard/flannel.key       the private key in base64, as `wg genkey` prints it: for root alone
    lib/wireguard/flannel.psk       the preshared key, as the configuration has it

Secrets stay in these files: all else says where they are. The others are told the public key.
"""

from __future__ import annotations

import os
from binascii import b2a_base64

from netkit import parse
from netkit.errors import ConfigError, StateError, UnsupportedError
from netkit.kernel import wireguard
from netkit.parts.backends import Keys
from netkit.plan.rare.wireguard import HINT, LACKING

TYPE_CHECKING = False
if TYPE_CHECKING:
    from netkit.agent.config import Config
    from netkit.state.files import Directory
    from netkit.state.root import Root


def ready() -> None:
    """UnsupportedError where this host can have no such tunnel; nothing is made."""
    if not wireguard.known():
        raise UnsupportedError(LACKING, HINT)
    public_of(bytes(31) + b"\1")


def own(root: Root, network: str, config: Config) -> Keys:
    """This host's keys in a network: made and written down, where they are not there yet."""
    where, name = root.wireguard, f"{network}.key"
    if not where.exists(name):
        where.create(name, _line(_fresh()))
    public = public_of(_read(where, name))
    psk, mark = _preshared(where, f"{network}.psk", config)
    file = where.where(name)
    return Keys(file, public, psk, mark, config.port6, config.keepalive, config.mode)


def forget(root: Root, network: str) -> None:
    """Leave no key of this network on this host."""
    for kind in ("key", "psk"):
        root.wireguard.unlink(f"{network}.{kind}")


def public_of(private: bytes) -> str:
    """The public key that goes with a private one, by X25519."""
    try:
        from cryptography.hazmat.primitives.asymmetric.x25519 import X25519PrivateKey
    except ImportError as error:
        what = "the backend wireguard needs the Python library cryptography"
        raise UnsupportedError(what, "pip install 'netkit-containers[wireguard]'") from error
    public = X25519PrivateKey.from_private_bytes(private).public_key().public_bytes_raw()
    return b2a_base64(public, newline=False).decode("ascii")


def _fresh() -> bytes:
    """A private key: 32 bytes of chance, with the bits set and cleared that Curve25519 wants so."""
    drawn = bytearray(os.urandom(32))
    drawn[0] &= 248
    drawn[31] = drawn[31] & 127 | 64
    return bytes(drawn)


def _preshared(where: Directory, name: str, config: Config) -> tuple[str, str]:
    """The file of the preshared key, and what that is known by; "" for none, and then there is no file."""
    if not config.psk:
        where.unlink(name)
        return "", ""
    line = f"{config.psk}\n".encode("ascii")
    if where.read(name) != line:
        where.write(name, line)
    return where.where(name), wireguard.mark(wireguard.key_bytes(config.psk))


def _read(where: Directory, name: str) -> bytes:
    """The private key in a file; one that is damaged is never replaced unasked, for the others know its public key."""
    data = where.read(name) or b""
    try:
        return wireguard.key_bytes(parse.wireguard_key(data.decode("ascii").strip(), "key"))
    except (ConfigError, ValueError) as error:
        hint = "put it back, or remove it: another pair is made at the next start"
        raise StateError(f"{where.where(name)} holds no WireGuard key", hint) from error


def _line(key: bytes) -> bytes:
    return b2a_base64(key)
