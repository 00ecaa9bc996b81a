"""Which firewall the host speaks, and the executor for it.

    auto: legacy iptables rules in force -> iptables-legacy; else nftables where it works; else iptables

Rules are written with one backend and deleted with the same one: records keep its name.
"""

from __future__ import annotations

from netkit.errors import HostError

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Collection, Sequence
    from typing import Protocol

    from netkit.plan.rules import Rule
else:
    Protocol = object

BACKENDS = ("nftables", "iptables", "iptables-legacy")


class Firewall(Protocol):
    """One executor; each call is one transaction (iptables: one a table and family)."""

    name: str

    def add(self, rules: Sequence[Rule]) -> None:
        """Add rules. An equal rule that is there already is no error; ConflictError when a port is another's."""

    def delete(self, rules: Sequence[Rule]) -> None:
        """Delete rules. What is gone already is no error, what is another's by now is left alone."""

    def forget(self, owner: str) -> None:
        """Delete what bears an attachment's mark, whatever it is: for one whose record is lost."""

    def held(self, rules: Sequence[Rule]) -> Collection[Rule]:
        """Those of the rules that are in force; looks at netkit's own chains and sets only."""


def choose(prefer: str = "auto") -> str:
    """The backend for new rules: `nftables`, `iptables` or `iptables-legacy`.

    Raises HostError when the host lacks the preferred one, or, with `auto`, all of them.
    """
    from netkit.kernel import xtables

    if prefer == "auto":
        if xtables.legacy_rules():
            return "iptables-legacy"
        return "nftables" if _nftables_works() else _some_iptables("no firewall")
    if prefer == "nftables":
        if _nftables_works():
            return prefer
        raise HostError("nftables is not usable here", "install nftables, and run as root on a kernel with nf_tables")
    if prefer == "iptables":
        return _some_iptables("iptables")
    if prefer == "iptables-legacy" and xtables.find(prefer):
        return prefer
    raise HostError(f"there is no firewall backend {prefer!r} here", f"use auto or one of {', '.join(BACKENDS)}")


def open_backend(name: str, lasting: bool = False) -> Firewall:
    """The executor of that name, as a record keeps it.

    `lasting` is for a process that lives long: it may spend time on loading what reads faster afterwards
    (python-iptables, where it is installed).
    """
    if name == "nftables":
        from netkit.kernel.nft import Nftables

        return Nftables()
    if name == "firewalld":
        from netkit.kernel.firewalld import Firewalld

        return Firewalld()
    from netkit.kernel.iptables import Iptables

    return Iptables(name, lasting)


def _some_iptables(what: str) -> str:
    from netkit.kernel import xtables

    name = xtables.host_variant()
    if name is None:
        raise HostError(f"{what} found on this host", "install nftables or iptables")
    return name


def _nftables_works() -> bool:
    from netkit.kernel import libnft, nfchains

    return libnft.installed() and nfchains.usable()
