"""What an attachment may have in every mode: limits of bandwidth, settings of its namespace."""

from __future__ import annotations

from netkit.drivers.protocols import Attachment
from netkit.plan.ops import Errand

TYPE_CHECKING = False
if TYPE_CHECKING:
    from netkit.model import AttachRequest
    from netkit.plan.host import Host


def furnished(attachment: Attachment, req: AttachRequest, host: Host) -> Attachment:
    """A driver's answer with that which was asked for besides.

    Where an errand lays the cable nobody knows yet where its limits can stand: `limited` is asked when it is done.
    """
    if not any(isinstance(op, Errand) for op in attachment.plan.ops):
        attachment = limited(attachment, req, host)
    if not req.sysctls:
        return attachment
    from netkit.parts.sysctls import sysctls

    return attachment.replace(plan=attachment.plan + sysctls(attachment.endpoint, req.sysctls, host))


def limited(attachment: Attachment, req: AttachRequest, host: Host) -> Attachment:
    """A driver's answer with limits of bandwidth: on the host's end of the cable, else on the container's own link."""
    if not (req.rate_in or req.rate_out):
        return attachment
    from netkit.parts.shaping import shaping

    ep = attachment.endpoint
    device, ns = (ep.host_ifname, None) if ep.host_ifname else (ep.ifname, ep.netns)
    limits = shaping(ep.id, device, ep.mtu, req.rate_in, req.rate_out, host, ns)
    return Attachment(attachment.plan + limits, ep.replace(rate_in=req.rate_in, rate_out=req.rate_out))
