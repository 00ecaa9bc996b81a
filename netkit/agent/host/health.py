"""How the agent is, over HTTP: /healthz (it lives), /readyz (its routes stand), /metrics (for Prometheus)."""

from __future__ import annotations

import socket
import sys
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from socketserver import TCPServer

from netkit import parse
from netkit.errors import ConfigError, ConflictError, HostError

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable
    from typing import Any

    from netkit.agent.host.agent import Agent
    from netkit.agent.host.care import Care

#: So long one who has connected may take to ask, in seconds: each has a thread and a descriptor of ours meanwhile.
_PATIENCE = 10.0
_TEXT = "text/plain; charset=utf-8"


class Health:
    """A small server, in threads of its own; it looks, and changes nothing."""

    def __init__(self, place: str, agent: Agent | None, care: Care) -> None:
        host, _, port = place.rpartition(":")
        try:
            where = parse.address(host.removeprefix("[").removesuffix("]"), "--healthz"), parse.port(port, "--healthz")
        except ConfigError as error:
            raise ConfigError("--healthz", f"{place!r} is no IP:PORT", "for example 127.0.0.1:9099") from error
        self._registry = _registry(agent, care)
        try:
            self._server = _Server(where, self._answer(agent))
        except OSError as error:
            raise ConflictError(f"cannot listen on {place}: {error.strerror}", "choose another --healthz") from error
        threading.Thread(target=self._server.serve_forever, daemon=True).start()

    def close(self) -> None:
        """Answer no more."""
        self._server.shutdown()
        self._server.server_close()

    def _answer(self, agent: Agent | None) -> type[BaseHTTPRequestHandler]:
        registry = self._registry

        class Answer(BaseHTTPRequestHandler):
            timeout = _PATIENCE

            def do_GET(self) -> None:
                ready = agent is None or agent.status.ready
                if self.path == "/healthz":
                    self._answer(200, b"ok\n")
                elif self.path == "/readyz":
                    self._answer(200 if ready else 503, b"ok\n" if ready else b"not yet\n")
                elif self.path == "/metrics":
                    from prometheus_client import CONTENT_TYPE_LATEST, generate_latest

                    self._answer(200, generate_latest(registry), CONTENT_TYPE_LATEST)
                else:
                    self._answer(404, b"there are /healthz, /readyz and /metrics\n")

            def _answer(self, code: int, body: bytes, kind: str = _TEXT) -> None:
                self.send_response(code)
                self.send_header("Content-Type", kind)
                self.send_header("Content-Length", str(len(body)))
                self.end_headers()
                self.wfile.write(body)

            def log_message(self, format: str, *args: Any) -> None:  # noqa: A002
                return

        return Answer


class _Server(ThreadingHTTPServer):
    """It asks no name server who it is, and does not tell of those who hang up."""

    def __init__(self, where: tuple[str, int], answer: type[BaseHTTPRequestHandler]) -> None:
        self.address_family = socket.AF_INET6 if ":" in where[0] else socket.AF_INET
        super().__init__(where, answer)

    def server_bind(self) -> None:
        TCPServer.server_bind(self)

    def handle_error(self, request: object, client_address: object) -> None:
        if not isinstance(sys.exception(), OSError):
            super().handle_error(request, client_address)  # type: ignore[arg-type]


def _registry(agent: Agent | None, care: Care) -> Any:
    """A registry whose figures are read when they are asked for."""
    try:
        from prometheus_client import CollectorRegistry
        from prometheus_client.core import GaugeMetricFamily
    except ImportError as error:
        raise HostError("--healthz needs prometheus-client", "pip install netkit-containers[agent]") from error

    class Figures:
        def collect(self) -> Iterable[Any]:
            for name, (what, value) in _figures(agent, care).items():
                yield GaugeMetricFamily(f"netkit_agent_{name}", what, value=value)

    registry = CollectorRegistry()
    registry.register(Figures())
    return registry


def _figures(agent: Agent | None, care: Care) -> dict[str, tuple[str, float]]:
    found: dict[str, tuple[str, float]] = {
        "attachments_released": ("Attachments of dead namespaces that were released.", care.released),
        "attachment_repairs": ("Steps of attachments and networks that were put back.", care.mended),
    }
    if agent is None:
        return found
    status = agent.status
    states = [peer.state for peer in status.peers]
    return found | {
        "ready": ("Whether the routes of the network stand.", float(status.ready)),
        "store_reachable": ("Whether the store answers.", float(status.reachable)),
        "rounds": ("Rounds since the start.", status.rounds),
        "route_repairs": ("Routes, entries and devices that were put back.", status.repairs),
        "failures": ("What is amiss at the moment.", len(status.failed) + len(status.refused)),
        "peers_alive": ("Other hosts that were heard of late.", states.count("alive")),
        "peers_stale": ("Other hosts that are silent.", states.count("stale")),
        "last_round_timestamp_seconds": ("When the last round ended.", status.at),
    }
