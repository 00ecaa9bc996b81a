"""A stand-in for the WireGuard of a kernel that has none: it keeps what it is told, and encrypts nothing.

It reads messages with pyroute2's decoder and answers with pyroute2's encoder, and makes public keys by itself; so it
knows nothing of how netkit does these. Links are bridges that pass for WireGuard's, and take what they had along.
"""

from __future__ import annotations

import base64
import json
import socket
from pathlib import Path

from cryptography.hazmat.primitives.asymmetric.x25519 import X25519PrivateKey
from pyroute2.netlink.generic.wireguard import AsyncWireGuard, wgmsg  # type: ignore[import-untyped]

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

ZERO = base64.b64encode(bytes(32)).decode()
REMOVE, REPLACE_ALLOWED = 1, 2
HEADER = 16
#: What `Namespace.module` is to have loaded for RUN.
LOADED = ("tests.wireguards",)

#: Runs netkit with the rest of the arguments, where the file of the first one is the kernel's memory.
RUN = """
import sys
from tests import wireguards
wireguards.install(sys.argv.pop(1))
from netkit.cli.main import main
main()
"""


def public_of(private: str) -> str:
    """The public key of a private one, both in base64."""
    key = X25519PrivateKey.from_private_bytes(base64.b64decode(private))
    return base64.b64encode(key.public_key().public_bytes_raw()).decode()


def read(payload: bytes) -> Any:
    """A message's payload as pyroute2 reads it."""
    message = wgmsg((len(payload) + HEADER).to_bytes(4, "little") + bytes(HEADER - 4) + payload)
    message.decode()
    return message


def request(dev: str, private: str = "", port: int = -1, peer: dict[str, Any] | None = None) -> bytes:
    """The payload with which pyroute2 would set that."""
    message = wgmsg()
    message["attrs"].append(["WGDEVICE_A_IFNAME", dev])
    if private:
        message["attrs"].append(["WGDEVICE_A_PRIVATE_KEY", private])
    if port >= 0:
        message["attrs"].append(["WGDEVICE_A_LISTEN_PORT", port])
    if peer:
        AsyncWireGuard._wg_set_peer(Unbound(), message, peer)
    message["cmd"], message["version"] = 1, 1
    message.encode()
    return bytes(message.data)[HEADER:]


class Unbound(AsyncWireGuard):  # type: ignore[misc]
    """pyroute2's encoder without a socket."""

    def __init__(self) -> None:
        pass


class Family:
    """WireGuard's links by name: `{"private", "port", "peers": {public: {"endpoint", "allowed", ...}}}`."""

    def __init__(self, file: str = "") -> None:
        self._file = Path(file) if file else None
        self.links: dict[str, dict[str, Any]] = {}

    def load(self) -> dict[str, dict[str, Any]]:
        if self._file and self._file.exists():
            self.links = json.loads(self._file.read_text())
        return self.links

    def save(self) -> None:
        if self._file:
            fresh = self._file.with_suffix(".new")
            fresh.write_text(json.dumps(self.links))
            fresh.rename(self._file)

    def set(self, payload: bytes) -> None:
        message = read(payload)
        assert (message["cmd"], message["version"]) == (1, 1)
        self.load()
        found = {"private": ZERO, "port": 0, "peers": {}}
        link = self.links.setdefault(self._place(message.get_attr("WGDEVICE_A_IFNAME")), found)
        if private := message.get_attr("WGDEVICE_A_PRIVATE_KEY"):
            link["private"] = private.decode()
        if (port := message.get_attr("WGDEVICE_A_LISTEN_PORT")) is not None:
            link["port"] = port
        for peer in message.get_attr("WGDEVICE_A_PEERS") or ():
            self._peer(link, peer)
        self.save()

    def _peer(self, link: dict[str, Any], told: Any) -> None:
        public, flags = told.get_attr("WGPEER_A_PUBLIC_KEY").decode(), told.get_attr("WGPEER_A_FLAGS") or 0
        if flags & REMOVE:
            link["peers"].pop(public, None)
            return
        if link["private"] != ZERO and public == public_of(link["private"]):
            return
        peer = link["peers"].setdefault(public, {"allowed": [], "endpoint": None, "psk": ZERO, "keepalive": 0, "at": 0})
        if flags & REPLACE_ALLOWED:
            peer["allowed"] = []
        for one in told.get_attr("WGPEER_A_ALLOWEDIPS") or ():
            for other in link["peers"].values():
                other["allowed"] = [each for each in other["allowed"] if each != one["addr"]]
            peer["allowed"].append(one["addr"])
        if endpoint := told.get_attr("WGPEER_A_ENDPOINT"):
            peer["endpoint"] = [endpoint["addr"], endpoint["port"]]
        if psk := told.get_attr("WGPEER_A_PRESHARED_KEY"):
            peer["psk"] = psk.decode()
        if (keepalive := told.get_attr("WGPEER_A_PERSISTENT_KEEPALIVE_INTERVAL")) is not None:
            peer["keepalive"] = keepalive

    def show(self, dev: str) -> list[bytes]:
        """The link in several messages, as the kernel sends it: a peer's later prefixes come in one of their own."""
        link = self.load().get(self._place(dev), {"private": ZERO, "port": 0, "peers": {}})
        head: list[Any] = [["WGDEVICE_A_LISTEN_PORT", link["port"]], ["WGDEVICE_A_IFNAME", dev]]
        if link["private"] != ZERO:
            head += [["WGDEVICE_A_PRIVATE_KEY", link["private"]]]
            head += [["WGDEVICE_A_PUBLIC_KEY", public_of(link["private"])]]
        pieces = [_encoded(head)]
        for public, peer in link["peers"].items():
            about: list[Any] = [["WGPEER_A_PUBLIC_KEY", public], ["WGPEER_A_PRESHARED_KEY", peer["psk"]]]
            about += [["WGPEER_A_LAST_HANDSHAKE_TIME", {"tv_sec": peer["at"], "tv_nsec": 0}]]
            about += [["WGPEER_A_PERSISTENT_KEEPALIVE_INTERVAL", peer["keepalive"]]]
            if peer["endpoint"]:
                address, port = peer["endpoint"]
                about += [["WGPEER_A_ENDPOINT", {"addr": address, "port": port}]]
            first, rest = peer["allowed"][:1], peer["allowed"][1:]
            pieces.append(_encoded([["WGDEVICE_A_PEERS", [{"attrs": [*about, *_allowed(first)]}]]]))
            if rest:
                more = [["WGPEER_A_PUBLIC_KEY", public], *_allowed(rest)]
                pieces.append(_encoded([["WGDEVICE_A_PEERS", [{"attrs": more}]]]))
        return pieces

    def close(self) -> None:
        """As a socket is closed."""

    def _place(self, dev: str) -> str:
        """A link that is made anew has nothing of the one before."""
        return f"{dev}:{socket.if_nametoindex(dev)}" if self._file else dev


def _allowed(prefixes: list[str]) -> list[Any]:
    return [["WGPEER_A_ALLOWEDIPS", Unbound()._wg_build_allowedips(prefixes)]]


def _encoded(attrs: list[Any]) -> bytes:
    message = wgmsg()
    message["attrs"], message["cmd"], message["version"] = attrs, 0, 1
    message.encode()
    return bytes(message.data)[HEADER:]


def install(file: str) -> None:
    """Have this process, and those of netkit that it leaves behind, find WireGuard in their kernel."""
    from netkit.engine import detached
    from netkit.kernel import decode, messages, wireguard
    from netkit.plan.ops import LinkAdd

    made, shown, usual = messages._ENCODERS[LinkAdd], decode.link, detached.command

    def make(op: LinkAdd, numbers: Any) -> Any:
        return made(op.replace(kind="bridge") if op.kind == "wireguard" else op, numbers)

    def show(payload: bytes) -> Any:
        link, master = shown(payload)
        return (link.replace(kind="wireguard") if link.name.startswith(("flannel-wg", "nkw")) else link), master

    def command(module: str, root: str) -> list[str]:
        python, option, code, *rest = usual(module, root)
        path, code = code.split("; from ")
        return [
            python,
            option,
            f"{path}; from tests import wireguards; wireguards.install({file!r}); from {code}",
            *rest,
        ]

    detached.command = command
    messages._ENCODERS[LinkAdd] = make
    decode.link = show
    wireguard.WireGuard = lambda: Family(file)  # type: ignore[assignment,misc,return-value]
