"""attach --container with the OCI runtimes that are installed."""

from __future__ import annotations

import json
import shutil

import pytest

TYPE_CHECKING = False
if TYPE_CHECKING:
    from pathlib import Path

    from tests.hosts import HostNs


@pytest.mark.parametrize(("runtime", "options"), [("runc", ()), ("crun", ("--cgroup-manager", "disabled"))])
def test_a_created_container_is_attached_by_its_id_before_it_starts(
    host: HostNs, tmp_path: Path, runtime: str, options: tuple[str, ...]
) -> None:
    if not shutil.which(runtime) or not shutil.which("busybox"):
        pytest.skip(f"needs {runtime} and busybox")
    bundle = tmp_path / "bundle"
    _bundle(bundle)
    host.run("mount", "-t", "cgroup2", "cgroup2", "/sys/fs/cgroup", check=False)
    made = host.run(
        runtime, *options, "create", "--bundle", bundle, "--pid-file", tmp_path / "pid", "box-1", check=False
    )
    if made.returncode:
        pytest.skip(f"{runtime} cannot make a container here: {made.stderr.strip()}")
    try:
        done = host.netkit("--json", "attach", "--container", "box-1", check=True)
        told = json.loads(done.stdout)
        assert told["container"] == "box-1"
        assert told["pid"] == int((tmp_path / "pid").read_text())
        assert "10.90.0.2/16" in host.netkit("exec", "--container", "box-1", "ip", "-br", "addr", check=True).stdout
    finally:
        host.run(runtime, "delete", "--force", "box-1")
    assert json.loads(host.netkit("--json", "detach", "--container", "box-1", check=True).stdout) == {
        "detached": [told["id"]]
    }


def _bundle(bundle: Path) -> None:
    """A container of busybox alone, in namespaces of its own, without what a nested machine may refuse."""
    for folder in ("bin", "dev", "proc"):
        (bundle / "rootfs" / folder).mkdir(parents=True)
    shutil.copy(str(shutil.which("busybox")), bundle / "rootfs" / "bin" / "busybox")
    config = {
        "ociVersion": "1.0.2",
        "process": {"args": ["/bin/busybox", "sleep", "60"], "cwd": "/", "user": {"uid": 0, "gid": 0}},
        "root": {"path": "rootfs"},
        "linux": {"namespaces": [{"type": kind} for kind in ("network", "mount", "pid")]},
        "mounts": [{"destination": "/proc", "type": "proc", "source": "proc"}],
    }
    (bundle / "config.json").write_text(json.dumps(config))
