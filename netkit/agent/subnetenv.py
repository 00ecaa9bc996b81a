"""subnet.env: what flannel's CNI plugin and others read to learn this host's subnet.

FLANNEL_NETWORK=10.5.0.0/16
FLANNEL_SUBNET=10.5.72.1/24         the first usable address, with the subnet's length
FLANNEL_MTU=1450
FLANNEL_IPMASQ=true
"""

from __future__ import annotations

import os

from netkit import parse
from netkit.errors import ConfigError, StateError
from netkit.ipam.pool import subnet_of
from netkit.model import family
from netkit.value import Value

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Sequence

#: Where flannel's plugin looks.
PLACE = "/run/flannel/subnet.env"
_LARGEST = 1 << 16
_KEYS = {4: ("FLANNEL_NETWORK", "FLANNEL_SUBNET"), 6: ("FLANNEL_IPV6_NETWORK", "FLANNEL_IPV6_SUBNET")}


class SubnetEnv(Value):
    """What such a file says: networks and gateways (with prefix length), of each family one at most."""

    networks: tuple[str, ...] = ()
    gateways: tuple[str, ...] = ()
    mtu: int = 0
    ip_masq: bool = False

    def text(self) -> str:
        """The lines, in flannel's order."""
        lines = []
        for version, (network, subnet) in _KEYS.items():
            lines += [f"{network}={each}" for each in self.networks if family(each) == version]
            lines += [f"{subnet}={each}" for each in self.gateways if family(each) == version]
        return "\n".join([*lines, f"FLANNEL_MTU={self.mtu}", f"FLANNEL_IPMASQ={str(self.ip_masq).lower()}", ""])


def write(path: str, env: SubnetEnv) -> None:
    """Put the file in place, readable by all; StateError when that cannot be."""
    directory = os.path.dirname(path) or "."
    temp = f"{directory}/.{os.path.basename(path)}.{os.getpid()}"
    try:
        os.makedirs(directory, 0o755, exist_ok=True)
        fd = os.open(temp, os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_NOFOLLOW | os.O_CLOEXEC, 0o644)
        with open(fd, "w", encoding="ascii") as file:
            os.fchmod(fd, 0o644)
            file.write(env.text())
        os.replace(temp, path)
    except OSError as error:
        raise StateError(f"cannot write {path}: {error.strerror}", "--subnet-file names another place") from error


def remove(path: str) -> None:
    """Take the file away, if there is one; StateError when that cannot be."""
    try:
        os.unlink(path)
    except FileNotFoundError:
        return
    except OSError as error:
        raise StateError(
            f"cannot remove {path}: {error.strerror}", "remove it by hand: it tells what is no more"
        ) from error


def read(path: str) -> SubnetEnv | None:
    """What a file says, None when there is none; whatever makes no sense is passed over, as flannel does."""
    try:
        with open(path, encoding="ascii", errors="replace") as file:
            found = dict(_pairs(file.read(_LARGEST).splitlines()))
    except FileNotFoundError:
        return None
    except OSError as error:
        raise StateError(f"cannot read {path}: {error.strerror}", "--subnet-file names another place") from error
    mtu = found.get("FLANNEL_MTU", "")
    return SubnetEnv(
        tuple(each for network, _ in _KEYS.values() for each in _prefixes(found.get(network, ""))),
        tuple(each for _, subnet in _KEYS.values() for each in _prefixes(found.get(subnet, ""))),
        int(mtu) if mtu.isascii() and mtu.isdigit() and len(mtu) <= 5 else 0,
        found.get("FLANNEL_IPMASQ") == "true",
    )


def subnets(env: SubnetEnv | None) -> tuple[str, ...]:
    """The subnets that a host had."""
    return tuple(subnet_of(gateway) for gateway in env.gateways) if env else ()


def _pairs(lines: Sequence[str]) -> list[tuple[str, str]]:
    found = [line.partition("=") for line in lines]
    return [(key.strip(), value.strip().strip('"')) for key, equals, value in found if equals]


def _prefixes(words: str) -> list[str]:
    """Of several, by commas, those that are prefixes."""
    found = []
    for word in words.split(","):
        try:
            found.append(parse.interface(word.strip(), "subnet.env"))
        except ConfigError:
            continue
    return found
