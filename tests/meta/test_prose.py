"""The words of the house: what is promised exists, every module and public name says what it is, and no word is off."""

from __future__ import annotations

import ast
import functools
import re

import pytest

from tests.hosts import REPOSITORY
from tests.meta.source import Function, files, modules, nodes

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator

HOUSE = ("netkit", "plugins")
PAGES = [path for where in ("*.md", "docs/**/*.md", "bench/*.md", "topologies/*.md") for path in REPOSITORY.glob(where)]

#: Text that has no place in the house, and why.
FORBIDDEN = {
    r"shell\s*=\s*True": "peer data must never meet a shell",
    r"\bos\.(system|popen)\b": "peer data must never meet a shell",
    r"\bsh -c\b": "peer data must never meet a shell",
    r"\b(TODO|FIXME|XXX|HACK)\b": "do it, or say in the documentation that it is not done",
    r"pragma: no cover": "what cannot be tested is not written",
    r"except Exception\b|except:": "an error that was not expected must be seen",
    r"\b(eval|exec)\(": "data is not code",
    r"\bimport pickle\b": "data is not code",
    r"class \w*(Manager|Helper|Utils?|Handler)\b": "a name says what a thing is, not that it does something",
    r"class I[A-Z][a-z]": "a protocol needs no Hungarian prefix",
}


def off_words(text: str) -> list[str]:
    """Every forbidden text with its line and the reason."""
    return [
        f"line {text.count(chr(10), 0, found.start()) + 1}: {found.group()!r}: {reason}"
        for pattern, reason in FORBIDDEN.items()
        for found in re.finditer(pattern, text)
    ]


def swallowed(name: str, tree: ast.Module) -> Iterator[str]:
    """Handlers of BaseException, which clean up, that neither raise again nor keep the error for another to raise."""
    for node in nodes(tree):
        if isinstance(node, ast.ExceptHandler) and "BaseException" in ast.dump(node.type or ast.Constant("")):
            inside = [child for statement in node.body for child in ast.walk(statement)]
            kept = any(isinstance(child, ast.Name) and child.id == node.name for child in inside)
            if not kept and not any(isinstance(child, ast.Raise) for child in inside):
                yield f"{name}:{node.lineno} swallows every error"


def undocumented(
    name: str, tree: ast.Module, known: frozenset[str] = frozenset(), borrowed: frozenset[str] = frozenset()
) -> Iterator[str]:
    """What lacks a docstring that begins with a sentence.

    An override inherits that of the method it overrides: one of a `known` name, or of a library's class (`borrowed`).
    """
    if not is_sentence(ast.get_docstring(tree)):
        yield f"{name}: the module"
    for node in _public(tree.body):
        if not is_sentence(ast.get_docstring(node)):
            yield f"{name}:{node.lineno} {node.name}"
        if isinstance(node, ast.ClassDef) and node.name not in borrowed:
            yield from _methods(name, node, known)


def _methods(name: str, owner: ast.ClassDef, known: frozenset[str]) -> Iterator[str]:
    for node in _public(owner.body):
        text = ast.get_docstring(node)
        if not is_sentence(text) and (text or node.name not in known):
            yield f"{name}:{node.lineno} {owner.name}.{node.name}"


def _public(body: list[ast.stmt]) -> Iterator[Function | ast.ClassDef]:
    named = (node for node in body if isinstance(node, Function | ast.ClassDef))
    return (node for node in named if not node.name.startswith("_"))


def is_sentence(docstring: str | None) -> bool:
    """Whether the first line is a sentence: some words and an end."""
    first = (docstring or "").partition("\n")[0]
    return len(first.split()) >= 2 and first.rstrip().endswith((".", ":", "?", "!"))


@functools.cache
def classes() -> list[ast.ClassDef]:
    return [node for _, tree in modules() for node in nodes(tree) if isinstance(node, ast.ClassDef)]


def documented_methods() -> frozenset[str]:
    methods = (node for owner in classes() for node in owner.body if isinstance(node, Function))
    return frozenset(node.name for node in methods if ast.get_docstring(node))


def library_classes() -> frozenset[str]:
    """Names of our classes that derive, directly or through another of ours, from `library.Class`."""
    found: set[str] = set()
    while True:
        more = {one.name for one in classes() if any(_borrowed(base, found) for base in one.bases)} - found
        if not more:
            return frozenset(found)
        found |= more


def _borrowed(base: ast.expr, found: set[str]) -> bool:
    return isinstance(base, ast.Attribute) or (isinstance(base, ast.Name) and base.id in found)


def test_no_word_is_off() -> None:
    found = [f"{path}: {text}" for path in files(*HOUSE) for text in off_words(path.read_text())]
    assert not found, "\n".join(found)


def test_no_error_is_swallowed() -> None:
    assert [text for name, tree in modules() for text in swallowed(name, tree)] == []


@pytest.mark.parametrize(
    ("body", "count"), [("pass", 1), ("undo()", 1), ("undo()\n    raise", 0), ("kept.append(error)", 0)]
)
def test_a_planted_swallower_is_found(body: str, count: int) -> None:
    source = f"try:\n    f()\nexcept BaseException as error:\n    {body}\n"
    assert len(list(swallowed("m", ast.parse(source)))) == count


def test_every_module_and_public_name_says_what_it_is() -> None:
    known, borrowed = documented_methods(), library_classes()
    found = [text for name, tree in modules() for text in undocumented(name, tree, known, borrowed)]
    assert not found, "\n".join(found)


@pytest.mark.parametrize("page", ["README.md", "CONTRIBUTING.md"])
def test_every_make_command_that_a_page_names_exists(page: str) -> None:
    targets = set(re.findall(r"^([a-z][\w-]*):", REPOSITORY.joinpath("Makefile").read_text(), re.MULTILINE))
    named = set(re.findall(r"`make ([a-z-]+)`|^\s*make ([a-z-]+)", REPOSITORY.joinpath(page).read_text(), re.MULTILINE))
    assert {a or b for a, b in named} <= targets
    assert named


@pytest.mark.parametrize("page", sorted(path.name for path in REPOSITORY.glob("docs/adr/*.md")))
def test_every_decision_says_context_figures_and_consequences(page: str) -> None:
    headings = re.findall(r"^## (.+)$", REPOSITORY.joinpath("docs/adr", page).read_text(), re.MULTILINE)
    assert {"Context", "Decision", "Figures", "Consequences"} <= set(headings)


@pytest.mark.parametrize("page", sorted(str(path.relative_to(REPOSITORY)) for path in PAGES))
def test_every_link_to_a_file_leads_somewhere(page: str) -> None:
    path = REPOSITORY / page
    links = re.findall(r"\]\((?!https?:|#|mailto:)([^)#\s]+)", path.read_text())
    assert [link for link in links if not path.parent.joinpath(link).exists()] == []


@pytest.mark.parametrize(
    "text",
    [
        "run(x, shell=True)",
        "os.system(x)",
        "os.popen(x)",
        "'sh -c'",
        "# TODO",
        "x  # pragma: no cover",
        "try:\n    x\nexcept Exception:\n    pass",
        "try:\n    x\nexcept:\n    pass",
        "eval(x)",
        "import pickle",
        "class LinkManager:",
        "class IDriver:",
    ],
)
def test_a_planted_word_is_found(text: str) -> None:
    assert off_words(text)


@pytest.mark.parametrize(
    "text", ["class ConflictError(NetkitError):", "posix_spawn(argv)", "except OSError:", "class IpamPool:"]
)
def test_plain_words_are_let_through(text: str) -> None:
    assert off_words(text) == []


@pytest.mark.parametrize(
    ("source", "what"),
    [
        ("x = 1", "m: the module"),
        ('"""Short."""', "m: the module"),
        ('"""A module of ours."""\ndef f(): pass', "m:2 f"),
        ('"""A module of ours."""\nclass C:\n    """A thing we have."""\n    def f(self): pass', "m:4 C.f"),
        ('"""A module of ours."""\ndef f():\n    """no sentence here"""', "m:2 f"),
    ],
)
def test_a_planted_silence_is_found(source: str, what: str) -> None:
    assert list(undocumented("m", ast.parse(source))) == [what]
