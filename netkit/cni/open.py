"""From a call to the engine and the namespace that it is about."""

from __future__ import annotations

from netkit.cni.failure import NAMESPACE, CniError
from netkit.engine.service import Engine
from netkit.errors import HostError, NotFoundError, UsageError
from netkit.kernel.netns import resolve_path
from netkit.naming import attachment_id

TYPE_CHECKING = False
if TYPE_CHECKING:
    from netkit.cni.call import Call
    from netkit.model import NsRef


def engine(call: Call, firewall: str = "auto") -> Engine:
    """The engine of the call's root."""
    return Engine(call.root or None, firewall)


def identity(call: Call) -> str:
    """The id of the attachment that the call is about."""
    return attachment_id(call.network_name(), call.invocation.container, call.ifname)


def namespace(call: Call) -> NsRef:
    """The namespace that CNI_NETNS leads to, or CniError with code 8.

    The host's own is none for a container, unless CNI_NETNS_OVERRIDE says that it is meant.
    """
    try:
        return resolve_path(call.invocation.netns, allow_host=call.invocation.may_be_host)
    except (NotFoundError, UsageError) as error:
        raise CniError(NAMESPACE, f"CNI_NETNS: {error.message}", error.hint) from error
    except HostError as error:
        raise CniError(NAMESPACE, f"CNI_NETNS: {error.message}", error.hint) from error
