"""Container ids to PIDs, over faked trees of /run and /proc."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

import pytest

from netkit.engine import containers
from netkit.engine.containers import pid_of
from netkit.errors import ConfigError, ConflictError, NotFoundError

if TYPE_CHECKING:
    from pathlib import Path

ID = "3f9c1a2b7d10" + "ab" * 26
OTHER = "3f9c00000000" + "cd" * 26


class Machine:
    """A root directory with /run and /proc as a runtime would leave them."""

    def __init__(self, top: Path) -> None:
        self.top = top

    def file(self, path: str, text: str) -> None:
        file = self.top / path
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(text)

    def process(self, pid: int, cgroup: str = "/", state: str = "S", started: int = 100) -> None:
        self.file(f"proc/{pid}/stat", f"{pid} (a (b) c) {state} " + "0 " * 18 + f"{started} 0 0\n")
        self.file(f"proc/{pid}/cgroup", f"0::{cgroup}\n")

    def pid_of(self, container: str) -> tuple[str, int]:
        return pid_of(container, str(self.top))


@pytest.fixture
def machine(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Machine:
    monkeypatch.setattr(containers, "CLIENTS", ())
    return Machine(tmp_path)


@pytest.mark.parametrize(
    ("path", "text"),
    [
        (f"run/containerd/io.containerd.runtime.v2.task/moby/{ID}/init.pid", "42"),
        (f"run/containerd/io.containerd.runtime.v2.task/k8s.io/{ID}/init.pid", "42"),
        (
            f"run/docker/runtime-runc/moby/{ID}/state.json",
            json.dumps({"init_process_pid": 42, "init_process_start": 100}),
        ),
        (f"run/runc/{ID}/state.json", json.dumps({"init_process_pid": 42, "init_process_start": 100})),
        (f"run/crun/{ID}/status", json.dumps({"pid": 42, "process-start-time": 100})),
        (f"run/containers/storage/overlay-containers/{ID}/userdata/pidfile", "42\n"),
        (f"run/containers/storage/vfs-containers/{ID}/userdata/pidfile", "42"),
    ],
)
@pytest.mark.parametrize("given", [ID, ID[:12], ID[:3]])
def test_the_files_of_every_runtime_tell_the_pid(machine: Machine, path: str, text: str, given: str) -> None:
    machine.file(path, text)
    machine.process(42)
    assert machine.pid_of(given) == (ID, 42)


def test_a_containerd_container_is_found_by_the_name_that_it_was_run_with(machine: Machine) -> None:
    machine.file("run/containerd/io.containerd.runtime.v2.task/default/web/init.pid", "42")
    machine.file("run/containerd/io.containerd.runtime.v2.task/default/web2/init.pid", "43")
    machine.process(42)
    machine.process(43)
    assert machine.pid_of("web") == ("web", 42)


def test_the_same_container_in_two_files_is_one(machine: Machine) -> None:
    machine.file(f"run/containerd/io.containerd.runtime.v2.task/moby/{ID}/init.pid", "42")
    machine.file(f"run/docker/runtime-runc/moby/{ID}/state.json", json.dumps({"init_process_pid": 42}))
    machine.process(42)
    assert machine.pid_of(ID[:12]) == (ID, 42)


def test_a_start_of_an_id_that_fits_two_lists_both(machine: Machine) -> None:
    for pid, ident in ((42, ID), (43, OTHER)):
        machine.file(f"run/crun/{ident}/status", json.dumps({"pid": pid}))
        machine.process(pid)
    with pytest.raises(ConflictError) as refused:
        machine.pid_of("3f9c")
    assert ID in refused.value.message
    assert OTHER in refused.value.message


@pytest.mark.parametrize("state", ["", "Z"])
def test_a_container_whose_process_has_ended_is_not_running(machine: Machine, state: str) -> None:
    machine.file(f"run/runc/{ID}/state.json", json.dumps({"init_process_pid": 42}))
    if state:
        machine.process(42, state=state)
    with pytest.raises(NotFoundError, match="not running"):
        machine.pid_of(ID)


def test_a_pid_that_another_process_got_since_is_not_the_container(machine: Machine) -> None:
    machine.file(f"run/runc/{ID}/state.json", json.dumps({"init_process_pid": 42, "init_process_start": 100}))
    machine.process(42, started=101)
    with pytest.raises(NotFoundError, match="not running"):
        machine.pid_of(ID)


@pytest.mark.parametrize(
    "cgroup",
    [
        f"/docker/{ID}",
        f"/system.slice/docker-{ID}.scope",
        f"/machine.slice/libpod-{ID}.scope/container",
        f"/kubepods.slice/kubepods-pod1.slice/cri-containerd-{ID}.scope",
        f"/kubepods.slice/crio-{ID}.scope/init.scope",
    ],
)
def test_cgroup_paths_tell_where_no_file_does_and_the_oldest_process_is_the_first(
    machine: Machine, cgroup: str
) -> None:
    machine.process(50, f"/machine.slice/libpod-conmon-{ID}.scope", started=10)
    machine.process(52, cgroup, started=30)
    machine.process(151, cgroup, started=20)
    assert machine.pid_of(ID[:12]) == (ID, 151)


def test_what_is_nowhere_is_not_found_and_the_hint_says_where_it_was_looked_for(machine: Machine) -> None:
    with pytest.raises(NotFoundError, match="no running container ghost") as missing:
        machine.pid_of("ghost")
    assert "containerd" in missing.value.hint


@pytest.mark.parametrize("text", ["", "{", "[]", "null", '{"pid": "x"}', "{}", "-1", "42\n43"])
def test_files_that_are_not_what_we_know_are_passed_over(machine: Machine, text: str) -> None:
    machine.file(f"run/crun/{ID}/status", text)
    with pytest.raises(NotFoundError):
        machine.pid_of(ID)


@pytest.mark.parametrize("name", ["", "../../etc", "a/b", "-x", "a b", "a\n", "x" * 129])
def test_what_can_be_no_id_is_refused_before_any_path_is_built(machine: Machine, name: str) -> None:
    with pytest.raises(ConfigError):
        machine.pid_of(name)


def test_a_client_answers_for_names(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    client = tmp_path / "docker"
    client.write_text(f'#!/bin/sh\n[ "$6" = web ] && echo {ID} 42 || echo oops >&2\n')
    client.chmod(0o755)
    monkeypatch.setattr(containers, "CLIENTS", ("docker",))
    monkeypatch.setattr("netkit.kernel.spawn.DIRECTORIES", (str(tmp_path),))
    assert pid_of("web", str(tmp_path)) == (ID, 42)
    with pytest.raises(NotFoundError):
        pid_of("other", str(tmp_path))


def test_a_name_of_a_stopped_container_is_told_as_such(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(containers, "_ask", lambda container: [(ID, 0)])
    with pytest.raises(NotFoundError, match="web is not running"):
        pid_of("web", str(tmp_path))
