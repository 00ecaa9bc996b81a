"""etcd's v3 API over HTTP (its gRPC gateway): members of a cluster asked in turn, with TLS, a login, and deadlines.

etcd3gw speaks to one member. Which one answers, who we are, and what a refusal means is seen to here.
"""

from __future__ import annotations

from base64 import b64decode, b64encode

from netkit.errors import HostError, StateError
from netkit.jsontext import loads

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator
    from typing import Any

    from etcd3gw import Etcd3Client

    from netkit.stores.etcd.url import Location

#: Seconds until a member that does not answer is given up for the next one.
_DEADLINE = 5.0
#: gRPC's numbers for "not now": deadline exceeded, internal error, unavailable.
_AWAY = (4, 13, 14)
_UNAUTHENTICATED = 16
#: What etcd says, as a bad argument, of a signed token (JWT) from before some user or role was changed.
_OUTDATED = "revision of auth store is old"
#: gRPC's number, a part of what etcd says (one number stands for several things), and what to do.
_HINTS = (
    (7, "", "grant this user readwrite on the network's prefix: etcdctl role grant-permission"),
    (8, "space exceeded", "make room: etcdctl compact REVISION, etcdctl defrag, etcdctl alarm disarm"),
    (8, "too many requests", "it writes slower than it is asked to: see its disk and who else writes, and try again"),
)


class RefusedError(StateError):
    """etcd answered, and said no; `code` is gRPC's."""

    def __init__(self, message: str, code: int) -> None:
        super().__init__(message, next((hint for at, word, hint in _HINTS if at == code and word in message), ""))
        self.code = code


class _AwayError(Exception):
    """This member does not answer; another may."""


class Gateway:
    """A cluster, whose member that answered last is asked first. Everything that goes wrong is a StateError."""

    def __init__(self, location: Location) -> None:
        self.location = location
        self.name = ",".join(f"{host}:{port}" for host, port in location.members)
        _check_files(location)
        self._clients = [_client(location, host, port) for host, port in location.members]
        self._token = ""

    def call(self, path: str, body: dict[str, Any]) -> dict[str, Any]:
        """What etcd answers to a request such as kv/txn; RefusedError when that is no."""
        why = []
        for client in tuple(self._clients):
            try:
                answer = self._ask(client, path, body)
            except _AwayError as error:
                why.append(f"{client.host}:{client.port}: {error}")
                continue
            self._prefer(client)
            return answer
        raise StateError(f"etcd does not answer: {'; '.join(why)}", "see whether it runs and can be reached")

    def nonsense(self) -> StateError:
        """What to raise where an answer is none that etcd gives."""
        return StateError(f"{self.name} answers what makes no sense", "see what listens there")

    def changed(self, prefix: str, revision: int, seconds: float) -> None:
        """Wait until a key below a prefix changes after that revision, or something is odd: at most so long."""
        import requests

        request = {"key": encode(prefix), "range_end": encode(after(prefix)), "start_revision": str(revision + 1)}
        client = self._clients[0]
        try:
            response = client.session.post(
                client.get_url("watch"),
                json={"create_request": request},
                headers=self._headers(),
                stream=True,
                timeout=(_DEADLINE, seconds),
            )
            with response:
                _first_event(response.iter_lines(chunk_size=None))
        except (requests.Timeout, requests.ConnectionError, _AwayError, OSError):
            return  # whoever waits looks again, and is told there what is wrong

    def _prefer(self, client: Etcd3Client) -> None:
        if client is not self._clients[0]:
            self._clients.remove(client)
            self._clients.insert(0, client)

    def _ask(self, client: Etcd3Client, path: str, body: dict[str, Any]) -> dict[str, Any]:
        if self.location.user and not self._token:
            self._log_in(client)
        try:
            return _post(client, path, body, self._headers())
        except RefusedError as error:
            if not self.location.user or (error.code != _UNAUTHENTICATED and _OUTDATED not in error.message):
                raise
        self._log_in(client)  # tokens end: after a while, with the member that gave them, when users change
        return _post(client, path, body, self._headers())

    def _log_in(self, client: Etcd3Client) -> None:
        where = self.location.password_file
        try:
            with open(where, encoding="utf-8") as file:
                password = file.read().rstrip("\n")
        except (OSError, ValueError) as error:
            raise StateError(f"cannot read the password of {self.location.user}: {where}: {error}") from error
        answer = _post(client, "auth/authenticate", {"name": self.location.user, "password": password}, {})
        self._token = str(answer.get("token", ""))

    def _headers(self) -> dict[str, str]:
        return {"Authorization": self._token} if self._token else {}


def encode(text: str | bytes) -> str:
    """How bytes stand in the gateway's JSON."""
    return b64encode(text.encode() if isinstance(text, str) else text).decode("ascii")


def decode(text: object) -> bytes:
    """The bytes that stand there; ValueError when it is no such text."""
    return b64decode(text, validate=True) if isinstance(text, str) else b""


def after(prefix: str) -> str:
    """The first key after all that begin with a prefix."""
    return prefix[:-1] + chr(ord(prefix[-1]) + 1)


def _client(location: Location, host: str, port: int) -> Etcd3Client:
    try:
        import requests
        from etcd3gw import Etcd3Client
    except ImportError as error:
        raise HostError(f"etcd needs etcd3gw: {error}", "pip install 'netkit-containers[etcd]'") from error
    session = requests.Session()
    session.trust_env = False  # no proxy and no .netrc stands between a host and its store
    if location.ca:
        session.verify = location.ca
    if location.cert:
        session.cert = (location.cert, location.key)
    protocol = "https" if location.tls else "http"
    return Etcd3Client(host, port, protocol, timeout=_DEADLINE, api_path="/v3/", session=session)


def _post(client: Etcd3Client, path: str, body: dict[str, Any], headers: dict[str, str]) -> dict[str, Any]:
    import requests
    from etcd3gw import exceptions

    try:
        answer = client.post(client.get_url(path), json=body, headers=headers)
    except exceptions.Etcd3Exception as error:
        if isinstance(error.__context__, requests.RequestException) and error.__context__.response is None:
            raise _AwayError(_reason(_cause(error))) from error
        raise _refusal(error.detail_text or str(error)) from error
    except (requests.RequestException, OSError) as error:
        raise _AwayError(_reason(_cause(error))) from error
    if not isinstance(answer, dict):
        raise _AwayError("what answers is no etcd")
    return answer


def _cause(error: BaseException) -> str:
    """What the kernel or TLS said, below what each library on the way has made of it."""
    said, below = str(error), error
    while below := below.__cause__ or below.__context__:  # type: ignore[assignment]
        if isinstance(below, OSError) and below.strerror:
            said = below.strerror
    return said


def _check_files(location: Location) -> None:
    """StateError when a TLS file is none: requests would say so in the words of a connection that fails."""
    import ssl

    context, at = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT), ""
    try:
        if location.ca:
            at = f"ca={location.ca}"
            context.load_verify_locations(location.ca)
        if location.cert:
            at = f"cert={location.cert} with key={location.key}"
            context.load_cert_chain(location.cert, location.key, password="")
    except (OSError, ValueError) as error:
        why = error.strerror if isinstance(error, OSError) and error.strerror else str(error)
        raise StateError(
            f"{at} of the store cannot be used: {why}", "it takes PEM files, and a key that fits"
        ) from error


def _refusal(text: str) -> Exception:
    """What an error's body means: `{"error": "etcdserver: ...", "code": 8}`, or whatever stands in its place."""
    try:
        body = loads(text)
        return _status(body) if isinstance(body, dict) else _AwayError(_reason(text))
    except ValueError:
        return _AwayError(_reason(text))


def _status(body: dict[str, Any]) -> Exception:
    code, message = body.get("code"), str(body.get("error") or body.get("message"))
    if not isinstance(code, int) or code in _AWAY:
        return _AwayError(_reason(message))
    return RefusedError(f"etcd refuses: {_reason(message)}", code)


def _reason(text: str) -> str:
    """What someone says that went wrong, as one short line."""
    return "".join(char if char.isprintable() else " " for char in text)[:300]


def _first_event(lines: Iterator[bytes]) -> None:
    """Read what a watch says, until it is more than that it has begun."""
    for line in lines:
        if b'"created":true' not in line and line.strip():
            return
