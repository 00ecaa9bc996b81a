"""A topology file as nodes that know where they stand, so that every error names file, line and path.

Scalars are taken as they are written, not as YAML 1.1 resolves them: `8022:22` is no number of seconds, `no` no bool.
"""

from __future__ import annotations

import os

from netkit.errors import ConfigError, HostError, NotFoundError, UsageError

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable
    from types import ModuleType
    from typing import Any

#: A topology is written by people; what is larger is something else.
_LARGEST = 1 << 20
_DEEPEST, _MOST = 20, 50_000
_PATH = "give the path of a topology file"
_EXAMPLES = "see topologies/ for examples"


class Node:
    """One place of a file: a scalar, a list or a mapping."""

    def __init__(self, raw: Any, file: str, path: str = "") -> None:
        self.raw = raw
        self.file = file
        self.path = path
        self.line: int = raw.start_mark.line + 1

    def fail(self, message: str, hint: str = "") -> ConfigError:
        """The error that says what is off here."""
        where = f"{self.file}:{self.line}"
        return ConfigError(f"{where}: {self.path}" if self.path else where, message, hint)

    def is_null(self) -> bool:
        """Whether nothing is written here: `key:`, `~` or `null`."""
        return bool(self.raw.id == "scalar" and self.raw.tag.endswith(":null"))

    def is_scalar(self) -> bool:
        """Whether this is one word or text."""
        return self.raw.id == "scalar" and not self.is_null()

    def is_list(self) -> bool:
        """Whether this is a list."""
        return bool(self.raw.id == "sequence")

    def text(self) -> str:
        """The text of a scalar as it is written."""
        if not self.is_scalar():
            raise self.wrong("text")
        return str(self.raw.value)

    def elements(self) -> list[Node]:
        """The elements of a list."""
        if not self.is_list():
            raise self.wrong("a list")
        return [Node(raw, self.file, f"{self.path}[{at}]") for at, raw in enumerate(self.raw.value)]

    def items(self) -> list[tuple[str, Node, Node]]:
        """The entries of a mapping: key, the key's own node, value; none where nothing is written.

        A key that stands twice is an error here: YAML says so, and its readers forget one of the two.
        """
        if self.is_null():
            return []
        if self.raw.id != "mapping":
            raise self.wrong("a mapping (key: value)")
        seen: dict[str, int] = {}
        found = []
        for raw_key, raw_value in self.raw.value:
            if raw_key.id != "scalar":
                raise Node(raw_key, self.file, self.path).fail("a key must be one word")
            word = str(raw_key.value)
            path = f"{self.path}.{word}" if self.path else word
            key = Node(raw_key, self.file, path)
            if word in seen:
                raise key.fail(f"{word} stands here twice, first in line {seen[word]}", "rename or remove one of them")
            seen[word] = key.line
            found.append((word, key, Node(raw_value, self.file, path)))
        return found

    def wrong(self, wanted: str) -> ConfigError:
        """The error for a file that holds another kind of thing here."""
        kinds = {"sequence": "a list", "mapping": "a mapping"}
        seen = "nothing" if self.is_null() else kinds.get(self.raw.id, f"the text {_short(self.raw.value)}")
        return self.fail(f"{wanted} is needed, and here is {seen}")


def load(path: str) -> Node:
    """The root of a file; NotFoundError without one, ConfigError for what is no YAML."""
    text = _read(path)
    path = shown(path)
    yaml = _yaml()
    try:
        raw = yaml.compose(text, Loader=yaml.SafeLoader)
    except yaml.MarkedYAMLError as error:
        raise _no_yaml(path, error) from error
    except (yaml.YAMLError, RecursionError) as error:
        raise ConfigError(f"{path}:1", f"this is no YAML: {_first_line(error)}", _EXAMPLES) from error
    if raw is None:
        raise ConfigError(f"{path}:1", "the file is empty", _EXAMPLES)
    _refuse_knots(raw, path)
    return Node(raw, path)


def _refuse_knots(root: Any, path: str) -> None:
    """An alias may lead to what it stands in, or multiply itself to millions of nodes: nobody writes such a lab."""
    waiting, seen = [(root, 0)], 0
    while waiting:
        raw, depth = waiting.pop()
        seen += 1
        if depth > _DEEPEST or seen > _MOST:
            line = raw.start_mark.line + 1
            raise ConfigError(f"{path}:{line}", "this is nested too deeply", "does an alias lead to itself?")
        if raw.id != "scalar":
            parts = raw.value if raw.id == "sequence" else [part for pair in raw.value for part in pair]
            waiting += [(part, depth + 1) for part in parts]


def _read(path: str) -> str:
    try:
        with open(path, "rb") as file:
            data = file.read(_LARGEST + 1)
    except FileNotFoundError as error:
        raise NotFoundError(f"there is no file {shown(path)}", _PATH) from error
    except OSError as error:
        raise UsageError(f"cannot read {shown(path)}: {error.strerror}", _PATH) from error
    if len(data) > _LARGEST:
        raise UsageError(f"{shown(path)} is larger than any topology", _PATH)
    try:
        return data.decode("utf-8")
    except UnicodeDecodeError as error:
        line = data[: error.start].count(b"\n") + 1
        raise ConfigError(f"{shown(path)}:{line}", "this is no text in UTF-8", _PATH) from error


def _yaml() -> ModuleType:
    try:
        import yaml
    except ImportError as error:
        raise HostError("labs need PyYAML", "pip install 'netkit-containers[lab]'") from error
    return yaml


def _no_yaml(path: str, error: Any) -> ConfigError:
    mark = error.problem_mark or error.context_mark
    where = f"{path}:{mark.line + 1 if mark else 1}"
    return ConfigError(where, f"this is no YAML: {error.problem or error.context}", _EXAMPLES)


def _first_line(error: BaseException) -> str:
    return str(error).partition("\n")[0]


def _short(text: str) -> str:
    return repr(text if len(text) <= 30 else f"{text[:30]}...")


def nearest(word: str, known: Iterable[str]) -> str:
    """What to say about an unknown word: the nearest known one, or all of them."""
    from difflib import get_close_matches

    words = list(known)
    near = get_close_matches(word, words, 1, 0.5)
    return f"did you mean {near[0]}?" if near else f"known: {', '.join(words) or 'none'}"


def shown(path: str) -> str:
    """A file's path as people like to read it: relative where it lies below the working directory."""
    here = os.getcwd().rstrip("/") + "/"
    return path.removeprefix(here) if here != "/" else path
