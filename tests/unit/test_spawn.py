"""Helper programs: found in fixed places, run without a shell, never hung on."""

from __future__ import annotations

import os
import time

import pytest

from netkit.errors import BusyError, HostError, KernelError
from netkit.kernel import spawn


def test_output_status_and_complaint_come_back() -> None:
    done = spawn.run(["sh", "-c", "cat; echo oops >&2; exit 3"], b"hello")
    assert (done.status, done.text, done.complaint) == (3, "hello", "oops")


def test_much_output_and_input_do_not_block() -> None:
    megabytes = b"x" * (5 << 20)
    done = spawn.run(["sh", "-c", "cat; head -c 5000000 /dev/zero >&2"], megabytes)
    assert (done.stdout, len(done.stderr)) == (megabytes, 5000000)


def test_a_program_that_hangs_is_killed_in_time() -> None:
    began = time.monotonic()
    with pytest.raises(BusyError, match=r"sleep did not end within 0\.1 s"):
        spawn.run(["sleep", "60"], timeout=0.1)
    assert time.monotonic() - began < 5


def test_a_killed_program_has_a_negative_status() -> None:
    assert spawn.run(["sh", "-c", "kill -9 $$"]).status == -9


def test_a_missing_program_is_the_hosts_lack() -> None:
    with pytest.raises(HostError, match="the program nosuchprogram is missing"):
        spawn.run(["nosuchprogram"])


def test_a_file_that_is_no_program_is_refused(tmp_path: os.PathLike[str]) -> None:
    with pytest.raises(KernelError, match="cannot start"):
        spawn.run([os.fspath(tmp_path)])


def test_the_callers_path_and_environment_stay_out(monkeypatch: pytest.MonkeyPatch, tmp_path: os.PathLike[str]) -> None:
    fake = os.path.join(tmp_path, "env")
    with open(fake, "w", encoding="ascii") as file:
        file.write("#!/bin/sh\necho fake\n")
    os.chmod(fake, 0o700)
    monkeypatch.setenv("PATH", os.fspath(tmp_path))
    monkeypatch.setenv("LD_PRELOAD", "/nowhere.so")
    assert sorted(spawn.run(["env"]).text.splitlines()) == ["LC_ALL=C", f"PATH={':'.join(spawn.DIRECTORIES)}"]


def test_no_descriptor_is_left_open() -> None:
    before = os.listdir("/proc/self/fd")
    spawn.run(["true"])
    assert os.listdir("/proc/self/fd") == before
