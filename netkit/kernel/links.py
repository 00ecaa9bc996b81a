"""rtnetlink ops in batches: everything that can go to one namespace in one send, goes in one send."""

from __future__ import annotations

from netkit.errors import ConflictError, KernelError, NetkitError
from netkit.kernel import older, sysctl
from netkit.kernel.messages import delete_link, encode, move_link
from netkit.kernel.outcomes import UNTRIED, is_gone, worst
from netkit.naming import passing_name
from netkit.plan.ops import LinkDel, LinkReclaim, LinkReturn, Together

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from typing import Any

    from netkit.kernel.namespaces import Namespaces
    from netkit.kernel.outcomes import Outcome
    from netkit.kernel.wire import Message
    from netkit.model import NsRef
    from netkit.plan.host import Link
    from netkit.plan.ops import Op

    Indexes = dict[tuple[NsRef | None, str], int]


class Batch:
    """Consecutive ops of one namespace; also the `messages.Numbers` that their encoding asks.

    A batch is split only where an op is about a link that the same batch makes: it has no ifindex before it exists,
    and where making it fails because another's link has that name, the kernel would go on and change that one.
    `indexes` are the numbers known so far, kept by the caller.
    """

    def __init__(self, namespaces: Namespaces, ref: NsRef | None, indexes: Indexes, tolerant: bool) -> None:
        self._namespaces = namespaces
        self._ref = ref
        self._rtnl = namespaces.enter(ref).socket()
        self._indexes = indexes
        self._tolerant = tolerant
        self._outcomes: list[Outcome] = []
        self._pending: list[tuple[int, Message]] = []
        self._unborn: set[tuple[NsRef | None, str]] = set()

    def carry_out(self, ops: Sequence[Op]) -> list[Outcome]:
        """What became of each op; after a failure the rest is UNTRIED, unless tolerant."""
        self._outcomes = [UNTRIED] * len(ops)
        for place, op in enumerate(ops):
            try:
                self._add(place, op)
            except NetkitError as error:
                self._send()
                self._outcomes[place] = UNTRIED if self._failed() else error
            if self._failed():
                return self._outcomes
        self._send()
        return self._outcomes

    def index(self, name: str) -> int:
        """The ifindex of a link in this namespace."""
        key = (self._ref, name)
        if key in self._unborn:
            self._send()
        if key not in self._indexes:
            self._indexes[key] = self._rtnl.index(name)
        return self._indexes[key]

    def netns_fd(self, ref: NsRef | None) -> int:
        """A descriptor of another namespace."""
        return self._namespaces.enter(ref).fd

    def _add(self, place: int, op: Op) -> None:
        if (self._ref, op.on()) in self._unborn:
            self._send()
        messages = self._messages(op)
        if self._failed():
            return  # what this op builds on was not made
        if not messages:
            self._outcomes[place] = None
        self._pending += [(place, message) for message in messages]
        self._unborn.update(op.creates())
        for key in op.creates():
            self._indexes.pop(key, None)

    def _messages(self, op: Op) -> list[Message]:
        if guarded := _GUARDED.get(type(op)):
            return guarded(self, op)
        if isinstance(op, Together):
            self._send()  # so that nothing else is in its send
            return [message for part in op.ops for message in self._part(part)]
        if clashing := older.clashing(op, self._rtnl):
            self._send()
            older.make(clashing, self._namespaces, self)
            return []
        return encode(op, self)

    def _part(self, op: Op) -> list[Message]:
        """What is to be put back is put back even where the link that it came from is gone."""
        try:
            return encode(op, self)
        except KernelError as error:
            if self._tolerant and is_gone(error):
                return []
            raise

    def _delete(self, op: LinkDel) -> list[Message]:
        """Nothing to send unless the link is there and ours: of this name (not alias), kind and group."""
        self._send()
        names = (op.name, passing_name(op.name)) if op.kind in older.KINDS else (op.name,)
        link = next((found for name in names if (found := self._rtnl.link(name)) and found.name == name), None)
        if link is None or (link.kind, link.group) != (op.kind, op.group):
            return []
        self._indexes.clear()  # the other end of a veth dies too, wherever it is
        return [delete_link(link.index)]

    def _bring_back(self, op: LinkReturn) -> list[Message]:
        """Nothing to send unless the link is there; it keeps its alias, by which it is reclaimed."""
        self._send()
        link = next((each for each in self._rtnl.links() if each.alias == op.dev), None)
        if link is None:
            return []
        host = self._namespaces.enter(None)
        _refuse_taken(op.dev, host.socket().link(op.dev))
        self._indexes.clear()
        return [move_link(link.index, op.dev, op.dev, host.fd)]

    def _reclaim(self, op: LinkReclaim) -> list[Message]:
        """All at once, unless the link is not back: another one of its name is left alone."""
        self._send()
        link = next((each for each in self._rtnl.links() if each.alias == op.dev), None)
        if link is None:
            return []
        if link.name != op.dev:
            _refuse_taken(op.dev, self._rtnl.link(op.dev))
        self._indexes[self._ref, op.dev] = link.index
        restored = [message for part in op.restores for message in self._part(part)]
        answers = self._rtnl.batch([move_link(link.index, op.dev, op.alias), *restored])
        if (failure := worst(answers)) and not is_gone(failure):
            raise failure
        for key, was, now in op.settings:
            sysctl.restore(key, was, now)
        return []

    def _send(self) -> None:
        pending, self._pending = self._pending, []
        self._unborn.clear()
        if not pending:
            return
        answers: Sequence[KernelError | None]
        try:
            answers = self._rtnl.batch([message for _, message in pending])
        except KernelError as error:
            answers = [error] * len(pending)
        by_place: dict[int, list[KernelError | None]] = {}
        for (place, _), answer in zip(pending, answers, strict=True):
            by_place.setdefault(place, []).append(answer)
        for place, several in by_place.items():
            self._outcomes[place] = worst(several)

    def _failed(self) -> bool:
        return not self._tolerant and any(isinstance(outcome, NetkitError) for outcome in self._outcomes)


def _refuse_taken(name: str, link: Link | None) -> None:
    """A link comes home, and another lives there."""
    if link is not None and link.name == name:
        raise ConflictError(f"the host has another link {name} by now", f"rename that: ip link set dev {name} name NEW")


#: Ops that touch only what bears our mark.
_GUARDED: dict[type[Op], Callable[[Batch, Any], list[Message]]] = {
    LinkDel: Batch._delete,
    LinkReturn: Batch._bring_back,
    LinkReclaim: Batch._reclaim,
}
