"""The documentation is true where a test can tell: options, command lines, links, and what a page says there is."""

from __future__ import annotations

import re
import shlex

import click
import pytest

from netkit.cli.catalog import netkit
from netkit.cli.command import GLOBAL_OPTIONS
from netkit.cli.settings import Settings
from netkit.drivers import bridge, underlay
from netkit.errors import UsageError
from tests.hosts import REPOSITORY

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

PAGES = [REPOSITORY / "README.md", *sorted(REPOSITORY.glob("docs/**/*.md"))]
MANUAL = sorted(REPOSITORY.glob("docs/man/*.md"))
#: ``` fences; those of another language than these hold no commands.
FENCE = re.compile(r"^ *```(\w*)\n(.*?)^ *```$", re.MULTILINE | re.DOTALL)
TYPED = ("console", "sh", "")
OPTION = re.compile(r"(?<![\w-])(--?[a-zA-Z][a-z0-9-]*)")


def leaves(command: click.Command = netkit, path: str = "netkit") -> Iterator[tuple[str, click.Command]]:
    """Every command that does something, with its words."""
    if not isinstance(command, click.Group):
        yield path, command
        return
    ctx = click.Context(command)
    for name in command.list_commands(ctx):
        found = command.get_command(ctx, name)
        assert found
        yield from leaves(found, f"{path} {name}")


COMMANDS = dict(leaves())


def options(command: click.Command) -> set[str]:
    """A command's own options, each by all its names."""
    own = [p for p in command.params if isinstance(p, click.Option) and p.name not in GLOBAL_OPTIONS]
    return {name for param in own for name in (*param.opts, *param.secondary_opts)}


def shared() -> set[str]:
    """The global options."""
    found = [p for p in netkit.params if isinstance(p, click.Option)]
    return {name for param in found for name in param.opts} | {"-h", "--help"}


def documented(page: Path) -> set[str]:
    """The options that a page lists: lines that begin with "- `-"."""
    lines = re.findall(r"^- (`-.*?):", page.read_text(), re.MULTILINE)
    return {name for line in lines for name in OPTION.findall(line)}


def described(page: Path) -> list[str]:
    """The commands that have a section on a page."""
    return [title for title in re.findall(r"^## (netkit .+)$", page.read_text(), re.MULTILINE) if title in COMMANDS]


def words_typed(page: str) -> list[str]:
    """Every netkit command line of a page's code blocks, up to where the shell takes over."""
    blocks = [body for language, body in FENCE.findall(page) if language in TYPED]
    lines = [line.strip() for block in blocks for line in block.splitlines()]
    typed = [
        re.sub(r"^(?:[$#] )?(?:sudo )?", "", line) for line in lines if re.match(r"(?:[$#] )?(?:sudo )?netkit ", line)
    ]
    nested = [found for line in lines for found in re.findall(r"(?:\$\(|&& )(netkit [^)\"]+)", line)]
    return typed + nested


def parse(line: str) -> None:
    """Parse a command line as netkit does, without running it; an error is raised when it does not parse."""
    lexer = shlex.shlex(line, posix=True, punctuation_chars="|&;<>")
    lexer.whitespace_split, lexer.commenters = True, "#"
    words = list(lexer)[1:]
    end = next((at for at, word in enumerate(words) if set(word) <= set("|&;<>")), len(words))
    settings = Settings()
    command: click.Command = netkit
    ctx = command.make_context("netkit", words[:end], obj=settings)
    while isinstance(command, click.Group):
        held = vars(ctx)  # click 8.2 renamed it, and warns of the old name
        rest = [*held.get("_protected_args", held.get("protected_args", ())), *ctx.args]
        name, found, rest = command.resolve_command(ctx, rest)
        assert found and name, line
        command, ctx = found, found.make_context(name, rest, parent=ctx)


def test_every_command_has_a_section_in_the_manual() -> None:
    known = [name for page in MANUAL for name in described(page)]
    assert sorted(known) == sorted(COMMANDS), "each command needs one `## netkit COMMAND` in docs/man"


@pytest.mark.parametrize("page", MANUAL, ids=lambda page: page.stem)
def test_a_manual_page_names_every_option_and_no_other(page: Path) -> None:
    own = {name for command in described(page) for name in options(COMMANDS[command])}
    told = documented(page)
    if page.name == "netkit.1.md":
        own |= shared()
    assert (sorted(own - told), sorted(told - own)) == ([], []), "(not documented, not there)"


@pytest.mark.parametrize(("mode", "known"), [("bridge", bridge.SWITCHES), ("underlay", underlay.SWITCHES)])
def test_every_option_of_a_mode_is_in_the_manual(mode: str, known: dict[str, bool]) -> None:
    text = REPOSITORY.joinpath("docs/man/netkit-network.1.md").read_text()
    table = re.search(rf"mode `{mode}`.*?\n\n(\|.*?)\n\n", text, re.DOTALL)
    told = dict(re.findall(r"^\| `(\w+)` \| (on|off) \|", table[1] if table else "", re.MULTILINE))
    of_ports = {"snat": "on", "masqAll": "off"} if mode == "bridge" else {}
    assert told == {key: "on" if default else "off" for key, default in known.items()} | of_ports


@pytest.mark.parametrize("page", PAGES, ids=lambda page: str(page.relative_to(REPOSITORY)))
def test_every_command_line_on_a_page_parses(page: Path) -> None:
    wrong = []
    for line in words_typed(page.read_text()):
        try:
            parse(line)
        except (click.exceptions.Exit, SystemExit):
            continue
        except (click.ClickException, UsageError) as error:
            wrong.append(f"{line}: {error}")
    assert wrong == []


@pytest.mark.parametrize("page", PAGES, ids=lambda page: str(page.relative_to(REPOSITORY)))
def test_every_relative_link_resolves(page: Path) -> None:
    text = FENCE.sub("", page.read_text())
    links = re.findall(r"\]\((?!https?:|mailto:)([^)\s]+)\)", text)
    assert [link for link in links if not _resolves(page, link)] == []


def _resolves(page: Path, link: str) -> bool:
    name, _, anchor = link.partition("#")
    target = page.parent / name if name else page
    return target.exists() and (not anchor or anchor in _anchors(target.read_text()))


def _anchors(text: str) -> set[str]:
    titles = re.findall(r"^#+ (.+)$", FENCE.sub("", text), re.MULTILINE)
    return {re.sub(r"[^\w\- ]", "", title.lower()).replace(" ", "-") for title in titles}


def test_the_readme_has_every_command_in_its_table() -> None:
    text = REPOSITORY.joinpath("README.md").read_text()
    nouns = {name.split()[1] for name in COMMANDS}
    assert set(re.findall(r"^\| \[`netkit (\w+)`\]", text, re.MULTILINE)) == nouns


def test_every_page_can_be_found_from_the_index() -> None:
    index = REPOSITORY / "docs/index.md"
    linked = {index.parent.joinpath(link).resolve() for link in re.findall(r"\]\(([^)#]+\.md)\)", index.read_text())}
    assert [page for page in PAGES if page != index and page not in linked] == []


@pytest.mark.parametrize(
    ("line", "parses"),
    [
        ("netkit attach --pid 1 -p 8080:80 --explain", True),
        ("netkit ps --json | jq .", True),
        ("netkit network create x -o bridge=y  # why", True),
        ("netkit attach --pid x", False),
        ("netkit attach --colour", False),
        ("netkit network make x", False),
    ],
)
def test_planted_command_lines_are_told_apart(line: str, parses: bool) -> None:
    if parses:
        parse(line)
        return
    with pytest.raises((click.ClickException, UsageError)):
        parse(line)
