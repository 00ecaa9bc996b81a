"""Exposed ports, from clients that answer as docker and podman do."""

from __future__ import annotations

import pytest

from netkit.engine.exposed import exposed

TYPE_CHECKING = False
if TYPE_CHECKING:
    from pathlib import Path

#: `inspect --type container --format '{{json .Config.ExposedPorts}}' web`
DOCKER = """#!/bin/sh
[ "$3 $5 $6" = "container {{json .Config.ExposedPorts}} web" ] && echo '{"8080/tcp":{},"53/udp":{},"80/tcp":{}}'
"""
#: podman before 5 knows no such key of a container, only of its image.
OLD_PODMAN = """#!/bin/sh
case "$3 $5 $6" in
"container {{.Image}} web") echo 4711;;
"image {{json .Config.ExposedPorts}} 4711") echo '{"80/tcp":{}}';;
*) echo "can't evaluate field" >&2; exit 125;;
esac
"""
NONE = "#!/bin/sh\necho null\n"


@pytest.mark.parametrize(
    ("client", "script", "found"),
    [
        ("docker", DOCKER, ["53/udp", "80/tcp", "8080/tcp"]),
        ("podman", OLD_PODMAN, ["80/tcp"]),
        ("docker", NONE, []),
        ("docker", "#!/bin/sh\nexit 1\n", []),
    ],
)
def test_an_engine_tells_what_a_container_exposes(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, client: str, script: str, found: list[str]
) -> None:
    (tmp_path / client).write_text(script)
    (tmp_path / client).chmod(0o755)
    monkeypatch.setattr("netkit.kernel.spawn.DIRECTORIES", (str(tmp_path),))
    assert exposed("web") == found
