"""The process of the agent: signals, the loop, and who else is told."""

from __future__ import annotations

import signal

from netkit.agent.host import status as statuses
from netkit.agent.host.agent import Agent
from netkit.agent.host.care import Care
from netkit.agent.host.notify import notify
from netkit.agent.loop import Loop
from netkit.errors import BusyError, ConflictError
from netkit.state.locks import lock
from netkit.state.root import Root

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable

    from netkit.agent.host.joining import Ground


def serve(root: str, ground: Ground | None, healthz: str, teardown: bool, say: Callable[[str], None]) -> None:
    """Run until a signal comes; ConflictError when an agent of this root runs already."""
    try:
        with lock(Root(root or None), statuses.LOCK.format(ground.network) if ground else "agent", statuses.PATIENCE):
            _serve(root, ground, healthz, teardown, say)
    except BusyError as error:
        whose = ground.network if ground else "this root"
        raise ConflictError(f"an agent of {whose} runs already", "netkit agent status tells of it") from error


def _serve(root: str, ground: Ground | None, healthz: str, teardown: bool, say: Callable[[str], None]) -> None:
    loop = Loop()
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda _number, _frame: loop.stop())
    agent = Agent(root, ground, loop, say) if ground else None
    care = Care(root, loop, agent.soon if agent else lambda why: None)
    if agent:
        agent.care = care
    else:
        notify("READY=1")
    server = None
    if healthz:
        from netkit.agent.host.health import Health

        server = Health(healthz, agent, care)
    try:
        loop.run()
    finally:
        if server:
            server.close()
    if agent:
        agent.leave(teardown)
