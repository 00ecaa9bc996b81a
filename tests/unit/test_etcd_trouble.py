"""Between a host and its etcd: tokens that end, and answers that are none."""

from __future__ import annotations

import json
import subprocess

import pytest

from netkit import stores
from netkit.errors import StateError
from netkit.stores.etcd.change import Alive
from netkit.stores.etcd.gateway import Gateway
from netkit.stores.etcd.url import location
from netkit.stores.model import Host, Settings
from tests.etcds import running

TYPE_CHECKING = False
if TYPE_CHECKING:
    from pathlib import Path
    from typing import Any

pytestmark = pytest.mark.requires("etcd", "etcd3gw")

SETTINGS = Settings("10.5.0.0/16", 24, 7, 3600, backend="vxlan")
A = Host("a", "192.0.2.1", 7, "02:00:00:00:00:0a")


@pytest.mark.requires("openssl")
def test_a_signed_token_is_asked_for_again_when_some_user_was_changed(tmp_path: Path) -> None:
    for words in (("genrsa", "-out", "key", "2048"), ("rsa", "-in", "key", "-pubout", "-out", "public")):
        subprocess.run(("openssl", *words), check=True, capture_output=True, cwd=tmp_path)
    signed = f"jwt,pub-key={tmp_path}/public,priv-key={tmp_path}/key,sign-method=RS256,ttl=10m"
    with running(tmp_path / "etcd", "--auth-token", signed) as own:
        own.ctl("user", "add", "root:top")
        own.ctl("user", "grant-role", "root", "root")
        own.ctl("auth", "enable")
        (tmp_path / "password").write_text("top\n")
        url = f"etcd://{own.endpoint}/net?user=root&password-file={tmp_path}/password"
        a = stores.open(url, "", "a", SETTINGS)
        a.renew(A)
        own.ctl("--user", "root:top", "role", "add", "other")
        a.renew(A)
        assert a.snapshot().reachable


@pytest.mark.parametrize("odd", [{}, {"ID": "x", "result": {"TTL": "x"}}, {"ID": None, "result": None}])
def test_an_answer_that_tells_of_no_lease_is_an_error_and_no_lease(
    odd: dict[str, Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    gateway = Gateway(location("etcd://127.0.0.1:1/net", ""))
    monkeypatch.setattr(gateway, "call", lambda path, body: odd)
    lease = Alive(gateway, 60)
    for known in (0, 7):
        with pytest.raises(StateError, match="makes no sense"):
            lease.keep(known)
    assert lease.id == 0


@pytest.mark.parametrize(
    ("code", "says", "hint"),
    [
        (7, "etcdserver: permission denied", "grant"),
        (8, "etcdserver: mvcc: database space exceeded", "make room"),
        (8, "etcdserver: too many requests", "slower"),
        (8, "grpc: received message larger than max", ""),
    ],
)
def test_a_refusal_says_what_to_do_about_what_is_the_matter(
    code: int, says: str, hint: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    import requests

    gateway = Gateway(location("etcd://127.0.0.1:1/net", ""))
    session = gateway._clients[0].session
    answer = requests.Response()
    answer.status_code, answer._content = 503, json.dumps({"error": says, "code": code}).encode()
    monkeypatch.setattr(session, "post", lambda *_, **__: answer)
    with pytest.raises(StateError, match=says) as caught:
        gateway.call("kv/txn", {})
    assert hint in caught.value.hint
    assert bool(caught.value.hint) == bool(hint)
