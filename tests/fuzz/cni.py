"""An atheris target: what a runtime may send to a CNI plugin, in this process.

    pip install atheris && unshare --net --mount python -m tests.fuzz.cni -max_total_time=120

The first byte chooses the plugin, the command, and what the others are: stdin as it stands, or the choices that the
seeded test makes by chance, so that an input reaches behind the JSON. The namespace of every input does not exist:
nothing is ever changed. A finding is written to the working directory; give its name to run it again.
"""

from __future__ import annotations

import json
import sys
import tempfile
from pathlib import Path
from random import Random

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any


class Chosen(Random):
    """A source of choices that reads them from bytes; all are the first one when no byte is left."""

    def __init__(self, data: bytes) -> None:
        super().__init__(0)
        self.data, self.place = data, 0

    def getrandbits(self, bits: int) -> int:
        """The next whole bytes, cut to so many bits."""
        size = (bits + 7) // 8
        taken = self.data[self.place : self.place + size]
        self.place += size
        return int.from_bytes(taken, "little") & ((1 << bits) - 1)

    def random(self) -> float:
        """The next byte, as a share of 256."""
        return self.getrandbits(8) / 256


def main() -> None:
    """Fuzz until told to stop."""
    atheris: Any = __import__("atheris")  # no dependency: whoever fuzzes installs it
    with atheris.instrument_imports(include=["netkit"]):  # to the end: netkit imports its verbs when they are asked for
        from tests.cni.mutations import COMMANDS, CONF, ENV, case
        from tests.cni.test_fuzz import ROLES, answer, judge

        root = Path(tempfile.mkdtemp(prefix="netkit-fuzz-"))
        seeds = root / "seeds"
        seeds.mkdir()
        for first in range(len(COMMANDS[:5]) * len(ROLES)):
            (seeds / str(first)).write_bytes(bytes([2 * first]) + json.dumps(CONF).encode())
            (seeds / f"{first}-chosen").write_bytes(bytes([2 * first + 1, *range(first, 256, 3)]))

        def one(data: bytes) -> None:
            choice, chosen = divmod(data[0] if data else 0, 2)
            env, stdin = case(Chosen(data[1:])) if chosen else (ENV, data[1:])
            env = {**env, "CNI_COMMAND": COMMANDS[choice % 5]}
            status, out, said = answer(ROLES[choice % len(ROLES)], env, stdin, root / "state")
            judge(env, status, out)
            assert not [text for text in said if "Traceback" in text], said

        atheris.Setup([*sys.argv, "-max_len=8192", "-timeout=10", str(seeds)], one)
        atheris.Fuzz()


if __name__ == "__main__":
    main()
