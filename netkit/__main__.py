"""The way in: the `netkit` command, which `python -m netkit` is, too."""

from __future__ import annotations

import gc

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import NoReturn

#: So many new objects are looked through for garbage at once: a short command makes fewer, and a long one hardly any.
_OBJECTS = 50_000


def main() -> NoReturn:
    """Run the command; to load it under the interpreter's usual watch for garbage takes a sixth more time."""
    gc.set_threshold(_OBJECTS)
    from netkit.cli.main import main as command

    command()


if __name__ == "__main__":
    main()
