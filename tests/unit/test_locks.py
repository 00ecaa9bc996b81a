"""Locks: one owner, a bounded wait, and no harm from those who meddle with the file."""

from __future__ import annotations

import fcntl
import os
import signal
import stat
import time
from pathlib import Path

import pytest

from netkit.errors import BusyError, StateError
from netkit.state.locks import lock
from netkit.state.root import Root
from tests import forks


@pytest.fixture
def root(tmp_path: Path) -> Root:
    return Root(str(tmp_path / "root"))


def path_of(root: Root, name: str) -> Path:
    return Path(root.locks.path, name)


def test_a_lock_is_had_again_after_it_was_left(root: Root) -> None:
    for _ in range(3):
        with lock(root, "net"):
            pass
    assert path_of(root, "net").exists()


def test_a_second_owner_waits_in_vain_and_learns_who_holds_it(root: Root) -> None:
    with (
        lock(root, "net"),
        pytest.raises(BusyError, match=f"held by process {os.getpid()}") as caught,
        lock(Root(root.path), "net", seconds=0.05),
    ):
        pass
    assert caught.value.hint == "try again later"


def test_different_names_do_not_meet(root: Root) -> None:
    with lock(root, "a"), lock(root, "b", seconds=0):
        pass


def test_a_waiter_gets_the_lock_when_it_is_left(root: Root) -> None:
    def hold() -> None:
        with lock(Root(root.path), "net"):
            ready.touch()
            time.sleep(0.05)

    ready = Path(root.path, "ready")
    child = forks.start(hold)
    while not ready.exists():
        time.sleep(0.001)
    with lock(root, "net", seconds=5):
        pass
    forks.finish([child])


def test_a_killed_owner_leaves_the_lock(root: Root) -> None:
    def hold() -> None:
        with lock(Root(root.path), "net"):
            ready.touch()
            signal.pause()

    ready = Path(root.path, "ready")
    child = forks.start(hold)
    while not ready.exists():
        time.sleep(0.001)
    forks.kill(child)
    with lock(root, "net", seconds=0):
        pass


def test_the_lock_file_is_0600_in_0700_under_umask_0(root: Root) -> None:
    before = os.umask(0)
    try:
        with lock(root, "net"):
            pass
    finally:
        os.umask(before)
    assert stat.S_IMODE(path_of(root, "net").stat().st_mode) == 0o600
    assert stat.S_IMODE(os.fstat(root.locks.fd).st_mode) == 0o700


def test_a_program_that_is_started_does_not_inherit_the_lock(root: Root) -> None:
    with lock(root, "net") as _:
        for fd in os.listdir("/proc/self/fd"):
            if os.path.islink(f"/proc/self/fd/{fd}") and os.readlink(f"/proc/self/fd/{fd}") == str(
                path_of(root, "net")
            ):
                assert not os.get_inheritable(int(fd))


def test_whoever_waits_on_a_replaced_file_goes_on_to_the_new_one(root: Root) -> None:
    with lock(root, "net"):
        path_of(root, "net").unlink()
        # The holder's file is gone from the path: the next owner makes a new one. Only a waiter on the old is at risk.
        with lock(Root(root.path), "net", seconds=0):
            held = path_of(root, "net").stat().st_ino
        assert path_of(root, "net").stat().st_ino == held


def test_never_two_owners_while_the_lock_file_is_being_replaced(root: Root) -> None:
    """A token that only one owner may hold, while someone renames fresh files over the lock file."""
    token = Path(root.path, "token")
    meddled = path_of(root, "net")

    def work() -> None:
        mine = Root(root.path)
        for _ in range(60):
            with lock(mine, "net", seconds=20):
                before = meddled.stat().st_ino
                os.close(os.open(token, os.O_CREAT | os.O_EXCL))
                token.unlink()
                assert meddled.stat().st_ino == before

    def meddle_when_free() -> None:
        for number in range(60):
            with meddled.open("ab") as old:
                fcntl.flock(old, fcntl.LOCK_EX)
                if os.fstat(old.fileno()).st_ino == meddled.stat().st_ino:
                    fresh = meddled.with_name(f"fresh{number}")
                    fresh.touch(mode=0o600)
                    fresh.rename(meddled)

    root.locks.write("net", b"")
    forks.finish([forks.start(work) for _ in range(3)] + [forks.start(meddle_when_free)])


def test_a_signal_does_not_cut_the_wait_short(root: Root) -> None:
    before = signal.signal(signal.SIGUSR1, lambda *_: None)
    pid = os.getpid()

    def disturb() -> None:
        for _ in range(5):
            time.sleep(0.01)
            os.kill(pid, signal.SIGUSR1)

    child = forks.start(disturb)
    started = time.monotonic()
    try:
        with lock(root, "net"), pytest.raises(BusyError), lock(Root(root.path), "net", seconds=0.2):
            pass
    finally:
        forks.finish([child])
        signal.signal(signal.SIGUSR1, before)
    assert time.monotonic() - started >= 0.2


def test_the_wall_clock_does_not_matter(root: Root, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(time, "time", lambda: -1e9)
    with lock(root, "net"), pytest.raises(BusyError), lock(Root(root.path), "net", seconds=0.01):
        pass


@pytest.mark.parametrize("plant", ["directory", "link", "fifo"])
def test_what_is_no_file_cannot_be_locked(root: Root, plant: str, tmp_path: Path) -> None:
    path = path_of(root, "net")
    target = tmp_path / "target"
    target.write_bytes(b"kept")
    if plant == "directory":
        path.mkdir()
    elif plant == "fifo":
        os.mkfifo(path)
    else:
        path.symlink_to(target)
    with pytest.raises(StateError, match="not a regular file"), lock(root, "net"):
        pass
    assert target.read_bytes() == b"kept"


def test_a_filesystem_without_locks_is_named(root: Root, monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(*_: object) -> None:
        raise OSError(37, "No locks available")

    monkeypatch.setattr(fcntl, "flock", refuse)
    with pytest.raises(StateError, match=r"cannot lock .*/locks/net") as caught, lock(root, "net"):
        pass
    assert "cannot lock files" in caught.value.hint
