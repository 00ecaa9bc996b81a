"""What the children of a test have to say: one word each, through a pipe of its own."""

from __future__ import annotations

import os
import select


class Said:
    """Pipes for so many children, made before they are."""

    def __init__(self, count: int) -> None:
        self._ends = [os.pipe() for _ in range(count)]

    def tell(self, child: int, word: str) -> None:
        """Say a word, in the child."""
        os.write(self._ends[child][1], word.encode())

    def heard(self) -> list[str]:
        """What each has said by now, "" for nothing; the pipes are gone then."""
        return [self._hear(*end) for end in self._ends]

    @staticmethod
    def _hear(reader: int, writer: int) -> str:
        os.close(writer)
        try:
            return os.read(reader, 100).decode() if select.select([reader], [], [], 0)[0] else ""
        finally:
            os.close(reader)
