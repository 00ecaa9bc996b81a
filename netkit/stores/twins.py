"""Two hosts with one id, as machines have that were made from one image: each would take the other's place.

A host's record says which start of the host has written it (`session`) and from where (`public`). Another session at
another address that has just been heard is another machine; at the same address it is this one, started anew.
"""

from __future__ import annotations

import time

from netkit.errors import ConflictError
from netkit.stores.model import HEARTBEAT

TYPE_CHECKING = False
if TYPE_CHECKING:
    from netkit.stores.model import Host, LeaseStore

#: A host that lives is heard at least so often, in seconds, be it that one heartbeat is lost.
HEARD = 2 * HEARTBEAT + 5.0
_PAUSE = 1.0


class TwinError(ConflictError):
    """Another host speaks under this host's id."""


def refuse_twin(store: LeaseStore, own: Host, hint: str) -> None:
    """TwinError when another host that lives has this host's id; what it has said stays as it is."""
    twin = store.twin(own.session)
    if twin is not None and twin.host.public != own.public and twin.age < HEARD:
        what = f"another host has this host's id, {own.node}, and lives: it speaks from {twin.host.public}"
        raise TwinError(what, hint)


def wait_alone(store: LeaseStore, own: Host, hint: str) -> None:
    """As `refuse_twin`, but a record may be this host's own, of before: whether it is said again shows soon."""
    age, end = 0.0, time.monotonic() + HEARD
    while True:
        try:
            refuse_twin(store, own, hint)
            return
        except TwinError:
            twin = store.twin(own.session)
            if twin is not None and (twin.age < age or time.monotonic() > end):
                raise
            age = twin.age if twin else 0.0
        time.sleep(_PAUSE)
