"""Claims: who has which address. One file an address, and beside it one link an owner.

    10.90.0.7             {"netkit": 1, ... "container": "web", "ifname": "eth0", ...}
    web+eth0 -> 10.90.0.7

The file is the truth, and appears together with its content. The link is how an owner's address is found without a look
at all claims: it is made before the file and removed after it, so a crash leaves at worst a link that leads nowhere.
"""

from __future__ import annotations

from netkit.errors import StateError
from netkit.ipam.pool import number
from netkit.model import NsRef
from netkit.state.document import dump, load
from netkit.value import Value

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator

    from netkit.state.files import Directory

_JOINT = "+"


class Claim(Value):
    """An address that is taken: by whom, for which namespace, in which boot, since when (seconds since 1970)."""

    address: str
    container: str
    ifname: str
    netns: NsRef | None = None
    boot_id: str = ""
    created: int = 0


class Claims:
    """The claims of one pool. All calls need the pool's lock."""

    def __init__(self, directory: Directory, boot_id: str) -> None:
        self.directory = directory
        self.boot_id = boot_id

    def make(self, claim: Claim) -> bool:
        """Take an address; False when it is taken. On an error nothing is left."""
        link = _link(claim.container, claim.ifname)
        self.directory.unlink(link)
        self.directory.point(link, claim.address)
        made = False
        try:
            made = self.directory.create(claim.address, dump(claim))
        finally:
            if not made:
                self.directory.unlink(link)
        return made

    def drop(self, claim: Claim) -> None:
        """Give an address back."""
        self.directory.unlink(claim.address)
        self.directory.unlink(_link(claim.container, claim.ifname))

    def of(self, container: str, ifname: str) -> Claim | None:
        """What an owner has, None when it has nothing.

        Only when its link does not lead to its claim (a crash, damage) are all claims looked at.
        """
        link = _link(container, ifname)
        if not self.directory.exists(link):
            return None
        address = self.directory.pointed(link)
        claim = self.at(address) if address and _is_address(address) else None
        if claim and (claim.container, claim.ifname) == (container, ifname):
            return claim
        return next((c for c in self.all() if (c.container, c.ifname) == (container, ifname)), None)

    def at(self, address: str) -> Claim | None:
        """The claim of an address, None when it is free.

        A damaged one is set aside. If an owner's link still leads to it, it is written anew, since its owner may well
        be alive and using the address, as one of this boot; else it was nobody's.
        """

        def parse(data: bytes) -> Claim:
            claim = load(data, Claim, self.directory.where(address))
            if claim.address != address:
                raise ValueError(f"it is a claim of {claim.address}")
            return claim

        if not self.directory.exists(address):
            return None
        return self.directory.parse(address, parse) or self._restore(address)

    def taken(self, address: str) -> bool:
        """Whether there is a claim of an address, of whatever quality."""
        return self.directory.exists(address)

    def addresses(self) -> list[str]:
        """All addresses that are taken. Links that a crash left leading nowhere are removed on the way."""
        names = self.directory.names()
        known = set(names)
        for name in names:
            if _JOINT in name and self.directory.pointed(name) not in known:
                self.directory.unlink(name)
        return [name for name in names if _is_address(name)]

    def all(self) -> Iterator[Claim]:
        """All claims; what a newer netkit wrote is passed over with a warning. Owners' links are mended on the way."""
        for address in self.addresses():
            try:
                claim = self.at(address)
            except StateError as error:
                self.directory.warnings.append(error.message)
                continue
            if claim:
                self._mend(claim)
                yield claim

    def _mend(self, claim: Claim) -> None:
        link = _link(claim.container, claim.ifname)
        if self.directory.pointed(link) != claim.address:
            self.directory.unlink(link)
            self.directory.point(link, claim.address)

    def _restore(self, address: str) -> Claim | None:
        for name in self.directory.names():
            if _JOINT in name and self.directory.pointed(name) == address:
                container, _, ifname = name.rpartition(_JOINT)
                claim = Claim(address, container, ifname, boot_id=self.boot_id)
                return claim if self.directory.create(address, dump(claim)) else None
        return None


def _link(container: str, ifname: str) -> str:
    return f"{container}{_JOINT}{ifname}"


def _is_address(name: str) -> bool:
    try:
        number(name)
    except ValueError:
        return False
    return True
