"""Pairs of keys of WireGuard's tunnels: drawn here, kept in a file each, told by their public half.

    lib/wireguard/flannel.key           of a network of the agent's
    lib/wireguard/overlay42.private     of an encrypted overlay: as long as the overlay is defined

A file has the private key in base64, as `wg genkey` prints it, for root alone. Secrets stay there: all else says where
they are.
"""

from __future__ import annotations

import os
from binascii import a2b_base64, b2a_base64

from netkit import parse
from netkit.errors import ConfigError, StateError, UnsupportedError
from netkit.kernel import wireguard
from netkit.plan.rare.wireguard import HINT, LACKING

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator

    from netkit.engine.session import Session
    from netkit.state.files import Directory
    from netkit.state.root import Root

#: How the files of overlays end; those of the agent's networks end otherwise.
_OVERLAY = ".private"


def ready(hint: str = HINT) -> None:
    """UnsupportedError where this host can have no such tunnel; nothing is made."""
    if not wireguard.known():
        raise UnsupportedError(LACKING, hint)
    public_of(bytes(31) + b"\1")


def draw() -> bytes:
    """A private key: 32 bytes of chance, with the bits set and cleared that Curve25519 wants so."""
    drawn = bytearray(os.urandom(32))
    drawn[0] &= 248
    drawn[31] = drawn[31] & 127 | 64
    return bytes(drawn)


def public_of(private: bytes) -> str:
    """The public key that goes with a private one, by X25519."""
    try:
        from cryptography.hazmat.primitives.asymmetric.x25519 import X25519PrivateKey
    except ImportError as error:
        what = "keys of WireGuard need the Python library cryptography"
        raise UnsupportedError(what, "pip install 'netkit-containers[wireguard]'") from error
    public = X25519PrivateKey.from_private_bytes(private).public_key().public_bytes_raw()
    return b2a_base64(public, newline=False).decode("ascii")


def line(key: bytes) -> bytes:
    """What stands in the file of a key."""
    return b2a_base64(key)


def read(where: Directory, name: str) -> bytes:
    """The private key in a file; one that is damaged is never replaced unasked, for the others know its public key."""
    data = where.read(name) or b""
    try:
        return a2b_base64(parse.wireguard_key(data.decode("ascii").strip(), "key"))
    except (ConfigError, ValueError) as error:
        hint = "put it back, or remove it: another pair is made at the next start"
        raise StateError(f"{where.where(name)} holds no WireGuard key", hint) from error


def place(root: Root, network: str) -> str:
    """Where the private key of an overlay is, or will be."""
    return root.wireguard.where(f"{network}{_OVERLAY}")


def keep(root: Root, network: str, private: bytes) -> None:
    """Write down the private key of an overlay that is about to be made."""
    root.wireguard.write(f"{network}{_OVERLAY}", line(private))


def forget(root: Root, network: str) -> None:
    """Leave no private key of an overlay that is no longer."""
    if root.has_keys:
        root.wireguard.unlink(f"{network}{_OVERLAY}")


def left(session: Session) -> Iterator[str]:
    """The overlays of which a key is left, and nothing else: who made it died before the overlay was defined."""
    names = session.root.wireguard.names() if session.root.has_keys else []
    for network in (name.removesuffix(_OVERLAY) for name in names if name.endswith(_OVERLAY)):
        if session.networks.load(network) is not None:
            continue
        with session.network_lock(network):  # who is making it has this: then it is defined by now
            if session.networks.load(network) is None:
                yield network
