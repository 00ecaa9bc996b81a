"""Start-up is the performance of a CNI plugin: what may not be imported on the way, and why.

The set of loaded modules is compared, not time, so the test is exact on any machine. Modules that only the
interpreter's own start loads (site, an editable install) are not held against netkit.
"""

from __future__ import annotations

import functools
import json
import subprocess
import sys

import pytest

from tests.hosts import ENVIRONMENT
from tests.meta.source import dotted, files

TYPE_CHECKING = False
if TYPE_CHECKING:
    from pathlib import Path

#: A module that is banned on the way of a CNI process, and why. Figures: Python 3.11, two cores, docs/adr.
BANNED = {
    "click": "20 ms; the command line's alone",
    "rich": "60 ms; for people's eyes only",
    "pyroute2": "150 ms; kernel/wire is the write path",
    "iptc": "270 ms, and a compiled extension",
    "scapy": "half a second",
    "logging": "6 ms (traceback, string, threading); netkit says what it has to say once, on stderr",
    "asyncio": "40 ms; nothing here waits for two things",
    "dataclasses": "12 ms (inspect), and 0.65 ms a class; netkit.value is the value type",
    "inspect": "10 ms (dis, ast)",
    "pathlib": "5 ms; netkit works on directory descriptors",
    "subprocess": "7 ms (selectors, threading); kernel/spawn uses posix_spawn",
    "importlib.metadata": "12 ms (email, zipfile); only for a driver that is not built in",
    "typing": "5 ms; types are for checkers, under TYPE_CHECKING",
    "threading": "2 ms; _thread is enough",
    "socket": "3 ms (selectors, enum classes); _socket is enough",
    "hashlib": "2 ms (OpenSSL); naming.digest is enough",
    "tempfile": "8 ms (random, shutil); temporary names come from the state layer",
    "shutil": "6 ms (zlib, bz2, lzma)",
    "random": "6 ms; nothing in netkit is drawn by chance",
    "argparse": "7 ms (gettext)",
    "urllib": "5 ms; a plugin speaks to the kernel alone",
}
#: The command may use click and what click uses; the rest waits for the command that needs it.
BANNED_IN_CLI = {name: BANNED[name] for name in ("pyroute2", "iptc", "scapy", "asyncio", "rich", "importlib.metadata")}

#: Where a CNI process passes through.
ON_THE_WAY = (
    "value",
    "errors",
    "naming",
    "model",
    "parse",
    "plan",
    "parts",
    "drivers",
    "kernel",
    "state",
    "ipam",
    "engine",
    "cni",
)
#: Places where a process lives long or a person waits: they may load more, and nothing on the way imports them.
ASIDE = (
    "netkit.kernel.monitor",
    "netkit.kernel.dump",
    "netkit.drivers.delegate",
    "netkit.engine.dhcp",
    "netkit.engine.doctor",
    "netkit.engine.tunnels",
    "netkit.engine.judge",
    "netkit.engine.report",
    "netkit.engine.compared",
)
#: A bare interpreter's program: each line of its input is run by a fork of it, which writes what that has loaded.
REPORTS = """
import json, os, sys
sys.path[:0] = sys.argv[1:]
before, out = set(sys.modules), sys.stdout
for line in sys.stdin:
    if os.fork():
        status = os.wait()[1]
        print(json.dumps(f"it ended with {status}") if status else "", flush=True)
    else:
        sys.stdin.close()
        exec(json.loads(line), {})
        print(json.dumps(sorted(set(sys.modules) - before)), end="", file=out, flush=True)
        os._exit(0)
"""


@functools.cache
def _bare() -> subprocess.Popen[str]:
    """No site, so no editable-install machinery; it ends with its input, when we do."""
    paths = [ENVIRONMENT["PYTHONPATH"], *(path for path in sys.path if path.endswith("site-packages"))]
    argv = [sys.executable, "-I", "-S", "-c", REPORTS, *paths]
    return subprocess.Popen(argv, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, bufsize=1)


def loaded(code: str) -> set[str]:
    """The modules that this code adds in a bare interpreter."""
    bare = _bare()
    assert bare.stdin and bare.stdout
    bare.stdin.write(json.dumps(code) + "\n")
    found = json.loads(bare.stdout.readline())
    assert isinstance(found, list), found
    return set(found)


def offences(modules: set[str], banned: dict[str, str]) -> list[str]:
    """Each banned module that is loaded, with the reason of its ban."""
    return [f"{name}: {reason}" for name, reason in banned.items() if name in modules]


def on_the_way() -> list[str]:
    names = [dotted(path) for path in files("netkit")]
    return [n for n in names if n not in ASIDE and n.partition(".")[2].split(".")[0] in ON_THE_WAY]


def test_there_is_something_to_look_at() -> None:
    assert {"netkit.value", "netkit.plan.ops", "netkit.engine.service", "netkit.cli.main"} <= {
        dotted(path) for path in files("netkit")
    }


@pytest.mark.parametrize("module", on_the_way())
def test_a_module_on_the_way_loads_nothing_slow(module: str) -> None:
    aside = dict.fromkeys(ASIDE, "it may load slow things, so it waits for the command that needs it")
    assert offences(loaded(f"import {module}"), {**BANNED, **aside}) == []


@pytest.mark.parametrize("words", [["--help"], ["ps"], ["attach", "--help"], ["--version"]], ids=" ".join)
def test_the_command_loads_nothing_that_its_command_does_not_need(words: list[str], tmp_path: Path) -> None:
    code = "import io, sys; sys.stdout = io.StringIO()\n"
    code += f"from netkit.cli.main import run\nrun(['--root', {str(tmp_path / 'root')!r}, *{words!r}])\n"
    assert offences(loaded(code), BANNED_IN_CLI) == []


@pytest.mark.parametrize("name", ["typing", "subprocess", "importlib.metadata", "hashlib", "click"])
def test_a_planted_import_is_found(name: str) -> None:
    (found,) = (text for text in offences(loaded(f"import {name}"), BANNED) if text.startswith(name))
    assert found == f"{name}: {BANNED[name]}"
