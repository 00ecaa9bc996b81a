"""Taking over addresses that another IPAM has given out, so that netkit gives them to nobody else."""

from __future__ import annotations

from time import time

from netkit.engine import networks, pools
from netkit.errors import NetkitError
from netkit.model import Endpoint, NsRef
from netkit.naming import attachment_id, check_ifname, check_name
from netkit.plan.steps import Plan
from netkit.state.records import Record

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Sequence

    from netkit.engine.session import Session
    from netkit.ipam.hostlocal import Holding


def adopt(session: Session, network: str, holdings: Sequence[Holding]) -> tuple[list[str], list[str]]:
    """Claim addresses for those who hold them; returns what was adopted and what was not, one line each.

    Each owner gets a record without a plan: whoever detaches it later gives its addresses back. Its namespace is not
    known, so nothing but that ends it.
    """
    done: list[str] = []
    refused: list[str] = []
    owners = dict.fromkeys((holding.container, holding.ifname) for holding in holdings)
    with session.network_lock(network):
        net = networks.find(session, network)
        for container, ifname in owners:
            wanted = [each.address for each in holdings if (each.container, each.ifname) == (container, ifname)]
            try:
                check_name(container, "container", "container id")
                ep = Endpoint(
                    attachment_id(network, container, check_ifname(ifname)),
                    network,
                    net.mode,
                    container,
                    ifname,
                    NsRef(""),
                    origin=network.partition("..")[0],
                )
                leases = [
                    pools.pool_of(session, net, address).claim(container, ifname, None, address) for address in wanted
                ]
            except NetkitError as error:
                refused.append(f"{', '.join(wanted)} of {container} {ifname}: {error.message}")
                continue
            addresses = tuple(lease.address for lease in leases)
            record = Record(ep.replace(addresses=addresses), Plan(), session.root.boot_id(), int(time()))
            session.records.save(record)
            done += [f"{address} of {container} {ifname}" for address in addresses]
    return done, refused
