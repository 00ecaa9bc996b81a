"""Bandwidth as runtimes write it: bits a second and bits at once, ingress towards the container, egress from it.

The configuration's own keys go before runtimeConfig.bandwidth, as a whole.
"""

from __future__ import annotations

from netkit.cni.failure import incapable
from netkit.errors import ConfigError
from netkit.model import Rate

TYPE_CHECKING = False
if TYPE_CHECKING:
    from netkit.cni.fields import Fields

KEYS = ("ingressRate", "ingressBurst", "egressRate", "egressBurst")
_LARGEST_RATE = (1 << 63) - 1
#: 4 GB, in bits: the kernel counts a burst's bytes in 32 bits.
_LARGEST_BURST = (1 << 35) - 8


def read(conf: Fields, runtime: Fields) -> tuple[Rate | None, Rate | None]:
    """Towards the container and from it; None where there is no limit."""
    for key in ("shapedSubnets", "unshapedSubnets"):
        if conf.items(key):
            raise incapable(conf.path(key), "a limit holds for all that passes the cable")
    told = conf if any(conf.data.get(key) for key in KEYS) else runtime.section("bandwidth")
    return _rate(told, "ingress"), _rate(told, "egress")


def _rate(told: Fields, way: str) -> Rate | None:
    bits = told.number(f"{way}Rate", 0, 0, _LARGEST_RATE)
    burst = told.number(f"{way}Burst", 0, 0, _LARGEST_BURST)
    if bool(bits) != bool(burst):
        lacks = f"{way}Rate" if burst else f"{way}Burst"
        raise ConfigError(told.path(lacks), "rate and burst come together", "give both, in bits, or neither")
    return Rate(bits, burst) if bits else None
