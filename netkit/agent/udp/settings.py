"""What a proxy is told when it begins."""

from __future__ import annotations

import ipaddress

from netkit.errors import ConfigError
from netkit.value import Value

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Mapping

    from netkit.agent.udp.table import Endpoint

#: How many bytes of an underlay's MTU the outer headers take: IP and UDP.
OVERHEAD4, OVERHEAD6 = 28, 48
_NAME = 15


class Settings(Value):
    """A device, and the UDP address where peers find us.

    `local` are the subnets that this host has leased: only packets for these are let in. `mtu` is that of the device:
    what the underlay has, less OVERHEAD4 or OVERHEAD6.
    """

    device: str
    mtu: int
    listen: tuple[str, int]
    local: tuple[str, ...]

    def check(self) -> Settings:
        """These settings; ConfigError for some that cannot be."""
        if not 0 < len(self.device.encode()) <= _NAME or set(self.device) & set("/ \t\n%"):
            raise ConfigError("device", f"{self.device!r} is no name of a link")
        if not 576 <= self.mtu <= 65_000:
            raise ConfigError("mtu", f"{self.mtu} is out of range", "it is the underlay's MTU less the outer headers")
        _endpoint("listen", self.listen)
        for subnet in self.local:
            _network("local", subnet)
        return self


def check_routes(routes: Mapping[str, Endpoint], listen: Endpoint) -> dict[str, Endpoint]:
    """Routes by subnet; ConfigError for one that cannot be, with its subnet."""
    checked: dict[str, Endpoint] = {}
    for subnet, peer in routes.items():
        _network("routes", subnet)
        ip, port = _endpoint(f"routes[{subnet}]", peer)
        if (":" in ip) != (":" in listen[0]):
            raise ConfigError(f"routes[{subnet}]", f"{ip} is of another family than {listen[0]}, where we listen")
        checked[subnet] = ip, port
    return checked


def _network(at: str, subnet: str) -> None:
    try:
        ipaddress.ip_network(subnet)
    except ValueError as error:
        raise ConfigError(at, str(error)) from error


def _endpoint(at: str, endpoint: Endpoint) -> Endpoint:
    """An address and a port, the address as the kernel writes it: datagrams are looked up by it."""
    try:
        ip, port = endpoint
        address = ipaddress.ip_address(ip)
    except (ValueError, TypeError) as error:
        raise ConfigError(at, str(error)) from error
    if isinstance(port, bool) or not isinstance(port, int) or not 0 < port < 65_536:
        raise ConfigError(at, f"{port!r} is no port")
    return str(address), port
