"""An atheris target: bytes as the stdin of the CNI plugin, in this process.

    pip install atheris && python -m tests.fuzz.cni -max_total_time=60

The namespace does not exist, so nothing is ever changed; run it as root in `unshare --net --mount` all the same.
"""

from __future__ import annotations

import sys
import tempfile
from pathlib import Path

from tests.cni.mutations import ENV
from tests.cni.test_fuzz import answer, judge

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

COMMANDS = ("ADD", "DEL", "CHECK", "GC", "STATUS")


def main() -> None:
    """Fuzz until told to stop."""
    atheris: Any = __import__("atheris")  # no dependency: whoever fuzzes installs it
    root = Path(tempfile.mkdtemp(prefix="netkit-fuzz-"))

    def one(data: bytes) -> None:
        env = {**ENV, "CNI_COMMAND": COMMANDS[data[0] % len(COMMANDS)] if data else "ADD"}
        status, out, _ = answer("netkit", env, data[1:], root)
        judge(env, status, out)

    atheris.instrument_all()
    atheris.Setup(sys.argv, one)
    atheris.Fuzz()


if __name__ == "__main__":
    main()
