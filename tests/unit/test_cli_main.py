"""The command's words, codes and messages; nothing here touches a network."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from importlib import import_module

import pytest

from netkit.cli import main as entry
from netkit.cli.catalog import SECTIONS, netkit
from netkit.cli.command import Group
from netkit.cli.main import run
from netkit.cli.settings import require_privilege
from tests.hosts import ENVIRONMENT

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    import click

ENTRIES = [entry for _, entries in SECTIONS for entry in entries]


@pytest.fixture(autouse=True)
def _as_before(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """`run` sets signal handlers and the hook of unexpected errors, as a process of its own may."""
    handlers = {number: signal.getsignal(number) for number in entry.STOPPING}
    hook = sys.excepthook
    monkeypatch.setattr("netkit.cli.command.require_privilege", lambda: None)
    monkeypatch.delenv("NETKIT_ROOT", raising=False)
    yield
    sys.excepthook = hook
    for number, handler in handlers.items():
        signal.signal(number, handler)


def command(name: str) -> click.Command:
    module = next(module for known, module, _ in ENTRIES if known == name)
    found: click.Command = import_module(f"netkit.cli.{module}").command
    return found


def process(*words: str, **how: object) -> subprocess.CompletedProcess[str]:
    argv = [sys.executable, "-m", "netkit", *words]
    options = {"capture_output": True, "text": True, "env": ENVIRONMENT, "timeout": 30, "check": False, **how}
    return subprocess.run(argv, **options)  # type: ignore[call-overload,no-any-return]


def test_alone_it_prints_help_with_every_command_in_its_section(capsys: pytest.CaptureFixture[str]) -> None:
    assert run([]) == 0
    shown = capsys.readouterr().out
    for title, entries in SECTIONS:
        assert f"{title}:" in shown
        for name, _, summary in entries:
            assert name in shown
            assert " ".join(summary.split()[:4]) in shown


@pytest.mark.parametrize(("name", "module", "summary"), ENTRIES)
def test_the_summary_of_a_command_is_the_first_line_of_its_help(name: str, module: str, summary: str) -> None:
    if name in ("network", "ipam"):
        assert isinstance(command(name), Group)
    assert (command(name).help or "").partition("\n")[0] == summary
    assert command(name).name == name


def every_command() -> Iterator[list[str]]:
    for name, _, _ in ENTRIES:
        yield [name]
        found = command(name)
        if isinstance(found, Group):
            yield from ([name, verb] for verb in found.commands)


@pytest.mark.parametrize("words", list(every_command()), ids=" ".join)
def test_every_help_has_examples_that_begin_with_the_command(
    words: list[str], capsys: pytest.CaptureFixture[str]
) -> None:
    assert run([*words, "--help"]) == 0
    shown = capsys.readouterr().out
    examples = shown.partition("Examples:")[2].partition("\n\n")[0]
    assert f"netkit {' '.join(words)}" in examples
    assert "--root DIR" in shown


@pytest.mark.parametrize(
    ("words", "says"),
    [
        (["pss"], "did you mean `netkit ps`?"),
        (["network", "create2"], "did you mean `netkit network create`?"),
        (["xyzzy"], "there are: run, attach"),
        (["attach", "--bogus"], "no such option"),
        (["attach"], "whose network namespace?"),
        (["attach", "--pid", "1", "--netns", "x"], "--pid and --netns both name a target"),
        (["attach", "--netns", ""], "--netns is empty"),
        (["attach", "--pid", "0"], "0 is no PID"),
        (["attach", "--pid", "x"], "not a valid integer"),
        (["attach", "--pid", "1", "extra"], "extra"),
        (["attach", "--pid", "1", "--mode", "bridge", "--network", "x"], "exclude each other"),
        (["attach", "--pid", "1", "--ifname", "eth%d"], "--ifname: 'eth%d' is no valid interface name"),
        (["attach", "--pid", "1", "--ip", "fe80::1%eth0"], "--ip: 'fe80::1%eth0' has a zone"),
        (["attach", "--pid", "1", "-p", "0:80"], "--publish: there is no port 0"),
        (["attach", "--pid", "1", "--name", "a/b"], "--name: 'a/b' is no valid name"),
        (["detach"], "an ID (see netkit ps)"),
        (["detach", "x", "--pid", "1"], "both an id (x) and process 1 are named"),
        (["detach", "x", "--all"], "an id names one attachment already"),
        (["detach", "--pid", "1", "--all", "--ifname", "eth0"], "exclude each other"),
        (["exec"], "whose network namespace?"),
        (["exec", "a", "b", "--", "c"], "put -- right before the command"),
        (["exec", "a", "-l", "--", "c"], "stands after --"),
        (["run"], "which command?"),
        (["run", "--"], "which command?"),
        (["run", "word", "--", "c"], "put -- right before the command"),
        (["completion", "tcsh"], "'tcsh' is not one of"),
        (["network", "create", "x", "--gateway", "10.0.0.1"], "need a --subnet"),
        (["network", "create", "x", "--subnet", "10.8.0.1/24"], "--subnet: '10.8.0.1/24' is an address in a subnet"),
        (["network", "create", "x", "-o", "y"], "-o: 'y' is no KEY=VALUE"),
        (["network", "rm"], "missing argument"),
        (["ps", "--firewall", "pf"], "'pf' is not one of"),
    ],
)
def test_wrong_words_exit_with_2_and_say_what_is_wrong(
    words: list[str], says: str, capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    assert run(["--root", str(tmp_path), *words]) == 2
    told = capsys.readouterr()
    assert says in told.err
    assert told.err.startswith("netkit: ")
    assert told.out == ""


@pytest.mark.parametrize("words", [["--json", "attach", "--bogus"], ["attach", "--bogus", "--json"], ["--json", "pss"]])
def test_with_json_an_error_is_one_document_wherever_the_option_stands(
    words: list[str], capsys: pytest.CaptureFixture[str]
) -> None:
    assert run(words) == 2
    told = json.loads(capsys.readouterr().err)
    assert told["error"]["code"] == 2
    assert told["error"]["kind"] == "usage"
    assert set(told["error"]) == {"code", "kind", "message", "hint"}


def test_a_json_option_of_the_inner_command_is_not_ours(capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    assert run(["exec", "--root", str(tmp_path), "nobody", "--", "ls", "--json"]) == 3
    assert capsys.readouterr().err.startswith("netkit: no attachment nobody")


@pytest.mark.parametrize("words", [["--version"], ["ps", "--version"], ["network", "ls", "--version"]])
def test_the_version_may_be_asked_for_anywhere(words: list[str], capsys: pytest.CaptureFixture[str]) -> None:
    assert run(words) == 0
    assert capsys.readouterr().out.startswith("netkit 0.")


def test_the_root_option_goes_before_the_environment(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("NETKIT_ROOT", str(tmp_path / "environment"))
    run(["--root", str(tmp_path / "before"), "ps"])
    run(["ps", "--root", str(tmp_path / "after")])
    assert sorted(os.listdir(tmp_path)) == ["after", "before"]
    run(["ps"])
    assert sorted(os.listdir(tmp_path)) == ["after", "before", "environment"]


def test_a_bug_is_told_without_a_traceback_unless_asked_for(capsys: pytest.CaptureFixture[str]) -> None:
    for words, traceback in (([], False), (["-v"], True)):
        run([*words, "ps", "--version"])
        sys.excepthook(ZeroDivisionError, ZeroDivisionError("planted"), None)
        told = capsys.readouterr().err
        assert "netkit: internal error: ZeroDivisionError: planted" in told
        assert "report it" in told
        assert ("ZeroDivisionError: planted\n" in told.partition("report it")[2]) is traceback


@pytest.mark.parametrize("number", entry.STOPPING)
def test_a_stopping_signal_raises_once_and_is_not_heard_again(number: signal.Signals) -> None:
    signal.signal(number, signal.SIG_DFL)  # a test run may have been told to ignore it
    run(["--version"])
    with pytest.raises((SystemExit, KeyboardInterrupt)) as stopped:
        signal.raise_signal(number)
    if number != signal.SIGINT:
        assert stopped.value.code == 128 + number  # type: ignore[attr-defined]
    signal.raise_signal(number)


def test_an_interrupt_exits_with_130(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    def interrupted(*_: object) -> int:
        raise KeyboardInterrupt

    monkeypatch.setattr(entry, "_invoke", interrupted)
    assert run(["ps"]) == 130
    assert capsys.readouterr().err == "netkit: interrupted\n"


@pytest.mark.parametrize("shell", ["bash", "zsh", "fish"])
def test_completion_scripts_name_our_variable(shell: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert run(["completion", shell]) == 0
    assert "_NETKIT_COMPLETE" in capsys.readouterr().out


@pytest.mark.parametrize(
    ("line", "offers"),
    [
        ("netkit ", {"attach", "run", "network"}),
        ("netkit att", {"attach"}),
        ("netkit attach --mode ", {"bridge", "null"}),
        ("netkit attach --mode b", {"bridge"}),
        ("netkit network ", {"create", "ls", "rm"}),
        ("netkit attach --if", {"--ifname"}),
        ("netkit --firewall nf", {"nftables"}),
    ],
)
def test_tab_offers_words(line: str, offers: set[str]) -> None:
    words = line.split(" ")
    given = {"_NETKIT_COMPLETE": "bash_complete", "COMP_WORDS": line, "COMP_CWORD": str(len(words) - 1)}
    done = process(env={**ENVIRONMENT, **given})
    assert offers <= {line.partition(",")[2] for line in done.stdout.splitlines()}
    assert done.stderr == ""


def test_help_and_completion_are_for_everybody_but_the_rest_is_for_root(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr("netkit.cli.command.require_privilege", require_privilege)
    monkeypatch.setattr("os.geteuid", lambda: 1000)
    assert run(["--help"]) == run(["attach", "--help"]) == run(["completion", "bash"]) == 0
    capsys.readouterr()
    for words in (["ps"], ["attach", "--pid", "1"], ["network", "ls"], ["run", "--", "true"]):
        assert run(words) == 5
        assert "needs root (CAP_NET_ADMIN and CAP_SYS_ADMIN)" in capsys.readouterr().err


def test_root_without_capabilities_is_told_which_it_lacks() -> None:
    if os.geteuid() != 0:
        pytest.skip("needs root to drop a capability")
    argv = ["setpriv", "--bounding-set=-net_admin", "--inh-caps=-net_admin", sys.executable, "-m", "netkit", "ps"]
    done = subprocess.run(argv, capture_output=True, text=True, env=ENVIRONMENT, check=False)
    assert done.returncode == 5
    assert "lacks CAP_NET_ADMIN\n" in done.stderr


def test_nobody_reading_is_silent() -> None:
    reader, writer = os.pipe()
    os.close(reader)
    done = process("--help", stdout=writer, capture_output=False, stderr=subprocess.PIPE)
    os.close(writer)
    assert done.stderr == ""
    assert done.returncode == 141


def test_a_full_disk_under_stdout_is_an_error() -> None:
    with open("/dev/full", "w") as full:
        done = process("--help", stdout=full, capture_output=False, stderr=subprocess.PIPE)
    assert done.returncode == 1
    assert done.stderr.startswith("netkit: cannot write to standard output: No space left")


def test_closed_standard_files_are_no_obstacle() -> None:
    line = f"exec {sys.executable} -m netkit --version <&- >&-"
    done = subprocess.run(["sh", "-c", line], stderr=subprocess.PIPE, text=True, env=ENVIRONMENT, check=False)
    assert done.returncode == 0
    assert done.stderr == ""


def test_the_catalog_has_a_module_for_every_command() -> None:
    assert {name for name, _, _ in ENTRIES} == set(netkit.list_commands(netkit.make_context("netkit", ["ps"])))


@pytest.mark.parametrize(("mode", "told"), [("bridge", "guard"), ("macvlan", "bcqueuelen"), ("underlay", "yes")])
def test_the_options_of_a_mode_are_listed_on_request(
    mode: str, told: str, capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    assert run(["--root", str(tmp_path), "network", "create", "x", "--mode", mode, "-o", "help"]) == 0
    shown = capsys.readouterr().out
    assert (f"mode {mode}: " in shown, told in shown) == (True, True)
