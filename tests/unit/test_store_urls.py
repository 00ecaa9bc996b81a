"""Where a store is: the URLs that are understood, and what is said of those that are not."""

from __future__ import annotations

import pytest

from netkit.agent import stores
from netkit.agent.stores.model import Settings
from netkit.errors import ConfigError, StateError

TYPE_CHECKING = False
if TYPE_CHECKING:
    from pathlib import Path


@pytest.mark.parametrize("way", ["dir://{}", "{}", "dir://{}/", "/{}//."[:-1]])
def test_a_directory_is_a_url_or_an_absolute_path(tmp_path: Path, way: str) -> None:
    store = stores.open(way.format(tmp_path), "web", "a", Settings())
    assert store.node == "a"
    assert (tmp_path / "web" / "network.json").exists()


@pytest.mark.parametrize(
    ("url", "says"),
    [
        ("", "no absolute path"),
        ("shared", "no absolute path"),
        ("dir://shared", "three slashes|no absolute path"),
        ("dir://", "no absolute path"),
        ("dir:///", "no path that a directory could have"),
        ("/a/../b", "no path that a directory could have"),
        ("dir:///a?b", "no path that a directory could have"),
        ("dir:///a\n", "no path that a directory could have"),
        ("nfs://host/path", "is no store"),
        ("http://host:2379/x", "is no store"),
    ],
)
def test_a_url_that_is_none_is_refused_with_what_to_write(url: str, says: str) -> None:
    with pytest.raises(ConfigError, match=says) as caught:
        stores.open(url, "web", "a", Settings())
    assert caught.value.at == "store"
    assert "dir:///path" in caught.value.hint


def test_a_store_that_is_not_there_is_told_from_a_bad_url(tmp_path: Path) -> None:
    with pytest.raises(StateError, match="No such file"):
        stores.open(f"dir://{tmp_path}/gone", "web", "a", Settings())
