"""A calm round compares nothing: it asks the host again what it was asked, and the same answers come to the same.

Plans and records are compared with the kernel by pure functions, over hundreds of steps; what they ask the host is a
dozen questions. An agent that finds each answer as it was knows what the comparison would say.
"""

from __future__ import annotations

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import Any, TypeVar

    from netkit.plan.host import Host

    T = TypeVar("T")

#: By network and question: what was compared last, what the host was asked then and answered, and what came of it.
_last: dict[tuple[str, str], tuple[object, dict[tuple[Any, ...], object], Any]] = {}


class Witness:
    """A `plan.host.Host` that asks another one each question once, and keeps what it was told."""

    def __init__(self, host: Host) -> None:
        self._host = host
        self.told: dict[tuple[Any, ...], object] = {}

    def __getattr__(self, name: str) -> Any:
        if not callable(getattr(self._host, name)):
            return self._ask(name)
        return lambda *args: self._ask(name, *args)

    def _ask(self, *question: Any) -> object:
        if question not in self.told:
            self.told[question] = _answer(self._host, *question)
        return self.told[question]


def compared(network: str, question: str, subject: object, host: Host, compare: Callable[[Host], T]) -> T:
    """What `compare` says of a network: what it said last to this question, if subject and host are as they were.

    It must ask nothing but the host, and must not change what it asks by.
    """
    known, told, found = _last.get((network, question), (None, {}, None))
    if known is None or known != subject or any(_answer(host, *asked) != was for asked, was in told.items()):
        witness: Any = Witness(host)
        found = compare(witness)
        _last[network, question] = subject, witness.told, found
    same: T = found
    return same


def forget(network: str, question: str) -> None:
    """Hold nothing of what will be asked otherwise: what leads to hundreds of hosts is large."""
    _last.pop((network, question), None)


def _answer(host: Host, name: str, *args: Any) -> object:
    asked = getattr(host, name)
    return asked(*args) if callable(asked) else asked
