"""netkit's own source, as modules, imports, functions: what the meta tests look at."""

from __future__ import annotations

import ast
import functools
from typing import NamedTuple

from tests.hosts import REPOSITORY

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

Function = ast.FunctionDef | ast.AsyncFunctionDef


class Import(NamedTuple):
    """One imported name, absolute; `from a import b` counts as `a.b`, which may be a module or a thing in one."""

    name: str
    line: int
    at_top: bool
    for_types: bool


class Parsed(NamedTuple):
    """A module's dotted name and its tree."""

    name: str
    tree: ast.Module


def files(*folders: str) -> list[Path]:
    """Every Python file below these folders of the repository, also those without a suffix that run Python."""
    found = [path for folder in folders for path in sorted(REPOSITORY.joinpath(folder).rglob("*"))]
    return [path for path in found if path.is_file() and _is_python(path)]


def _is_python(path: Path) -> bool:
    if path.suffix:
        return path.suffix == ".py"
    with path.open("rb") as file:
        return b"python" in file.readline()


def dotted(path: Path) -> str:
    """The name under which a file of the package is imported."""
    parts = path.relative_to(REPOSITORY).with_suffix("").parts
    return ".".join(parts[:-1] if parts[-1] == "__init__" else parts)


@functools.cache
def modules(package: str = "netkit") -> tuple[Parsed, ...]:
    """Every module of the package, parsed once."""
    return tuple(Parsed(dotted(path), ast.parse(path.read_text(), str(path))) for path in files(package))


@functools.cache
def nodes(tree: ast.AST) -> tuple[ast.AST, ...]:
    """A node and all that is in it, in the order of `ast.walk`, which takes three times as long and does it anew."""
    found = [tree]
    for node in found:
        for value in vars(node).values():
            if isinstance(value, ast.AST):
                found.append(value)
            elif isinstance(value, list):
                found += [item for item in value if isinstance(item, ast.AST)]
    return tuple(found)


def imports(source: str | ast.Module, module: str = "") -> Iterator[Import]:
    """Every import of a module, at the top, in functions, and for type checkers alone."""
    tree = ast.parse(source) if isinstance(source, str) else source
    typed = {id(node) for block in nodes(tree) if _is_type_block(block) for node in ast.walk(block)}
    top = {id(node) for node in tree.body}
    for node in nodes(tree):
        for name in _names(node, module):
            yield Import(name, getattr(node, "lineno", 0), id(node) in top, id(node) in typed)


def _names(node: ast.AST, module: str) -> list[str]:
    if isinstance(node, ast.Import):
        return [alias.name for alias in node.names]
    if isinstance(node, ast.ImportFrom):
        base = node.module or ""
        if node.level:
            base = ".".join([*module.split(".")[: -node.level], *([node.module] if node.module else [])])
        return [f"{base}.{alias.name}" for alias in node.names]
    return []


def _is_type_block(node: ast.AST) -> bool:
    return isinstance(node, ast.If) and isinstance(node.test, ast.Name) and node.test.id == "TYPE_CHECKING"


def functions(tree: ast.Module) -> list[Function]:
    """Every function and method, nested ones too."""
    return [node for node in nodes(tree) if isinstance(node, Function)]


def length(function: Function) -> int:
    """A function's lines from `def` to its end, its docstring, blank lines and decorators left out."""
    body = function.body
    first = body[0]
    skipped = 0
    if isinstance(first, ast.Expr) and isinstance(first.value, ast.Constant) and isinstance(first.value.value, str):
        skipped = (first.end_lineno or first.lineno) - first.lineno + 1
    return (function.end_lineno or function.lineno) - function.lineno + 1 - skipped
