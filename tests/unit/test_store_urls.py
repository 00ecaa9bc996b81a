"""Where a store is: the URLs that are understood, and what is said of those that are not."""

from __future__ import annotations

import pytest

from netkit import stores
from netkit.errors import ConfigError, StateError
from netkit.stores.etcd.url import Location, location
from netkit.stores.model import Settings

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


ETCD = (
    ("etcd://h/p", Location((("h", 2379),), "/p")),
    ("etcd://h:1,192.0.2.1:2,[2001:db8::1]:3,[::1]/a/b/", Location(
        (("h", 1), ("192.0.2.1", 2), ("2001:db8::1", 3), ("::1", 2379)), "/a/b")),
    ("etcds://h/p?ca=/c", Location((("h", 2379),), "/p", True, "/c")),
    ("etcds://h/p?cert=/c&key=/k&user=u&password-file=/w", Location(
        (("h", 2379),), "/p", True, "", "/c", "/k", "u", "/w")),
)  # fmt: skip


@pytest.mark.parametrize(("url", "where"), ETCD)
def test_an_etcd_is_its_members_a_prefix_and_what_lets_us_in(url: str, where: Location) -> None:
    assert location(url, "") == where
    assert location(url, "web").prefix == f"{where.prefix}/web"


@pytest.mark.parametrize(
    ("url", "says"),
    [
        ("etcd://h", "no prefix"),
        ("etcd:///p", "no host"),
        ("etcd://h,/p", "no host"),
        ("etcd://h:0/p", "0"),
        ("etcd://h:x/p", "x"),
        ("etcd://h:99999/p", "99999"),
        ("etcd://[h]:1/p", "no IP address"),
        ("etcd://h_x/p", "no host"),
        ("etcd://me:secret@h/p", "has a user in it"),
        ("etcd://h/a/../b", "no prefix"),
        ("etcd://h/p#x", "no prefix"),
        ("etcd://h/p\n", "no prefix"),
        ("etcd://h/p?x=/y", "'x=/y'"),
        ("etcd://h/p?ca", "'ca'"),
        ("etcds://h/p?ca=relative", "'ca=relative'"),
        ("etcds://h/p?cert=/c", "one of cert= and key="),
        ("etcd://h/p?ca=/c", "without TLS"),
        ("etcd://h/p?user=me", "one of user= and password-file="),
    ],
)
def test_an_etcd_that_nobody_could_find_is_refused(url: str, says: str) -> None:
    with pytest.raises(ConfigError, match=says) as caught:
        stores.open(url, "", "a", Settings())
    assert caught.value.at == "store"
    assert caught.value.hint
    assert "secret" not in str(caught.value)
