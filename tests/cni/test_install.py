"""`netkit cni install`, `uninstall` and `run`."""

from __future__ import annotations

import json
import os
import shutil
import stat
import sys

import pytest

from tests.cni.test_verbs import links
from tests.hosts import REPOSITORY

TYPE_CHECKING = False
if TYPE_CHECKING:
    from pathlib import Path

    from tests.conftest import Unchanged
    from tests.hosts import HostNs, Lab


def test_install_writes_and_uninstall_removes_exactly_that(host: HostNs, tmp_path: Path) -> None:
    places = ("--bin-dir", str(tmp_path / "bin"), "--conf-dir", str(tmp_path / "net.d"))
    (tmp_path / "bin").mkdir()
    (tmp_path / "bin" / "other").write_text("other")
    done = host.netkit("cni", "install", *places, "--as", "bridge,portmap", "--json", check=True)
    written = [os.path.relpath(path, tmp_path) for path in json.loads(done.stdout)["installed"]]
    assert written == [
        *(f"bin/{name}" for name in ("netkit", "netkit-ipam", "bridge", "portmap")),
        "net.d/10-netkit.conflist",
    ]
    assert stat.S_IMODE((tmp_path / "bin" / "bridge").stat().st_mode) == 0o755
    host.netkit("cni", "install", *places, check=True)
    assert "removed" in host.netkit("cni", "uninstall", *places, check=True).stdout
    assert [str(path.relative_to(tmp_path / "bin")) for path in (tmp_path / "bin").iterdir()] == ["other"]
    assert not any((tmp_path / "net.d").iterdir())


@pytest.mark.parametrize("kind", ["file", "link"])
def test_another_s_file_is_never_overwritten(host: HostNs, tmp_path: Path, kind: str) -> None:
    (tmp_path / "target").write_text("not yours")
    if kind == "file":
        (tmp_path / "bridge").write_text("not yours")
    else:
        (tmp_path / "bridge").symlink_to(tmp_path / "target")
    done = host.netkit("cni", "install", "--bin-dir", str(tmp_path), "--as", "bridge")
    assert (done.returncode, (tmp_path / "bridge").read_text()) == (4, "not yours")
    assert not (tmp_path / "netkit").exists()
    done = host.netkit("cni", "uninstall", "--bin-dir", str(tmp_path), check=True)
    assert (tmp_path / "bridge").read_text() == "not yours"


def test_an_edited_file_stays(host: HostNs, tmp_path: Path) -> None:
    host.netkit("cni", "install", "--bin-dir", str(tmp_path), check=True)
    with (tmp_path / "netkit").open("a") as file:
        file.write("# mine\n")
    done = host.netkit("cni", "uninstall", "--bin-dir", str(tmp_path), check=True)
    assert "not as netkit wrote it" in done.stderr
    assert [path.name for path in tmp_path.iterdir() if path.is_file()] == ["netkit"]


def test_a_stub_ignores_the_runtimes_environment(host: HostNs, tmp_path: Path) -> None:
    """S24: no module of the working directory, of PYTHONPATH or of a user's site is ever run."""
    host.netkit("cni", "install", "--bin-dir", str(tmp_path), check=True)
    for name in ("json.py", "os.py", "netkit.py", "sitecustomize.py"):
        (tmp_path / name).write_text("raise SystemExit('planted')")
    words = [
        f"PYTHONPATH={tmp_path}",
        f"PYTHONSTARTUP={tmp_path}/os.py",
        f"LD_PRELOAD={tmp_path}/none.so",
        "PYTHONHOME=/",
    ]
    line = f"cd {tmp_path} && echo '{{}}' | env -i CNI_COMMAND=VERSION {' '.join(words)} ./netkit 2>/dev/null"
    assert json.loads(host.run("sh", "-c", line).stdout)["cniVersion"] == "1.1.0"


def test_our_runtime_adds_checks_and_takes_back(lab: Lab, host: HostNs, unchanged: Unchanged, tmp_path: Path) -> None:
    container = lab.container()
    places = ("--bin-dir", str(tmp_path / "bin"), "--conf-dir", str(tmp_path))
    host.netkit("cni", "install", *places, check=True)
    conflist = tmp_path / "10-netkit.conflist"
    words = (str(conflist), "--netns", container.path, *places[:2])
    ports = json.dumps({"portMappings": [{"hostPort": 8080, "containerPort": 80}]})
    done = host.netkit("cni", "run", "add", *words, "--capability-args", ports, check=True)
    assert json.loads(done.stdout)["ips"][0]["address"] == "10.90.0.2/16"
    assert "8080" in host.run("nft", "list", "map", "inet", "netkit", "any4").stdout
    (cached,) = (host.root / "run" / "cni").iterdir()
    assert stat.S_IMODE(cached.stat().st_mode) == 0o600
    host.netkit("cni", "run", "check", *words, check=True)
    host.netkit("cni", "run", "status", str(conflist), *places[:2], check=True)
    host.netkit("cni", "run", "gc", str(conflist), *places[:2], check=True)
    assert "eth0" in links(container)
    host.netkit("cni", "run", "del", *words, check=True)
    host.netkit("cni", "run", "del", *words, check=True)
    assert "eth0" not in links(container)
    assert not any((host.root / "run" / "cni").iterdir())


LOG = """#!/bin/sh
echo "$CNI_COMMAND {name} $(cat)" >>{log}
[ $CNI_COMMAND-{name} = ADD-{fails} ] && {{ echo '{{"code": 107, "msg": "no"}}'; exit 1; }}
[ $CNI_COMMAND = ADD ] && echo '{{"cniVersion": "1.1.0", "ips": [{{"address": "192.0.2.{number}/24"}}]}}'
exit 0
"""


def logging_chain(tmp_path: Path, fails: str = "none", **keys: object) -> tuple[str, Path]:
    """A conflist of two plugins that note what they are told."""
    log = tmp_path / "log"
    for number, name in enumerate(("one", "two"), 1):
        (tmp_path / name).write_text(LOG.format(name=name, log=log, fails=fails, number=number))
        (tmp_path / name).chmod(0o755)
    plugins = [{"type": "one", "capabilities": {"mac": True, "ips": False}, "x": 1}, {"type": "two"}]
    (tmp_path / "list").write_text(json.dumps({"cniVersion": "1.1.0", "name": "n", "plugins": plugins, **keys}))
    return str(tmp_path / "list"), log


def told(log: Path) -> list[tuple[str, str, dict[str, object]]]:
    lines = [line.split(" ", 2) for line in log.read_text().splitlines()]
    return [(command, name, json.loads(text)) for command, name, text in lines]


def test_plugins_run_forward_and_backward_with_each_others_results(lab: Lab, host: HostNs, tmp_path: Path) -> None:
    conflist, log = logging_chain(tmp_path)
    words = (conflist, "--netns", lab.container().path, "--bin-dir", str(tmp_path))
    host.netkit(
        "cni", "run", "add", *words, "--capability-args", '{"mac": "02:00:00:00:00:01", "ips": ["x"]}', check=True
    )
    host.netkit("cni", "run", "del", *words, check=True)
    calls = told(log)
    assert [(command, name) for command, name, _ in calls] == [
        ("ADD", "one"),
        ("ADD", "two"),
        ("DEL", "two"),
        ("DEL", "one"),
    ]
    runtime = {"mac": "02:00:00:00:00:01"}
    assert calls[0][2] == {"type": "one", "x": 1, "name": "n", "cniVersion": "1.1.0", "runtimeConfig": runtime}
    first = {"cniVersion": "1.1.0", "ips": [{"address": "192.0.2.1/24"}]}
    last = {"cniVersion": "1.1.0", "ips": [{"address": "192.0.2.2/24"}]}
    assert [call[2].get("prevResult") for call in calls] == [None, first, last, last]


def test_a_failed_add_stops_and_all_plugins_take_back(lab: Lab, host: HostNs, tmp_path: Path) -> None:
    conflist, log = logging_chain(tmp_path, fails="one")
    done = host.netkit("cni", "run", "add", conflist, "--netns", lab.container().path, "--bin-dir", str(tmp_path))
    assert done.returncode == 1
    assert [(command, name) for command, name, _ in told(log)] == [("ADD", "one"), ("DEL", "two"), ("DEL", "one")]


def test_disable_check_and_disable_gc_are_obeyed(lab: Lab, host: HostNs, tmp_path: Path) -> None:
    conflist, log = logging_chain(tmp_path, disableCheck=True, disableGC=True)
    words = (conflist, "--netns", lab.container().path, "--bin-dir", str(tmp_path))
    for verb in ("add", "check", "gc"):
        host.netkit(
            "cni", "run", verb, *(words if verb != "gc" else (conflist, "--bin-dir", str(tmp_path))), check=True
        )
    assert [command for command, _, _ in told(log)] == ["ADD", "ADD"]


def test_gc_deletes_the_dead_then_tells_both_keys(lab: Lab, host: HostNs, tmp_path: Path) -> None:
    conflist, log = logging_chain(tmp_path)
    places = ("--bin-dir", str(tmp_path))
    host.run("ip", "netns", "add", "gone")
    for name in (lab.container().path, "gone"):
        host.netkit("cni", "run", "add", conflist, "--netns", name, *places, check=True)
    host.run("ip", "netns", "del", "gone")
    log.unlink()
    host.netkit("cni", "run", "gc", conflist, *places, check=True)
    calls = told(log)
    assert [(command, name) for command, name, _ in calls] == [
        ("DEL", "two"),
        ("DEL", "one"),
        ("GC", "one"),
        ("GC", "two"),
    ]
    valid = calls[2][2]["cni.dev/valid-attachments"]
    assert isinstance(valid, list)
    assert len(valid) == 1
    assert calls[2][2]["cni.dev/attachments"] == valid


def test_a_damaged_cache_blocks_no_del(lab: Lab, host: HostNs, tmp_path: Path) -> None:
    conflist, _ = logging_chain(tmp_path)
    words = (conflist, "--netns", lab.container().path, "--bin-dir", str(tmp_path))
    host.netkit("cni", "run", "add", *words, check=True)
    (cached,) = (host.root / "run" / "cni").iterdir()
    cached.write_text("")
    host.netkit("cni", "run", "del", *words, check=True)


def test_modules_come_from_the_bundle_unless_their_source_has_changed(host: HostNs, tmp_path: Path) -> None:
    """A copy of netkit, so that a source can be changed."""
    home = tmp_path / "home"
    shutil.copytree(REPOSITORY / "netkit", home / "netkit", ignore=shutil.ignore_patterns("__pycache__"))
    code = "import sys; sys.path.insert(0, sys.argv[1]); from netkit.cni.install import install; install(sys.argv[2])"
    host.run(sys.executable, "-c", code, str(home), str(tmp_path / "bin"))
    look = f"import sys; sys.path.append({str(home)!r}); from netkit.cni.bundle import use; use(sys.argv[1]); "
    look += "import netkit.cni.versions as v; print(type(v.__loader__).__name__, v.NEWEST)"

    def loaded() -> str:
        words = ("-I", "-S", "-B", "-c", look, str(tmp_path / "bin" / ".netkit-modules"))
        return host.run(sys.executable, *words).stdout.strip()

    assert loaded() == "Bundle 1.1.0"
    source = home / "netkit" / "cni" / "versions.py"
    source.write_text(source.read_text().replace('"1.1.0"', '"9.9.9"'))
    assert loaded() == "SourceFileLoader 9.9.9"
    (tmp_path / "bin" / ".netkit-modules").write_bytes(b"garbage")
    assert loaded() == "SourceFileLoader 9.9.9"
