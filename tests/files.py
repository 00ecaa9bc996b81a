"""A directory tree as text: what is there, with which mode, holding what."""

from __future__ import annotations

import hashlib
import os
import stat

TYPE_CHECKING = False
if TYPE_CHECKING:
    from pathlib import Path


def tree(root: Path) -> dict[str, str]:
    """Every path below `root` and the root itself, as `0600 file sha256...`; {} when there is no root."""
    if not os.path.lexists(root):
        return {}
    paths = [os.fspath(root)]
    for directory, folders, files in os.walk(root):
        paths.extend(os.path.join(directory, name) for name in (*folders, *files))
    return {path: _describe(path) for path in sorted(paths)}


def _describe(path: str) -> str:
    status = os.lstat(path)
    mode = f"{stat.S_IMODE(status.st_mode):04o} {status.st_uid}:{status.st_gid}"
    if stat.S_ISLNK(status.st_mode):
        return f"{mode} link to {os.readlink(path)}"
    if stat.S_ISDIR(status.st_mode):
        return f"{mode} directory"
    if not stat.S_ISREG(status.st_mode):
        return f"{mode} special {stat.S_IFMT(status.st_mode):o}"
    with open(path, "rb") as file:
        return f"{mode} file {hashlib.sha256(file.read()).hexdigest()[:16]} of {status.st_size} bytes"
