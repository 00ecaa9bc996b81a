"""Ten thousand odd inputs: each has one answer of the protocol's form, soon, and nothing is changed.

Most go through the dispatcher in this process, some through the plugin itself. The namespace of every input is one that
does not exist, so that even a valid ADD fails before it touches anything.
"""

from __future__ import annotations

import json
import os
import resource
import time
from random import Random

import pytest

from netkit.cni import failure
from netkit.cni.dispatch import Streams, dispatch
from tests.cni.mutations import case

TYPE_CHECKING = False
if TYPE_CHECKING:
    from pathlib import Path

    from tests.cni.client import Plugins
    from tests.conftest import Unchanged
    from tests.hosts import HostNs

ROLES = ("netkit", "bridge", "host-local", "portmap", "firewall", "loopback")
CODES = {getattr(failure, name) for name in dir(failure) if name.isupper() and isinstance(getattr(failure, name), int)}


def answer(role: str, env: dict[str, str], stdin: bytes, root: Path) -> tuple[int, bytes, list[str]]:
    out: list[bytes] = []
    said: list[str] = []
    status = dispatch(role, env, Streams(lambda most: stdin[:most], out.append, said.append), str(root))
    return status, b"".join(out), said


def judge(env: dict[str, str], status: int, out: bytes) -> None:
    """Success is silent, or one document; an error is one document with a number that we know, and not 999."""
    assert status in (0, 1)
    if status == 0:
        assert not out or isinstance(json.loads(out), dict)
        return
    told = json.loads(out.decode("ascii"))
    assert {"code", "msg"} <= set(told) <= {"cniVersion", "code", "msg", "details"}
    assert told["code"] in CODES - {failure.INTERNAL}, told
    assert told["msg"]


@pytest.mark.root
@pytest.mark.limit(240)
@pytest.mark.parametrize("seed", range(10))
def test_odd_input_has_a_proper_answer_and_changes_nothing(seed: int, tmp_path: Path) -> None:
    random, slowest = Random(seed), 0.0  # noqa: S311 - repeatable is what we want
    for _ in range(1000):
        env, stdin = case(random)
        begin = time.monotonic()
        status, out, said = answer(random.choice(ROLES), env, stdin, tmp_path / "root")
        slowest = max(slowest, time.monotonic() - begin)
        judge(env, status, out)
        assert not [text for text in said if "Traceback" in text], (env, stdin, said)
    assert slowest < 2
    assert resource.getrusage(resource.RUSAGE_SELF).ru_maxrss < 600 * 1024  # pytest's own included
    kept = [path for path in (tmp_path / "root").rglob("*") if path.is_file() and "locks" not in path.parts]
    assert kept == []


@pytest.mark.limit(120)
def test_odd_input_to_the_plugin_itself(cni: Plugins, host: HostNs, unchanged: Unchanged, tmp_path: Path) -> None:
    random = Random(4711)  # noqa: S311
    with unchanged(host, allow=["state *"]):
        for _ in range(100):
            env, stdin = case(random)
            words = [f"{name}={value}" for name, value in env.items() if value and "\0" not in value]
            (tmp_path / "stdin").write_bytes(stdin)
            line = 'ulimit -v 400000; exec env -i "$@" <' + str(tmp_path / "stdin")
            begin = time.monotonic()
            done = host.run("sh", "-c", line, "sh", *words, str(cni.bin / random.choice(ROLES)), check=False)
            assert time.monotonic() - begin < 5
            judge(env, done.returncode, done.stdout.encode())
    assert os.listdir(host.root / "run" / "attachments") == [] if (host.root / "run" / "attachments").exists() else True
