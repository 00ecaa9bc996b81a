"""What an attachment may have in every mode: limits of bandwidth, settings of its namespace."""

from __future__ import annotations

from netkit.drivers.protocols import Attachment
from netkit.errors import ConfigError
from netkit.plan.steps import Plan

TYPE_CHECKING = False
if TYPE_CHECKING:
    from netkit.model import AttachRequest
    from netkit.plan.host import Host


def furnished(attachment: Attachment, req: AttachRequest, host: Host) -> Attachment:
    """A driver's answer with that which was asked for besides."""
    ep, plan = attachment.endpoint, attachment.plan
    if req.rate_in or req.rate_out:
        plan += _shaped(attachment, req, host)
        ep = ep.replace(rate_in=req.rate_in, rate_out=req.rate_out)
    if req.sysctls:
        from netkit.parts.sysctls import sysctls

        plan += sysctls(ep, req.sysctls, host)
    return Attachment(plan, ep)


def _shaped(attachment: Attachment, req: AttachRequest, host: Host) -> Plan:
    from netkit.parts.shaping import shaping

    ep = attachment.endpoint
    if not ep.host_ifname:
        at = "rate_in" if req.rate_in else "rate_out"
        raise ConfigError(at, f"{ep.mode} has no end on the host to hold it at", "leave it out, or use --mode bridge")
    return shaping(ep.id, ep.host_ifname, ep.mtu, req.rate_in, req.rate_out, host)
