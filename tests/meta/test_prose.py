"""The words of the house: what is promised exists, every module and public name says what it is, and no word is off."""

from __future__ import annotations

import ast
import re

import pytest

from tests.hosts import REPOSITORY
from tests.meta.source import Function, files, modules

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
    r"except (Exception|BaseException)\b|except:": "an error that was not expected must be seen",
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


def undocumented(name: str, tree: ast.Module, known: frozenset[str] = frozenset()) -> Iterator[str]:
    """What lacks a docstring that begins with a sentence; an override inherits that of the name it overrides."""
    if not is_sentence(ast.get_docstring(tree)):
        yield f"{name}: the module"
    for node in _public(tree.body):
        if not is_sentence(ast.get_docstring(node)):
            yield f"{name}:{node.lineno} {node.name}"
        if isinstance(node, ast.ClassDef):
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
    return len(first.split()) >= 3 and first.rstrip().endswith((".", ":", "?", "!"))


def documented_methods() -> frozenset[str]:
    return frozenset(
        node.name
        for _, tree in modules()
        for owner in ast.walk(tree)
        if isinstance(owner, ast.ClassDef)
        for node in owner.body
        if isinstance(node, Function) and ast.get_docstring(node)
    )


def test_no_word_is_off() -> None:
    found = [f"{path}: {text}" for path in files(*HOUSE) for text in off_words(path.read_text())]
    assert not found, "\n".join(found)


def test_every_module_and_public_name_says_what_it_is() -> None:
    known = documented_methods()
    found = [text for name, tree in modules() for text in undocumented(name, tree, known)]
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
