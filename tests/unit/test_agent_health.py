"""What an agent tells over HTTP, and to whom it does not listen for long."""

from __future__ import annotations

import http.client
import socket
import struct
import threading

import pytest

from netkit.agent.host import health
from netkit.errors import ConfigError
from tests.etcds import free_port

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator

pytest.importorskip("prometheus_client")


class Care:
    """What the figures of an agent without a network are made of."""

    released = mended = 0


@pytest.fixture
def port(monkeypatch: pytest.MonkeyPatch) -> Iterator[int]:
    """Where an agent tells how it is; no name server answers there."""
    monkeypatch.setattr(health, "_PATIENCE", 0.2)
    monkeypatch.setattr(socket, "getfqdn", lambda name="": pytest.fail("a name server was asked"))
    found = free_port()
    server = health.Health(f"[::1]:{found}", None, Care())  # type: ignore[arg-type]
    yield found
    server.close()


def ask(port: int, path: str) -> tuple[int, bytes]:
    line = http.client.HTTPConnection("::1", port, timeout=30)
    line.request("GET", path)
    answer = line.getresponse()
    return answer.status, answer.read()


def test_it_can_be_asked_over_ipv6(port: int) -> None:
    assert ask(port, "/healthz") == (200, b"ok\n")
    assert ask(port, "/metrics")[0] == 200


def test_who_connects_and_asks_nothing_is_let_go(port: int) -> None:
    before = threading.active_count()
    silent = [socket.create_connection(("::1", port), 30) for _ in range(5)]
    for one in silent:
        assert one.recv(1) == b""
        one.close()
    assert ask(port, "/healthz") == (200, b"ok\n")
    for thread in threading.enumerate():
        if "process_request_thread" in thread.name:
            thread.join(30)
    assert threading.active_count() <= before


def test_who_hangs_up_is_no_news(port: int, capfd: pytest.CaptureFixture[str]) -> None:
    one = socket.create_connection(("::1", port), 30)
    one.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    one.close()
    assert ask(port, "/readyz") == (200, b"ok\n")
    for thread in threading.enumerate():
        if "process_request_thread" in thread.name:
            thread.join(30)
    assert capfd.readouterr().err == ""


@pytest.mark.parametrize("place", ["somewhere", ":9099", "127.0.0.1:", "127.0.0.1:\u00b2", "127.0.0.1:0", "x:1"])
def test_what_is_no_place_is_refused(place: str) -> None:
    with pytest.raises(ConfigError, match="--healthz"):
        health.Health(place, None, Care())  # type: ignore[arg-type]
