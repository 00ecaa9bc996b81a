"""STATUS: could an ADD be served now?"""

from __future__ import annotations

from netkit.cni.failure import SUFFERING, UNAVAILABLE, CniError
from netkit.cni.ipamtype import delegated, forward
from netkit.cni.open import engine
from netkit.cni.roles import role
from netkit.errors import ConfigError, NetkitError

TYPE_CHECKING = False
if TYPE_CHECKING:
    from netkit.cni.call import Call
    from netkit.cni.wish import Wish


def status(call: Call) -> None:
    """Nothing when an ADD could be served; else CniError, 51 when those that are attached suffer too."""
    wish = role(call.role).read(call)
    if wish is None:
        return
    try:
        _ready(call, wish)
        forward(call, delegated(call))
    except (ConfigError, CniError):
        raise
    except NetkitError as error:
        raise CniError(UNAVAILABLE, error.message, error.hint) from error


def _ready(call: Call, wish: Wish) -> None:
    found = engine(call, wish.firewall)
    broken = found.broken(call.network_name())
    if broken:
        missing = "; ".join(dict.fromkeys(each.missing for each in broken))
        raise CniError(SUFFERING, f"missing: {missing}", "netkit reload puts it right")
    found.ready(wish.network)
