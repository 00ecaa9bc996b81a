"""Directories of state: whole files or none, no links followed, damage set aside."""

from __future__ import annotations

import errno
import fcntl
import json
import os
import stat
import time
from pathlib import Path
from typing import Any

import pytest

from netkit.errors import StateError
from netkit.model import Network, Subnet
from netkit.state import document
from netkit.state.files import Directory
from netkit.state.root import Root
from netkit.value import to_json
from tests import forks

NET = Network("web", "bridge", subnets=(Subnet("10.0.0.0/24", "10.0.0.1"),), options=(("k", "\udc80ü"),))


@pytest.fixture
def place(tmp_path: Path) -> Directory:
    return Directory.open(str(tmp_path / "state"))


def inside(directory: Directory) -> set[str]:
    return set(os.listdir(directory.path))


def test_a_document_reads_as_what_was_written() -> None:
    assert document.load(document.dump(NET), Network) == NET


def test_a_document_is_plain_json_with_a_field_a_line() -> None:
    lines = document.dump(NET).decode().splitlines()
    assert lines[0].startswith('{"netkit": 1, "crc": "')
    assert lines[2] == ' "name": "web",'


def test_every_truncation_of_a_document_is_noticed() -> None:
    data = document.dump(NET).rstrip()
    for length in range(len(data)):
        with pytest.raises(ValueError, match=r"."):
            document.load(data[:length], Network)


def test_every_flipped_bit_of_a_document_is_noticed_or_harmless() -> None:
    data = document.dump(NET)
    for at in range(len(data) * 8):
        flipped = bytearray(data)
        flipped[at // 8] ^= 1 << at % 8
        try:
            assert document.load(bytes(flipped), Network) == NET
        except ValueError:
            continue


@pytest.mark.parametrize("data", [b"", b"null", b"[]", b"{}", b'"x"', b"[" * 100_000, b"\xff", b'{"netkit":1}'])
def test_other_data_is_no_document(data: bytes) -> None:
    with pytest.raises(ValueError, match=r"."):
        document.load(data, Network)


def test_a_document_of_another_kind_is_damaged() -> None:
    with pytest.raises(ValueError, match="holds no Network"):
        document.load(document.dump(NET.subnets[0]), Network)


def test_a_newer_netkits_file_stays_where_it_is(place: Directory, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(document, "VERSION", 2)
    place.save("web", NET)
    monkeypatch.setattr(document, "VERSION", 1)
    with pytest.raises(StateError, match="newer netkit"):
        place.load("web", Network)
    assert list(place.values(Network)) == []
    assert "newer" in place.warnings[0]
    assert inside(place) == {"web"}


def test_an_unknown_kind_is_not_taken_for_damage(place: Directory) -> None:
    place.save("web", NET)
    data = to_json(NET) | {"is": "FutureNetwork"}
    crc = document._checksum(json.dumps([1, data]))
    place.write("web", json.dumps({"netkit": 1, "crc": crc, "value": data}).encode())
    with pytest.raises(StateError, match="another netkit"):
        place.load("web", Network)
    assert inside(place) == {"web"}


def test_modes_are_0700_and_0600_under_umask_0(tmp_path: Path) -> None:
    before = os.umask(0)
    try:
        root = Root(str(tmp_path / "root"))
        root.networks.save("web", NET)
        root.ipam("web").create("x", b"1")
    finally:
        os.umask(before)
    for path in (tmp_path / "root").rglob("*"):
        assert stat.S_IMODE(path.stat().st_mode) == (0o700 if path.is_dir() else 0o600), path


def test_create_is_exclusive_and_never_empty(place: Directory) -> None:
    assert place.create("a", b"first")
    assert not place.create("a", b"second")
    assert place.read("a") == b"first"
    assert inside(place) == {"a"}


def test_write_replaces_and_unlink_removes(place: Directory) -> None:
    place.write("a", b"1")
    place.write("a", b"2")
    assert place.read("a") == b"2"
    assert place.unlink("a")
    assert not place.unlink("a")
    assert place.read("a") is None


def test_rename_moves_between_directories(place: Directory) -> None:
    other = place.sub("other")
    place.write("a", b"1")
    assert place.rename("a", other, "b")
    assert not place.rename("a", other, "b")
    assert other.read("b") == b"1"


@pytest.mark.parametrize("name", ["", ".", "..", "a/b", "../a", ".hidden", "a\0b", "x" * 300])
def test_a_name_is_one_plain_component(place: Directory, name: str) -> None:
    for call in (place.read, place.unlink, place.sub, place.exists, place.set_aside, lambda n: place.write(n, b"")):
        with pytest.raises(StateError, match="name of a state file"):
            call(name)


def test_planted_links_lead_nowhere(place: Directory, tmp_path: Path) -> None:
    target = tmp_path / "passwd"
    target.write_bytes(b"root:x:0:0")
    for name in ("read", "write", "create", "load"):
        Path(place.path, name).symlink_to(target)
    with pytest.raises(StateError, match="not a regular file"):
        place.read("read")
    place.write("write", b"evil")
    assert not place.create("create", b"evil")
    assert place.load("load", Network) is None
    assert target.read_bytes() == b"root:x:0:0"
    assert Path(place.path, "load.corrupt-1").is_symlink()


def test_a_hard_link_is_not_written_through(place: Directory, tmp_path: Path) -> None:
    target = tmp_path / "passwd"
    target.write_bytes(b"root:x:0:0")
    Path(place.path, "a").hardlink_to(target)
    place.write("a", b"evil")
    assert target.read_bytes() == b"root:x:0:0"


def test_a_linked_directory_is_refused(tmp_path: Path) -> None:
    (tmp_path / "real").mkdir(mode=0o700)
    (tmp_path / "link").symlink_to(tmp_path / "real")
    with pytest.raises(StateError, match="link") as caught:
        Directory.open(str(tmp_path / "link"))
    assert "symbolic link" in caught.value.hint


@pytest.mark.parametrize("mode", [0o770, 0o707, 0o1777])
def test_a_directory_that_others_may_write_to_is_refused(tmp_path: Path, mode: int) -> None:
    (tmp_path / "shared").mkdir()
    (tmp_path / "shared").chmod(mode)
    with pytest.raises(StateError, match="writable by others"):
        Directory.open(str(tmp_path / "shared"))
    with pytest.raises(StateError, match="writable by others"):
        _ = Root(str(tmp_path / "shared")).attachments


@pytest.mark.skipif(os.geteuid() != 0, reason="needs root")
def test_a_directory_of_another_user_is_refused(tmp_path: Path) -> None:
    (tmp_path / "theirs").mkdir(mode=0o700)
    os.chown(tmp_path / "theirs", 65534, 65534)
    with pytest.raises(StateError, match="belongs to user 65534"):
        Directory.open(str(tmp_path / "theirs"))


@pytest.mark.parametrize("stands", ["file", "directory", "fifo", "link"])
def test_damage_is_set_aside_and_named(place: Directory, stands: str) -> None:
    path = Path(place.path, "web")
    if stands == "file":
        path.touch()
    elif stands == "directory":
        path.mkdir()
    elif stands == "fifo":
        os.mkfifo(path)
    else:
        path.symlink_to("/nowhere")
    assert place.load("web", Network) is None
    assert inside(place) == {"web.corrupt-1"}
    assert "web is damaged" in place.warnings[0]
    assert "web.corrupt-1" in place.warnings[0]
    place.save("web", NET)
    assert place.load("web", Network) == NET
    assert place.names() == ["web"]


def test_a_directory_in_the_way_of_a_write_is_set_aside(place: Directory) -> None:
    Path(place.path, "web").mkdir()
    place.save("web", NET)
    assert place.load("web", Network) == NET
    Path(place.path, "old").mkdir()
    assert place.unlink("old")
    assert inside(place) == {"web", "web.corrupt-1", "old.corrupt-1"}


def test_set_aside_keeps_all(place: Directory) -> None:
    for number in (1, 2, 3):
        place.write("a", b"%d" % number)
        assert place.set_aside("a") == f"a.corrupt-{number}"
    assert place.names() == []


def test_one_bad_file_hides_no_other(place: Directory) -> None:
    for name in ("a", "b", "c"):
        place.save(name, NET.replace(name=name))
    Path(place.path, "b").write_bytes(b"{")
    assert [net.name for net in place.values(Network)] == ["a", "c"]


def test_values_can_be_narrowed_by_their_text(place: Directory) -> None:
    for name in ("a", "b"):
        place.save(name, NET.replace(name=name))
    Path(place.path, "broken").write_bytes(b"{")
    assert [net.name for net in place.values(Network, holding="b")] == ["b"]
    assert place.warnings == []


def test_temporary_files_of_the_killed_are_swept_and_those_of_the_living_stay(place: Directory) -> None:
    Path(place.path, ".tmp-1-0").write_bytes(b"torn")
    living = os.open(f"{place.path}/.tmp-1-1", os.O_CREAT | os.O_WRONLY, 0o600)
    try:
        fcntl.flock(living, fcntl.LOCK_EX)
        assert place.names() == []
        assert inside(place) == {".tmp-1-1"}
    finally:
        os.close(living)


def test_stale_temporary_files_never_block_a_writer(place: Directory) -> None:
    for number in range(40):
        Path(place.path, f".tmp-{os.getpid()}-{number}").write_bytes(b"torn")
    place.write("a", b"1")
    assert place.read("a") == b"1"


def test_errors_name_the_path_and_the_remedy(place: Directory, monkeypatch: pytest.MonkeyPatch) -> None:
    def full(*_: object) -> int:
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    place.write("a", b"old")
    monkeypatch.setattr(os, "write", full)
    with pytest.raises(StateError, match=r"cannot write .*/state/a: No space left") as caught:
        place.write("a", b"new")
    assert "free some space" in caught.value.hint
    assert place.read("a") == b"old"
    assert inside(place) == {"a"}


def test_durable_directories_sync_before_the_name_appears(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    seen: list[str] = []
    place = Directory.open(str(tmp_path / "state"), durable=True)
    real = os.replace

    def replace(*args: str, **given: Any) -> None:
        seen.append("rename")
        real(*args, **given)

    monkeypatch.setattr(os, "fsync", lambda fd: seen.append("dir" if fd == place.fd else "file"))
    monkeypatch.setattr(os, "replace", replace)
    place.write("a", b"1")
    assert seen == ["file", "rename", "dir"]


def test_a_writer_killed_at_any_moment_leaves_the_old_or_the_new(place: Directory) -> None:
    place.write("a", b"A" * 5000)

    def write() -> None:
        while True:
            place.write("a", b"A" * 5000)
            place.write("a", b"B" * 5000)

    for pause in range(30):
        child = forks.start(write)
        time.sleep(pause / 10_000)
        forks.kill(child)
        assert place.read("a") in (b"A" * 5000, b"B" * 5000)
    assert place.names() == ["a"]
    assert inside(place) == {"a"}


def test_clear_removes_a_tree_and_follows_no_link(place: Directory, tmp_path: Path) -> None:
    (tmp_path / "kept").mkdir()
    (tmp_path / "kept" / "file").touch()
    place.sub("web").sub("deep").write("a", b"1")
    Path(place.path, "web", "link").symlink_to(tmp_path / "kept")
    place.clear("web")
    place.clear("web")
    assert inside(place) == set()
    assert (tmp_path / "kept" / "file").exists()
