"""A host that is stopped while it says that it lives: others count from what they saw, not from when it was done."""

from __future__ import annotations

import pytest

from netkit.stores.directory import DirectoryStore
from netkit.stores.etcd.store import EtcdStore
from netkit.stores.etcd.url import location
from netkit.stores.model import Host, Settings
from tests.etcds import running

TYPE_CHECKING = False
if TYPE_CHECKING:
    from pathlib import Path

    from netkit.stores.etcd.change import Change

SETTINGS = Settings("10.5.0.0/16", 24, 7, 3600, backend="vxlan")
A = Host("a", "192.0.2.1", 7, "02:00:00:00:00:0a")


def test_a_host_that_was_stopped_in_the_middle_of_a_word_has_been_silent_since(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    now = [0.0]
    a = DirectoryStore(str(tmp_path), "web", "a", SETTINGS, lambda: now[0])
    real = a._members.write

    def stopped(host: Host) -> None:
        real(host)
        now[0] += SETTINGS.ttl

    monkeypatch.setattr(a._members, "write", stopped)
    a.renew(A)
    assert a.fenced()


@pytest.mark.requires("etcd", "etcd3gw")
def test_a_host_that_was_stopped_in_the_middle_of_a_word_to_etcd_has_been_silent_since(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    now = [0.0]
    with running(tmp_path / "etcd") as own:
        a = EtcdStore(location(f"etcd://{own.endpoint}/net", ""), "a", SETTINGS, lambda: now[0])
        real = a._word

        def stopped(said: Host, data: bytes) -> Change:
            word = real(said, data)
            now[0] += SETTINGS.ttl
            return word

        a.renew(A)
        assert not a.fenced()
        monkeypatch.setattr(a, "_word", stopped)
        a.renew(A)
        assert a.fenced()
