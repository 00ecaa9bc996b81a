"""What the global options say, and the engine that they open."""

from __future__ import annotations

import os

from netkit.errors import HostError

TYPE_CHECKING = False
if TYPE_CHECKING:
    from netkit.engine.service import Engine
    from netkit.plan.ops import Op

#: Capabilities that netkit cannot work without, and their bits in CapEff.
_CAPABILITIES = {"CAP_NET_ADMIN": 12, "CAP_SYS_ADMIN": 21}


class Settings:
    """The global options of one command; `open` gives the engine that they describe."""

    def __init__(self) -> None:
        self.json = False
        self.root: str | None = None
        self.firewall = "auto"
        self.verbose = False
        self._engine: Engine | None = None

    def open(self) -> Engine:
        """The engine, opened once."""
        if self._engine is None:
            from netkit.engine.service import Engine

            self._engine = Engine(self.root, self.firewall, _show if self.verbose else None)
        return self._engine

    def warnings(self) -> list[str]:
        """What the engine wants people to know."""
        return self._engine.warnings if self._engine else []


def require_privilege() -> None:
    """HostError unless this process may change networks."""
    needed = " and ".join(_CAPABILITIES)
    if os.geteuid() != 0:
        raise HostError(f"netkit needs root ({needed})", "run it as root, for example with sudo")
    held = _effective_capabilities()
    missing = [name for name, bit in _CAPABILITIES.items() if not held >> bit & 1]
    if missing:
        raise HostError(
            f"this root lacks {' and '.join(missing)}", "in a container: docker run --cap-add, or --privileged"
        )


def _effective_capabilities() -> int:
    """The bits of CapEff; all of them where /proc does not tell."""
    try:
        with open("/proc/self/status", encoding="ascii", errors="replace") as status:
            return next(int(line.split()[1], 16) for line in status if line.startswith("CapEff:"))
    except (OSError, StopIteration):
        return -1


def _show(op: Op) -> None:
    """With -v: each change as the command that does the same, just before it is made."""
    from netkit.cli.output import say
    from netkit.plan.render import render

    for command in render(op):
        say(f"+ {command}")
